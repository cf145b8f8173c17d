"""Checkpoints in Hugging Face's format, against Transformers: the same logits in and out."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import assume, given
from safetensors.numpy import load_file, save_file

from tests.helpers.gemma import (
    CONFIGS,
    GEMMA2,
    GEMMA3,
    SHOWN,
    TOKENIZER,
    TOKENS,
    checkpoint,
    shards,
    transformers_logits,
)
from tests.helpers.odd import texts
from tests.renew import LOGITS
from tunix_rt_nb import models
from tunix_rt_nb.common import files
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.models import lora, sampling
from tunix_rt_nb.render.encoding import encode_prompts
from tunix_rt_nb.trace.chat import form

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
CASES = pytest.mark.parametrize("case", CONFIGS)


def logits(model: Any, packed: bool = False, tokens: np.ndarray = TOKENS) -> np.ndarray:
    """Of rows that are one text each, by Tunix's attention or by ours."""
    rows, length = tokens.shape
    mask = jnp.tile(jnp.tril(jnp.ones((length, length), bool)), (rows, 1, 1))
    segments = jnp.ones((rows, 1, length), jnp.int32)
    positions = jnp.tile(jnp.arange(length), (rows, 1))
    return np.asarray(_run(model, jnp.asarray(tokens), positions, segments if packed else mask))


@nnx.jit
def _run(model: Any, tokens: jax.Array, positions: jax.Array, mask: jax.Array) -> jax.Array:
    return model(tokens, positions, None, mask)[0]


@CASES
def test_logits_are_those_that_transformers_gave(case: str, tmp_path: Path) -> None:
    model, _ = models.load(checkpoint(tmp_path, CONFIGS[case]))
    expected = np.array(files.read_json(LOGITS)[case])
    for packed in (False, True):
        found = logits(model, packed)[SHOWN]
        np.testing.assert_allclose(found, expected, atol=1e-3)
    assert np.abs(expected).max() > 1


@CASES
def test_transformers_gives_these_logits(case: str, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    folder = checkpoint(tmp_path / "in", CONFIGS[case])
    expected = transformers_logits(folder)
    np.testing.assert_allclose(expected[SHOWN], files.read_json(LOGITS)[case], atol=1e-4)
    model, tokenizer = models.load(folder)
    np.testing.assert_allclose(logits(model), expected, atol=1e-3)
    saved = models.save(model, tokenizer, tmp_path / "out")
    np.testing.assert_allclose(transformers_logits(saved), expected, atol=1e-5)


@CASES
def test_saved_and_loaded_again_logits_are_the_same(case: str, tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "in", CONFIGS[case])
    model, tokenizer = models.load(folder)
    again, _ = models.load(models.save(model, tokenizer, tmp_path / "out"))
    np.testing.assert_allclose(logits(again), logits(model), atol=1e-5)
    one, other = (load_file(path / "model.safetensors") for path in (folder, tmp_path / "out"))
    assert one.keys() == other.keys()
    assert all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("case", ["gemma3", "gemma2"])
def test_weights_in_bfloat16_are_saved_as_such(case: str, tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "in", CONFIGS[case])
    model, tokenizer = models.load(folder, dtype="bfloat16")
    saved = models.save(model, tokenizer, tmp_path / "out")
    assert files.read_json(saved / "config.json")["torch_dtype"] == "bfloat16"
    again, _ = models.load(saved, dtype="bfloat16")
    assert np.array_equal(logits(again), logits(model))
    assert logits(again).dtype == jnp.bfloat16
    size = (saved / "model.safetensors").stat().st_size
    assert size < 0.55 * (folder / "model.safetensors").stat().st_size


@pytest.mark.parametrize("config", [GEMMA3, GEMMA2], ids=["gemma3", "gemma2"])
def test_sharded_weights_are_one_model(config: dict[str, Any], tmp_path: Path) -> None:
    whole = checkpoint(tmp_path / "whole", config)
    model, _ = models.load(whole)
    cut, _ = models.load(shards(whole, tmp_path / "cut"))
    assert np.array_equal(logits(cut), logits(model))


def test_the_text_part_of_a_model_that_sees_is_taken(tmp_path: Path) -> None:
    text = checkpoint(tmp_path / "text", GEMMA3)
    folder = checkpoint(tmp_path / "both", GEMMA3)
    weights = {f"language_model.{k}": v for k, v in load_file(text / "model.safetensors").items()}
    weights["vision_tower.patch.weight"] = np.ones((3, 3), "f4")
    weights["multi_modal_projector.norm.weight"] = np.ones(3, "f4")
    save_file(weights, folder / "model.safetensors")
    config = files.read_json(text / "config.json")
    told = {"model_type": "gemma3", "text_config": config, "vision_config": {"hidden_size": 8}}
    files.write_json(folder / "config.json", told)
    model, tokenizer = models.load(folder)
    assert np.array_equal(logits(model), logits(models.load(text)[0]))
    saved = models.save(model, tokenizer, tmp_path / "out")
    assert files.read_json(saved / "config.json")["model_type"] == "gemma3_text"


@pytest.mark.parametrize("case", ["gemma3 long", "gemma2"])  # one matrix for q, k and v, or two
def test_adapters_say_merged_and_in_peft_what_they_say_in_training(
    case: str, tmp_path: Path
) -> None:
    """PEFT uses W + lora_alpha / r * B A for the weight W of each target module."""
    folder = checkpoint(tmp_path / "in", CONFIGS[case])
    model, tokenizer = models.load(folder)
    before = logits(model)
    adapted = randomised(lora.apply(model, rank=3, alpha=6.0))
    after = logits(adapted)
    assert np.abs(after - before).max() > 0.1
    merged, _ = models.load(models.save(adapted, tokenizer, tmp_path / "out"))
    assert not lora.is_applied(merged)
    np.testing.assert_allclose(logits(merged), after, atol=1e-4)

    saved = lora.save_adapter(adapted, tmp_path / "adapter", base="google/gemma")
    settings = files.read_json(saved / "adapter_config.json")
    assert (settings["r"], settings["lora_alpha"]) == (3, 6)
    adapters = load_file(saved / "adapter_model.safetensors")
    old, new = (load_file(path / "model.safetensors") for path in (folder, tmp_path / "out"))
    changed = {name for name in old if not np.array_equal(new[name], old[name])}
    assert changed == {f"{name}.weight" for name in settings["target_modules"]}
    for name in settings["target_modules"]:
        a, b = (adapters[f"base_model.model.{name}.lora_{letter}.weight"] for letter in "AB")
        expected = old[f"{name}.weight"] + 2 * b @ a
        np.testing.assert_allclose(new[f"{name}.weight"], expected, atol=1e-5)
    assert len(adapters) == 2 * len(changed)


def randomised(model: Any) -> Any:
    """The model with some B, which is zero at first."""
    rng = np.random.default_rng(1)
    state = nnx.state(model, nnx.LoRAParam)
    drawn = jax.tree.map(lambda x: jnp.asarray(rng.normal(0, 0.2, x.shape), x.dtype), state)
    nnx.update(model, drawn)
    return model


def test_a_gemma2_writes_what_its_logits_say(tmp_path: Path) -> None:
    model, _ = models.load(checkpoint(tmp_path, {**GEMMA2, "sliding_window": 64}))
    prompts = [[2, 270, 271], [2, 280, 281, 282, 283, 284]]
    written = sampling.generate(model, TOKENIZER, prompts, ["<eos>"], 6)
    positions, mask = jnp.arange(12)[None], jnp.tril(jnp.ones((1, 12, 12), bool))
    for prompt, generation in zip(prompts, written, strict=True):
        ids = list(prompt)
        for _ in range(generation.tokens):
            row = jnp.asarray([ids + [0] * (12 - len(ids))])
            ids.append(int(_run(model, row, positions, mask)[0, len(ids) - 1].argmax()))
        assert TOKENIZER.decode(ids[len(prompt) :]) == generation.text


def test_a_model_without_adapters_has_none_to_save(tmp_path: Path) -> None:
    model, _ = models.load(checkpoint(tmp_path, GEMMA2))
    with pytest.raises(InputError, match="the model has no adapters to save"):
        lora.save_adapter(model, tmp_path / "adapter")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    return models.save(*models.load(checkpoint(folder / "in", GEMMA3)), folder / "out")


@pytest.fixture(scope="module")
def theirs(saved: Path) -> Any:
    """The tokenizer that Transformers makes of a saved folder."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(saved)


def test_transformers_writes_a_chat_as_it_was_trained(theirs: Any) -> None:
    for system in ("", "Be brief."):
        chat = [{"role": "user", "content": "  What is 2 + 2? "}]
        if system:
            chat.insert(0, {"role": "system", "content": system})
        found = theirs.apply_chat_template(chat, add_generation_prompt=True, return_dict=False)
        how = form("gemma", system=system)
        assert [found] == encode_prompts([(how, "  What is 2 + 2? ")], TOKENIZER)


@given(
    texts(["What is 17 + 25?", " the ", "  tens ", "\n", "\n\n", "\t", "\x00", "e\u0301", "👩‍👩‍👧"])
)
def test_transformers_tokenizes_as_sentencepiece_does(theirs: Any, text: str) -> None:
    assume("▁" not in text and not any(piece in text for piece in TOKENIZER.controls))
    found = theirs(text)["input_ids"]
    assert found == [TOKENIZER.controls["<bos>"], *TOKENIZER.literal(text)]
    assert theirs.decode(found[1:]) == text


def test_generation_stops_where_an_answer_does(saved: Path, theirs: Any) -> None:
    told = files.read_json(saved / "generation_config.json")
    ends = [TOKENIZER.control("<eos>"), TOKENIZER.control("<end_of_turn>")]
    assert told == {"bos_token_id": 2, "eos_token_id": ends, "pad_token_id": 0}
    assert len(theirs) == len(TOKENIZER)
    assert theirs.convert_ids_to_tokens(ends) == ["<eos>", "<end_of_turn>"]
    assert theirs.decode([*TOKENIZER.literal("4"), *ends], skip_special_tokens=True) == "4"
