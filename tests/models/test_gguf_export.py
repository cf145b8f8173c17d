"""A model as a GGUF file: read back it is the same model, and its vocabulary the same."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tests.helpers.gemma import CONFIGS, GEMMA2, GEMMA3, TOKENIZER, checkpoint
from tests.models.test_hf_names import logits
from tunix_rt_nb import models
from tunix_rt_nb.common import files
from tunix_rt_nb.common.errors import InputError

gguf = pytest.importorskip("gguf")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Tunix's
from tunix_rt_nb.models import gguf_export, gguf_file  # noqa: E402
from tunix_rt_nb.models.gguf_contents import Contents  # noqa: E402

WIDE = {**GEMMA3, "hidden_size": 64, "intermediate_size": 96}
NEAR = {**GEMMA3, "num_hidden_layers": 3, "sliding_window": 64, "rope_local_base_freq": 500.0}


def read_back(config: dict[str, Any], home: Path, kind: str = "f32") -> tuple[Path, Path]:
    """The model folder, and the folder that our reader of GGUF files makes of the export."""
    folder = checkpoint(home / "model", config)
    path = models.write_gguf(folder, home / "new" / "x.gguf", kind)
    return folder, gguf_file.convert(path, home / "cache")


@pytest.mark.parametrize("config", [GEMMA3, GEMMA2, NEAR], ids=["gemma3", "gemma2", "near only"])
def test_it_reads_back_with_the_same_weights(config: dict[str, Any], tmp_path: Path) -> None:
    one, other = (load_file(each / "model.safetensors") for each in read_back(config, tmp_path))
    assert one.keys() == other.keys()
    for name, values in one.items():  # a norm's scale has one added, which rounds
        np.testing.assert_allclose(other[name], values, atol=2e-7 if "norm" in name else 0)


@pytest.mark.slow
@pytest.mark.parametrize("config", [GEMMA3, NEAR], ids=["gemma3", "near only"])
def test_it_computes_what_the_model_computes(config: dict[str, Any], tmp_path: Path) -> None:
    (ours, _), (theirs, _) = (models.load(each) for each in read_back(config, tmp_path))
    np.testing.assert_allclose(logits(theirs), logits(ours), atol=2e-5)


@pytest.mark.parametrize("kind", ["f16", "q8_0"])
def test_smaller_types_round_each_number(kind: str, tmp_path: Path) -> None:
    one, other = (load_file(each / "model.safetensors") for each in read_back(WIDE, tmp_path, kind))
    for name, values in one.items():
        if values.ndim == 1:  # a norm, which stays in float32
            np.testing.assert_allclose(other[name], values, atol=2e-7)
            continue
        units = np.abs(values).reshape(-1, 32).max(1) / 127  # of the blocks of Q8_0
        q8_0 = np.repeat(units, 32).reshape(values.shape)
        units = q8_0 if kind == "q8_0" else 2.0**-10 * np.abs(values) + 2.0**-24
        # Half a unit, and what f16 rounds off the unit itself.
        assert (np.abs(other[name] - values) <= 0.57 * units).all()
    kinds = {tensor.kind.name for tensor in Contents(tmp_path / "new" / "x.gguf").tensors.values()}
    assert kinds == {"F32", kind.upper()}


def test_rows_that_q8_0_cannot_hold_are_f16(tmp_path: Path) -> None:
    read_back(GEMMA3, tmp_path, "q8_0")
    tensors = Contents(tmp_path / "new" / "x.gguf").tensors
    assert tensors["blk.0.ffn_up.weight"].kind.name == "F16"  # rows of 48 numbers
    assert tensors["blk.0.attn_output.weight"].kind.name == "Q8_0"  # rows of 64


def test_the_vocabulary_is_the_tokenizers(tmp_path: Path) -> None:
    _, back = read_back(GEMMA3, tmp_path)
    _, tokenizer = models.load(back)
    assert len(tokenizer) == len(TOKENIZER)
    for text in ("What is 17 + 25?\n", "a <end_of_turn> b", "▁ é 🂡\n\n  x"):
        assert tokenizer.literal(text) == TOKENIZER.literal(text)
    assert tokenizer.controls == TOKENIZER.controls
    told = Contents(tmp_path / "new" / "x.gguf")
    names = ("bos", "eos", "unknown", "padding", "eot")
    ids = [told.need(f"tokenizer.ggml.{name}_token_id") for name in names]
    assert ids == [2, 1, 3, 0, TOKENIZER.controls["<end_of_turn>"]]
    kinds = dict(
        zip(*map(told.need, ("tokenizer.ggml.tokens", "tokenizer.ggml.token_type")), strict=True)
    )
    assert kinds["<start_of_turn>"] == kinds["<bos>"] == 3  # which no text of a user becomes
    assert kinds["\n"] == 4 and kinds["<0x0A>"] == 6
    assert "<start_of_turn>" in told.need("tokenizer.chat_template")


def test_embeddings_without_a_token_are_left_out(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "model", GEMMA3)
    weights, config = load_file(folder / "model.safetensors"), folder / "config.json"
    known = weights["model.embed_tokens.weight"]
    weights["model.embed_tokens.weight"] = np.concatenate([known, np.ones_like(known[:64])])
    save_file(weights, folder / "model.safetensors")
    files.write_json(config, {**files.read_json(config), "vocab_size": len(known) + 64})
    told = Contents(models.write_gguf(folder, tmp_path / "x.gguf", "f32"))
    np.testing.assert_array_equal(told.values("token_embd.weight"), known)


@pytest.mark.parametrize("case", ["gemma3 long", "gemma2 plain"])
def test_a_model_that_llama_cpp_computes_otherwise_is_refused(case: str, tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "model", CONFIGS[case])
    with pytest.raises(InputError, match="config.json: .*, but llama.cpp takes .* as GGUF"):
        models.write_gguf(folder, tmp_path / "x.gguf")
    assert [*tmp_path.iterdir()] == [folder]


def test_a_weight_too_large_for_f16_is_refused_and_leaves_no_file(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "model", GEMMA3)
    weights = load_file(folder / "model.safetensors")
    weights["model.layers.0.mlp.up_proj.weight"][0, 0] = 1e6
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(InputError, match="up_proj.weight has values too large for f16, use f32"):
        models.write_gguf(folder, tmp_path / "new" / "x.gguf", "f16")
    assert not [*(tmp_path / "new").iterdir()]


def test_an_unknown_type_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="type: unknown 'f17', did you mean f1"):
        models.write_gguf(tmp_path, tmp_path / "x.gguf", "f17")
    assert [*gguf_export.KINDS] == ["f32", "f16", "q8_0"]
