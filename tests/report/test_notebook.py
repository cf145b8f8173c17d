"""What a notebook shows of traces, tokens, answers and files: all of it, and no text is markup."""

import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from tests.conftest import with_step
from tests.helpers import odd
from tests.helpers.run_folders import TRACES, predictions, right, wrong
from tunix_rt_nb import report, tasks
from tunix_rt_nb.common import printable
from tunix_rt_nb.models import Tokenizer, train_tokenizer
from tunix_rt_nb.render import Example, encode
from tunix_rt_nb.trace import Trace, respond
from tunix_rt_nb.trace.chat import render

VOID = {"br", "hr"}
OPENED, CLOSED = '<div class="tex2jax_ignore mathjax_ignore">', "</div>"
HOSTILE = '<script>alert("a & b")</script> &lt; it\'s <b>✓</b>'
TRACE = TRACES[0]  # of four steps
STEPS = [step.content for step in TRACE.steps]


class Shown(HTMLParser):
    """The elements of some HTML, each closed in its turn, and the texts in them, one by one."""

    def __init__(self, html: Any) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: Counter[str] = Counter()
        self.attributes: list[tuple[str, str]] = []
        self.texts: list[tuple[str, str]] = []
        assert html.data.startswith(OPENED) and html.data.endswith(CLOSED)  # so nothing is TeX
        self.feed(html.data.removeprefix(OPENED).removesuffix(CLOSED))
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag] += 1
        self.attributes += [(f"{tag} {name}", value or "") for name, value in attrs]
        if tag == "br":
            self.handle_data("\n")
        elif tag not in VOID:
            self.open.append(tag)
            self.texts.append((tag, ""))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        if self.open:
            self.texts.append((self.open[-1], ""))

    def handle_data(self, data: str) -> None:
        tag, text = self.texts.pop()
        self.texts.append((tag, text + data))

    @property
    def said(self) -> list[tuple[str, str]]:
        """Each text with the element that it is in."""
        return [(tag, text) for tag, text in self.texts if text]


def shown(html: Any) -> list[tuple[str, str]]:
    return Shown(html).said


def ticked(steps: str, answer: str = "✓", task: str = "arithmetic") -> list[tuple[str, str]]:
    """Return the (element, text) pairs shown of TRACE; `steps` has a tick or cross for each step."""
    first = steps.find("✗")
    items = [
        ("b" if k == first else "li", f"{text} {mark}")
        for k, (text, mark) in enumerate(zip(STEPS, steps, strict=True))
    ]
    ended = [("p", "Answer: "), ("b", TRACE.final_answer), ("p", f" {answer}")]
    return [("h4", task), ("b", TRACE.prompt), *items, *ended]


def test_a_right_trace_is_ticked_throughout() -> None:
    assert shown(report.trace_html(TRACE, tasks.problems(TRACE))) == ticked("✓✓✓✓")


@pytest.mark.parametrize(("place", "marks"), [(0, "✗✓✓✓"), (1, "✓✗✓✓"), (3, "✓✓✓✗")])
def test_a_wrong_step_is_crossed_and_its_reason_stands_below(place: int, marks: str) -> None:
    altered = with_step(TRACE, place, "I guess.")
    [problem] = tasks.problems(altered)
    assert problem.startswith(f"step {place + 1}: expected")
    expected = [*ticked(marks), ("p", problem)]
    expected[2 + place] = ("b", "I guess. ✗")
    assert shown(report.trace_html(altered, [problem])) == expected
    assert shown(report.trace_html(altered)) == expected


def test_a_wrong_answer_is_crossed_and_its_reason_stands_below() -> None:
    problem = "answer: '65' is wrong"
    assert shown(report.trace_html(TRACE, [problem])) == [*ticked("✓✓✓✓", "✗"), ("p", problem)]


def test_every_problem_is_told_in_order_that_of_a_missing_step_too() -> None:
    problems = ["step 1: no", "step 4: nor this: 1 < 2", "step 5: missing, expected more"]
    below = [("p", problem) for problem in problems]
    assert shown(report.trace_html(TRACE, problems)) == [*ticked("✗✓✓✗"), *below]


def test_the_tenth_step_is_not_the_first() -> None:
    trace = Trace.of("p", [("s", f"s{n}") for n in range(1, 12)], "a")
    crossed = [t for _, t in shown(report.trace_html(trace, ["step 11: no"])) if "✗" in t]
    assert crossed == ["s11 ✗"]


def test_a_trace_of_no_task_has_no_heading() -> None:
    trace = Trace.of(TRACE.prompt, [("s", text) for text in STEPS], TRACE.final_answer)
    assert shown(report.trace_html(trace, ())) == ticked("✓✓✓✓")[1:]


def test_steps_of_no_task_are_ticked_by_their_sums_and_the_answer_is_not_judged() -> None:
    steps = ["48/2 = 24 clips", "Add both.", "48 + 24 = 73", "2 + 2 = 5"]
    trace = Trace.of("How many?", [("s", text) for text in steps], "73")
    assert shown(report.trace_html(trace)) == [
        ("b", "How many?"),
        ("li", "48/2 = 24 clips ✓"),
        ("li", "Add both. ·"),
        ("b", "48 + 24 = 73 ✗"),
        ("li", "2 + 2 = 5 ✗"),
        ("p", "Answer: "),
        ("b", "73"),
        ("p", " ·"),
        ("p", "step 3: 48 + 24 is 72, not 73"),
        ("p", "step 4: 2 + 2 is 4, not 5"),
    ]


def plain(text: str) -> str:
    """A text as HTML shows it: without what a browser obeys or does not show."""
    return printable(re.sub("[\t\r]", " ", text))


@settings(max_examples=100)
@given(odd.traces(odd.texts([HOSTILE, "</li>", "</p></ol>", "&amp;", "\n"])), st.data())
def test_whatever_a_trace_or_a_problem_says_is_shown_as_text(trace: Trace, data: Any) -> None:
    said = data.draw(st.sampled_from([*HOSTILE.split(), HOSTILE]))
    meta = {"task": said}
    trace = Trace.of(
        trace.prompt, [("s", s.content) for s in trace.steps], trace.final_answer, meta
    )
    found = Shown(report.trace_html(trace, [f"step 1: {said}"]))
    breaks = {"br": lines} if (lines := trace.prompt.count("\n")) else {}
    n = len(trace.steps)
    assert found.elements == {"h4": 1, "p": 3, "b": 3, "ol": 1, "li": n, **breaks}
    assert found.attributes == []
    first, *later = [plain(step.content) for step in trace.steps]
    items = [("b", f"{first} ✗"), *(("li", f"{text} ✓") for text in later)]
    answer = plain(trace.final_answer)
    ended = [("p", "Answer: "), ("b", answer), ("p", " ✓"), ("p", f"step 1: {said}")]
    assert found.said == [("h4", said), ("b", plain(trace.prompt)), *items, *ended]


TOKENIZER = Tokenizer(train_tokenizer([*map(respond, TRACES), *[HOSTILE] * 9], 480))
EXAMPLES = list(encode([render(trace) for trace in TRACES], TOKENIZER, [t.id for t in TRACES]))


def readable(text: str) -> str:
    return plain(text).replace(" ", "\xa0").replace("\n", "⏎\n")


@pytest.mark.parametrize("place", range(len(TRACES)))
def test_of_a_chat_the_response_is_marked_and_nothing_else(place: int) -> None:
    tokens = shown(report.mask_html(EXAMPLES[place], TOKENIZER))
    marked = "".join(text for tag, text in tokens if tag == "b")
    assert marked == readable(f"{respond(TRACES[place])}<end_of_turn>")
    plain = "".join(text for tag, text in tokens if tag == "span")
    assert plain.startswith(readable("<bos><start_of_turn>user\n"))
    assert plain.endswith(readable("<end_of_turn>\n<start_of_turn>model\n"))
    assert len(tokens) == len(EXAMPLES[place])


@settings(max_examples=100)
@given(st.lists(st.integers(0, len(TOKENIZER) - 1), min_size=1, max_size=30), st.data())
def test_exactly_the_tokens_that_are_trained_are_marked(ids: list[int], data: Any) -> None:
    prompt = data.draw(st.integers(0, len(ids)))
    example = Example("x", tuple(ids), prompt)
    found = Shown(report.mask_html(example, TOKENIZER))
    tags = ["b" if trained else "span" for trained in example.mask]
    assert tags == ["span"] * prompt + ["b"] * (len(ids) - prompt)
    told = [(tag, readable(TOKENIZER.piece(i))) for tag, i in zip(tags, ids, strict=True)]
    assert found.said == told
    greens = [style.startswith("background:#cdeccd;") for _, style in found.attributes[1:]]
    assert greens == list(example.mask)


def test_a_token_that_looks_like_markup_is_shown_as_text() -> None:
    ids = TOKENIZER.literal(HOSTILE)
    pieces = [TOKENIZER.piece(i) for i in ids]
    assert any("<" in piece and len(piece) > 3 for piece in pieces)
    assert any("&" in piece for piece in pieces) and any('"' in piece for piece in pieces)
    found = Shown(report.mask_html(Example("x", tuple(ids), 0), TOKENIZER))
    assert "".join(text for _, text in found.said) == HOSTILE.replace(" ", "\xa0")
    assert found.elements == {"p": 1, "b": len(ids)}


RIGHT, WRONG = (predictions([text(TRACE)], [TRACE])[0] for text in (right, wrong))


def test_a_right_answer_is_ticked_and_shown_line_by_line() -> None:
    assert shown(report.predictions_html([RIGHT])) == [
        ("b", TRACE.prompt),
        ("p", respond(TRACE)),
        ("i", "✓ answer right; 100.0 % of the steps right"),
    ]
    assert report.predictions_html([RIGHT]).data.count("<br>") == respond(TRACE).count("\n") == 5


def test_a_wrong_answer_is_crossed_with_the_right_one_and_why_each_step_is_wrong() -> None:
    reason = WRONG["wrong_steps"]["2"]
    assert shown(report.predictions_html([WRONG])) == [
        ("b", TRACE.prompt),
        ("p", wrong(TRACE)),
        (
            "i",
            f"✗ answer wrong, expected {TRACE.final_answer}; 25.0 % of the steps right\n"
            f"✗ step 2: {reason}",
        ),
    ]


def test_a_right_answer_for_wrong_reasons_shows_both() -> None:
    mixed = {**RIGHT, "steps_right": 0.5, "wrong_steps": {"2": "no", "10": "nor this"}}
    *_, (_, verdict) = shown(report.predictions_html([mixed]))
    assert verdict == (
        "✓ answer right; 50.0 % of the steps right\n✗ step 2: no\n✗ step 10: nor this"
    )


def test_steps_that_nobody_can_check_are_told() -> None:
    *_, (_, verdict) = shown(report.predictions_html([{**RIGHT, "steps_right": None}]))
    assert verdict == "✓ answer right; no step can be checked"


def test_an_answer_that_is_right_in_part_is_not_right() -> None:
    *_, (_, verdict) = shown(report.predictions_html([{**RIGHT, "score": 0.99}]))
    assert verdict.startswith(f"✗ answer wrong, expected {TRACE.final_answer}; 100.0 %")


def test_all_answers_are_shown_in_their_order_and_none_if_there_are_none() -> None:
    one, two = ([text for _, text in shown(report.predictions_html([p]))] for p in (RIGHT, WRONG))
    found = Shown(report.predictions_html([WRONG, RIGHT, {**WRONG}]))
    assert [text for _, text in found.said] == [*two, *one, *two]
    assert found.elements["hr"] == 3
    assert shown(report.predictions_html([])) == []


@pytest.mark.parametrize("n", [1, 5, 8, 9, 10, 12])
def test_the_first_five_and_the_last_five_are_each_shown_once(n: int) -> None:
    some = [{**RIGHT, "prompt": f"Question {k}?"} for k in range(n)]
    told = [
        text for tag, text in shown(report.predictions_html(some[:5] + some[-5:])) if tag == "b"
    ]
    assert told == [p["prompt"] for k, p in enumerate(some) if k < 5 or k >= n - 5]


@given(odd.texts([HOSTILE, "</div>", "</i></p>", "&amp;", "<hr>"]))
def test_whatever_a_model_says_is_shown_as_text(said: str) -> None:
    fields = dict.fromkeys(("prompt", "response", "expected_answer"), said)
    found = Shown(report.predictions_html([{**WRONG, **fields, "wrong_steps": {said: said}}]))
    assert found.elements.pop("br") > said.count("\n")
    assert found.elements == {"p": 3, "b": 1, "div": 1, "i": 1, "hr": 1}
    assert found.attributes == [("div class", "model")]
    said = plain(said)
    assert found.said == [
        ("b", said),
        ("p", said),
        ("i", f"✗ answer wrong, expected {said}; 25.0 % of the steps right\n✗ step {said}: {said}"),
    ]


CHAT = {
    "earlier_messages": [
        {"role": "system", "content": HOSTILE},
        {"role": "user", "content": "a\nb"},
        {"role": "assistant", "content": "<b>c</b>"},
    ]
}


def test_the_messages_before_a_prompt_are_shown_as_text() -> None:
    before = [("p", f"system: {HOSTILE}"), ("p", "user: a\nb"), ("p", "assistant: <b>c</b>")]
    assert shown(report.predictions_html([{**RIGHT, **CHAT}])) == [
        *before,
        *shown(report.predictions_html([RIGHT])),
    ]
    trace = Trace.of("p", [("s", "x")], "a", CHAT)
    bare = Trace.of("p", [("s", "x")], "a")
    assert shown(report.trace_html(trace)) == [*before, *shown(report.trace_html(bare))]


def test_an_answer_without_wrong_steps_on_record_is_shown() -> None:
    older = {name: value for name, value in RIGHT.items() if name != "wrong_steps"}
    assert report.predictions_html([older]).data == report.predictions_html([RIGHT]).data


def test_the_files_of_a_folder_are_told_by_name_with_their_bytes(tmp_path: Path) -> None:
    for name, size in (("model.safetensors", 3_000), ("README.md", 5), ("config.json", 0)):
        (tmp_path / name).write_bytes(bytes(size))
    found = report.files_table(tmp_path)
    assert found["bytes"].to_dict() == {"README.md": 5, "config.json": 0, "model.safetensors": 3000}
    assert list(found.index) == ["README.md", "config.json", "model.safetensors"]
    assert list(found.columns) == ["bytes"]
    assert str(found) == (
        "                   bytes\nREADME.md              5\nconfig.json            0\n"
        "model.safetensors   3000"
    )


def test_bytes_are_counted_and_not_characters(tmp_path: Path) -> None:
    (tmp_path / "a & <b>.txt").write_text("é✓")
    assert report.files_table(tmp_path)["bytes"].to_dict() == {"a & <b>.txt": 5}


FORMULAS = ["$5 and $6", "$$x$$", "\\(x\\)", "\\[x\\]", "\\begin{align}x\\end{align}", "\\ref{x}"]


@pytest.mark.parametrize("text", FORMULAS)
def test_no_text_in_a_table_is_taken_for_a_formula(text: str) -> None:
    html = report.table([{text: text, "n": 1}, {text: "x", "n": 2}], index="n")._repr_html_()  # type: ignore[operator]
    [table] = re.findall("<table[^>]*>", html)
    assert 'class="dataframe tex2jax_ignore mathjax_ignore"' in table
    assert html.replace(html[html.index(table) :], "").count(text) == 0
    assert html.count(text) == 2


@settings(max_examples=50)
@given(odd.texts([HOSTILE, "</td>", "&amp;", "\u202e", "\u200b"]))
def test_whatever_a_table_holds_is_shown_as_text(said: str) -> None:
    name = f"0{said}"
    found = report.table([{"a": said, "b": [said], "c": {said: said}, name: 1}, {"a": None}])
    texts = [found["a"][0], *found["b"][0], *found["c"][0], *found["c"][0].values()]
    assert texts == [plain(said)] * 4 and plain(name) in found.columns
    html = found._repr_html_()  # type: ignore[operator]
    assert re.findall("<(?!/?(?:div|style|table|thead|tbody|tr|th|td)\\b)", html) == []


def test_an_empty_folder_has_an_empty_table(tmp_path: Path) -> None:
    assert len(report.files_table(tmp_path)) == 0
