"""Damaged files of a model: each is read or refused in a line, soon, and in little memory."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sentencepiece import sentencepiece_model_pb2

from tests.helpers.gemma import GEMMA2, GEMMA3, TOKENIZER, checkpoint, shards
from tests.helpers.mutations import endure
from tests.models.test_gguf_file import tensors, write
from tunix_rt_nb.common import files
from tunix_rt_nb.models import architecture, gguf_file, hf_names, pieces, sources, weights
from tunix_rt_nb.models.tokenizer import Tokenizer

pytestmark = [
    pytest.mark.slow,
    pytest.mark.fuzz,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
TIMES = 2000
SMALL = {**GEMMA3, "num_hidden_layers": 1, "hidden_size": 8, "intermediate_size": 8, "head_dim": 4}
SMALL |= {"query_pre_attn_scalar": 4}


@pytest.fixture(autouse=True)
def shapes(monkeypatch: pytest.MonkeyPatch) -> Callable[[architecture.Config], dict]:
    """Those of an architecture, traced once for each, as most damaged files say the same of it."""
    known: dict[str, dict] = {}
    trace = hf_names.shapes

    def found(config: architecture.Config) -> dict:
        if repr(config) not in known:
            known[repr(config)] = trace(config)
        return known[repr(config)]

    monkeypatch.setattr(hf_names, "shapes", found)
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return checkpoint(tmp_path / "model", SMALL)


def read_weights(folder: Path) -> None:
    assert sources.missing(folder) is None
    weights.passed_over(folder)
    config = architecture.read(folder / "config.json")
    for tensor in weights.find(folder, hf_names.shapes(config)).values():
        weights.read(tensor)


def writes(path: Path, then: Callable[[], object]) -> Callable[[bytes], object]:
    def read(data: bytes) -> object:
        path.write_bytes(data)
        return then()

    return read


def test_weights(folder: Path) -> None:
    path = folder / "model.safetensors"
    assert endure(writes(path, lambda: read_weights(folder)), path.read_bytes(), TIMES)


def test_the_index_of_weights(folder: Path, tmp_path: Path) -> None:
    cut = shards(folder, tmp_path / "cut")
    path = cut / "model.safetensors.index.json"

    def read() -> None:
        if sources.missing(cut) is None:
            read_weights(cut)

    assert endure(writes(path, read), path.read_bytes(), TIMES)


@pytest.mark.parametrize("config", [SMALL, GEMMA2], ids=["gemma3", "gemma2"])
def test_a_config(tmp_path: Path, config: dict) -> None:
    path = tmp_path / "config.json"
    files.write_json(path, config)
    read = writes(path, lambda: hf_names.shapes(architecture.read(path)))
    assert endure(read, path.read_bytes(), TIMES // 2)


def test_a_tokenizer() -> None:
    def read(data: bytes) -> None:
        found = Tokenizer(data)
        found.decode(found.literal("17 + 25 <end_of_turn>\n▁é</s>"))
        found.spell(np.arange(len(found)))
        theirs = sentencepiece_model_pb2.ModelProto.FromString(data).pieces
        assert list(pieces.read(data)) == [(p.piece, p.score, p.type) for p in theirs]

    assert endure(read, TOKENIZER.model, TIMES)


@pytest.fixture
def gguf(tmp_path: Path) -> Path:
    kept = ("token_embd", "output_norm", "blk.0.")
    one = {name: each for name, each in tensors().items() if name.startswith(kept)}
    said = {"block_count": 1}
    return write(tmp_path / "mine.gguf", weights=one, said=said, quantised="blk.0.ffn_up.weight")


def test_a_gguf_file(gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "cache"
    monkeypatch.setattr(os, "fsync", lambda file: None)  # half a minute for what is thrown away

    def read() -> None:
        found = gguf_file.convert(gguf, cache)
        assert sources.missing(found) is None
        shutil.rmtree(found)

    assert endure(writes(gguf, read), gguf.read_bytes(), TIMES)
    assert not [path for path in cache.rglob("*") if path.is_file()]  # of those that were refused
