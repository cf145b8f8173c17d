"""JSON that every parser reads alike."""

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from tunix_rt_nb.common import strict_json

TEXTS = st.text(st.sampled_from('ab"\\:{}[], \n'), max_size=6)
VALUES = st.recursive(
    st.none() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(VALUES, st.sampled_from([None, 1]))
def test_a_value_without_repeated_keys_is_read_whatever_its_texts_hold(
    value: Any, indent: int | None
) -> None:
    text = json.dumps(value, indent=indent).encode()
    strict_json.check_keys(text)
    assert strict_json.load(text) == value


@given(VALUES, TEXTS)
def test_a_repeated_key_is_found_at_any_level(value: Any, key: str) -> None:
    inner, name = json.dumps(value), json.dumps(key)
    for text in (
        f"{{{name}: {inner}, {name} :{inner}}}",
        f'[{inner}, {{"x": [{{{name}:{inner},"y":{inner}x,{name}:1}}]}}]'.replace("x,", ","),
    ):
        for read in (strict_json.check_keys, strict_json.load):
            with pytest.raises(ValueError, match="appears twice"):
                read(text.encode())


@pytest.mark.parametrize(
    "text",
    [b"[" * 100_000, b"[" * 200 + b"]" * 200, b'{"a": "\\ud800"}', b"\xff", b"\xed\xa0\x80", b"{"],
)
def test_what_cannot_be_read_is_a_value_error(text: bytes) -> None:
    with pytest.raises(ValueError):
        strict_json.load(text)
    strict_json.check_keys(text)  # not its matter


def test_a_pair_of_surrogates_is_one_character() -> None:
    assert strict_json.load(b'"\\ud83c\\udca1"') == "🂡"
