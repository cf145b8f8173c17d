import re
from collections.abc import Callable

import pytest

from tests.conftest import some, with_step
from tunix_rt_nb import tasks
from tunix_rt_nb.trace.trace import Trace

ASK = (
    "Your task is to sort words in ascending or descending order using ASCII/Unicode ordering.\n\n"
    "Your output should be a comma-separated list of words, e.g. word_1, word_2, word_3\n\n"
    "Now, sort these words in {} order (using ASCII/Unicode ordering) and return them as a "
    "comma-separated list: {}"
)
START = re.compile(r"(?:Note that )?(\w+) and (\w+) both start with (\w+)\.")
COMPARE = re.compile(
    r"(\w+) or (\w+)[:?] (?:(\w+) ends there|(?:(digit|capital|small) )?(\w) is (before|after) "
    r"(?:(digit|capital|small) )?(\w))(?:, so (\w+)|: (\w+) first)\."
)
INSERT = re.compile(r"(?:So )?(\w+) goes (before|after) (\w+): ([\w, ]+)\.")


def kind(letter: str) -> str:
    return "digit" if letter in "0123456789" else "capital" if letter == letter.upper() else "small"


def check_sorting(trace: Trace) -> list[str]:
    asked = trace.prompt.rsplit(": ", 1)[1].split(", ")
    down = " descending order (" in trace.prompt
    placed = asked[:1]
    wrong: list[str] = []
    compared: list[str] = []
    for text in (step.content for step in trace.steps):
        word = asked[len(placed)] if len(placed) < len(asked) else ""
        if m := START.fullmatch(text):
            if not all(w.startswith(m[3]) for w in m.groups()[:2]) or m[1] not in asked:
                wrong.append(text)
        elif m := COMPARE.fullmatch(text):
            a, b, ends, kind_a, x, where, kind_b, y, *first = m.groups()
            k = next((k for k, (p, q) in enumerate(zip(a, b)) if p != q), min(len(a), len(b)))  # noqa: B905
            if (a, b) != (word, placed[len(compared)]):
                wrong.append(text)
            if first[0] or first[1]:
                compared.append(first[0] or first[1])
                if compared[-1] != sorted([a, b], reverse=down)[0]:
                    wrong.append(text)
            if ends and not (ends in (a, b) and len(ends) == k):
                wrong.append(text)
            if x and ((a[k], b[k]) != (x, y) or (where == "before") != (ord(x) < ord(y))):
                wrong.append(text)
            if x and (kind_a or kind_b or kind(x) != kind(y)):
                wrong += [text] * ((kind_a, kind_b) != (kind(x), kind(y)) or kind_a == kind_b)
        elif m := INSERT.fullmatch(text):
            now = sorted([*placed, word], reverse=down)
            place = now.index(m[1])
            beside = [*now, ""][place + 1] if m[2] == "before" else ["", *now][place]
            if m[1] != word or m[3] != beside or m[4].split(", ") != now:
                wrong.append(text)
            if compared and compared != [*placed[:place], word][: len(placed)]:
                wrong.append(f"{text} after other comparisons")
            placed, compared = now, []
        else:
            wrong.append(f"unknown form: {text}")
    return wrong if trace.final_answer == ", ".join(placed) else [*wrong, "answer"]


ORACLES: dict[str, Callable[[Trace], list[str]]] = {"word_sorting": check_sorting}


def test_the_other_implementation_notices_a_wrong_step() -> None:
    turned = {"before": "after", "after": "before"}
    for trace in some("word_sorting", 50, 2, "medium"):
        for step in trace.steps:
            text = re.sub("before|after", lambda m: turned[m[0]], step.content)
            other = with_step(trace, step.i, text)
            assert text == step.content or check_sorting(other)


@pytest.mark.parametrize(
    ("direction", "words", "answer"),
    [
        ("ascending", "art, arts, Zoo, 2889, zoo", "2889, Zoo, art, arts, zoo"),
        ("descending", "art, arts, Zoo, 2889, zoo", "zoo, arts, art, Zoo, 2889"),
        ("ascending", "the, The, THE, tHe", "THE, The, tHe, the"),
        ("ascending", "100, 1000, 11, 2", "100, 1000, 11, 2"),
    ],
)
def test_digits_come_before_capitals_and_those_before_small_letters(
    direction: str, words: str, answer: str
) -> None:
    task = tasks.get("word_sorting")
    for grain in tasks.GRAINS:
        assert task.solve(task.read(ASK.format(direction, words)), grain).answer == answer


def test_a_shared_start_and_an_early_end_are_told() -> None:
    task = tasks.get("word_sorting")
    lines = task.solve(task.read(ASK.format("descending", "art, arts")), "fine").lines
    assert [line[1] for line in lines] == [
        "arts and art both start with art.",
        "arts or art: art ends there, so arts.",
        "arts goes before art: arts, art.",
    ]


def test_spaces_in_an_answer_do_not_matter_but_order_and_case_do() -> None:
    task = tasks.get("word_sorting")
    problem = task.read(ASK.format("ascending", "maid, Time, two"))
    for answer in ("Time, maid, two", "Time,maid,two", " Time,  maid,two\n"):
        assert task.score(answer, problem) == 1.0
    for answer in (
        *("Time, two, maid", "time, maid, two", "Time, maid", "Time, maid, two,", "Time maid two"),
        *("Time, maid, two, two", "two, maid, Time", "[Time, maid, two]", "," * 100_000),
    ):
        assert task.score(answer, problem) == 0.0


@pytest.mark.parametrize(
    "words", ["one", "one, one", "one,two", "one, two,", "one, t_wo", "été, one", "a, " * 40 + "b"]
)
def test_other_lists_of_words_are_refused(words: str) -> None:
    with pytest.raises(ValueError, match="sorts no words|twice"):
        tasks.get("word_sorting").read(ASK.format("ascending", words))
