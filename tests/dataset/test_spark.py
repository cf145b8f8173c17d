"""Spark builds, exports and verifies what one machine does, byte by byte, and fails in one line."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.helpers import odd_store
from tunix_rt_nb import dataset
from tunix_rt_nb.common import InputError, cluster, files
from tunix_rt_nb.dataset import DatasetSpec, spark_choice, spark_near
from tunix_rt_nb.dataset.exporter import FORMS, KINDS
from tunix_rt_nb.dataset.near import near_duplicates
from tunix_rt_nb.store import TraceStore, Verification

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

HAS_JAVA = bool(shutil.which("java") or os.environ.get("JAVA_HOME"))
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),  # of PySpark, about pandas and sockets
    pytest.mark.skipif(not find_spec("pyspark"), reason="PySpark is not installed"),
    pytest.mark.skipif(not HAS_JAVA, reason="Java is not installed"),
]

STRATEGIES: dict[str, dict[str, Any]] = {
    "random": {"limit": 2500, "seed": 7, "filters": {"n": {"exists": False}}},
    "latest": {"eval_fraction": 0.2, "limit": 3000},
    "stratified": {"stratify_by": "task", "limit": 1500, "seed": 3},
    "quality": {"quality_floor": 20.0, "limit": 2000, "near_duplicates": None},
    "custom": {"condition": "step_count > 2 AND prompt NOT LIKE '%zz%'", "near_duplicates": 0.6},
}


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> tuple[TraceStore, Path]:
    return odd_store.write(tmp_path_factory.mktemp("odd"))


@pytest.fixture(scope="module")
def spark() -> "Iterator[SparkSession]":
    with pytest.MonkeyPatch.context() as patch:
        # Small data ends before Java has compiled anything well, so let it compile quickly.
        patch.setenv("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
        with cluster.session("local[2]") as session:
            yield session


def spec(strategy: str, eval_set: Path) -> DatasetSpec:
    how = {"selection_strategy": strategy, "eval_sets": [str(eval_set)], **STRATEGIES[strategy]}
    return DatasetSpec.of(dataset_name=strategy, **how)


def hashes(folder: Path) -> dict[str, str]:
    return {path.name: files.sha256(path) for path in sorted(folder.iterdir())}


def set_partitions(spark: "SparkSession", count: int) -> None:
    spark.conf.set("spark.sql.shuffle.partitions", count)
    spark.conf.set("spark.sql.adaptive.coalescePartitions.enabled", False)
    spark.conf.set("spark.sql.files.minPartitionNum", count)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_file_of_a_dataset_is_that_of_one_machine(
    spark: "SparkSession",
    odd: tuple[TraceStore, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    strategy: str,
) -> None:
    store, eval_set = odd
    chosen = spec(strategy, eval_set)
    alone = hashes(dataset.build(store, chosen, tmp_path / "alone"))
    assert set(alone) == {
        "README.md",
        "eval.jsonl",
        "manifest.json",
        "rejects.jsonl",
        "train.jsonl",
    }
    for partitions in (1, 3, 7):
        set_partitions(spark, partitions)
        monkeypatch.setattr(spark_choice, "_PART", 1_000_000 // partitions)
        built = dataset.build(store, chosen, tmp_path / str(partitions), spark=spark)
        assert hashes(built) == alone, f"{partitions} partitions"


@pytest.fixture(scope="module")
def built(odd: tuple[TraceStore, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    store, eval_set = odd
    folder = dataset.build(store, spec("latest", eval_set), tmp_path_factory.mktemp("built"))
    first = next(iter(dataset.load(folder, "train")))[0]
    store.delete([first], "2026-05-01T00:00:00Z")
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_every_export_is_that_of_one_machine(
    spark: "SparkSession",
    odd: tuple[TraceStore, Path],
    built: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    store, _ = odd
    monkeypatch.setattr("tunix_rt_nb.dataset.spark_export._PART", 400_000)
    for form in FORMS:
        alone, shared = tmp_path / f"alone{kind}", tmp_path / f"shared{kind}"
        counts = dataset.export(alone, form, dataset=built, split="all", store=store)
        how: dict[str, Any] = {"dataset": built, "split": "all", "store": store, "spark": spark}
        assert dataset.export(shared, form, **how) == counts
        assert counts.deleted
        assert files.sha256(shared) == files.sha256(alone), form


def test_every_shard_and_its_export_are_those_of_one_machine(
    spark: "SparkSession", odd: tuple[TraceStore, Path], tmp_path: Path
) -> None:
    store, eval_set = odd
    chosen = spec("random", eval_set)
    alone, shared = (
        dataset.build(store, chosen, tmp_path / name, spark=engine, shard_count=4)
        for name, engine in (("alone", None), ("shared", spark))
    )
    assert hashes(shared) == hashes(alone)
    paths = tmp_path / "alone.jsonl", tmp_path / "shared.jsonl"
    for path, engine in zip(paths, (None, spark), strict=True):
        dataset.export(path, dataset=alone, split="all", spark=engine)
    assert files.sha256(paths[0]) == files.sha256(paths[1])


def test_every_fault_of_a_store_is_found_as_one_machine_finds_it(
    spark: "SparkSession", odd: tuple[TraceStore, Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(odd[0].folder, tmp_path / "traces")
    whole = Verification(folder, spark=spark)
    assert list(whole) == []
    assert (whole.traces, whole.checked) == (4220, 1200)
    by_hand = folder / "traces-by hand.jsonl"
    by_hand.write_text(by_hand.read_text().replace("By hand 7 ", "By hand 8 ") + "{}\n")
    alone, shared = Verification(folder), Verification(folder, spark=spark)
    assert list(shared) == list(alone) != []
    assert (shared.traces, shared.checked, shared.sums) == (
        alone.traces,
        alone.checked,
        alone.sums,
    )


def test_the_nth_place_is_found_without_sorting_all(spark: "SparkSession") -> None:
    texts = [f"{n * 7919 % 500:04}".encode() for n in range(500)]
    places = spark.createDataFrame([(b"same" + text,) for text in texts], "place binary")
    for n in (1, 250, 500):
        found = spark_choice.nth_place(places, n, few=20)
        assert found == b"same" + sorted(texts)[n - 1]


def test_circles_of_any_length_are_followed_to_their_end(spark: "SparkSession") -> None:
    # Each prompt is near the next one only, so the first and the last meet over all others.
    words = [f"w{n}" for n in range(60)]
    prompts = {f"{n:02}": " ".join(words[n : n + 20]) for n in range(40)}
    prompts |= {"x": "quite another prompt", "y": "Quite another, prompt"}
    rows = [(id.encode(), id, text, "yes") for id, text in prompts.items()]
    columns = "place binary, id string, prompt string, answer string"
    found = spark_near.near_duplicates(spark.createDataFrame(rows, columns), 0.7)
    told = {
        row["id"]: {name: row[name] for name in ("reason", "of", "similarity")}
        for row in found.collect()
    }
    assert told == near_duplicates(prompts, 0.7, dict.fromkeys(prompts, "yes"))
    assert len(told) > 10


def test_a_killed_worker_changes_nothing(
    spark: "SparkSession", odd: tuple[TraceStore, Path], tmp_path: Path
) -> None:
    store, eval_set = odd
    chosen = spec("latest", eval_set)
    alone = hashes(dataset.build(store, chosen, tmp_path / "alone"))
    killed: list[int] = []
    over = threading.Event()

    def kill() -> None:
        while not over.wait(1.0):
            found = [pid for pid in _workers_of(os.getpid()) if pid not in killed][:1]
            for pid in found if len(killed) < 4 else ():
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        built = dataset.build(store, chosen, tmp_path / "shared", spark=spark)
    finally:
        over.set()
        killer.join()
    assert killed
    assert hashes(built) == alone


def _workers_of(ancestor: int) -> list[int]:
    """Lists the Python workers that a process has by Spark: those that are forked from a daemon."""
    found = subprocess.run(
        ["pgrep", "-f", "pyspark.daemon"], capture_output=True, text=True, check=False
    )
    every = [int(pid) for pid in found.stdout.split()]
    return [pid for pid in every if _is_under(pid, ancestor) and _parent(pid) in every]


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _is_under(pid: int, ancestor: int) -> bool:
    while pid > 1:
        if pid == ancestor:
            return True
        pid = _parent(pid)
    return False


def test_a_damaged_shard_is_named_with_its_line(
    spark: "SparkSession", odd: tuple[TraceStore, Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(odd[0].folder, tmp_path / "traces")
    cut = folder / "traces-by hand.jsonl"
    cut.write_bytes(cut.read_bytes()[:-40])
    chosen = DatasetSpec.of(dataset_name="cut")
    with pytest.raises(InputError) as error:
        dataset.build(TraceStore(folder), chosen, tmp_path / "out", spark=spark)
    assert str(error.value).startswith(f"{cut}:20: ")
    assert not list((tmp_path / "out").glob("*/*"))


def test_a_bad_condition_is_refused_before_anything_runs(
    spark: "SparkSession", odd: tuple[TraceStore, Path], tmp_path: Path
) -> None:
    chosen = DatasetSpec.of(
        dataset_name="d", selection_strategy="custom", condition="prompt + 1 > 2 AND nothing"
    )
    with pytest.raises(InputError, match="condition: column: unknown 'nothing'"):
        dataset.build(odd[0], chosen, tmp_path, spark=spark)


def test_a_filter_that_fails_on_a_trace_is_told_in_one_line(
    spark: "SparkSession", odd: tuple[TraceStore, Path], tmp_path: Path
) -> None:
    chosen = DatasetSpec.of(
        dataset_name="d", selection_strategy="custom", condition="prompt::BIGINT > 2"
    )
    with pytest.raises(InputError) as alone:
        dataset.build(odd[0], chosen, tmp_path)
    with pytest.raises(InputError) as shared:
        dataset.build(odd[0], chosen, tmp_path, spark=spark)
    for error in (alone, shared):
        assert str(error.value).startswith("condition: Conversion Error: Could not convert string")
        assert "\n" not in str(error.value)


def command(*arguments: str, **environment: str) -> "subprocess.Popen[str]":
    told = {**os.environ, "JDK_JAVA_OPTIONS": "-XX:TieredStopAtLevel=1", **environment}
    whole = [sys.executable, "-m", "tunix_rt_nb.cli", *arguments]
    return subprocess.Popen(whole, stdout=-1, stderr=-1, text=True, env=told)


def build_command(store: TraceStore, folder: Path, **environment: str) -> "subprocess.Popen[str]":
    path = folder / "spec.yaml"
    path.write_text("dataset_name: d\n")
    where = ("--store", str(store.folder), "--out", str(folder / "out"))
    how = ("--engine", "spark", "--master", "local[2]")
    return command("datasets", "build", str(path), *where, *how, **environment)


def test_workers_with_another_python_are_refused_in_one_line(
    odd: tuple[TraceStore, Path], tmp_path: Path
) -> None:
    bare = tmp_path / "python"
    bare.symlink_to(Path(sys.base_prefix) / "bin" / "python3")  # without our packages
    process = build_command(odd[0], tmp_path, PYSPARK_PYTHON=str(bare))
    _, said = process.communicate(timeout=300)
    assert process.returncode == 2
    assert "spark: a worker failed: " in said.splitlines()[-1]
    assert "No module named" in said.splitlines()[-1]


def test_of_a_build_whose_cluster_dies_nothing_is_left(
    odd: tuple[TraceStore, Path], tmp_path: Path
) -> None:
    process = build_command(odd[0], tmp_path)
    deadline = time.monotonic() + 300
    while not (tasks := _workers_of(process.pid)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert tasks
    time.sleep(1)  # into the build, or the check of the workers before it
    for pid in _java_of(process.pid):
        os.kill(pid, signal.SIGKILL)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 2
    assert said.splitlines()[-1].startswith("tunix-rt-nb: spark: ")
    assert not list((tmp_path / "out").glob("*/*"))


def _java_of(pid: int) -> list[int]:
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
    return [int(child) for child in found.stdout.split()]
