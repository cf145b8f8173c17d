import random
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from tunix_rt_nb import tasks
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.tasks import drawing
from tunix_rt_nb.trace.trace import Trace

HOW: dict[str, Any] = {"difficulty": "easy", "grain": "coarse", "mistakes": 0.5}
SLURM = {
    "SLURM_ARRAY_TASK_ID": "7",
    "SLURM_ARRAY_TASK_MIN": "1",
    "SLURM_ARRAY_TASK_COUNT": "8",
}


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., list[Path]]:
    def write(name: str, n: int, of: int, **how: object) -> list[Path]:
        shards = [tasks.Shard(k, of) for k in range(of)]
        return [tasks.write_shard(tmp_path, shard, name, n, 3, **how) for shard in shards]

    return write


@given(n=st.integers(0, 10_000), of=st.integers(1, 99))
def test_shards_have_each_item_once_in_order(n: int, of: int) -> None:
    shares = [tasks.Shard(k, of).indices(n) for k in range(of)]
    assert [i for share in shares for i in share] == list(range(n))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@settings(max_examples=12, deadline=None)
@given(
    name=st.sampled_from(["arithmetic", "high_card_odds", "high_card_duel"]),
    n=st.integers(1, 150),
    of=st.integers(1, 9),
    seed=st.integers(0, 9),
)
def test_joined_shards_are_the_single_draw(name: str, n: int, of: int, seed: int) -> None:
    how = (name, n, seed, "easy", "coarse", 0.5)
    shares = [drawing.share(tasks.Shard(k, of).indices(n), *how) for k in range(of)]
    parts = [trace for share in shares for trace in share]
    assert list(drawing.joined(parts, *how)) == list(tasks.draw(*how))


@pytest.mark.parametrize("of", [1, 4])
def test_files_of_shards_join_to_the_single_draw(
    written: Callable[..., list[Path]], tmp_path: Path, of: int
) -> None:
    [*_, last] = written("high_card_odds", 150, of, **HOW)
    assert last.name.startswith(f"high_card_odds-easy-coarse-mistakes0.5-seed3-n150-{of - 1}-of-")
    joined = list(tasks.join_shards(tmp_path, "high_card_odds", 150, 3, **HOW))
    assert joined == list(tasks.draw("high_card_odds", 150, 3, **HOW))


def test_a_shard_drawn_again_is_the_same_file(written: Callable[..., list[Path]]) -> None:
    first = {path: path.read_bytes() for path in written("arithmetic", 20, 3)}
    random.seed(9)
    assert {path: path.read_bytes() for path in written("arithmetic", 20, 3)} == first
    [folder] = {path.parent for path in first}
    assert sorted(folder.iterdir()) == sorted(first)


def test_more_shards_than_traces_join_as_well(
    written: Callable[..., list[Path]], tmp_path: Path
) -> None:
    written("arithmetic", 2, 5)
    joined = list(tasks.join_shards(tmp_path, "arithmetic", 2, 3))
    assert joined == list(tasks.draw("arithmetic", 2, 3))


def join(folder: Path, name: str = "arithmetic", n: int = 20) -> list[Trace]:
    return list(tasks.join_shards(folder, name, n, 3))


def test_shards_that_are_missing_altered_or_of_two_draws_are_refused(
    written: Callable[..., list[Path]], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="has no shards of arithmetic-easy-fine"):
        join(tmp_path)
    _, middle, last = written("arithmetic", 20, 3)
    middle.rename(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="shards 1 of 3 of arithmetic.* are missing"):
        join(tmp_path)
    (tmp_path / "elsewhere").rename(middle)
    whole = last.read_bytes()
    last.write_bytes(whole[: whole.rindex(b"\n", 0, -1) + 1])
    with pytest.raises(InputError, match=rf"{last.name}: was altered or cut off"):
        join(tmp_path)
    other = last.with_name(last.name.replace(last.stem[-16:], "0" * 16))
    other.write_bytes(whole)
    with pytest.raises(InputError, match="is another version of"):
        join(tmp_path)
    other.unlink()
    last.write_bytes(whole)
    assert len(join(tmp_path)) == 20
    written("arithmetic", 20, 2)
    with pytest.raises(InputError, match="has shards of 2 and of 3 of arithmetic"):
        join(tmp_path)
    with pytest.raises(InputError, match="n: 0"):
        tasks.write_shard(tmp_path, tasks.Shard(0, 1), "arithmetic", 0, 3)


@pytest.mark.parametrize(
    ("text", "environment", "expected"),
    [
        ("0/1", {}, (0, 1)),
        ("3/8", {"SLURM_ARRAY_TASK_ID": "1"}, (3, 8)),
        ("auto", SLURM, (6, 8)),
        ("auto/100", SLURM, (7, 100)),  # a few tasks of an array, run again
        ("auto/4", {"JOB_COMPLETION_INDEX": "3"}, (3, 4)),
    ],
)
def test_a_shard_is_given_or_found(
    text: str, environment: dict[str, str], expected: tuple[int, int]
) -> None:
    assert tasks.Shard.parse(text, environment) == expected


def test_a_partition_of_spark_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    context = types.SimpleNamespace(partitionId=lambda: 5)
    spark = types.SimpleNamespace(TaskContext=types.SimpleNamespace(get=lambda: context))
    monkeypatch.setitem(sys.modules, "pyspark", spark)
    assert tasks.Shard.parse("auto/8", {}) == (5, 8)


@pytest.mark.parametrize(
    ("text", "environment", "told"),
    [
        ("3/2", {}, "'3/2', expected K/N with K from 0 to N - 1"),
        ("0/0", {}, "'0/0', expected K/N"),
        ("-1/4", {}, "'-1/4', expected K/N"),
        ("1", {}, "'1', expected K/N"),
        ("٣/٤", {}, "expected K/N"),
        ("1/9999999", {}, "expected K/N"),
        ("auto", {}, "this process is in no array of Slurm"),
        ("auto", {"JOB_COMPLETION_INDEX": "3"}, "expected auto/N"),
        ("auto/3", {"JOB_COMPLETION_INDEX": "3"}, "'auto/3' is 3/3 here, expected K/N"),
        ("auto/3", {"JOB_COMPLETION_INDEX": "-1"}, "is -1/3 here"),
        ("auto/3", {"JOB_COMPLETION_INDEX": "x"}, "this process is in no array"),
        ("auto", {"SLURM_ARRAY_TASK_ID": "3"}, "this process is in no array"),
    ],
)
def test_what_is_no_shard_is_refused_in_one_line(
    text: str, environment: dict[str, str], told: str
) -> None:
    with pytest.raises(InputError, match=r"^--shard: [^\n]*$") as error:
        tasks.Shard.parse(text, environment)
    assert told in str(error.value)
