import pytest
from hypothesis import given, settings, strategies as st

from tests.conftest import THOROUGH
from tests.helpers import growth, odd
from tunix_rt_nb import tasks
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.trace.response import (
    STYLES,
    parse_response,
    reads_back,
    respond,
    unwrite,
    write,
)
from tunix_rt_nb.trace.trace import Step, Trace

TRACE = Trace.of("What is 2 + 2?", [("a", "Two and two."), ("b", "2 + 2 = 4.")], "4")


def contents(trace: Trace) -> tuple[str, ...]:
    return tuple(step.content for step in trace.steps)


def test_the_two_styles_in_full() -> None:
    assert respond(TRACE) == "Reasoning:\n1. Two and two.\n2. 2 + 2 = 4.\nAnswer: 4"
    assert respond(TRACE, "tags") == (
        "<reasoning>\n1. Two and two.\n2. 2 + 2 = 4.\n</reasoning>\n<answer>4</answer>"
    )


def test_the_reasoning_is_left_out_where_there_are_no_steps() -> None:
    alone = Trace(prompt="2 + 2?", steps=(), final_answer="4")
    assert respond(alone) == "Answer: 4"
    assert parse_response("Answer: 4") == ((), "4", True, False)


MANY = 50_000  # lines


@pytest.mark.slow
@settings(max_examples=THOROUGH)
@given(odd.traces(odd.texts()))
def test_a_trace_is_read_back_unless_a_line_in_a_step_looks_like_the_next(trace: Trace) -> None:
    for style, how in STYLES.items():
        text = respond(trace, style)
        parsed = parse_response(text, style, MANY)
        same = parsed == (contents(trace), trace.final_answer, True, False)
        assert same == reads_back(contents(trace), trace.final_answer, how)
        steps, answer = unwrite(text, how)
        assert write(steps, answer, how) == text
        plain = trace.final_answer.partition("\n</reasoning>\n<answer>")[0] or "x"
        lines = tuple(f"- {line}" for step in contents(trace) for line in step.split("\n"))
        assert reads_back(lines, plain, how)


@pytest.mark.slow
@settings(max_examples=THOROUGH)
@given(st.sampled_from(sorted(STYLES)), odd.texts())
def test_an_answer_of_many_lines_needs_no_escape(style: str, answer: str) -> None:
    for steps in ([], [("s", "x")]):
        text = respond(Trace.of("p", steps, answer), style)
        assert answer in text
        assert parse_response(text, style, MANY)[1:3] == (answer, True)


@pytest.mark.slow
@settings(max_examples=THOROUGH)
@given(st.sampled_from(sorted(STYLES)), odd.texts(), st.booleans())
def test_a_strict_text_is_what_its_steps_and_answer_are_written_as(
    style: str, text: str, opened: bool
) -> None:
    how = STYLES[style]
    text = f"{how.opening}1. {text}\n{how.middle}x{how.closing}" if opened else text
    parsed = parse_response(text, style, MANY)
    if parsed.strict:
        steps = tuple(Step(i=i, type="s", content=step) for i, step in enumerate(parsed.steps))
        said = Trace(prompt="p", steps=steps, final_answer=parsed.answer or "")
        assert respond(said, style) == text


@pytest.mark.parametrize("style", STYLES)
def test_traces_of_our_tasks_are_written_as_they_are(style: str, traces: list[Trace]) -> None:
    how = STYLES[style]
    for trace in traces:
        steps = "".join(f"{n}. {step}\n" for n, step in enumerate(contents(trace), 1))
        answer = trace.final_answer
        assert respond(trace, style) == f"{how.opening}{steps}{how.middle}{answer}{how.closing}"
        assert parse_response(respond(trace, style), style) == (
            contents(trace),
            answer,
            True,
            False,
        )


@pytest.mark.parametrize(
    ("style", "steps", "answer"),
    [
        ("numbered", ["a list\n2. x"], "4"),
        ("numbered", ["a", "b\nAnswer: c"], "4"),
        ("tags", ["a list\n2. x"], "4"),
        ("tags", ["a\n</reasoning>\n<answer>b"], "4"),
    ],
)
def test_steps_that_read_back_otherwise_are_written_as_they_are(
    style: str, steps: list[str], answer: str
) -> None:
    assert not reads_back(steps, answer, STYLES[style])
    text = respond(Trace.of("p", [("s", step) for step in steps], answer), style)
    assert all(step in text for step in steps)


@pytest.mark.parametrize(
    ("style", "steps", "answer"),
    [
        ("numbered", ["two lines:\n  of text"], "4"),
        ("numbered", ["2. x", "a list\n1. x\n2.y\n7. z"], "4"),
        ("numbered", ["a\n</reasoning>"], "a\n b\n\nAnswer: c\n1. d"),
        ("tags", ["a\nAnswer: b", "<answer> </reasoning>"], "a\n b\n\n</answer>"),
    ],
)
def test_lines_that_only_look_odd_read_back(style: str, steps: list[str], answer: str) -> None:
    assert reads_back(steps, answer, STYLES[style])


def test_a_response_with_more_lines_than_an_answer_may_take_has_run_on() -> None:
    text = "Reasoning:\n1. x\nAnswer: 4\nand more"
    assert parse_response(text) == (("x",), "4", False, True)
    assert parse_response(text, lines=2) == (("x",), "4\nand more", True, False)


@pytest.mark.parametrize(
    ("text", "answer", "steps"),
    [
        ("Reasoning:\n1. x\n2. y\nAnswer: 4\nAnswer: 5", "5", ["x", "y"]),
        ("1. x\n2. y\nANSWER:  7", "7", ["x", "y"]),
        ("Sure!\nReasoning:\n1. x\nAnswer: 7\nI hope that helps.", "7", ["x"]),
        ("Reasoning:\n1. x\nAnswer: 4\n\nReasoning:\n1. y\nAnswer: 6", "4", ["x"]),
        ("Reasoning:\n1. x\nAnswer: 4\nQuestion: 3 + 3?\nAnswer: 6", "4", ["x"]),
        ("Reasoning:\n1. x\nAnswer: 4\n", "4", ["x"]),
        ("Reasoning:\n2. x\nAnswer: 4", "4", ["x"]),
        ("1. x\n3. y\nAnswer: 4", "4", ["x", "y"]),
        ("<reasoning>\n1. x\n</reasoning>\n<answer>9</answer> and so on", "9", ["x"]),
        ("<reasoning>\n1. x\n</reasoning>\n<answer>9", "9", ["x"]),
        ("<reasoning>\n1. x\n<answer>9</answer>", "9", ["x"]),
        ("1. x\n</reasoning>\n<answer>9</answer>", "9", ["x"]),
        ("<reasoning>\n1. x\n</reasoning>\n9</answer>", "9", ["x"]),
        ("<reasoning>\n1. x\n</reasoning>\n9", "9", ["x"]),
        ("<reasoning>1. x</reasoning><answer>\n9\n</answer>", "9", ["x"]),
        ("<reasoning>\n1. x\n</reasoning>\n<answer></answer>", None, ["x"]),
        ("<think>\n1. x\n</think>\n**Answer:** 5", "5", ["x"]),
        ("**Step 1:** x\n\n**Step 2:**\ny\n\n### Final answer: **5**", "5", ["x", "y"]),
        ("1) x\n2) y\nThe answer is 5.", "5", ["x", "y"]),
        ("Answer: 4\n1. x\n2. y", "4", ["x", "y"]),
        ("The answer is 4, no:\n1. x\nAnswer:\n5", "5", ["x"]),
        ("so 2 + 2 = 4. answer: 4 of course", "4 of course", []),
        ("1.\n2. x\nStep 3:\nAnswer: 4", "4", ["", "x", ""]),
        ("Answer:\n4.", "4", []),
        ("2.5 and 3.5 make 6", None, []),
        ("I do not know", None, []),
        ("Answer:", None, []),
        ("", None, []),
    ],
)
def test_what_models_write_is_read_loosely(text: str, answer: str | None, steps: list[str]) -> None:
    for style in STYLES:
        assert parse_response(text, style)[:3] == (tuple(steps), answer, False)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("1. x\nAnswer: \\boxed{5}", "5"),
        ("1. x\nSo $\\boxed{1/2}$.", "1/2"),
        ("1. x\n#### 5", "5"),
        ("#### Step 1: x\nThe answer is 5", "5"),
        ("1. x\n\n## Answer\n\n5", "5"),
        ("1. x\n**Final answer**\n**5**", "5"),
        ("1. x\nAnswer: <answer>5</answer>", "5"),
        ("1. x\nAnswer: $5$", "5"),
        ("The answer isn't 4", None),
        ("Let me find the answer\n1. x", None),
    ],
)
def test_answers_are_found_as_other_models_mark_them(text: str, answer: str | None) -> None:
    assert parse_response(text).answer == answer


@pytest.mark.parametrize(
    ("text", "ran_on"),
    [
        ("Reasoning:\n1. x\nAnswer: 4", False),
        ("1) x\nThe answer is 4.", False),
        ("Answer: 4\n", False),
        ("The answer is 4, no:\n1. x\nAnswer: 5", False),
        ("", False),
        ("Reasoning:\n1. x\nAnswer: 4\nAnswer: 4", True),
        ("Reasoning:\n1. x\nAnswer: 4\nI hope that helps.", True),
        ("Reasoning:\n1. x\nAnswer: 4\nQuestion: 3 + 3?", True),
        ("1. x\nThe answer is 4.\nIs that all?", True),
        ("<reasoning>\n1. x\n</reasoning>\n<answer>4</answer> and so on", True),
    ],
)
def test_a_model_that_goes_on_after_its_answer_has_run_on(text: str, ran_on: bool) -> None:
    assert parse_response(text).ran_on == ran_on


HOSTILE = (
    "\n,\\,\n\\,\n1. ,\n1,<,<\\,</answer>,<answer>,<reasoning>\n1. ,answer,answer is ,Answer: \n"
)


MARKS = ("\\boxed{", "\\boxed{1}", "#### 1", "## Answer\n", "the answer isn't ")


@pytest.mark.parametrize("unit", [*HOSTILE.split(","), "*", "> ", " ", "Step 1: \n", *MARKS])
def test_no_text_takes_long(unit: str) -> None:
    def read(size: int) -> None:
        many = (unit * size)[:size]
        trace = Trace.of("p", [("s", many[: size // 5])], many[: size // 2])
        for style, how in STYLES.items():
            parse_response(many, style)
            parse_response(f"{how.opening}1. {many}{how.closing}", style)
            parse_response(respond(trace, style), style, MANY)

    assert growth.linear(read, 8_000)


def test_unknown_styles_are_named() -> None:
    for use in (lambda: respond(TRACE, "free"), lambda: parse_response("", "free")):
        with pytest.raises(InputError, match="style: unknown 'free', expected one of: numbered, t"):
            use()


def test_answers_of_our_tasks_have_one_line() -> None:
    for name in tasks.TASKS:
        assert "\n" not in next(tasks.draw(name, 1, seed=0)).final_answer
