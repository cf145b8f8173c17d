"""Architectures by name and from config.json; what Tunix cannot express is named."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.gemma import GEMMA2, GEMMA3
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.models import architecture, hf_names

# As on the hub; the settings that are Transformers' defaults are left out there, too
GEMMA3_4B = {
    "architectures": ["Gemma3ForConditionalGeneration"],
    "model_type": "gemma3",
    "text_config": {
        "hidden_size": 2560,
        "intermediate_size": 10240,
        "model_type": "gemma3_text",
        "num_hidden_layers": 34,
        "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
        "sliding_window": 1024,
    },
    "vision_config": {"hidden_size": 1152, "model_type": "siglip_vision_model"},
}
GEMMA3_1B = {
    "architectures": ["Gemma3ForCausalLM"],
    "attention_bias": False,
    "attn_logit_softcapping": None,
    "cache_implementation": "hybrid",
    "eos_token_id": [1, 106],
    "final_logit_softcapping": None,
    "head_dim": 256,
    "hidden_activation": "gelu_pytorch_tanh",
    "hidden_size": 1152,
    "intermediate_size": 6912,
    "max_position_embeddings": 32768,
    "model_type": "gemma3_text",
    "num_attention_heads": 4,
    "num_hidden_layers": 26,
    "num_key_value_heads": 1,
    "query_pre_attn_scalar": 256,
    "rms_norm_eps": 1e-06,
    "rope_local_base_freq": 10000,
    "rope_scaling": None,
    "rope_theta": 1000000,
    "sliding_window": 512,
    "sliding_window_pattern": 6,
    "vocab_size": 262144,
}
GEMMA2_2B = {
    "architectures": ["Gemma2ForCausalLM"],
    "attn_logit_softcapping": 50.0,
    "final_logit_softcapping": 30.0,
    "head_dim": 256,
    "hidden_act": "gelu_pytorch_tanh",
    "hidden_activation": "gelu_pytorch_tanh",
    "hidden_size": 2304,
    "intermediate_size": 9216,
    "model_type": "gemma2",
    "num_attention_heads": 8,
    "num_hidden_layers": 26,
    "num_key_value_heads": 4,
    "query_pre_attn_scalar": 256,
    "rms_norm_eps": 1e-06,
    "rope_theta": 10000.0,
    "sliding_window": 4096,
    "vocab_size": 256000,
}
LINEAR = {"rope_type": "linear", "factor": 8.0}


def read(folder: Path, config: Any) -> architecture.Config:
    (folder / "config.json").write_text(json.dumps(config))
    return architecture.read(folder / "config.json")


@pytest.mark.parametrize(
    ("name", "config"),
    [("gemma3-1b-it", GEMMA3_1B), ("gemma3-4b", GEMMA3_4B), ("gemma2-2b", GEMMA2_2B)],
)
def test_what_the_hub_says_of_a_model_is_what_tunix_knows_by_its_name(
    name: str, config: dict[str, Any], tmp_path: Path
) -> None:
    found, known = read(tmp_path, config), architecture.named(name)
    apart = {"param_dtype"}
    told, expected = (
        {slot: getattr(c, slot) for slot in c.__slots__ if slot not in apart}
        for c in (found, known)
    )
    assert told == expected


def test_a_model_of_unknown_name_is_told_the_nearest() -> None:
    with pytest.raises(InputError, match="model: unknown 'gemma3-1B-it', did you mean gemma3-1b-i"):
        architecture.named("gemma3-1B-it")


@pytest.mark.parametrize("config", [GEMMA3_1B, GEMMA3_4B, GEMMA2_2B, GEMMA3, GEMMA2])
def test_what_is_written_is_read_again(config: dict[str, Any], tmp_path: Path) -> None:
    found = read(tmp_path, config)
    assert read(tmp_path, architecture.written(found, "float32")) == found


@pytest.mark.parametrize(
    ("base", "changed", "says"),
    [
        (GEMMA3, {"model_type": "llama"}, "model_type: unknown 'llama', expected one of: gemma3"),
        (GEMMA3, {"model_type": None}, "model_type: unknown 'None'"),
        (GEMMA3, {"hidden_size": "48"}, "hidden_size: '48', expected a whole number from 1"),
        (GEMMA3, {"num_hidden_layers": True}, "num_hidden_layers: True, expected a whole number"),
        (GEMMA3, {"num_hidden_layers": 10**9}, "num_hidden_layers: 1000000000, expected a whole"),
        (GEMMA3, {"hidden_size": 10**30}, "hidden_size: 1000.*, expected a whole number from 1 to"),
        (GEMMA3, {"sliding_window_pattern": 10**9}, "sliding_window_pattern: 1000.*, expected a w"),
        (GEMMA3, {"rope_theta": float("inf")}, "rope_theta: inf, expected a base frequency"),
        (GEMMA3, {"rope_theta": 10**400}, "rope_theta: 1000.*, expected a base frequency"),
        (GEMMA3, {"rope_theta": float("nan")}, "rope_theta: nan, expected a base frequency"),
        (GEMMA2, {"final_logit_softcapping": 1e300}, "final_logit_softcapping: 1e.*, expected a n"),
        (GEMMA3, {"model_type": "x" * 9999}, "model_type: unknown 'x{79}…', expected"),
        (GEMMA3, {"head_dim": 15}, "head_dim: 15, expected an even number"),
        (GEMMA3, {"num_key_value_heads": 3}, "num_key_value_heads: 3, expected a divisor of 4 "),
        (GEMMA3, {"sliding_window": None}, "sliding_window: None, expected a whole number"),
        (GEMMA3, {"sliding_window_pattern": 4}, "sliding_window_pattern: 4, expected five sliding"),
        (GEMMA3, {"layer_types": ["full_attention"] * 6}, "layer_types: .*, expected five sliding"),
        (GEMMA3, {"layer_types": [{}] * 6}, "layer_types: .*, expected a list of 6, "),
        (GEMMA3, {"layer_types": ["full_attention"]}, "layer_types: .*, expected a list of 6, "),
        (GEMMA3, {"query_pre_attn_scalar": 5}, "query_pre_attn_scalar: 5, expected 16 or 12 "),
        (GEMMA3, {"attn_logit_softcapping": 50.0}, "attn_logit_softcapping: 50.0, expected None"),
        (GEMMA3, {"rope_scaling": {"rope_type": "yarn"}}, "rope_scaling: .*'yarn'.*, expected def"),
        (GEMMA3, {"rope_scaling": {"type": "linear", "factor": 0.5}}, "rope_scaling: .*, expected"),
        (GEMMA3, {"rope_scaling": 8}, "rope_scaling: 8, expected an object"),
        (GEMMA3, {"rope_theta": "high"}, "rope_theta: 'high', expected a base frequency above 0"),
        (GEMMA3, {"rope_theta": 0}, "rope_theta: 0, expected a base frequency"),
        (GEMMA3, {"rope_theta": None}, "rope_theta: None, expected a base frequency"),
        (GEMMA3, {"rope_local_base_freq": -1}, "rope_local_base_freq: -1, expected a base freq"),
        (GEMMA3, {"rope_parameters": {"rope_theta": "x"}}, "rope_parameters: .*, expected a base"),
        (GEMMA3, {"rope_scaling": {"rope_theta": "x"}}, "rope_scaling: .*, expected a base freq"),
        (GEMMA3, {"rope_parameters": {"full_attention": 5}}, "rope_parameters: .*, expected an ob"),
        (GEMMA3, {"rope_parameters": LINEAR}, "rope_parameters: .*, expected no scaling for slidi"),
        (GEMMA3, {"use_bidirectional_attention": True}, "use_bidirectional_attention: True, expec"),
        (GEMMA3, {"hidden_activation": "relu"}, "hidden_activation: 'relu', expected gelu_pytorch"),
        (GEMMA3, {"quantization_config": {"bits": 4}}, "quantization_config: .*, expected None"),
        (GEMMA2, {"tie_word_embeddings": False}, "tie_word_embeddings: False, expected True"),
        (GEMMA2, {"query_pre_attn_scalar": 144}, "query_pre_attn_scalar: 144, expected 16"),
        (GEMMA2, {"rope_theta": 20_000}, "rope_theta: 20000, expected a base frequency of 10000"),
        (GEMMA2, {"rope_theta": "high"}, "rope_theta: 'high', expected a base frequency above 0"),
        (GEMMA2, {"rope_scaling": LINEAR}, "rope_scaling: .*, expected a base frequency of 10000"),
        (GEMMA2, {"final_logit_softcapping": 0}, "final_logit_softcapping: 0, expected a number"),
        (GEMMA2, {"layer_types": ["linear"] * 4}, "layer_types: .*, expected a list of 4, "),
    ],
)
def test_what_tunix_cannot_express_is_refused_by_name(
    base: dict[str, Any], changed: dict[str, Any], says: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=f"config.json: {says}") as raised:
        read(tmp_path, {**base, **changed})
    assert "\n" not in str(raised.value)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Flax's
def test_the_shapes_of_a_size_that_is_just_allowed_are_told_soon(tmp_path: Path) -> None:
    most = {"hidden_size": 1 << 20, "intermediate_size": 1 << 20, "num_hidden_layers": 1000}
    most |= {"num_attention_heads": 1 << 20, "head_dim": 1 << 20, "query_pre_attn_scalar": 1 << 20}
    shapes = hf_names.shapes(read(tmp_path, {**GEMMA3, **most}))
    assert shapes["model.layers.999.self_attn.q_proj.weight"] == (1 << 40, 1 << 20)


def test_a_config_that_is_nested_too_deep_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"rope_scaling":' + '{"a":' * 100_000)
    with pytest.raises(InputError, match="config.json: not a JSON object: "):
        architecture.read(tmp_path / "config.json")


def test_a_config_that_is_no_object_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="config.json: expected a JSON object"):
        read(tmp_path, [1])
