import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunix_rt_nb.errors import InputError
from tunix_rt_nb.trace import Trace, parse_line

GOOD = {
    "prompt": "What is 2 + 2?",
    "steps": [{"i": 0, "type": "compute", "content": "2 + 2 = 4."}],
    "final_answer": "4",
}
text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


def test_the_id_depends_on_the_content_alone() -> None:
    one = Trace.model_validate(GOOD)
    same = Trace.model_validate(dict(reversed(GOOD.items())))
    other = Trace.model_validate({**GOOD, "final_answer": "5"})
    assert one.id == same.id != other.id


@given(prompt=text, steps=st.lists(text, min_size=1, max_size=5), answer=text)
def test_a_trace_survives_its_json_line(prompt: str, steps: list[str], answer: str) -> None:
    trace = Trace.of(prompt, [("step", s) for s in steps], answer, {"k": prompt})
    assert parse_line(json.dumps(trace.model_dump()), "x:1") == trace


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"prompt": ""}, "prompt"),
        ({"prompt": 5}, "prompt"),
        ({"prompt": "x" * 50_001}, "prompt"),
        ({"final_answer": ""}, "final_answer"),
        ({"trace_version": "v" * 65}, "trace_version"),
        ({"steps": []}, "steps"),
        ({"steps": [{"i": 1, "type": "a", "content": "b"}]}, "step indices"),
        ({"steps": [{"i": 0, "type": "a", "content": "b"}] * 2}, "step indices"),
        ({"steps": [{"i": -1, "type": "a", "content": "b"}]}, "steps.0.i"),
        ({"steps": [{"i": 0, "type": "", "content": "b"}]}, "steps.0.type"),
        ({"steps": [{"i": 0, "type": "a", "content": "b" * 20_001}]}, "steps.0.content"),
        ({"meta": [1]}, "meta"),
        ({"meta": {"x": "y" * (1 << 20)}}, "1 MiB"),
        ({"extra": 1}, "extra"),
        ({"meta": {"x": float("nan")}}, "JSON"),
        ({"meta": {"x": float("inf")}}, "JSON"),
        ({"prompt": "\ud800"}, ""),
        ({"meta": {"\ud800": 1}}, "JSON"),
    ],
)
def test_each_limit_is_named_with_file_and_line(change: dict, says: str) -> None:
    with pytest.raises(InputError, match=rf"^f\.jsonl:3: .*{re.escape(says)}") as error:
        parse_line(json.dumps({**GOOD, **change}), "f.jsonl:3")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("line", ["{", "[]", "null", '"text"', "[" * 100_000, b"\xff{}"])
def test_what_is_not_a_json_object_is_refused(line: str | bytes) -> None:
    with pytest.raises(InputError, match="^f:1: "):
        parse_line(line, "f:1")
