"""A command that is killed at moments spread over its duration, and what is found after each kill."""

import hashlib
import multiprocessing
import os
import re
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunix_rt_nb.common import InputError

FORK = multiprocessing.get_context("fork")  # a start takes milliseconds
HANGS = 60  # seconds after which a command counts as blocked
FAULTS = ("acknowledged lost", "half visible", "left over")

Command = Callable[[Path], object]


@dataclass
class Operation:
    """A command to kill, and how to tell what it has done; each works in a folder.

    Attributes:
      name: the name of the command.
      prepare: makes the folder as finished commands left it.
      commands: the command that is killed, and others of its kind, with other input.
      read: what commands that list and read tell of the folder: name -> content.
      spare: the paths of what may stay of a killed command.
    """

    name: str
    prepare: Command
    commands: list[Command]
    read: Callable[[Path], dict[str, Any]]
    spare: re.Pattern[str] = re.compile("(?!)")


def ended(command: Callable[[], object]) -> str:
    """Runs a command in another process; how it ends: "done", its error's line, or "hangs"."""
    hear, tell = FORK.Pipe(duplex=False)

    def run() -> None:
        try:
            command()
            tell.send("done")
        except InputError as error:
            tell.send(str(error))
        except BaseException as error:
            tell.send(f"a traceback: {error!r}")
        os._exit(0)

    process = FORK.Process(target=run)
    process.start()
    said = hear.recv() if hear.poll(HANGS) else "hangs"
    process.kill()
    process.join()
    return str(said)


def killed(command: Callable[[], object], delay: float) -> bool:
    """Runs a command in another process and kills it after a while; whether it had ended."""
    hear, tell = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            command()
            os.write(tell, b"done")
        finally:
            os._exit(0)
    time.sleep(delay)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(tell)
    acknowledged = os.read(hear, 4) == b"done"
    os.close(hear)
    return acknowledged


def contents(folder: Path) -> dict[str, bytes]:
    """The hash of each file in a folder, hidden ones too; folders without files count as well."""
    found = sorted(folder.rglob("*"))
    files = {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).digest()
        for path in found
        if path.is_file()
    }
    empty = [p for p in found if p.is_dir() and not any(p.iterdir())]
    return files | {f"{p.relative_to(folder)}/": b"" for p in empty}


class Torture:
    """The kills of one operation, and what was wrong after them.

    Attributes:
      kills: how many kills hit the command while it ran.
      wrong: how often each of `FAULTS` was found.
      told: a line for each fault.
    """

    def __init__(self, operation: Operation, parent: Path) -> None:
        self.operation = operation
        self.kills, self.wrong, self.told = 0, Counter[str](), list[str]()
        self._work = operation.commands[0]
        self._model, self._folder = parent / "model", parent / "now"
        operation.prepare(self._folder)
        self._folder.rename(self._model)
        self._reset()
        self._before = operation.read(self._folder)
        self._seconds = min(self._timed() for _ in range(3))
        self._after = operation.read(self._folder)
        assert self._before != self._after or operation.name.endswith("compact")
        # What each sequence of commands leaves if none of them is killed.
        self._whole = {
            (done, k): self._sequence(done, command)
            for done in (False, True)
            for k, command in enumerate(operation.commands)
        }

    def run(self, kills: int) -> None:
        """Kills the command so many times, at moments spread evenly over its duration."""
        for k in range(kills):
            self._reset()
            delay = (k + 0.5) / kills * self._seconds
            acknowledged = killed(lambda: self._work(self._folder), delay)
            self.kills += not acknowledged
            where = f"{self.operation.name}, killed after {delay:.4f} s of {self._seconds:.4f} s"
            self._look(where, acknowledged, k % len(self.operation.commands))

    def _look(self, where: str, acknowledged: bool, k: int) -> None:
        seen = self._seen(where)
        expected = [self._after] if acknowledged else [self._before, self._after]
        if seen is not None and seen not in (self._before, self._after):
            self._fault("half visible", f"{where}: {_differ(seen, self._before)}")
        if seen is not None and (
            (acknowledged and seen not in expected) or not self._kept() <= _items(seen)
        ):
            self._fault("acknowledged lost", f"{where}: {_differ(seen, self._before)}")
        # The next command ends as if nothing had been killed, and leaves the same files.
        done, command = self._is_done(seen), self.operation.commands[k]
        said, left = ended(lambda: command(self._folder)), contents(self._folder)
        wholes = [self._whole[d, k] for d in ((False, True) if done is None else (done,))]
        if said not in [whole[0] for whole in wholes]:
            self._fault("left over", f"{where}: the next command says: {said}")
            return
        whole = min(
            (files for end, files in wholes if end == said),
            key=lambda files: len(files.items() ^ left.items()),
        )
        extra = [p for p in left.keys() - whole.keys() if not self.operation.spare.fullmatch(p)]
        if extra:
            self._fault("left over", f"{where}: {', '.join(sorted(extra)[:5])}")
        gone = [p for p in whole if left.get(p) != whole[p]]
        if gone:
            self._fault("acknowledged lost", f"{where}: after the next command, {gone[:5]}")

    def _is_done(self, seen: dict[str, Any] | None) -> bool | None:
        """Tell whether the killed command is done; None if nothing that can be read tells."""
        return None if self._before == self._after or seen is None else seen == self._after

    def _seen(self, where: str) -> dict[str, Any] | None:
        try:
            return self.operation.read(self._folder)
        except Exception as error:
            self._fault("half visible", f"{where}: {error!r}")
            return None

    def _kept(self) -> set[tuple[str, str]]:
        return _items(self._before) & _items(self._after)

    def _fault(self, kind: str, line: str) -> None:
        self.wrong[kind] += 1
        self.told.append(f"{kind}: {line}")

    def _reset(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        shutil.copytree(self._model, self._folder)

    def _timed(self) -> float:
        self._reset()
        hear, tell = FORK.Pipe(duplex=False)

        def run() -> None:
            self._work(self._folder)
            tell.send(time.perf_counter())

        started = time.perf_counter()
        process = FORK.Process(target=run)
        process.start()
        process.join()
        assert process.exitcode == 0
        return float(hear.recv()) - started

    def _sequence(self, done: bool, command: Command) -> tuple[str, dict[str, bytes]]:
        self._reset()
        if done:
            assert ended(lambda: self._work(self._folder)) == "done"
        return ended(lambda: command(self._folder)), contents(self._folder)


def _items(found: dict[str, Any]) -> set[tuple[str, str]]:
    return {(name, repr(value)) for name, value in found.items()}


def _differ(seen: dict[str, Any], before: dict[str, Any]) -> str:
    other = [name for name in seen.keys() | before.keys() if seen.get(name) != before.get(name)]
    return f"{len(other)} of {len(before)} differ, such as {sorted(other)[:3]}"
