"""Architectures of models, found by name or read from Hugging Face's config.json."""

from itertools import cycle, islice
from pathlib import Path
from typing import Any, TypeAlias

import jax.numpy as jnp
from tunix.models.gemma import model as gemma2
from tunix.models.gemma3 import model as gemma3

from tunix_rt_nb.common import InputError, one_line, unknown
from tunix_rt_nb.models import catalog, parts

Config: TypeAlias = gemma3.ModelConfig | gemma2.ModelConfig

_NAMED = {
    "gemma3-270m": gemma3.ModelConfig.gemma3_270m,
    "gemma3-1b": gemma3.ModelConfig.gemma3_1b_pt,
    "gemma3-4b": gemma3.ModelConfig.gemma3_4b_pt,
    "gemma2-2b": gemma2.ModelConfig.gemma2_2b,
}
_ROWS = {"gemma3-4b": 262_208, "gemma2-2b": 256_000}  # embedding rows, if Tunix's config has others
_SIZES = {
    "num_layers": "num_hidden_layers",
    "num_embed": "vocab_size",
    "embed_dim": "hidden_size",
    "hidden_dim": "intermediate_size",
    "num_heads": "num_attention_heads",
    "head_dim": "head_dim",
    "num_kv_heads": "num_key_value_heads",
    "sliding_window_size": "sliding_window",
}
_MOST, _MOST_LAYERS = 1 << 20, 1000  # what a size can be; the largest Gemma 3 has 62 layers
_FIXED: dict[str, tuple[Any, ...]] = {  # the only values Tunix supports; the first is the default
    "hidden_activation": ("gelu_pytorch_tanh",),
    "rms_norm_eps": (1e-6,),
    "tie_word_embeddings": (True,),
    "attention_bias": (False,),
    "use_bidirectional_attention": (False, None),
    "quantization_config": (None,),
}
# Defaults of Transformers' Gemma3TextConfig and Gemma2Config, for keys that a config.json omits.
_DEFAULTS: dict[str, Any] = {
    "vocab_size": 262_208,
    "hidden_size": 2304,
    "intermediate_size": 9216,
    "num_hidden_layers": 26,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 256,
    "query_pre_attn_scalar": 256,
    "sliding_window": 4096,
    "sliding_window_pattern": 6,
    "rope_theta": 1_000_000,
    "rope_local_base_freq": 10_000,
    **{name: values[0] for name, values in _FIXED.items()},
}
_OF_GEMMA2 = {
    "vocab_size": 256_000,
    "sliding_window_pattern": 2,
    "rope_theta": 10_000,
    "attn_logit_softcapping": 50.0,
    "final_logit_softcapping": 30.0,
}
_KINDS = {"LOCAL_SLIDING": "sliding_attention", "GLOBAL": "full_attention"}


def named(name: str) -> Config:
    """Return the architecture of a model by its name, such as `gemma3-1b` or `gemma3-1b-it`.

    Raises:
      InputError: the model is unknown; or it is `tiny`, whose vocabulary depends on the dataset.

    Example:
      >>> named("gemma3-270m-it").num_layers
      18
    """
    name = catalog.named(name)
    plain = name.removesuffix("-it")
    if name == "tiny":
        raise InputError(
            "model: tiny is made anew for each dataset, give the folder of a tiny model, such as"
            " runs/quickstart/4_train/base"
        )
    if name not in catalog.MODELS:
        raise catalog.unknown_model("model", name)
    config = _NAMED[plain]()
    config.num_embed = _ROWS.get(plain, config.num_embed)
    return config


def read(path: Path) -> Config:
    """Read the architecture of a Gemma 2 or Gemma 3 from its config.json, the file at `path`.

    For a multimodal Gemma 3, return the architecture of its text part.

    Raises:
      InputError: the file describes another model, or has a setting that Tunix does not support.
    """
    return parse(parts.settings(path), path)


def parse(told: dict[str, Any], path: Path) -> Config:
    """Return the architecture that the content of a config.json describes, as `read` does.

    Args:
      told: the content.
      path: the file to name in errors.

    Raises:
      InputError: the file describes another model, or has a setting that Tunix does not support.
    """
    settings = _Settings(told, path)
    families = {"gemma3_text": _gemma3, "gemma3": _gemma3, "gemma2": _gemma2}
    family = one_line(str(settings.told.get("model_type")), 80)
    if family not in families:
        raise unknown(f"{path}: model_type", family, families)
    for name, values in _FIXED.items():
        settings.require(name, *values)
    return families[family](settings)


def written(config: Config, dtype: str) -> dict[str, Any]:
    """Build the content of a config.json for an architecture; `read` does the reverse.

    Args:
      config: the architecture.
      dtype: the type of the weights, such as `float32`.
    """
    more = _of_gemma3(config) if isinstance(config, gemma3.ModelConfig) else _of_gemma2(config)
    return {
        **{theirs: getattr(config, ours) for ours, theirs in _SIZES.items()},
        **{name: values[0] for name, values in _FIXED.items() if values[0] is not None},
        **more,
        "pad_token_id": 0,
        "eos_token_id": 1,
        "bos_token_id": 2,
        "torch_dtype": dtype,
        "transformers_version": "4.57.0",  # whose names these are; newer ones read them
    }


class _Settings:
    """The settings in a config.json; Transformers' defaults stand in for missing ones."""

    def __init__(self, told: dict[str, Any], path: Path) -> None:
        text = told.get("text_config")
        self.path = path
        self.told = {**told, **text} if isinstance(text, dict) else told
        self._defaults = _DEFAULTS
        if self.told.get("model_type") == "gemma2":
            self._defaults = {**_DEFAULTS, **_OF_GEMMA2}

    def get(self, name: str) -> Any:
        return self.told.get(name, self._defaults.get(name))

    def refused(self, name: str, expected: str) -> InputError:
        found = one_line(repr(self.get(name)), 80)
        return InputError(f"{self.path}: {name}: {found}, expected {expected}")

    def require(self, name: str, *values: Any) -> None:
        """Raise InputError unless the setting called `name` has one of `values`."""
        if self.get(name) not in values:
            raise self.refused(name, f"{values[0]}, as Tunix supports no other value")

    def count(self, name: str) -> int:
        """Return the setting called `name`; raise InputError unless it is a plausible count."""
        value, most = self.get(name), _MOST_LAYERS if "layers" in name else _MOST
        if type(value) is not int or not 1 <= value <= most:
            raise self.refused(name, f"a whole number from 1 to {most}")
        return value

    def sizes(self) -> dict[str, int]:
        found = {ours: self.count(theirs) for ours, theirs in _SIZES.items()}
        if found["head_dim"] % 2:
            raise self.refused("head_dim", "an even number")
        if found["num_heads"] % found["num_kv_heads"]:
            expected = f"a divisor of {found['num_heads']} (num_attention_heads)"
            raise self.refused("num_key_value_heads", expected)
        return found

    def cap(self, name: str) -> float | None:
        """Return a soft cap, the bound that `attention.soft_cap` squashes logits into.

        Args:
          name: the setting that holds the cap, such as `final_logit_softcapping`.

        Returns:
          The cap; None if the setting is null, which means that there is no cap.

        Raises:
          InputError: the setting is neither null nor a number above 0.
        """
        value = self.get(name)
        if value is not None and not (_is_number(value) and value > 0):
            raise self.refused(name, "a number above 0 or null")
        return value

    def layer_types(self) -> list[str]:
        layers = self.count("num_hidden_layers")
        if self.get("layer_types") is None:
            period = self.count("sliding_window_pattern")
            near, far = _KINDS.values()
            return [near if n % period else far for n in range(1, layers + 1)]
        kinds = self.told["layer_types"]
        if (
            not isinstance(kinds, list)
            or len(kinds) != layers
            or any(kind not in _KINDS.values() for kind in kinds)
        ):
            expected = f"a list of {layers}, each {' or '.join(_KINDS.values())}"
            raise self.refused("layer_types", expected)
        return kinds

    def rope(self, kind: str, older: str) -> tuple[float, float]:
        """Return how layers of one kind rotate queries and keys by position (RoPE).

        A newer config.json has the setting `rope_parameters`: one object for all layers, or one
        for each kind. An older config.json has the base frequency in a setting of its own, and the
        scaling in `rope_scaling`, which applies to full attention only.

        Args:
          kind: the kind of layers, `sliding_attention` or `full_attention`.
          older: the setting that holds the base frequency if `rope_parameters` does not.

        Returns:
          rope_theta: the base frequency.
          factor: the number that positions are divided by; 1.0 if they are not scaled.

        Raises:
          InputError: the scaling is neither `default` nor `linear`, or a number is invalid.
        """
        given = self._mapping("rope_parameters")
        own = given.get(kind) or given
        if not isinstance(own, dict):
            raise self.refused("rope_parameters", f"an object for {kind}")
        scaling = self._mapping("rope_scaling") if kind == "full_attention" else {}
        found = {"rope_theta": self.get(older), **own, **scaling}
        theta = found["rope_theta"]
        if not (_is_number(theta) and theta > 0):
            places = {"rope_scaling": scaling, "rope_parameters": own}
            name = next((name for name, place in places.items() if "rope_theta" in place), older)
            raise self.refused(name, "a base frequency above 0")
        how = found.get("rope_type", found.get("type", "default"))
        factor: Any = found.get("factor") if how == "linear" else 1.0
        if how not in ("default", "linear") or not (_is_number(factor) and factor >= 1):
            name = "rope_scaling" if scaling else "rope_parameters"
            expected = "default, or linear with a factor from 1"
            raise self.refused(name, f"{expected}, as Tunix supports no other scaling")
        return theta, factor

    def _mapping(self, name: str) -> dict[str, Any]:
        value = self.get(name) or {}
        if not isinstance(value, dict):
            raise self.refused(name, "an object")
        return value


def _is_number(value: Any) -> bool:
    """Tell whether a setting is a number that float32 can hold."""
    is_real = isinstance(value, int | float) and not isinstance(value, bool)
    return is_real and abs(value) < 2.0**127


def _in_turn(layers: int) -> list[str]:
    """Return the attention kind of each layer of a Gemma 3, in the order built into Tunix.

    Args:
      layers: the number of layers.

    Returns:
      `sliding_attention` or `full_attention` for each layer.
    """
    kinds = islice(cycle(gemma3.GEMMA3_ATTENTION_PATTERN), layers)
    return [_KINDS[kind.name] for kind in kinds]


def _gemma3(settings: _Settings) -> gemma3.ModelConfig:
    settings.require("attn_logit_softcapping", None)
    settings.require("final_logit_softcapping", None)
    sizes = settings.sizes()
    if settings.layer_types() != _in_turn(sizes["num_layers"]):
        name = "layer_types" if settings.get("layer_types") else "sliding_window_pattern"
        expected = "five sliding layers, then a full one, and so on"
        raise settings.refused(name, f"{expected}, as Tunix supports no other order of layers")
    near, scale = settings.rope("sliding_attention", "rope_local_base_freq")
    if scale != 1:
        raise settings.refused("rope_parameters", "no scaling for sliding_attention")
    far, scale = settings.rope("full_attention", "rope_theta")
    return gemma3.ModelConfig(
        **sizes,
        local_base_frequency=near,
        global_base_frequency=far,
        global_scale_factor=scale,
        query_pre_attn_norm=_query_scale(settings, sizes),
        param_dtype=jnp.float32,
    )


def _query_scale(
    settings: _Settings, sizes: dict[str, int]
) -> gemma3.QueryPreAttentionNormalisation:
    choices = gemma3.QueryPreAttentionNormalisation
    scalar, each = settings.get("query_pre_attn_scalar"), sizes["embed_dim"] // sizes["num_heads"]
    if scalar == sizes["head_dim"]:
        return choices.BY_ONE_OVER_SQRT_HEAD_DIM
    if scalar == each:
        return choices.BY_ONE_OVER_SQRT_EMBED_DIM_DIV_NUM_HEADS
    expected = f"{sizes['head_dim']} or {each} (head_dim, or hidden_size per head)"
    raise settings.refused("query_pre_attn_scalar", f"{expected}, as Tunix supports no other value")


def _gemma2(settings: _Settings) -> gemma2.ModelConfig:
    sizes = settings.sizes()
    settings.require("query_pre_attn_scalar", sizes["head_dim"])
    if settings.rope("full_attention", "rope_theta") != (10_000, 1):
        names = ("rope_scaling", "rope_parameters", "rope_theta")
        name = next(name for name in names if settings.get(name))
        expected = "a base frequency of 10000 and no scaling"
        raise settings.refused(name, f"{expected}, as Tunix supports nothing else for Gemma 2")
    kinds = {theirs: gemma2.AttentionType[ours] for ours, theirs in _KINDS.items()}
    return gemma2.ModelConfig(
        **sizes,
        attention_types=tuple(kinds[kind] for kind in settings.layer_types()),
        attn_logits_soft_cap=settings.cap("attn_logit_softcapping"),
        final_logit_softcap=settings.cap("final_logit_softcapping"),
        use_post_attn_norm=True,
        use_post_ffw_norm=True,
    )


def _of_gemma3(config: gemma3.ModelConfig) -> dict[str, Any]:
    by_head = gemma3.QueryPreAttentionNormalisation.BY_ONE_OVER_SQRT_HEAD_DIM
    scaled = config.global_scale_factor != 1
    return {
        "architectures": ["Gemma3ForCausalLM"],
        "model_type": "gemma3_text",
        "query_pre_attn_scalar": (
            config.head_dim
            if config.query_pre_attn_norm == by_head
            else config.embed_dim // config.num_heads
        ),
        "sliding_window_pattern": len(gemma3.GEMMA3_ATTENTION_PATTERN),
        "layer_types": _in_turn(config.num_layers),
        "rope_theta": float(config.global_base_frequency),
        "rope_local_base_freq": float(config.local_base_frequency),
        "rope_scaling": (
            {"rope_type": "linear", "factor": config.global_scale_factor} if scaled else None
        ),
        "max_position_embeddings": 131_072 if scaled else 32_768,  # its training context
    }


def _of_gemma2(config: gemma2.ModelConfig) -> dict[str, Any]:
    kinds = list(config.attention_types)[: config.num_layers]
    return {
        "architectures": ["Gemma2ForCausalLM"],
        "model_type": "gemma2",
        "query_pre_attn_scalar": config.head_dim,
        "layer_types": [_KINDS[kind.name] for kind in kinds],
        "attn_logit_softcapping": config.attn_logits_soft_cap,
        "final_logit_softcapping": config.final_logit_softcap,
        "rope_theta": 10_000.0,
        "max_position_embeddings": 8192,
    }
