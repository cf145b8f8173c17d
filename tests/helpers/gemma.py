"""Small random Gemma checkpoints as Hugging Face keeps them, and what Transformers makes of them."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from tunix_rt_nb import models
from tunix_rt_nb.common import files
from tunix_rt_nb.models.tokenizer import Tokenizer, train_tokenizer

TOKENIZER = Tokenizer(train_tokenizer(["What is 17 + 25? Add the ones, then the tens."] * 9, 320))
TOKENS = np.random.default_rng(0).integers(4, 300, size=(2, 40))
SHOWN = np.s_[:, ::3, :8]  # of the logits, what is kept to compare with
_COMMON = {
    "vocab_size": len(TOKENIZER),
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "query_pre_attn_scalar": 16,
    "sliding_window": 9,
    "hidden_activation": "gelu_pytorch_tanh",
    "rms_norm_eps": 1e-6,
    "torch_dtype": "float32",
}
GEMMA3 = {
    **_COMMON,
    "model_type": "gemma3_text",
    "architectures": ["Gemma3ForCausalLM"],
    "num_hidden_layers": 6,  # of which the last sees everything
    "sliding_window_pattern": 6,
    "rope_theta": 1_000_000.0,
    "rope_local_base_freq": 10_000.0,
}
GEMMA2 = {
    **_COMMON,
    "model_type": "gemma2",
    "architectures": ["Gemma2ForCausalLM"],
    "num_hidden_layers": 4,
    "attn_logit_softcapping": 1.5,  # low, so that it is felt
    "final_logit_softcapping": 2.0,
    "rope_theta": 10_000.0,
}
CONFIGS: dict[str, dict[str, Any]] = {
    "gemma3": GEMMA3,
    "gemma3 long": {  # as those from 4B on reach further; keys as Transformers 5 writes them
        **{name: value for name, value in GEMMA3.items() if "rope" not in name},
        "rope_parameters": {
            "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1_000_000.0},
            "sliding_attention": {"rope_type": "default", "rope_theta": 10_000.0},
        },
        "query_pre_attn_scalar": 12,
        "num_key_value_heads": 4,
    },
    "gemma2": GEMMA2,
    "gemma2 plain": {
        **GEMMA2,
        "num_key_value_heads": 4,
        "attn_logit_softcapping": None,
        "final_logit_softcapping": None,
        "layer_types": ["full_attention", "sliding_attention", "full_attention"],
        "num_hidden_layers": 3,
    },
}


def tensors(config: dict[str, Any], seed: int = 0) -> dict[str, np.ndarray]:
    """Random weights of a checkpoint, norms too."""
    rng = np.random.default_rng(seed)
    width, inner, head = (config[k] for k in ("hidden_size", "intermediate_size", "head_dim"))
    queries, keys = (config[f"num_{k}_heads"] * head for k in ("attention", "key_value"))
    shapes = {"embed_tokens": (config["vocab_size"], width), "norm": (width,)}
    for layer in range(config["num_hidden_layers"]):
        names: dict[str, tuple[int, ...]] = {
            "input_layernorm": (width,),
            "post_attention_layernorm": (width,),
            "pre_feedforward_layernorm": (width,),
            "post_feedforward_layernorm": (width,),
            "self_attn.q_proj": (queries, width),
            "self_attn.k_proj": (keys, width),
            "self_attn.v_proj": (keys, width),
            "self_attn.o_proj": (width, queries),
            "mlp.gate_proj": (inner, width),
            "mlp.up_proj": (inner, width),
            "mlp.down_proj": (width, inner),
        }
        if config["model_type"] != "gemma2":
            names |= {"self_attn.q_norm": (head,), "self_attn.k_norm": (head,)}
        shapes |= {f"layers.{layer}.{name}": shape for name, shape in names.items()}
    return {
        f"model.{name}.weight": rng.normal(0, shape[-1] ** -0.5, shape).astype("f4")
        for name, shape in shapes.items()
    }


def checkpoint(
    folder: Path, config: dict[str, Any], tokenizer: Tokenizer = TOKENIZER, seed: int = 0
) -> Path:
    """Writes a checkpoint of one file."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {**config, "vocab_size": len(tokenizer)}
    files.write_json(folder / "config.json", config)
    (folder / "tokenizer.model").write_bytes(tokenizer.model)
    save_file(tensors(config, seed), folder / "model.safetensors", {"format": "pt"})
    return folder


def shallow(folder: Path, tokenizer: Tokenizer, seed: int = 0) -> Path:
    """Make the model `tiny` with the first of its three layers alone: it compiles much sooner."""
    models.create("tiny", tokenizer, seed, folder)
    config = files.read_json(folder / "config.json")
    config |= {"num_hidden_layers": 1, "layer_types": config["layer_types"][:1]}
    files.write_json(folder / "config.json", config)
    weights = load_file(folder / "model.safetensors")
    kept = {k: w for k, w in weights.items() if "layers." not in k or ".layers.0." in k}
    save_file(kept, folder / "model.safetensors", {"format": "pt"})
    return folder


def shards(whole: Path, folder: Path) -> Path:
    """The same checkpoint in two files, layers torn apart, with their index."""
    checkpoint(folder, files.read_json(whole / "config.json"))
    weights = load_file(whole / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = {name: f"model-0000{n % 2 + 1}-of-00002.safetensors" for n, name in enumerate(weights)}
    for shard in {*names.values()}:
        part = {name: weights[name] for name in weights if names[name] == shard}
        save_file(part, folder / shard, {"format": "pt"})
    files.write_json(folder / "model.safetensors.index.json", {"weight_map": names})
    return folder


def transformers_logits(folder: Path, tokens: np.ndarray = TOKENS) -> np.ndarray:
    """The logits of Transformers' own model, which must find all weights and no others."""
    import torch
    from transformers import AutoModelForCausalLM

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        model, found = AutoModelForCausalLM.from_pretrained(
            folder, attn_implementation="eager", output_loading_info=True
        )
    assert not any(found.values()), found
    with torch.no_grad():
        return model(torch.tensor(tokens)).logits.float().numpy()
