"""Answers in free text, in the forms in which models write them."""

import pytest
from hypothesis import given, strategies as st

from tests.helpers import growth
from tunix_rt_nb import trace
from tunix_rt_nb.trace.free_text import loose
from tunix_rt_nb.trace.marks import boxes, polite, without_end


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"\boxed{\frac{33}{40}}", r"\frac{33}{40}"),
        (r"\boxed{\text{50050}}", "50050"),
        (r"\boxed{$50050$}", "50050"),
        (r"\boxed{\boxed{4}}", "4"),
        (r"\boxed {4}", "4"),
        (r"\fbox{4}", "4"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
        (r"So $\boxed{4}$.", "4"),
        (r"\boxed{4", None),
        (r"Put it into \boxed{}.", None),
        ("#### $50050$", "50050"),
        ("#### 50050", "50050"),
        ("x\n####50050", "50050"),
        ("#### 2. Add them", None),
        ("**Final Answer:** 4", "4"),
        ("**Final Answer**\n\n\\[\n\\boxed{4}\n\\]", "4"),
        ("Final Answer: The final answer is 7. I hope it is correct.", "7"),
        ("Final Answer: The final answer is $7$. I hope it is correct.", "7"),
        ("The answer is 50050, as computed.", "50050"),
        ("The answer is 50050 because 154*325 = 50050.", "50050"),
        ("The answer is: 4", "4"),
        ("The answer is therefore 4.", "4"),
        ("The final answer is:\n\n$$\n50050\n$$", "50050"),
        ("Answer: Answer: 4", "4"),
        ("Answer: the answer is 4", "4"),
        ("My answer: 4", "4"),
        ("Answer: 4. I hope that helps.", "4"),
        ("Answer: Mr. Smith. Let me know if you have questions!", "Mr. Smith"),
        ("Answer: 4\nI hope that helps.", "4"),
        ("Answer: 4<|im_end|>", "4"),
        ("Answer: 4<end_of_turn>\n", "4"),
        ("Answer: 4</s></s>", "4"),
        ("Answer: 4<|eot_id|>", "4"),
        ("Answer: 4<|im_end|>\n<|im_start|>user\nAnswer: 5", "4"),
        (r"\(50050\)", "50050"),
        (r"\[50050\]", "50050"),
        ("$50050$", "50050"),
        ("**50050**", "50050"),
        ("50050", None),
        ("The answer is 4. Wait, it is 5.", "4. Wait, it is 5"),
        ("The answer is 4, which is wrong.", "4, which is wrong"),
        ("The answer is **not** 4.", None),
        ("The answer is J. K. Rowling.", "J. K. Rowling"),
    ],
)
def test_an_answer_is_found_and_unwrapped(text: str, answer: str | None) -> None:
    assert trace.answer_in(text).answer == answer
    assert loose(f"Let me see.\n\n{text}").answer == answer or text.startswith(
        ("\\(", "\\[", "$", "**5")
    )


TAGS = ("think", "thinking", "thought", "reasoning", "reason", "analysis", "THINK")


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize("opened", [True, False])
def test_what_follows_a_closing_tag_is_the_answer(tag: str, opened: bool) -> None:
    start = f"<{tag}>" if opened else ""
    for thought in ("ok", "Maybe the answer is 3.\n1. x\n2. y", r"\boxed{3}"):
        assert trace.answer_in(f"{start}{thought}</{tag}>\n\n50050").answer == "50050"
        assert trace.answer_in(f"{start}{thought}</{tag}>\n4.\nI hope that helps.").answer == "4"
        assert trace.answer_in(f"{start}{thought}</{tag}>Well.\n\\boxed{{5}}").answer == "5"
        assert trace.answer_in(f"{start}{thought}</{tag}>\n<answer>5</answer>").answer == "5"


def test_the_tags_of_thoughts_and_solutions_are_known() -> None:
    text = "<|begin_of_thought|>\nmaybe 3\n<|end_of_thought|>\n\n{}50050{}"
    for opening, closing in (("<|begin_of_solution|>\n", "\n<|end_of_solution|>"), ("", "")):
        assert trace.answer_in(text.format(opening, closing)).answer == "50050"


def test_what_was_answered_before_the_tag_counts_if_nothing_follows() -> None:
    assert trace.answer_in("<think>Answer: 3</think>").answer == "3"
    assert trace.answer_in("<think>Answer: 3</think>\nThank you!").answer == "3"
    assert trace.answer_in("<think>Answer: 3</think>\n4").answer == "4"


def test_steps_that_begin_anew_after_the_tag_are_those_of_the_answer() -> None:
    text = "<think>\n1. hm\n2. or\n3. no\n</think>\n1. x\n2. y\nAnswer: 4"
    assert loose(text) == (("x", "y"), "4", False, False)


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("2 + 2 = 4.\n#### 4", "#### 4"),
        ("2 + 2 = 4. So $\\boxed{4}$.", "So $"),
        ("2 + 2 = 4. The answer is 4.", "The answer"),
        ("1. x\n2. y\n\n  Answer: 4\n", "Answer: 4"),
        ("<think>\nx\n</think>\n\n50050\n", "50050"),
        ("<reasoning>\n1. x\n</reasoning>\n<answer>9</answer>", "<answer>"),
        ("x\nThe answer is:\n4", "The answer"),
    ],
)
def test_the_text_before_the_answer_is_its_reasoning(text: str, start: str) -> None:
    found = trace.answer_in(text)
    assert text[found.start :].startswith(start)


def test_without_an_answer_all_is_reasoning() -> None:
    assert trace.answer_in("I do not know") == trace.Found(None, len("I do not know"))


@pytest.mark.slow
@given(st.text(max_size=200), st.integers(0, 10**6))
def test_the_start_lies_in_the_text(text: str, n: int) -> None:
    found = trace.answer_in(text)
    assert 0 <= found.start <= len(text)
    marked = trace.answer_in(f"{text}\nAnswer: {n}")
    assert marked.answer is not None


@given(st.text(max_size=200))
def test_what_is_plain_stays_so(text: str) -> None:
    assert trace.plain(text) in text
    if text.count("\\") + text.count("*") + text.count("$") < 5:
        assert trace.plain(trace.plain(text)) == trace.plain(text)


def test_boxes_have_their_place_and_their_braces() -> None:
    assert list(boxes(r"\boxed{1} or \boxed{\frac{1}{2}} or \boxed{3")) == [
        (0, "1"),
        (13, r"\frac{1}{2}"),
    ]


def test_stop_tokens_are_stripped_at_the_end_only() -> None:
    assert without_end("a </s> b</s>\n<eos>") == "a </s> b"
    assert polite("I hope this helps!")
    assert not polite("Nobody hopes.")


UNITS = (
    "\\boxed{",
    "<think>",
    "</think>",
    "</think>\n4",
    "#### 4\n",
    "Answer: ",
    "$",
    "</s>",
    ", as ",
)


@pytest.mark.slow
@pytest.mark.parametrize(
    "unit", [*UNITS, ". A", "I hope. ", "<answer>", "\\boxed{1}", "{", "**", "\\("]
)
def test_no_text_takes_long(unit: str) -> None:
    def read(size: int) -> None:
        many = (unit * size)[:size]
        for text in (many, f"{many}\nAnswer: {many}", f"\\boxed{{{many}}}"):
            trace.answer_in(text)
            trace.plain(text)

    assert growth.linear(read, 10_000)
