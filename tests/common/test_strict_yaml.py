"""YAML as people mean it."""

import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, strategies as st

from tests.helpers import odd
from tunix_rt_nb.common import strict_yaml
from tunix_rt_nb.common.errors import InputError

SCALARS = {
    "010": 10,
    "-007": -7,
    "+5": 5,
    "1_000": 1000,
    "0x1F": 31,
    "0o17": 15,
    "1e-3": 0.001,
    "2E5": 200_000.0,
    "1.": 1.0,
    ".5": 0.5,
    "1_000.5": 1000.5,
    ".inf": math.inf,
    "-.INF": -math.inf,
    "true": True,
    "False": False,
    "~": None,
    "": None,
}


@pytest.mark.parametrize(("text", "value"), SCALARS.items())
def test_a_scalar_is_what_yaml_1_2_reads_in_it(text: str, value: Any) -> None:
    found = strict_yaml.parse("--set: X", text)
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize(
    "text",
    [
        "No",
        "yes",
        "on",
        "y",
        "1:30",
        "1:30.5",
        "2026-01-01",
        "nan",
        "inf",
        "1__0",
        "0b1",
        "<<",
        "=",
    ],
)
def test_text_that_only_yaml_1_1_takes_for_something_else_stays_text(text: str) -> None:
    assert strict_yaml.parse("--set: X", text) == text


def test_not_a_number_is_read() -> None:
    assert math.isnan(strict_yaml.parse("--set: X", ".nan"))


@pytest.mark.parametrize("text", [text for text in SCALARS if text])
def test_every_scalar_can_be_kept_as_the_text_that_it_is(text: str) -> None:
    assert strict_yaml.parse("--set: X", f"{{a: [{text}]}}", texts=True) == {"a": [text]}


@pytest.mark.parametrize(
    "text",
    ["{a: 1, a: 2}", "[", "!!int x", "!!float ''", "!!bool x", "!!timestamp x", "!!python/name:os"],
)
def test_what_cannot_be_read_is_told_in_one_line(text: str) -> None:
    for texts in (False, True):
        with pytest.raises(InputError, match=r"^--set: X: is not YAML: ") as error:
            strict_yaml.parse("--set: X", text, texts)
        assert str(error.value).isprintable()


def test_a_repeated_key_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("A: 1\nB: 2\nA: 3\n")
    with pytest.raises(InputError, match="line 3: 'A' appears twice"):
        strict_yaml.read(path)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | odd.texts(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(odd.texts(), inner, max_size=3),
    max_leaves=5,
)


@given(VALUES | st.sampled_from([*SCALARS, "No", "1:30", "2026-01-01", "<<"]))
def test_what_is_written_is_read_back_by_every_version_of_yaml(value: Any) -> None:
    text = strict_yaml.dump({"x": value})
    assert strict_yaml.parse("x", text) == {"x": value}
    assert yaml.safe_load(text) == {"x": value}
