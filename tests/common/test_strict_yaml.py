"""YAML as people mean it."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, strategies as st

from tests.helpers import growth, odd
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


BOMB = "x0: &x0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 10)}]\n" for n in range(1, 10)
)
TOWER = "x0: &x0 [1]\n" + "".join(f"x{n}: &x{n} [*x{n - 1}]\n" for n in range(1, 99))
NO_PLAIN_VALUES = {
    ".nan": ".nan: expected a finite number",
    "[1, -.INF]": "-.INF: expected a finite number",
    "1e999": "1e999: expected a finite number",
    "18446744073709551616": "18446744073709551616: is an integer beyond 64 bits",
    "1" * 9_999: "is an integer beyond 64 bits",
    "!!set {a}": "!!set: is not supported, expected a plain value",
    "!!binary aGk=": "!!binary: is not supported",
    "!!timestamp 2026-01-01": "!!timestamp: is not supported",
    "!!omap [a: 1]": "!!omap: is not supported",
    "!!python/object/apply:os.system [id]": "!!python/object/apply:os.system: is not supported",
    "!mine a": "!mine: is not supported",
    "&a [*a]": "*a: stands before the end of its &a",
    "{x: *a}": "*a: stands before the end of its &a",
    BOMB: "line 5: holds over 100,000 values, aliases counted in full",
    TOWER: "line 64: has more than 64 levels",
    "[" * 100_000: "has more than 64 levels",
    "- " * 50_000 + "a": "has more than 64 levels",
    "a: [" + "1," * 200_000 + "1]": "holds over 100,000 values",
    '"\\0"': "has a null character",
    "? [a]\n: 1": "has a list, a mapping or an alias as a key",
    "a: 1\n---\nb: 1": "line 2: begins another document",
}


@pytest.mark.parametrize(("text", "reason"), NO_PLAIN_VALUES.items(), ids=lambda text: text[:20])
def test_what_is_no_plain_value_is_refused_at_once_in_one_line(text: str, reason: str) -> None:
    with pytest.raises(InputError) as error:
        strict_yaml.parse("--set: X", text)
    told = str(error.value)
    assert told.startswith("--set: X: line ") and reason in told
    assert told.isprintable() and len(told) < 250


def test_forty_eight_thousand_keys_are_read_in_linear_time() -> None:
    def read(size: int) -> None:
        text = "".join(f"k{n}: v\n" for n in range(size))
        assert len(strict_yaml.parse("x", text)) == size

    assert growth.linear(read, 6_000)


def test_an_alias_repeats_a_value_and_a_key_is_text_as_it_is_written() -> None:
    text = "a: &a [1, {No: 2, 010: 3}]\nb: *a\n1: &c x\ny: *c"
    assert strict_yaml.parse("x", text) == {
        "a": [1, {"No": 2, "010": 3}],
        "b": [1, {"No": 2, "010": 3}],
        "1": "x",
        "y": "x",
    }


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_tells_the_encoding(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes("A: é\n".encode(encoding))
    assert strict_yaml.read(path) == {"A": "é"}


@pytest.mark.parametrize(
    "content",
    [
        b"A: \xff",
        "A: b".encode("utf-16-le"),
        b"A: \0",
        b'A: "\\ud800"',
        b'A: "\\Uffffffff"',
        b"A: \x1b[0m",
    ],
)
def test_text_in_no_encoding_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError, match="mine.yaml: ") as error:
        strict_yaml.read(path)
    assert str(error.value).isprintable()


def test_a_file_is_read_only_if_it_is_one_and_small(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="/dev/zero: is a folder, a pipe or a device"):
        strict_yaml.read(Path("/dev/zero"))
    with (tmp_path / "big.yaml").open("wb") as file:
        file.truncate(5 << 30)
    with pytest.raises(InputError, match="big.yaml: takes over 1 MiB"):
        strict_yaml.read(tmp_path / "big.yaml")


@pytest.mark.parametrize("text", [text for text in SCALARS if text])
def test_every_scalar_can_be_kept_as_the_text_that_it_is(text: str) -> None:
    assert strict_yaml.parse("--set: X", f"{{a: [{text}]}}", texts=True) == {"a": [text]}


@pytest.mark.parametrize(
    "text",
    ["{a: 1, a: 2}", "[", "!!int x", "!!float ''", "!!bool x", "!!timestamp x", "!!python/name:os"],
)
def test_what_cannot_be_read_is_told_in_one_line(text: str) -> None:
    for texts in (False, True):
        with pytest.raises(InputError, match=r"^--set: X: (line 1|is not YAML): ") as error:
            strict_yaml.parse("--set: X", text, texts)
        assert str(error.value).isprintable()


def test_a_repeated_key_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("A: 1\nB: 2\nA: 3\n")
    with pytest.raises(InputError, match="line 3: 'A' appears twice"):
        strict_yaml.read(path)


TEXTS = odd.texts().filter(lambda text: "\0" not in text)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 64) - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)


@given(VALUES | st.sampled_from([*SCALARS, "No", "1:30", "2026-01-01", "<<"]))
def test_what_is_written_is_read_back_by_every_version_of_yaml(value: Any) -> None:
    text = strict_yaml.dump({"x": value})
    assert strict_yaml.parse("x", text) == {"x": value}
    assert yaml.safe_load(text) == {"x": value}
