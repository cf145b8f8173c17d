"""A GGUF file that is not as it says is refused in a line that names what is wrong."""

import os
from pathlib import Path

import numpy as np
import pytest

from tests.helpers import growth
from tests.models.test_gguf_file import HIDDEN, WIDTH, refused, tensors, write

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Tunix's


@pytest.mark.parametrize("number", [1 << 31, 3_000_000_000])
def test_more_layers_than_tensors_are_refused(tmp_path: Path, number: int) -> None:
    path = write(tmp_path / "deep.gguf", said={"block_count": number})
    said = refused(path, tmp_path / "cache")
    assert (
        said
        == f"block_count: {number}, but it has only {len(tensors())} tensors, get the whole file"
    )


HUGE = (1 << 60).to_bytes(8, "little")


@pytest.mark.parametrize(
    "value",
    [
        b"\x09\0\0\0\x06\0\0\0" + HUGE,  # a list of so many numbers
        b"\x09\0\0\0\x08\0\0\0" + HUGE,  # of so many texts
        b"\x09\0\0\0" * 100_000,  # of lists of lists
        b"\x08\0\0\0" + HUGE,  # so long a text
        b"\x63\0\0\0",  # of a kind that is unknown
    ],
    ids=["numbers", "texts", "lists", "text", "kind"],
)
@pytest.mark.parametrize("more", [0, 32 << 20], ids=["end", "more"])
def test_metadata_with_a_length_that_is_damaged_are_refused_soon(
    tmp_path: Path, value: bytes, more: int
) -> None:
    path = tmp_path / "x.gguf"
    path.write_bytes(b"GGUF\x03\0\0\0" + (9).to_bytes(8, "little") * 2 + bytes(8) + value)
    os.truncate(path, path.stat().st_size + more)  # zeros, which take no space on the disk
    told: list[str] = []
    assert growth.calls(lambda: told.append(refused(path, tmp_path / "cache"))) < 20_000
    assert told == ["is cut off or damaged, get it again"]


@pytest.mark.parametrize("name", ["token_embd.weight", "blk.3.ffn_up.weight"])
@pytest.mark.parametrize("bad", [np.nan, -np.inf])
def test_a_weight_that_is_no_number_is_named(tmp_path: Path, name: str, bad: float) -> None:
    mine = tensors()[name].copy()
    mine[3, 5] = bad
    path = write(tmp_path / "nan.gguf", weights=tensors() | {name: mine})
    said = refused(path, tmp_path / "cache")
    assert said == f"{name} holds NaN or infinite values: it is damaged, get it again"


def test_weights_that_are_not_as_the_metadata_say_are_refused(tmp_path: Path) -> None:
    weights = tensors() | {"blk.3.ffn_up.weight": np.zeros([HIDDEN, 16], "f4")}
    said = refused(write(tmp_path / "other.gguf", weights=weights), tmp_path / "cache")
    expected = f"expected [{HIDDEN}, {WIDTH}] as its metadata says"
    assert said == f"blk.3.ffn_up.weight has the shape [{HIDDEN}, 16], {expected}"
    said = refused(write(tmp_path / "odd.gguf", said={"attention.key_length": 15}), tmp_path / "c")
    assert said == "head_dim: 15, expected an even number"
    said = refused(write(tmp_path / "no.gguf", said={"attention.head_count": 0}), tmp_path / "c")
    assert said == "attention.head_count: 0, expected a whole number from 1"
