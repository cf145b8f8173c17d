"""Two traces side by side: all of both is there, in order, and equal steps stand together."""

from hypothesis import given, settings, strategies as st

from tests.conftest import some, with_step
from tests.helpers import odd
from tests.helpers.run_folders import TRACES, predictions, right, wrong
from tunix_rt_nb.report.side_by_side import Row, align, answers_side_by_side, two_columns
from tunix_rt_nb.trace import Trace

BRIEF = {"role": "system", "content": "Be brief."}
FEW = odd.traces(st.sampled_from("abc"))  # so that many of their texts are the same


def trace(*steps: str, prompt: str = "p", answer: str = "a") -> Trace:
    return Trace.of(prompt, [("s", text) for text in steps], answer)


def steps(a: Trace, b: Trace) -> list[tuple[str, str | None, str | None]]:
    return [(row.mark, row.a, row.b) for row in align(a, b) if row.part == "step"]


def test_prompts_come_first_then_steps_then_answers() -> None:
    assert align(trace("x"), trace("x", prompt="q", answer="b")) == [
        Row("prompt", "~", "p", "q"),
        Row("step", "=", "x", "x"),
        Row("answer", "~", "a", "b"),
    ]


def test_a_step_that_only_one_has_stands_alone() -> None:
    assert steps(trace("x", "y", "z"), trace("x", "z", "w")) == [
        ("=", "x", "x"),
        ("<", "y", None),
        ("=", "z", "z"),
        (">", None, "w"),
    ]


def test_a_changed_step_stands_beside_the_one_it_replaces() -> None:
    [one, *_] = some("arithmetic", 1, seed=3)
    other = with_step(one, 1, "I guess.")
    marks = [row.mark for row in align(one, other)]
    assert marks == ["=", "=", "~", "=", "=", "="]
    assert align(one, other)[2] == Row("step", "~", one.steps[1].content, "I guess.")


def test_of_more_steps_than_there_were_the_rest_stands_alone() -> None:
    assert steps(trace("x", "1", "z"), trace("x", "2", "3", "z")) == [
        ("=", "x", "x"),
        ("~", "1", "2"),
        (">", None, "3"),
        ("=", "z", "z"),
    ]


def test_steps_that_occur_hundreds_of_times_are_aligned_too() -> None:
    many = ["Continue."] * 300
    found = steps(trace(*many[:150], "Odd.", *many[150:]), trace(*many))
    assert [row for row in found if row[0] != "="] == [("<", "Odd.", None)]


@settings(max_examples=100)
@given(FEW, FEW)
def test_everything_is_there_once_in_its_order(a: Trace, b: Trace) -> None:
    rows = align(a, b)
    for one, texts in ((a, [row.a for row in rows]), (b, [row.b for row in rows])):
        whole = [one.prompt, *(step.content for step in one.steps), one.final_answer]
        assert [text for text in texts if text is not None] == whole
    parts = [row.part for row in rows]
    assert parts == ["prompt", *["step"] * (len(rows) - 2), "answer"]


@settings(max_examples=100)
@given(FEW, FEW)
def test_marks_say_what_differs(a: Trace, b: Trace) -> None:
    for row in align(a, b):
        told = {"=": row.a == row.b, "<": row.b is None, ">": row.a is None}
        told["~"] = not any(told.values())
        assert [mark for mark, so in told.items() if so] == [row.mark]


@settings(max_examples=50)
@given(odd.traces(odd.texts()))
def test_a_trace_beside_itself_is_the_same_throughout(one: Trace) -> None:
    assert [row.mark for row in align(one, one)] == ["="] * (len(one.steps) + 2)


def test_two_columns_are_straight_and_long_texts_go_on_below() -> None:
    rows = [
        Row("prompt", "=", "p", "p"),
        Row("step", "~", "one two three", "one\nfour"),
        Row("step", "<", "five", None),
        Row("answer", ">", None, "six"),
    ]
    assert two_columns(rows, 30) == "\n".join(
        [
            "prompt p          = p",
            "step   one two    ~ one",
            "       three      ~ four",
            "step   five       <",
            "answer            > six",
        ]
    )


@settings(max_examples=50)
@given(FEW | odd.traces(odd.texts()), odd.traces(odd.texts()), st.integers(30, 120))
def test_two_columns_are_never_wider_than_asked_for(a: Trace, b: Trace, width: int) -> None:
    lines = two_columns(align(a, b), width).split("\n")
    assert all(len(line) <= width and line.isprintable() for line in lines)
    assert sum(line.startswith("step ") for line in lines) >= max(len(a.steps), len(b.steps))


def test_the_messages_before_a_prompt_come_first() -> None:
    asked, said = {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}
    chats = [{"earlier_messages": chat} for chat in ([asked, said], [BRIEF, asked, said])]
    one, two = (Trace.of("p", [], "1", chat) for chat in chats)
    assert align(one, two)[:4] == [
        Row("before", ">", None, "system: Be brief."),
        Row("before", "=", "user: q", "user: q"),
        Row("before", "=", "assistant: a", "assistant: a"),
        Row("prompt", "=", "p", "p"),
    ]
    told = {**predictions([right(TRACES[0])], TRACES[:1])[0], "earlier_messages": [BRIEF]}
    assert answers_side_by_side(told, told, 60).startswith(
        "before system: Be brief.         = system: Be brief.\nprompt "
    )


def test_two_answers_to_an_item_are_aligned_as_traces_are() -> None:
    one, two = (predictions([text(TRACES[0])], TRACES[:1])[0] for text in (right, wrong))
    lines = answers_side_by_side(one, two).split("\n")
    marks = [(line[:6].strip(), line[53]) for line in lines]
    assert [mark for mark in marks if mark[0]] == [
        *(("prompt", "="), ("step", "="), ("step", "~"), ("step", "<"), ("step", "<")),
        ("answer", "~"),
    ]
