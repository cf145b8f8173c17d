"""Parameters as profiles and people give them: typed, and within the limits of their rooms."""

import json
import math
import re
import typing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from tests.helpers import odd
from tunix_rt_nb import runs
from tunix_rt_nb.cli.options import settings_of
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.dataset.spec import DatasetSpec
from tunix_rt_nb.models import chips
from tunix_rt_nb.models.tokenizer import train_tokenizer
from tunix_rt_nb.runs.limits import LIMITS
from tunix_rt_nb.runs.parameters import OURS, declared, kinds, load_profile, resolve, typed
from tunix_rt_nb.tasks import DIFFICULTIES, GRAINS
from tunix_rt_nb.trace import TEMPLATES, formats
from tunix_rt_nb.trace.response import STYLES
from tunix_rt_nb.train.config import SftConfig
from tunix_rt_nb.train.job import TrainingPart
from tunix_rt_nb.train.preflight.plan import Training

EVERY = {
    name: default
    for step in runs.STEPS
    for name, (_, default) in declared(runs.notebook_of(step)).items()
    if name not in OURS
}


def resolved(name: str, value: Any) -> Any:
    """Resolve a parameter's value; check that every notebook that has the parameter gets the same."""
    [*found] = (step[name] for step in resolve({name: value}).values() if name in step)
    assert all(each == found[0] for each in found)
    return found[0]


def given_by(setting: str) -> Any:
    """Return the value that a notebook gets from a setting `NAME=VALUE` of `--set`."""
    return resolved(setting.partition("=")[0], settings_of((setting,)).popitem()[1])


def refused(name: str, value: Any) -> str:
    with pytest.raises(InputError) as error:
        resolve({name: value})
    told = str(error.value)
    assert told.startswith(f"{name}: ") and told.isprintable()
    return told.removeprefix(f"{name}: ")


# --set


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("SYSTEM=No", "No"),
        ("SYSTEM=null", "null"),
        ("SYSTEM=", ""),
        ("SYSTEM='quoted'", "'quoted'"),
        ("SYSTEM=Think first, #then answer", "Think first, #then answer"),
        ("SYSTEM=You are: nice", "You are: nice"),
        ("SYSTEM=a=b", "a=b"),
        ("DATASET_VERSION=2", "2"),
        ("CREATED_AT=2026-01-01", "2026-01-01"),
        ("EVAL_SETS=[No, 2026, 1.0]", ["No", "2026", "1.0"]),
        ("STEPS=010", 10),
        ("STEPS=1_000", 1000),
        ("LEARNING_RATE=1e-3", 0.001),
        ("LORA_ALPHA=16", 16.0),
        (
            "FILTERS={meta.word: No, step_count: {<: 9}}",
            {"meta.word": "No", "step_count": {"<": 9}},
        ),
        ("TRACES={arithmetic: 10, aiw: 0}", {"arithmetic": 10}),
    ],
)
def test_a_setting_is_taken_as_people_mean_it(setting: str, value: Any) -> None:
    found = given_by(setting)
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("STEPS=1:30", "STEPS: expected a whole number from 1, found '1:30'"),
        ("STEPS=1e3", "STEPS: expected a whole number from 1, found 1000.0"),
        ("STEPS=1,000", "STEPS: expected a whole number from 1, found '1,000'"),
        ("STEPS=", "STEPS: expected a whole number from 1, found None"),
        ("STEPS=yes", "STEPS: expected a whole number from 1, found 'yes'"),
        ("STEPS=true", "STEPS: expected a whole number from 1, found True"),
        ("LEARNING_RATE=nan", "LEARNING_RATE: expected a finite number from 0 and up to 1, found nan"),
        ("LEARNING_RATE=.inf", "--set: LEARNING_RATE: line 1: .inf: expected a finite number"),
        ("LEARNING_RATE=inf", "LEARNING_RATE: expected a finite number from 0 and up to 1, found inf"),
        ("LEARNING_RATE=1:30", "LEARNING_RATE: expected a finite number from 0 and up to 1, found '1:30'"),
        ("IMPORT=a.jsonl", "IMPORT: expected a list such as [a, b], found 'a.jsonl'"),
        ("TRACES=arithmetic", "TRACES: expected a mapping such as {a: 1, b: 2}, found 'arithmetic'"),
    ],
)  # fmt: skip
def test_a_setting_of_another_type_is_refused(setting: str, says: str) -> None:
    with pytest.raises(InputError) as error:
        given_by(setting)
    assert str(error.value) == says


@pytest.mark.slow
@given(odd.texts() | st.text())
def test_any_text_arrives_unchanged(text: str) -> None:
    assert given_by(f"SYSTEM={text}") == text


def test_text_that_cannot_be_written_is_refused() -> None:
    assert refused("SYSTEM", "\udcff") == "expected text in UTF-8, found '\\udcff'"


# profiles


def profile(tmp_path: Path, text: str) -> dict[str, Any]:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    return load_profile(str(path))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("No", "No"),
        ("2", "2"),
        ("1.0", "1.0"),
        ("010", "010"),
        ("2026-01-01", "2026-01-01"),
        ("~", "~"),
        ("", ""),
        ("'2'", "2"),
        ("|\n  a\n  b", "a\nb\n"),
    ],
)
def test_text_in_a_profile_is_the_text_that_stands_there(
    tmp_path: Path, text: str, value: str
) -> None:
    found = profile(tmp_path, f"SYSTEM: {text}\nsteps: 010\n")
    assert resolve(found)["render"]["SYSTEM"] == value
    assert resolve(found)["train"]["STEPS"] == 10


def test_lists_and_names_in_any_case_are_text_too(tmp_path: Path) -> None:
    found = resolve(profile(tmp_path, "dataset_version: 2\neval_sets: [2026, No]\n"))["build"]
    assert (found["DATASET_VERSION"], found["EVAL_SETS"]) == ("2", ["2026", "No"])


def test_a_key_that_stands_in_a_profile_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="mine.yaml: line 2: 'STEPS' appears"):
        profile(tmp_path, "STEPS: 1\nSTEPS: 2\n")
    with pytest.raises(InputError, match="mine.yaml: STEPS: appears twice, in different case"):
        profile(tmp_path, "steps: 1\nSTEPS: 2\n")


@pytest.mark.parametrize("name", runs.parameters.profile_names())
def test_the_profiles_that_ship_are_within_the_limits(name: str) -> None:
    resolve(load_profile(name))


# limits


def test_every_parameter_of_every_notebook_has_a_limit_or_is_said_to_have_none() -> None:
    assert EVERY.keys() == LIMITS.keys() == kinds().keys()


def test_a_name_has_the_same_type_in_every_notebook() -> None:
    for step in runs.STEPS:
        for name, (kind, _) in declared(runs.notebook_of(step)).items():
            assert name in OURS or kinds()[name] == kind


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        (
            "STEPS = 5",
            "STEPS: has type None, expected one of int, float, str, bool, dict, list[str]",
        ),
        ("STEPS: set = 5", "STEPS: has type set, expected one of int"),
        ("STEPS: int = five", "STEPS: five: expected a plain value"),
        ("STEPS: int = (", "the cell of parameters is not Python: '(' was never closed"),
        ("%time 1", "the cell of parameters is not Python: invalid syntax"),
    ],
)
def test_a_cell_that_does_not_declare_parameters_is_refused(
    cell: str, says: str, tmp_path: Path
) -> None:
    path = notebook_with(cell, tmp_path)
    with pytest.raises(InputError, match=re.escape(f"{path}: {says}")):
        declared(path)


def test_parameters_may_take_several_lines_and_have_remarks(tmp_path: Path) -> None:
    cell = "# how long\nSTEPS: int = 5  # = steps\nTASKS: list[ str ] = [\n    'a',  # first\n]\nUNSET: int\n"
    assert declared(notebook_with(cell, tmp_path)) == {
        "STEPS": ("int", 5),
        "TASKS": ("list[str]", ["a"]),
    }


def notebook_with(cell: str, folder: Path) -> Path:
    """Write a notebook whose cell of parameters has this source."""
    tagged = {"metadata": {"tags": ["parameters"]}, "source": cell.splitlines(keepends=True)}
    path = folder / "mine.ipynb"
    path.write_text(json.dumps({"cells": [{"metadata": {}, "source": "x = 1"}, tagged]}))
    return path


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("TRACES", {"arithmetic": -1}, "expected a whole number from 0 for each task"),
        ("TRACES", {"arithmetic": 1.5}, "expected a whole number from 0 for each task"),
        ("TRACES", {"arithmetic": 0}, "expected a count above 0 for some task, found {'arithmetic': 0"),
        ("DIFFICULTIES", ["esay"], "unknown 'esay', did you mean easy?"),
        ("DIFFICULTIES", [], "expected some of easy, medium, hard, each once, found []"),
        ("DIFFICULTIES", ["easy", "easy"], "expected some of easy, medium, hard, each once"),
        ("GRAIN", "fin", "unknown 'fin', did you mean fine?"),
        ("MISTAKES", 1.1, "expected a finite number from 0 and up to 1, found 1.1"),
        ("IMPORT_AS", "tunix-sft", "unknown 'tunix-sft', did you mean tunix_sft?"),
        ("SEED", -1, "expected a whole number from 0 and below 2147483648, found -1"),
        ("CREATED_AT", "today", "expected a time such as 2026-01-01T00:00:00Z, found 'today'"),
        ("CREATED_AT", '2026-01-01"00:00:00', "expected a time such as 2026-01-01T00:00:00Z"),
        ("DATASET_NAME", "a b", "'a b' is unsafe"),
        ("DATASET_VERSION", "", "'' is unsafe"),
        ("LIMIT", -1, "expected a whole number from 0, found -1"),
        ("STRATEGY", "Random", "unknown 'Random', did you mean random?"),
        ("EVAL_FRACTION", 1, "expected a finite number from 0 and below 1, found 1"),
        ("NEAR_DUPLICATES", 0.4, "expected a similarity from 0.5 to 1, or 0 to keep all, found"),
        ("NEAR_DUPLICATES", math.nan, "expected a finite number, found nan"),
        ("TEMPLATE", "gema", "unknown 'gema', did you mean gemma?"),
        ("STYLE", "tag", "unknown 'tag', did you mean tags?"),
        ("MAX_LENGTH", 8, "expected a whole number from 16 and up to 131072, found 8"),
        ("EPOCHS", -1, "expected a whole number from 0 and up to 1000, found -1"),
        ("LORA_MODULES", "(", "expected a regular expression (missing )"),
        ("TOPOLOGY", "v5e", "unknown 'v5e', did you mean v5e:4x4?"),
        ("TEMPERATURE", math.inf, "expected a finite number from 0, found inf"),
    ],
)  # fmt: skip
def test_a_value_beyond_the_limits_is_refused(name: str, value: Any, says: str) -> None:
    assert refused(name, value).startswith(says)


@pytest.mark.parametrize(
    "name",
    [name for name, limit in LIMITS.items() if isinstance(limit, FieldInfo)],
)
def test_a_range_ends_where_it_says(name: str) -> None:
    kind, bounds = kinds()[name], {k: v for m in LIMITS[name].metadata for k, v in ends(m)}
    step = 1 if kind == "int" else 1e-6
    for bound, within, beyond in (
        ("ge", 0, -step),
        ("gt", step, 0),
        ("le", 0, step),
        ("lt", -step, 0),
    ):
        if bound in bounds:
            assert resolved(name, bounds[bound] + within) == bounds[bound] + within
            assert f"found {bounds[bound] + beyond!r}" in refused(name, bounds[bound] + beyond)


def ends(bound: Any) -> list[tuple[str, Any]]:
    return [(k, getattr(bound, k)) for k in ("ge", "gt", "le", "lt") if hasattr(bound, k)]


FIELDS = SftConfig.model_fields.keys() - {"learning_rate"}  # 0 stands for what fits the model


@pytest.mark.parametrize(
    ("parameter", "room", "field"),
    [
        *((name.upper(), SftConfig, name) for name in sorted(FIELDS) if name.upper() in EVERY),
        ("STRATEGY", DatasetSpec, "selection_strategy"),
        ("EVAL_FRACTION", DatasetSpec, "eval_fraction"),
        ("TP", Training, "tp"),
        ("REMAT", Training, "remat"),
        ("LORA_RANK", Training, "lora_rank"),
        ("LORA_ALPHA", Training, "lora_alpha"),
        ("MAX_LENGTH", TrainingPart, "max_seq_length"),
        ("DEVICE", TrainingPart, "device"),
    ],
)  # fmt: skip
def test_a_limit_is_that_of_the_room_that_works_with_the_value(
    parameter: str, room: type[BaseModel], field: str
) -> None:
    theirs = room.model_fields[field]
    if choices := typing.get_args(theirs.annotation):
        assert LIMITS[parameter] == choices
    else:
        assert LIMITS[parameter].metadata == theirs.metadata


def test_the_choices_are_those_of_the_rooms() -> None:
    rooms = {
        "DIFFICULTIES": DIFFICULTIES,
        "GRAIN": GRAINS,
        "IMPORT_AS": [formats.AUTO, *formats.FORMATS],
        "TEMPLATE": TEMPLATES,
        "STYLE": STYLES,
        "TOPOLOGY": ["", *chips.TOPOLOGIES],
    }
    for name, choices in rooms.items():
        assert LIMITS[name] == tuple(choices)
        for choice in choices:
            value = [choice] if name == "DIFFICULTIES" else choice
            assert resolved(name, value) == value


def test_a_vocabulary_has_the_sizes_that_a_tokenizer_can_be_trained_to() -> None:
    for size in (319, 65_537):
        refused("VOCAB_SIZE", size)
        with pytest.raises(InputError, match="expected 320 to 65536"):
            train_tokenizer(["a"], size)


def test_near_duplicates_are_told_as_the_dataset_tells_them() -> None:
    for value in (0.49, 1.01):
        refused("NEAR_DUPLICATES", value)
        with pytest.raises(InputError, match="near_duplicates"):
            DatasetSpec.of(dataset_name="x", near_duplicates=value)
    assert [resolved("NEAR_DUPLICATES", value) for value in (0, 0.5, 1)] == [0, 0.5, 1]


def test_the_parameters_of_others_have_no_limits() -> None:
    assert typed("STEPS", "int", 0, limited=False) == 0
    assert typed("STYLE", "str", "loud", limited=False) == "loud"


def test_an_unknown_name_tells_the_nearest() -> None:
    with pytest.raises(InputError, match=r"parameter: unknown 'lerning_rate', did you mean LEARN"):
        resolve({"lerning_rate": 1})
