"""Killed at any moment, on a full disk, beside others: a store loses, halves and repeats nothing.

`TUNIX_RT_KILLS=50 python -m pytest tests/road/test_faults.py` kills more often than CI has time for.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.conftest import NOW
from tunix_rt_nb.store.store import TraceStore
from tunix_rt_nb.store.verify import Verification
from tunix_rt_nb.trace.trace import Trace

KILLS = int(os.environ.get("TUNIX_RT_KILLS", "12"))
SIZE = 300  # traces of a file


def batch(number: int) -> list[Trace]:
    step = "We take what the step before gave us, and see what of it the question asks for"
    return [
        Trace.of(f"{number}/{n}?", [("reason", f"{step}: {n + i}.") for i in range(5)], str(n))
        for n in range(SIZE)
    ]


def write(path: Path, number: int) -> Path:
    content = b"".join(json.dumps(t.model_dump()).encode() + b"\n" for t in batch(number))
    path.write_bytes(content)
    return path


def ids(store: TraceStore) -> list[str]:
    return [row["id"] for row in store.query("SELECT id FROM traces")]


def killed(work: Callable[[], object], delay: float) -> None:
    """Does some work in another process, which is killed after a while."""
    child = os.fork()
    if child == 0:
        work()
        os._exit(0)
    time.sleep(delay)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def torture_imports(folder: Path) -> None:
    """Kills importers: what they acknowledged stays, what they did not is whole or not there."""
    rng = random.Random(0)
    store = TraceStore(folder / "store")
    files = [write(folder / f"{n}.jsonl", n) for n in range(KILLS)]
    wholes = [{trace.id for trace in batch(n)} for n in range(KILLS)]
    acknowledged = folder / "acknowledged"

    def imports(first: int) -> None:
        for n in range(first, KILLS):
            store.import_files([files[n]], NOW)
            with acknowledged.open("a") as file:
                file.write(f"{n}\n")

    started = time.perf_counter()
    store.import_files(files[:1], NOW)
    once = time.perf_counter() - started
    for n in range(KILLS):
        killed(partial(imports, n), rng.uniform(0, 2 * once))
        acknowledged.touch()
        there = ids(store)
        assert len(there) == len(set(there)), "a trace is there twice"
        for k in map(int, acknowledged.read_text().split()):
            assert wholes[k] <= set(there), "an acknowledged trace is lost"
        for whole in wholes:
            assert not whole & set(there) or whole <= set(there), "half an import is there"
        assert list(Verification(store.folder)) == []
    for file in files:
        store.import_files([file], NOW)
    assert sorted(ids(store)) == sorted(id for whole in wholes for id in whole)
    assert not list(store.folder.glob(".draft*")), "a killed writer's draft is left"
    assert len(list(store.folder.glob(".traces*"))) == len(store.shards())


def torture_compactions(folder: Path) -> None:
    """Kills compactions: every trace stays there exactly once."""
    rng = random.Random(1)
    store = TraceStore(folder / "store")
    expected: set[str] = set()
    for n in range(KILLS):
        store.add(batch(n), NOW)
        expected |= {trace.id for trace in batch(n)}
        expected -= set(store.delete(rng.sample(sorted(expected), 3), NOW))
        killed(store.compact, rng.uniform(0, 0.03 + 0.02 * n))
        there = ids(store)
        assert len(there) == len(expected)
        assert set(there) == expected == {stored.trace.id for stored in store}
        assert store.count() == len(expected)
        assert list(Verification(store.folder)) == []
    store.compact()
    assert len(store.shards()) == 1
    assert set(ids(store)) == expected


def killed_before(work: Callable[[], object], folder: Path, operation: int) -> bool:
    """Does some work in another process, which dies before its n-th file operation in a folder."""
    seen = 0

    def hook(event: str, arguments: tuple) -> None:
        nonlocal seen
        if event in ("open", "os.rename", "os.remove") and str(folder) in str(arguments[0]):
            seen += 1
            if seen == operation:
                os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if child == 0:
        sys.addaudithook(hook)
        work()
        os._exit(0)
    return os.waitpid(child, 0)[1] == signal.SIGKILL


def torture_every_operation(folder: Path) -> None:
    """Kills an import, a deletion and a compaction before each thing they do to a file."""
    model = TraceStore(folder / "model")
    for n in range(3):
        model.add(batch(n)[:20], NOW)
    model.delete([batch(0)[0].id, batch(1)[0].id], NOW)
    before = set(ids(model))
    file = write(folder / "9.jsonl", 9)
    gone = batch(2)[0].id
    cases: list[tuple[Callable[[TraceStore], object], set[str]]] = [
        (lambda store: store.import_files([file], NOW), before | {t.id for t in batch(9)}),
        (lambda store: store.delete([gone], NOW), before - {gone}),
        (lambda store: store.compact(), before),
    ]
    half_done = 0
    for work, after in cases:
        operation, alive = 0, False
        while not alive:
            operation += 1
            store = TraceStore(folder / "copy")
            shutil.copytree(model.folder, store.folder)
            alive = not killed_before(partial(work, store), store.folder, operation)
            half_done += (store.folder / ".merge.json").exists()
            there = [stored.trace.id for stored in store]
            assert len(there) == len(set(there)) == store.count()
            assert set(there) in (before, after)
            assert list(Verification(store.folder)) == []
            if set(there) == before:
                work(store)
            assert {stored.trace.id for stored in store} == after
            store.add(batch(8)[:1], NOW)  # clears away what is left
            assert not list(store.folder.glob(".draft*")) + list(store.folder.glob(".merge*"))
            shutil.rmtree(store.folder)
        assert operation > 5
    assert half_done > 3, "no compaction was killed in its midst"


@pytest.mark.parametrize("torture", [torture_imports, torture_compactions, torture_every_operation])
def test_a_killed_writer_loses_halves_and_repeats_nothing(
    torture: Callable[[Path], None], tmp_path: Path
) -> None:
    # In a process of its own, because one with threads must not fork.
    code = f"import sys, pathlib; from tests.road import test_faults as t; t.{torture.__name__}(pathlib.Path(sys.argv[1]))"
    told = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert told.returncode == 0, told.stderr


def keep_writing(folder: Path, rounds: int) -> None:
    """Adds and merges shards."""
    store = TraceStore(folder)
    for n in range(rounds):
        store.add(batch(n), NOW)
        print(n, flush=True)
        if n % 3 == 2:
            store.compact()


def test_who_reads_while_others_write_and_compact_sees_every_trace_once(tmp_path: Path) -> None:
    code = "import sys, pathlib; from tests.road import test_faults as t; t.keep_writing(pathlib.Path(sys.argv[1]), 30)"
    command = [sys.executable, "-c", code, str(tmp_path)]
    store = TraceStore(tmp_path)
    reads = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        for line in writer.stdout:
            there = ids(store) if reads % 2 else [stored.trace.id for stored in store]
            assert len(there) == len(set(there))
            assert len(there) >= SIZE * (int(line) + 1)
            assert len(store.newest(5)) == 5
            reads += 1
    assert writer.returncode == 0
    assert reads == 30
    assert list(Verification(tmp_path)) == []


CAN_MOUNT = (
    shutil.which("unshare") is not None
    and subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode == 0
)


@pytest.mark.skipif(not CAN_MOUNT, reason="mounting is not permitted here")
def test_a_full_or_read_only_disk_is_named_and_leaves_what_was_there(tmp_path: Path) -> None:
    small, large = write(tmp_path / "small.jsonl", 1), tmp_path / "large.jsonl"
    disk = tmp_path / "disk"
    disk.mkdir()
    with large.open("wb") as file:
        for n in range(2, 9):
            file.write(write(tmp_path / "part.jsonl", n).read_bytes())
    tool = f"{sys.executable} -m tunix_rt_nb.cli traces"
    script = f"""
        mount -t tmpfs -o size=1m tmpfs {disk}
        {tool} import {small} --store {disk}/store --json
        {tool} import {large} --store {disk}/store; echo $?
        ls -A {disk}/store | grep -c -e draft -e '^traces'
        {tool} verify --store {disk}/store --json
        mount -o remount,ro {disk}
        {tool} import {large} --store {disk}/store; echo $?
        {tool} delete 0 --store {disk}/store; echo $?
        {tool} list --limit 1 --store {disk}/store | wc -l
    """
    told = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True, check=True
    )
    steps = {"right": 0, "wrong": 0, "unchecked": 5 * SIZE}
    verified = {"traces": SIZE, "checked": 0, "steps": steps, "wrong": []}
    added = {"new": SIZE, "known": 0, "deleted": 0}
    assert told.stdout.splitlines() == [
        *(json.dumps(added), "2", "1", json.dumps(verified), "2", "2", "1"),
    ]
    errors = [line for line in told.stderr.splitlines() if line.startswith("tunix-rt-nb: ")]
    assert errors == [
        f"tunix-rt-nb: {disk}/store: cannot be written: No space left on device",
        f"tunix-rt-nb: {disk}/store: cannot be written: Read-only file system",
        f"tunix-rt-nb: {disk}/store: cannot be written: Read-only file system",
    ]
