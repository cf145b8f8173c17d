"""Two commands that are started together: one wins and the other says why, or both did the same."""

import time
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

from tests.dataset.test_races import at_once
from tests.helpers.run_folders import trained
from tests.kills import operations
from tests.kills.moments import contents
from tunix_rt_nb import runs
from tunix_rt_nb.common import InputError
from tunix_rt_nb.runs import chain, promoted, step as steps

Found = tuple[dict[str, int], list[str]]


def tally(said: list[list[str]], wrong: list[str]) -> Found:
    won = [sum(end == "done" for end in ends) for ends in said]
    return {"one won": won.count(1), "both did": won.count(2)}, wrong


def promotes(folder: Path, pairs: int) -> Found:
    """Promotes the models of two runs, the same two weights every other time: two versions or one."""
    for name, seed in (("a", 0), ("b", 1), ("c", 1)):
        trained(operations.here(folder), name, seed)
    said, wrong = [], []
    for k in range(pairs):
        one, two = ("b", "c") if k % 2 else ("a", "b")
        name = f"sums{k}"
        said.append(
            at_once(*(partial(promoted.promote, folder / "runs" / run, name) for run in (one, two)))
        )
        rows = promoted.listing(name)
        found = [row["version"] for row in rows]
        sound = not any(row["problem"] or promoted.altered(Path(row["folder"])) for row in rows)
        left = {path.name for path in (folder / "models" / name).glob(".*")} - {".lock"}
        left |= {path.name for path in (folder / "models/.blobs").glob(".*")}
        from_both = {row["run"] for row in rows} == {one, two}
        whole = found == ["v1"] if k % 2 else found == ["v2", "v1"] and from_both
        if said[-1] != ["done"] * 2 or not whole or not sound or left:
            wrong.append(f"{said[-1]}, {found}, {left or 'nothing'} left")
    return tally(said, wrong)


def pull_slowly(folder: Path) -> None:
    """Pulls on a disk where a moment passes between the two renames of a swap."""
    rename = Path.rename

    def slow(path: Path, target: Path) -> Path:
        found = rename(path, target)
        if target.name == "old":
            time.sleep(0.01)
        return found

    with mock.patch.object(Path, "rename", slow):
        operations.pull(folder)


def pulls(folder: Path, pairs: int) -> Found:
    """Pulls a run twice: both pull the same, or one is told that another is at work."""
    operations.pushed(folder)
    operations.pull(folder)
    whole = contents(folder)
    said, wrong = [], []
    for _ in range(pairs):
        said.append(at_once(*[partial(pull_slowly, folder)] * 2))
        others = [end for end in said[-1] if end != "done"]
        if len(others) == 2 or any("another pull of this run" not in end for end in others):
            wrong.append(f"{said[-1]}")
        if contents(folder) != whole:
            wrong.append(f"{sorted(contents(folder).keys() ^ whole.keys())[:5]} differ")
    return tally(said, wrong)


def held(folder: Path, work: Callable[[Callable[[], None]], Any]) -> None:
    """Does a work that waits until the other one, which is started with it, is refused."""
    refused = folder / "refused"

    def wait() -> None:
        deadline = time.monotonic() + 10
        while not refused.exists() and time.monotonic() < deadline:
            time.sleep(0.005)

    try:
        work(wait)
    except InputError:
        refused.touch()
        raise


def begin(run_dir: Path, wait: Callable[[], None]) -> None:
    with mock.patch.object(steps, "PATIENCE", 0.05), redirect_stdout(None):
        step = runs.begin("train", str(run_dir))
    wait()
    (step.folder / "out.txt").write_text("whole")
    step.finish({})


def run(run_dir: Path, wait: Callable[[], None]) -> None:
    def notebook(*which: Any, **how: Any) -> None:
        wait()
        operations.notebook(*which, **how)

    with mock.patch.object(chain, "execute", notebook):
        chain.run(run_dir, {"SEED": 1}, from_step="train", to_step="train", fresh=True)


def one_wins(
    work: Callable[[Path, Callable[[], None]], None], reason: str, folder: Path, pairs: int
) -> Found:
    """Starts a work twice in one run folder: the first has it, and the other is told so."""
    run_dir = trained(operations.here(folder))
    said, wrong = [], []
    for _ in range(pairs):
        (folder / "refused").unlink(missing_ok=True)
        said.append(at_once(*[partial(held, folder, partial(work, run_dir))] * 2))
        others = [end for end in said[-1] if end != "done"]
        if len(others) != 1 or not others[0].endswith(reason) or "\n" in others[0]:
            wrong.append(f"{said[-1]}")
        left = [p.name for p in run_dir.glob(".*") if p.suffix != ".lock"]
        if left or runs.result(run_dir / "4_train")["outputs"] != runs.outputs(run_dir / "4_train"):
            wrong.append(f"{left} left, or the outputs differ")
    return tally(said, wrong)


BUSY = "uses this folder, wait for it or stop it"
PAIRS: dict[str, Callable[[Path, int], Found]] = {
    "models promote": promotes,
    "kaggle pull": pulls,
    "begin of a step": partial(one_wins, begin, f"another process {BUSY}"),
    "run of a chain": partial(one_wins, run, f"another run {BUSY}"),
}
