"""Tags around reasoning: where it ends, and where it does not."""

import pytest
from hypothesis import given, strategies as st

from tests.helpers import growth
from tunix_rt_nb.trace import answer_in
from tunix_rt_nb.trace.tags import unclosed, untagged

OPENED = ("<think>", "<THINKING>", "<reasoning>", "<cot>", "<|begin_of_thought|>", "[THINK]")
CLOSED = ("</think>", "</THINKING>", "</reasoning>", "</cot>", "<|end_of_thought|>", "[/THINK]")


@pytest.mark.parametrize(("opened", "closed"), list(zip(OPENED, CLOSED, strict=True)))
def test_reasoning_that_is_cut_off_has_no_answer(opened: str, closed: str) -> None:
    for thought in ("2 + 2", r"\boxed{4}. Wait", "Answer: 4", "1. The answer is 4.\n2. So"):
        for before in ("", "\n  ", "Let me see.\n", f"{opened}a{closed}\n"):
            text = f"{before}{opened}{thought}"
            assert unclosed(text) == opened
            assert answer_in(text) == (None, len(text))
            assert unclosed(f"{text}{closed}4") == ""
            assert answer_in(f"{text}{closed}4").answer == "4"


@pytest.mark.parametrize(
    "text",
    [
        "4",
        "R1 writes <think> first.\nAnswer: 4",
        "a</think>4",
        "<think>a<think>b</think>4",
        "<reasoning>\n1. x\n<answer>4</answer>",
        "<think>a<|begin_of_solution|>4",
    ],
)
def test_reasoning_that_ends_does_not_go_on(text: str) -> None:
    assert unclosed(text) == ""
    assert answer_in(text).answer in ("4", None)


@given(st.lists(st.sampled_from([*OPENED, *CLOSED, "x", "\n", "<answer>"])).map("".join))
def test_what_is_closed_at_the_end_is_closed(text: str) -> None:
    assert unclosed(f"{text}</think>") == ""
    assert not any(tag in untagged(text) for tag in (*OPENED, *CLOSED))


@pytest.mark.parametrize("unit", ["<think>", "\n<think>", "</think>", "\n<answer>", " ", "\n"])
def test_no_text_takes_long(unit: str) -> None:
    assert growth.linear(lambda size: unclosed((unit * size)[:size]), 20_000)
