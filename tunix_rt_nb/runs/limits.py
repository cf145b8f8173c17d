"""The limits of the notebooks' parameters: `LIMITS` has a row for every parameter.

A row is one of four:

- a tuple: the allowed values. For a list, they are the allowed items. "" stands for no choice;
- a `Field` of pydantic: the range of a number;
- a validator of pydantic, which may also change the value to a standard form;
- None: any value of the parameter's type. If the value names a file, a model or a dataset, other
  code looks for that file, model or dataset before a run.

The subpackages that run the steps have limits of their own, but `runs` may not import them. So
their limits are repeated here, and a test checks that the two copies agree.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any

from pydantic import AfterValidator, Field

from tunix_rt_nb.common import InputError, check_name
from tunix_rt_nb.trace import TEMPLATES, formats, response

_SOME = Field(ge=1)
_SHARE = Field(ge=0, le=1)


def _counts(counts: Mapping[str, Any]) -> dict[str, int]:
    """Check the number of traces that each task is to make, and leave out tasks that make none.

    Args:
      counts: task -> number of traces.

    Raises:
      ValueError: a number is not a whole number from 0.
    """
    if any(type(n) is not int or n < 0 for n in counts.values()):
        raise ValueError("expected a whole number from 0 for each task")
    if counts and not any(counts.values()):  # no counts at all mean the usual ones
        raise ValueError("expected a count above 0 for some task")
    return {name: n for name, n in counts.items() if n}


def _mapping(names: Mapping[str, Any]) -> Mapping[str, Any]:
    if not all(isinstance(field, str) and field for field in names.values()):
        raise ValueError(
            "expected a field's name for each part of a trace, such as {prompt: question}"
        )
    try:
        formats.check_parts(names)
    except InputError as error:
        raise ValueError(f"expected the parts of a trace as keys ({error})") from None
    return names


def _time(text: str) -> str:
    try:
        datetime.fromisoformat(text)
        if re.search(r"[^0-9TWZ:.,+ -]", text):  # Python takes any character before the hours
            raise ValueError
    except ValueError:
        raise ValueError("expected a time such as 2026-01-01T00:00:00Z") from None
    return text


def _similarity(value: float) -> float:
    if value and not 0.5 <= value <= 1:
        raise ValueError("expected a similarity from 0.5 to 1, or 0 to keep all")
    return value


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"expected a regular expression ({error})") from None
    return text


LIMITS: dict[str, Any] = {
    # 1 generate
    "TRACES": AfterValidator(_counts),
    "DIFFICULTIES": ("easy", "medium", "hard"),
    "GRAIN": ("fine", "coarse"),
    "MISTAKES": _SHARE,
    "TASKS_FROM": None,
    "IMPORT": None,
    "IMPORT_AS": (formats.AUTO, *formats.FORMATS),
    "IMPORT_MAP": AfterValidator(_mapping),
    "SKIP_BAD": None,
    "SEED": Field(ge=0, lt=2**31),
    "CREATED_AT": AfterValidator(_time),
    # 2 build
    "DATASET": None,
    "DATASET_NAME": AfterValidator(partial(check_name, "DATASET_NAME")),
    "DATASET_VERSION": AfterValidator(partial(check_name, "DATASET_VERSION")),
    "FILTERS": None,
    "LIMIT": Field(ge=0),
    "STRATEGY": ("latest", "random", "stratified", "quality", "custom"),
    "SPEC": None,
    "EVAL_FRACTION": Field(ge=0, lt=1),
    "NEAR_DUPLICATES": AfterValidator(_similarity),
    "EVAL_SETS": None,
    # 3 render
    "MODEL": None,
    "TEMPLATE": tuple(TEMPLATES),
    "STYLE": tuple(response.STYLES),
    "SYSTEM": None,
    "MAX_LENGTH": Field(ge=16, le=131_072),
    "VOCAB_SIZE": Field(ge=320, le=65_536),
    # 4 train
    "STEPS": _SOME,
    "EPOCHS": Field(ge=0, le=1_000),
    "BATCH_SIZE": _SOME,
    "ACCUMULATION": _SOME,
    "OPTIMIZER": ("adamw", "adafactor", "muon"),
    "LEARNING_RATE": Field(ge=0, le=1),
    "WARMUP_STEPS": Field(ge=0),
    "WEIGHT_DECAY": _SHARE,
    "LORA_RANK": Field(ge=0),
    "LORA_ALPHA": Field(gt=0),
    "LORA_MODULES": AfterValidator(_pattern),
    "DTYPE": ("float32", "bfloat16"),
    "REMAT": ("none", "block", "decoder"),
    "TP": _SOME,
    "TOPOLOGY": (
        *("", "v5e:1x1", "v5e:2x2", "v5e:2x4", "v5e:4x4", "v5p:2x2x1", "v5p:2x2x2"),
        *("v6e:1x1", "v6e:2x2", "v6e:2x4", "v6e:4x4"),
    ),
    "DEVICE": ("auto", "cpu", "gpu", "tpu"),
    "CHECKPOINT_EVERY": _SOME,
    "EVAL_EVERY": _SOME,
    "EVAL_EXAMPLES": _SOME,
    "PATIENCE": Field(ge=0),
    "KEEP": ("last", "best"),
    # 5 evaluate
    "ITEMS": _SOME,
    "MAX_NEW_TOKENS": _SOME,
    "EVAL_BATCH_SIZE": _SOME,
    "SAMPLES": _SOME,
    "TEMPERATURE": Field(ge=0),
    "EVAL_SET": None,
    "GRADER": None,
    "BASELINE": None,
    "CHECK_STEPS": ("", "equations", "task"),
    "JUDGE": None,
    "JUDGE_MODEL": None,
    # 6 improve
    "METHOD": ("filter", "reward", "prefer"),
    "CREDIT": ("answer", "gated", "first_wrong"),
    "ROUNDS": Field(ge=1, le=1_000),
    "PROMPTS": Field(ge=1, le=100_000),
    "GROUP": Field(ge=2, le=1_024),
    "ROUND_STEPS": _SOME,
    "ASK": None,
    "ASK_FROM": None,
    "REPLAY": Field(ge=0, lt=1),
    "BETA": Field(ge=0, le=10),
    "ANSWER_TEMPERATURE": Field(gt=0, le=10),
    "REDRAW": ("", "equations", "task"),
    "IMPROVE_RATE": Field(ge=0, le=1),
}
