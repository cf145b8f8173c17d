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
from tunix_rt_nb.report import theme
from tunix_rt_nb.trace import Trace, respond
from tunix_rt_nb.trace.chat import render

VOID = {"br", "hr", "wbr"}
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
    lines = sum(text.count("\n") for text in (trace.prompt, *(s.content for s in trace.steps)))
    n = len(trace.steps)
    breaks = {"br": lines} if lines else {}
    assert found.elements == {"h4": 1, "p": 3, "b": 3, "ol": 1, "li": n, **breaks}
    [(name, style)] = found.attributes
    assert name == "li style" and theme.WRONG in style
    first, *later = [plain(step.content) for step in trace.steps]
    items = [("b", f"{first} ✗"), *(("li", f"{text} ✓") for text in later)]
    answer = plain(trace.final_answer)
    ended = [("p", "Answer: "), ("b", answer), ("p", " ✓"), ("p", f"step 1: {said}")]
    assert found.said == [("h4", said), ("b", plain(trace.prompt)), *items, *ended]


TOKENIZER = Tokenizer(train_tokenizer([*map(respond, TRACES), *[HOSTILE] * 9], 480))
EXAMPLES = list(encode([render(trace) for trace in TRACES], TOKENIZER, [t.id for t in TRACES]))


LEGEND = [("b", "trained on"), ("p", " "), ("span", "only read")]


def tokens_shown(html: Any) -> list[tuple[str, str]]:
    """Return the tokens that a mask shows, without the legend above them."""
    found = shown(html)
    assert found[:3] == LEGEND
    return found[3:]


def readable(text: str) -> str:
    return plain(text).replace(" ", "\xa0").replace("\n", "⏎\n")


@pytest.mark.parametrize("place", range(len(TRACES)))
def test_of_a_chat_the_response_is_marked_and_nothing_else(place: int) -> None:
    tokens = tokens_shown(report.mask_html(EXAMPLES[place], TOKENIZER))
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
    assert found.said == [*LEGEND, *told]
    colours = {"b style": theme.TRAINED, "span style": theme.READ}
    for name, style in found.attributes:
        assert name == "p style" or f"background:{colours[name]};" in style


def test_a_token_that_looks_like_markup_is_shown_as_text() -> None:
    ids = TOKENIZER.literal(HOSTILE)
    pieces = [TOKENIZER.piece(i) for i in ids]
    assert any("<" in piece and len(piece) > 3 for piece in pieces)
    assert any("&" in piece for piece in pieces) and any('"' in piece for piece in pieces)
    found = Shown(report.mask_html(Example("x", tuple(ids), 0), TOKENIZER))
    assert "".join(text for _, text in found.said[3:]) == HOSTILE.replace(" ", "\xa0")
    assert found.elements == {"p": 2, "b": 1 + len(ids), "span": 1, "wbr": len(ids) - 1}


RIGHT, WRONG = (predictions([text(TRACE)], [TRACE])[0] for text in (right, wrong))


def answered(prediction: Any) -> list[tuple[str, str]]:
    return shown(report.predictions_html([prediction]))


def test_each_step_of_a_right_answer_is_ticked() -> None:
    assert answered(RIGHT) == [
        ("b", TRACE.prompt),
        *(("li", f"{text} ✓") for text in STEPS),
        ("p", "Answer: "),
        ("b", TRACE.final_answer),
        ("p", " ✓ "),
        ("i", "(right answer, no wrong step)"),
    ]


def test_the_first_wrong_step_is_bold_on_red_with_the_reason_and_the_right_answer_is_told() -> None:
    assert answered(WRONG) == [
        ("b", TRACE.prompt),
        ("li", f"{STEPS[0]} ✓"),
        ("b", "I guess. ✗"),
        ("li", "\n"),
        ("i", WRONG["wrong_steps"]["2"]),
        ("p", "Answer: "),
        ("b", "4096"),
        ("p", " ✗, expected "),
        ("b", TRACE.final_answer),
        ("p", " "),
        ("i", "(wrong step, wrong answer; 25.0 % of the steps right)"),
    ]
    reds = [style for _, style in Shown(report.predictions_html([WRONG])).attributes]
    assert [theme.WRONG in style for style in reds] == [False, True]  # the first is a class


def test_later_wrong_steps_are_crossed_but_not_bold() -> None:
    mixed = {**RIGHT, "steps_right": 0.5, "first_wrong": 2, "wrong_steps": {"2": "no", "4": "nor"}}
    said = answered(mixed)
    items = [(tag, text) for tag, text in said if text.strip()[-2:] in (" ✓", " ✗")]
    told = ["✓", "✗", "✓", "✗"]
    expected = [f"{text} {tick}" for text, tick in zip(STEPS, told, strict=True)]
    assert [text.strip() for _, text in items] == expected
    assert [tag for tag, _ in items] == ["li", "b", "li", "li"]


def test_a_missing_step_is_told_where_it_is_missing() -> None:
    short = predictions([f"Reasoning:\n1. {STEPS[0]}\nAnswer: 7"], [TRACE])[0]
    assert short["first_wrong"] == 2
    assert ("b", "a step is missing here ✗") in answered(short)


def test_steps_that_nobody_can_check_get_a_dot() -> None:
    found = answered({**RIGHT, "steps_right": None, "grader": "number"})
    assert [text for tag, text in found if tag == "li"] == [f"{text} ·" for text in STEPS]
    assert found[-1][1].endswith("no step can be checked)")


def test_steps_of_an_own_question_are_ticked_if_a_program_checked_all_of_them() -> None:
    counts = {"right": len(STEPS), "wrong": 0, "unchecked": 0}
    for unchecked, tick in ((0, "✓"), (1, "·")):
        own = {**RIGHT, "grader": "number", "step_counts": {**counts, "unchecked": unchecked}}
        items = [text for tag, text in answered(own) if tag == "li"]
        assert items == [f"{text} {tick}" for text in STEPS]


def test_an_answer_that_is_right_in_part_is_not_right() -> None:
    assert ("p", " ✗, expected ") in answered({**RIGHT, "score": 0.99})


def test_what_is_not_in_the_style_can_be_unfolded() -> None:
    [free] = predictions(["<b>so</b> it is 7"], [TRACE])
    found = Shown(report.predictions_html([free]))
    assert found.elements["details"] == 1
    assert found.said[-1] == ("details", "<b>so</b> it is 7")


def test_all_answers_are_shown_in_their_order_and_none_if_there_are_none() -> None:
    one, two = answered(RIGHT), answered(WRONG)
    found = Shown(report.predictions_html([WRONG, RIGHT, {**WRONG}]))
    assert found.said == [*two, *one, *two]
    assert found.elements["hr"] == 2
    assert shown(report.predictions_html([])) == []


@given(odd.texts([HOSTILE, "</div>", "</i></p>", "&amp;", "<hr>"]))
def test_whatever_a_model_says_is_shown_as_text(said: str) -> None:
    fields = dict.fromkeys(("prompt", "answer", "expected_answer"), said)
    found = Shown(report.predictions_html([{**WRONG, **fields, "wrong_steps": {"2": said}}]))
    assert found.elements.pop("br") == 1 + sum(text.count("\n") for text in fields.values())
    assert found.elements == {"div": 1, "p": 2, "ol": 1, "li": 2, "b": 4, "i": 2}
    assert [name for name, _ in found.attributes] == ["div class", "li style"]
    texts = [text for _, text in found.said]
    assert texts.count(plain(said)) >= 4


def test_a_response_of_any_text_is_shown_as_text() -> None:
    [odd_one] = predictions([f"Reasoning:\n1. {HOSTILE}\nAnswer: {HOSTILE}"], [TRACE])
    found = Shown(report.predictions_html([odd_one]))
    assert ("b", f"{HOSTILE} ✗") in found.said and ("b", HOSTILE) in found.said
    assert not {"script", "a"} & found.elements.keys()


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


def test_traces_of_tasks_that_were_not_asked_for_are_folded_away() -> None:
    other = TRACES[-1]
    html = report.traces_html([TRACE, other, other], {"arithmetic": 9})
    found = Shown(html)
    assert found.elements["details"] == found.elements["summary"] == 1
    one, two = (shown(report.trace_html(trace)) for trace in (TRACE, other))
    assert found.said == [*one, ("summary", "2 more traces"), *two, *two]
    assert html.data.index("<details>") > html.data.index(TRACE.prompt)
    assert "details" not in Shown(report.traces_html([TRACE], {"arithmetic"})).elements


def test_the_files_of_a_folder_are_told_by_name_with_their_bytes(tmp_path: Path) -> None:
    for name, size in (("model.safetensors", 3_000), ("README.md", 5), ("config.json", 0)):
        (tmp_path / name).write_bytes(bytes(size))
    found = report.files_table(tmp_path)
    assert found["bytes"].to_dict() == {
        "README.md": "5",
        "config.json": "0",
        "model.safetensors": "3,000",
    }
    assert list(found.index) == ["README.md", "config.json", "model.safetensors"]
    assert list(found.columns) == ["bytes"]
    assert str(found) == (
        "                   bytes\nREADME.md              5\nconfig.json            0\n"
        "model.safetensors  3,000"
    )


def test_bytes_are_counted_and_not_characters(tmp_path: Path) -> None:
    (tmp_path / "a & <b>.txt").write_text("é✓")
    assert report.files_table(tmp_path)["bytes"].to_dict() == {"a & <b>.txt": "5"}


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


def test_one_prompt_is_watched_over_the_rounds() -> None:
    rounds = [[WRONG, RIGHT], [RIGHT, WRONG]]
    told = shown(report.watched_html(rounds))
    prompt, wrong_answer, right_answer = ("b", TRACE.prompt), answered(WRONG), answered(RIGHT)
    assert told == [
        prompt,
        ("h4", "Round 1"),
        *wrong_answer[1:],
        ("h4", "Round 2"),
        *right_answer[1:],
    ]
    assert shown(report.watched_html([])) == shown(report.watched_html([[], []])) == []
    many = shown(report.watched_html([[RIGHT]] * 100))
    assert [text for tag, text in many if tag == "h4"][-2:] == ["Round 86", "Round 100"]


@pytest.mark.parametrize("said", [HOSTILE, "</h4><script>", "\n1. <b>"])
def test_whatever_a_watched_answer_says_is_text(said: str) -> None:
    fields = dict.fromkeys(("prompt", "response", "expected_answer", "answer"), said)
    odd_one = {**WRONG, **fields, "wrong_steps": {"1": said}, "strict_format": True}
    found = Shown(report.watched_html([[odd_one], [odd_one]]))
    assert found.elements.keys() <= {"div", "p", "b", "h4", "ol", "li", "i", "br"}
    assert found.elements["h4"] == 2
