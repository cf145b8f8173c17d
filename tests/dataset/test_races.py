"""Two processes that write the same dataset at once, and processes that are killed while they do."""

import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import NOW, some
from tunix_rt_nb import dataset
from tunix_rt_nb.common import InputError, files
from tunix_rt_nb.dataset import DatasetSpec, lock
from tunix_rt_nb.store import TraceStore

# Another test may have loaded JAX, which the processes here never use.
pytestmark = pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning")
FORK = multiprocessing.get_context("fork")  # no import delays one of the two


def spec(seed: int, name: str = "d") -> DatasetSpec:
    fields = {"selection_strategy": "random", "limit": 100, "near_duplicates": None}
    return DatasetSpec.of(dataset_name=name, seed=seed, **fields)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> TraceStore:
    store = TraceStore(tmp_path_factory.mktemp("traces"), threads=1)
    store.add(some("arithmetic", 200, seed=1), NOW)
    return store


def at_once(*works: Callable[[], object]) -> list[str]:
    """Do works in a process each, at the same time; what each says: "done", or its error."""

    def run(work: Callable[[], object], barrier: Barrier, told: Any) -> None:
        barrier.wait()
        try:
            work()
            told.send("done")
        except InputError as error:
            told.send(str(error))

    barrier = FORK.Barrier(len(works))
    pipes = [FORK.Pipe(duplex=False) for _ in works]
    processes = [
        FORK.Process(target=run, args=(work, barrier, told))
        for work, (_, told) in zip(works, pipes, strict=True)
    ]
    for process in processes:
        process.start()
    said = [heard.recv() if heard.poll(60) else "hangs" for heard, _ in pipes]
    for process in processes:
        process.join(60)
    return said


def pairs(store: TraceStore, parent: Path, count: int, seeds: tuple[int, int]) -> Counter[str]:
    """Count how pairs of builds of one key end; each pair has a folder of its own."""
    ends: Counter[str] = Counter()
    for k in range(count):
        place = parent / str(k)
        said = at_once(*(partial(dataset.build, store, spec(seed), place) for seed in seeds))
        folder = place / "d-v1"
        manifest = dataset.read_manifest(folder)
        whole = all(files.sha256(folder / name) == at for name, at in manifest["files"].items())
        left = {path.name for path in [*place.iterdir(), *folder.iterdir()]}
        winners = [seed for seed, end in zip(seeds, said, strict=True) if end == "done"]
        ends[f"{len(winners)} done"] += 1
        ends["refused in a line"] += sum("already holds other content" in end for end in said)
        ends["the acknowledged one is there"] += manifest["seed"] in winners
        ends["the manifest fits its files"] += whole
        ends["something left behind"] += any(name.startswith(".") for name in left)
    return +ends


@pytest.mark.slow
def test_of_two_builds_of_one_key_exactly_one_wins_and_the_other_says_why(
    store: TraceStore, tmp_path: Path
) -> None:
    assert pairs(store, tmp_path, 10, (1, 2)) == {
        "1 done": 10,
        "refused in a line": 10,
        "the acknowledged one is there": 10,
        "the manifest fits its files": 10,
    }


@pytest.mark.slow
def test_two_builds_of_the_same_are_both_fine(store: TraceStore, tmp_path: Path) -> None:
    assert pairs(store, tmp_path, 5, (1, 1)) == {
        "2 done": 5,
        "the acknowledged one is there": 5,
        "the manifest fits its files": 5,
    }


@pytest.mark.slow
def test_of_two_copies_or_merges_into_one_folder_one_wins(
    store: TraceStore, tmp_path: Path
) -> None:
    sources = [dataset.build(store, spec(seed), tmp_path / str(seed)) for seed in (1, 2)]
    other = dataset.build(store, spec(3, "other"), tmp_path)
    merged = DatasetSpec.of(dataset_name="both", near_duplicates=None)
    writers: dict[str, Callable[[Path, Path], object]] = {
        "d-v1": dataset.copy,
        "both-v1": lambda source, place: dataset.merge([source, other], merged, place),
    }
    for key, write in writers.items():
        for k in range(5):
            place = tmp_path / f"{key} {k}"
            said = at_once(*(partial(write, source, place) for source in sources))
            assert sorted(end == "done" for end in said) == [False, True]
            assert any("already holds" in end for end in said)
            assert list(dataset.load(place / key, "train"))


@contextmanager
def stopped_in(work: Callable[[], object]) -> Iterator[int]:
    """Do a work in a process that stops where it would write the manifest; its process id."""
    write_json = files.write_json
    reached, tell = FORK.Pipe(duplex=False)

    def wait(path: Path, value: object) -> None:
        tell.send("there")
        os.kill(os.getpid(), signal.SIGSTOP)
        write_json(path, value)

    def run() -> None:
        files.write_json = wait  # in the child only
        work()

    process = FORK.Process(target=run)
    process.start()
    assert reached.poll(60)
    yield process.pid or 0
    os.kill(process.pid or 0, signal.SIGCONT)
    process.join(60)


def test_a_killed_build_is_no_dataset_and_hinders_no_other(
    store: TraceStore, tmp_path: Path
) -> None:
    folder = tmp_path / "d-v1"
    with stopped_in(lambda: dataset.build(store, spec(1), tmp_path)) as process:
        os.kill(process, signal.SIGKILL)
    assert (tmp_path / ".d-v1.lock").exists()
    (folder / ".draft-1.tmp").touch()
    with pytest.raises(InputError, match=r"has no manifest\.json"):
        dataset.read_manifest(folder)
    assert dataset.build(store, spec(2), tmp_path) == folder
    assert dataset.read_manifest(folder)["seed"] == 2
    assert (
        len(list(dataset.load(folder, "train"))) == dataset.read_manifest(folder)["split"]["train"]
    )
    left = {path.name for path in [*tmp_path.iterdir(), *folder.iterdir()]}
    assert not [name for name in left if name.startswith(".")]


def test_who_waits_too_long_for_another_process_is_told(
    store: TraceStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "PATIENCE", 0.1)
    with (
        stopped_in(lambda: dataset.build(store, spec(1), tmp_path)),
        pytest.raises(InputError, match="d-v1: another process writes this dataset"),
    ):
        dataset.build(store, spec(2), tmp_path)
    assert dataset.read_manifest(tmp_path / "d-v1")["seed"] == 1
