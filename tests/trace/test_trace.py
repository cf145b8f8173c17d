import copy
import json
import math
import pickle
import re
import uuid
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.trace.trace import Trace, id_of, parse_line, parse_object, parse_stored

GOOD: dict[str, Any] = {
    "prompt": "What is 2 + 2?",
    "steps": [{"i": 0, "type": "compute", "content": "2 + 2 = 4."}],
    "final_answer": "4",
}
text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
numbers = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | numbers | text
metas = st.dictionaries(
    text,
    st.recursive(
        scalars, lambda inner: st.lists(inner) | st.dictionaries(text, inner), max_leaves=6
    ),
    max_size=4,
)


def test_the_id_depends_on_the_content_alone() -> None:
    one = Trace.model_validate(GOOD)
    same = Trace.model_validate(dict(reversed(GOOD.items())))
    other = Trace.model_validate({**GOOD, "final_answer": "5"})
    assert one.id == same.id != other.id


def test_an_id_never_changes() -> None:
    trace = Trace.of("2 + 2 = ?", [("add", "So 4.")], "4", {"b": [1e16, 1e-7, 0.1], "a": "ü\n"})
    assert trace.id == "2b0e610f-153a-5b8f-a38e-147c60643a2f"
    assert trace.canonical() == (
        '{"final_answer":"4","meta":{"a":"ü\\n","b":[1e+16,1e-07,0.1]},"prompt":"2 + 2 = ?",'
        '"steps":[{"content":"So 4.","i":0,"type":"add"}],"trace_version":"1.0"}'
    )


@pytest.mark.slow
@given(prompt=text, meta=metas)
def test_the_id_is_that_of_the_json_which_python_writes(prompt: str, meta: dict) -> None:
    trace = Trace.of(prompt, [("step", prompt)], prompt, meta)
    written = json.dumps(
        trace.model_dump(), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    assert trace.canonical() == written
    namespace = uuid.uuid5(uuid.NAMESPACE_URL, "tunix_rt_nb/trace")
    assert trace.id == str(uuid.uuid5(namespace, written))


@given(prompt=text, steps=st.lists(text, min_size=1, max_size=5), answer=text, meta=metas)
def test_a_trace_survives_its_json_line(
    prompt: str, steps: list[str], answer: str, meta: dict
) -> None:
    trace = Trace.of(prompt, [("step", s) for s in steps], answer, meta)
    assert parse_line(json.dumps(trace.model_dump()), "x:1") == trace
    assert parse_line(json.dumps({**trace.model_dump(), "id": 1, "created_at": 2}), "x") == trace


def test_a_trace_survives_copies() -> None:
    trace = Trace.model_validate({**GOOD, "meta": {"a": [1]}})
    for again in (copy.copy(trace), copy.deepcopy(trace), pickle.loads(pickle.dumps(trace))):
        assert again == trace
        assert again.id == trace.id


def nested(levels: int) -> dict:
    value: Any = 1
    for _ in range(levels):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"prompt": ""}, "prompt: expected str of length >= 1"),
        ({"prompt": 5}, "prompt: expected str, got int"),
        ({"prompt": "x" * 50_001}, "prompt: expected str of length <= 50000"),
        ({"final_answer": ""}, "final_answer: expected str of length >= 1"),
        ({"trace_version": "v" * 65}, "trace_version: expected str of length <= 64"),
        ({"steps": [{"i": 1, "type": "a", "content": "b"}]}, "steps.0.i: is 1, expected 0"),
        ({"steps": [{"i": 0, "type": "a", "content": "b"}] * 2}, "steps.1.i: is 0, expected 1"),
        ({"steps": [{"i": -1, "type": "a", "content": "b"}]}, "steps.0.i: expected int >= 0"),
        ({"steps": [{"i": 0.0, "type": "a", "content": "b"}]}, "steps.0.i: expected int, got"),
        ({"steps": [{"i": True, "type": "a", "content": "b"}]}, "steps.0.i: expected int, got"),
        ({"steps": [{"i": 0, "type": "", "content": "b"}]}, "steps.0.type: expected str of"),
        ({"steps": [{"i": 0, "type": "a"}]}, "steps.0.content: Field required"),
        ({"steps": [{"i": 0, "type": "a", "content": "b", "x": 1}]}, "steps.0.x: is not a field"),
        ({"steps": [{"i": 0, "type": "a", "content": "b" * 20_001}]}, "steps.0.content: expected"),
        ({"steps": [5]}, "steps.0: expected object, got int"),
        ({"meta": [1]}, "meta: expected object | null, got array"),
        ({"meta": {"x": "y" * (1 << 20)}}, "trace: may take 1 MiB"),
        ({"meta": {"x": {"y": [1, 1 << 64]}}}, "meta.x.y.1: is an integer beyond 64 bits"),
        ({"meta": {"x": -(1 << 63) - 1}}, "meta.x: is an integer beyond 64 bits"),
        ({"meta": {"x": 10**4299}}, "meta.x: is an integer beyond 64 bits"),
        ({"meta": nested(65)}, "meta: has more than 64 levels"),
        ({"extra": 1}, "extra: is not a field of a trace"),
        ({"\x1b[31m\n": 1}, "\ufffd[31m : is not a field"),
        ({"meta": {"x": math.nan}}, "not a JSON object: it has NaN"),
        ({"meta": {"x": math.inf}}, "not a JSON object: it has NaN, an infinite number"),
        ({"prompt": "\ud800"}, "half a surrogate pair"),
        ({"meta": {"\ud800": 1}}, "half a surrogate pair"),
    ],
)
def test_each_limit_is_named_with_file_and_line(change: dict, says: str) -> None:
    with pytest.raises(InputError, match=r"^f\.jsonl:3: ") as error:
        parse_line(json.dumps({**GOOD, **change}), "f.jsonl:3")
    assert says in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("meta", "says"),
    [
        ({"x": math.nan}, "meta.x: is nan, which is not a JSON number"),
        ({"x": [-math.inf]}, "meta.x.0: is -inf, which is not a JSON number"),
        ({"x": "\ud800"}, "half a surrogate pair"),
        ({"x": {1: 2}}, "meta.x: has the key 1, which is not text"),
        ({"x": (1, 2)}, "meta.x: is of type tuple, expected a JSON value"),
        ({"x": 1 << 64}, "meta.x: is an integer beyond 64 bits"),
    ],
)
def test_a_trace_that_is_built_holds_to_the_same_limits(meta: dict, says: str) -> None:
    with pytest.raises(InputError, match=re.escape(says)):
        Trace.of("p", [("s", "t")], "a", meta)
    with pytest.raises(InputError, match="prompt: expected str of length >= 1"):
        Trace.of("", [("s", "t")], "a")


def test_what_is_just_within_the_limits_is_a_trace() -> None:
    steps = [{"i": i, "type": "t" * 64, "content": "c" * 900} for i in range(1_000)]
    meta = {**nested(64), "least": -(1 << 63), "most": (1 << 64) - 1, "nul": "\0", "tiny": 5e-324}
    whole = {"prompt": "p" * 50_000, "steps": steps, "final_answer": "a", "meta": meta}
    assert parse_line(json.dumps(whole), "f:1").meta == meta


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "not a JSON object: "),
        ("[]", 'expected an object such as {"question": "2 + 2?", "answer": "4"}, found a list'),
        ("null", "expected an object such as "),
        ('"text"', "expected an object such as "),
        ("[" * 100_000, "expected an object such as "),
        ('{"meta": ' + '{"a":' * 100_000, "meta: has more than 64 levels"),
        (b"\xff{}", "not a JSON object: it is not UTF-8"),
        (b'{"prompt": "\xff"}', "not a JSON object: it is not UTF-8"),
        (b'{"prompt": "a\x01b"}', "not a JSON object: Invalid control character at character 14"),
        (b'{"meta": {"x": ' + b"9" * 1_000_000 + b"}}", "meta: integer value out of range"),
        (b'{"meta": {"x": 1e999}}', "meta: number out of range"),
        (b'{"x": "' + b"y" * (9 << 20) + b'"}', "trace: may take 1 MiB, this line takes over 8"),
    ],
)
def test_what_is_not_a_json_object_is_refused(line: str | bytes, says: str) -> None:
    with pytest.raises(InputError, match=f"^f:1: {re.escape(says)}"):
        parse_line(line, "f:1")


@given(st.binary(min_size=16, max_size=16))
def test_a_key_is_written_as_a_uuid(key: bytes) -> None:
    assert id_of(key) == str(uuid.UUID(bytes=key))


def test_the_id_of_a_trace_is_its_key() -> None:
    trace = Trace.model_validate(GOOD)
    assert trace.id == id_of(trace.key)
    assert uuid.UUID(trace.id).version == 5


@settings(max_examples=50)
@given(prompt=text, meta=metas, name=scalars, created=scalars)
def test_a_stored_line_gives_the_trace_and_the_two_keys_beside_it(
    prompt: str, meta: dict, name: object, created: object
) -> None:
    trace = Trace.of(prompt, [("step", prompt)], prompt, meta)
    line = json.dumps({"id": name, **trace.model_dump(), "created_at": created})
    found, told, when = parse_stored(line)
    assert (found, found.id) == (trace, trace.id)
    assert (told, when) == (name, created)
    assert parse_stored(line.encode())[0].canonical() == trace.canonical()


def test_a_line_without_the_two_keys_has_none_of_them() -> None:
    assert parse_stored(json.dumps(GOOD)) == (Trace.model_validate(GOOD), None, None)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"extra": 1}, "extra: is not a field of a trace"),
        ({"prompt": ""}, "prompt: expected str of length >= 1"),
        ({"steps": [{**GOOD["steps"][0], "i": 1}]}, "steps.0.i: is 1, expected 0, as indices run"),
        ({"meta": nested(65)}, "meta: has more than 64 levels"),
        ({"meta": {"x": math.nan}}, "not a JSON object: it has NaN"),
        ({"meta": {"x": "y" * (9 << 20)}}, "trace: may take 1 MiB, this line takes over 8 MiB"),
    ],
)
def test_a_stored_line_holds_to_the_limits_of_a_trace(change: dict, says: str) -> None:
    line = json.dumps({"id": "x", "created_at": "now", **GOOD, **change})
    with pytest.raises(InputError, match=f"^{re.escape(says)}"):
        parse_stored(line)


@settings(max_examples=50)
@given(metas)
def test_an_object_of_any_kind_is_read_as_it_was_written(value: dict) -> None:
    found = parse_object(json.dumps(value).encode())
    assert found == value
    assert repr(found) == repr(value)  # 1 is not 1.0, nor is it True
    assert parse_object(json.dumps(value, ensure_ascii=False, indent=1).encode()) == value


@given(scalars | st.lists(scalars))
def test_what_is_no_object_is_refused_in_one_line(value: object) -> None:
    with pytest.raises(InputError, match="^expected an object such as") as error:
        parse_object(json.dumps(value).encode())
    assert str(error.value).isprintable()


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"", "not a JSON object: "),
        (b"{} {}", "not a JSON object: "),
        (b"{'a': 1}", "not a JSON object: Expecting property name"),
        (b'{"a": NaN}', "not a JSON object: it has NaN"),
        (b"\xef\xbb\xbf{}", "not a JSON object: "),
        (b'{"a": "\xff"}', "not a JSON object: it is not UTF-8"),
        (b'{"a": ' + b"[" * 100_000, "meta: has more than 64 levels"),
        (b'{"a": "' + b"y" * (9 << 20) + b'"}', "trace: may take 1 MiB, this line takes over 8"),
    ],
)
def test_an_object_that_is_damaged_says_why(line: bytes, says: str) -> None:
    with pytest.raises(InputError, match=f"^{re.escape(says)}"):
        parse_object(line)
