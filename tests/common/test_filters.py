import json
import math
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from tests.conftest import NOW
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.common.filters import filter_condition
from tunix_rt_nb.common.queries import records
from tunix_rt_nb.store.store import TraceStore
from tunix_rt_nb.trace.trace import Trace

ODD = [chr(n) for n in (*range(33), 34, 39, 47, 92, 127, 133, 0x2028, 0x2029, 0xFEFF, 0x1F600)]
# JSON writes each of these in another way than Python, or than DuckDB.
NUMBERS = [1e-7, 1e-5, 1e16, 1e20, 1e21, 1e22, 1.25e17, 5e-324, 1.7976931348623157e308, -1e-9]
OTHERS: list[Any] = [
    2**64 - 1,
    -(2**63),
    1,
    1.0,
    -0.0,
    True,
    None,
    [1, "a\x1f\\u001f"],
    ["\\", 1e-7],
    [[]],
]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> TraceStore:
    """A trace for each odd value, and one for each odd key."""
    made = TraceStore(tmp_path_factory.mktemp("traces"))
    values: list[dict[str, Any]] = [
        {"v": value, "n": n} for n, value in enumerate([*ODD, *NUMBERS, *OTHERS])
    ]
    keys = [{key: 1, "k": n} for n, key in enumerate(ODD)]
    made.add(
        [Trace.of(f"{n}?", [("s", "t")], "a", meta) for n, meta in enumerate([*values, *keys])], NOW
    )
    return made


def found(store: TraceStore, filters: list[dict[str, Any]], field: str) -> list[list[int]]:
    """Return the value of `field` in the traces that each of the filters finds."""
    every = []
    with store.connect() as connection:
        for each in filters:
            where, values = filter_condition(each)
            query = f"SELECT (meta ->> '{field}')::INT AS n FROM fields WHERE {where}"
            every.append([row["n"] for row in records(connection.execute(query, values))])
    return every


@pytest.mark.slow
@pytest.mark.parametrize("operator", ["=", "in"])
def test_a_filter_finds_each_value_whatever_characters_and_digits_it_has(
    store: TraceStore, operator: str
) -> None:
    values = [*ODD, *NUMBERS, *OTHERS]
    filters = [{"v": {operator: [v] if operator == "in" else v}} for v in values]
    assert found(store, filters, "n") == [[n] for n in range(len(values))]


def test_a_filter_finds_each_key_whatever_characters_it_has(store: TraceStore) -> None:
    filters = [{f"meta.{key}": 1, "k": {"exists": True}} for key in ODD]
    assert found(store, filters, "k") == [[n] for n in range(len(ODD))]


@pytest.mark.parametrize("operator", ["=", "!=", "<", "in"])
@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("\ud800", "has half a surrogate pair"),
        (math.nan, "cannot be in a trace: Out of range float"),
        (math.inf, "cannot be in a trace: Out of range float"),
        (b"x", "cannot be in a trace: Object of type bytes"),
    ],
)
@pytest.mark.parametrize("path", ["v", "step_count"])
def test_a_value_that_no_trace_can_have_is_refused(
    path: str, operator: str, value: object, says: str
) -> None:
    asked = [value] if operator == "in" else value
    with pytest.raises(InputError, match=f"^filters: {path}: ({says}|.* cannot take )"):
        filter_condition({path: {operator: asked}})


@pytest.mark.parametrize("path", ["v", "step_count"])
def test_a_number_that_is_compared_has_at_most_64_bits(path: str) -> None:
    filter_condition({path: {"<": 2**64 - 1, ">": -1e300}})
    with pytest.raises(InputError, match=f"^filters: {path}: '<' cannot take 1000.*…$"):
        filter_condition({path: {"<": 10**400}})


def test_a_path_that_no_trace_can_have_is_refused() -> None:
    with pytest.raises(InputError, match="^filters: a\ufffd: has half a surrogate pair"):
        filter_condition({"a\udcff": 1})
    with pytest.raises(InputError, match="^filters: 5: expected a path, which is text"):
        filter_condition({5: 1})  # type: ignore[dict-item]
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(InputError, match="^filters: v: is nested too deep"):
        filter_condition({"v": deep})


@settings(max_examples=50)
@given(st.lists(st.text(max_size=9) | st.floats(allow_nan=False, allow_infinity=False)))
def test_a_value_is_respelled_and_stays_the_same(value: object) -> None:
    bound = filter_condition({"v": {"=": value}})[1]["v1"]
    assert json.loads(bound) == value
