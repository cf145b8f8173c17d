"""Replies are read and checked while they are written, as far as they are."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from tests.conftest import some
from tests.train.test_sft import TOKENIZER
from tunix_rt_nb import evaluate, models
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.evaluate.conversation import Reply, _Reader
from tunix_rt_nb.trace.response import STYLES, Generation, respond
from tunix_rt_nb.trace.trace import Trace

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

TRACES = some("arithmetic", 3, seed=0) + some("high_card_duel", 3, seed=0)
RENDERED: Any = {"template": "gemma", "style": "numbered", "system": ""}


def read(question: str, text: str, style: str = "numbered", whole: bool = True) -> Reply:
    return _Reader(question, style)(Generation(text, 9, True), whole)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("trace", TRACES, ids=lambda trace: trace.task)
def test_steps_come_one_by_one_and_are_ticked(trace: Trace, style: str) -> None:
    text, reader = respond(trace, style), _Reader(trace.prompt, style)
    texts, seen = [step.content for step in trace.steps], 0
    for end in range(len(text)):
        reply = reader(Generation(text[:end], end, False), False)
        assert [*reply.steps] == texts[: len(reply.steps)] and len(reply.steps) >= seen
        assert all(reply.right) and not reply.whole and reply.answer is None
        shown = reply.text.removesuffix(reply.writing)
        assert all(step in shown for step in reply.steps)
        seen = len(reply.steps)
    reply = reader(Generation(text, len(text), True), True)
    assert ([*reply.steps], reply.answer) == (texts, trace.final_answer)
    assert reply.whole and reply.answer_right and all(reply.right)


def test_a_wrong_step_is_told_with_its_reason() -> None:
    trace = TRACES[0]
    text = respond(trace).replace(trace.steps[1].content, "I guess.")
    reply = read(trace.prompt, f"{text}0")
    assert reply.right[:2] == (True, False) and "expected" in str(reply.reasons[1])
    assert reply.answer_right is False


def test_of_other_questions_the_sums_are_checked_and_the_answer_is_not() -> None:
    text = "Reasoning:\n1. Add both.\n2. 2 + 2 = 5.\n3. 3 + 4 = 7.\nAnswer: 7"
    reply = read("How many are two and five?", text)
    assert reply.right == (None, False, True) and reply.reasons[1] == "2 + 2 is 4, not 5"
    assert (reply.answer, reply.answer_right) == ("7", None)


def test_what_has_no_steps_shows_as_it_is() -> None:
    reply = read("Why?", "Because I say", whole=False)
    assert (reply.steps, reply.writing) == ((), "Because I say")
    reply = read("Why?", "Because I say so")
    assert (reply.steps, reply.answer, reply.text) == ((), None, "Because I say so")


def test_an_answer_in_bold_counts_as_what_it_says() -> None:
    trace = TRACES[0]
    reply = read(trace.prompt, f"So:\n**Answer: {trace.final_answer}**")
    assert (reply.answer, reply.answer_right) == (trace.final_answer, True)


@given(st.text(max_size=300), st.sampled_from(sorted(STYLES)), st.booleans())
def test_any_text_can_be_read(text: str, style: str, whole: bool) -> None:
    opening = STYLES[style].opening
    for said in (text, f"{opening}1. {text}", f"{opening}1. x\n2. {text}\n{STYLES[style].middle}"):
        reply = read("Why?", said, style, whole)
        assert len(reply.steps) == len(reply.right) == len(reply.reasons)
        assert json.dumps(reply._asdict())


def test_more_steps_than_a_trace_holds_are_read_unchecked() -> None:
    lines = "".join(f"{n}. {n} + 1 = {n + 1}.\n" for n in range(1, 1_100))
    reply = read("Count.", f"Reasoning:\n{lines}Answer: 1100")
    assert len(reply.steps) == 1_099 and reply.right[999:1001] == (True, None)


@pytest.mark.slow
def test_a_conversation_keeps_its_turns_only_if_asked_to(tmp_path: Path) -> None:
    folder = models.create("tiny", TOKENIZER, seed=0, folder=tmp_path)
    alone, kept = (
        evaluate.Conversation(folder, RENDERED, 3, turns=turns) for turns in (False, True)
    )
    *_, first = alone.ask("What is 1 + 2 + 3?")
    *_, again = alone.ask("What is 1 + 2 + 3?")
    assert first == again and first.whole and not alone.earlier
    *_, reply = kept.ask("What is 1 + 2 + 3?")
    assert reply == first and kept.earlier == (("What is 1 + 2 + 3?", first.text),)
    kept.reset()
    assert kept.earlier == ()
    for question in (" ", "x" * 20_001):
        with pytest.raises(InputError, match="question: .*, expected a text of at most 20,000"):
            next(kept.ask(question))
    with pytest.raises(InputError, match="max_new_tokens: 0, expected 1 or more"):
        evaluate.Conversation(folder, RENDERED, 0)
