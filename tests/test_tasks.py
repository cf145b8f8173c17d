import os
import random
import re
import subprocess
import sys
from fractions import Fraction

import pytest

from tunix_rt_nb import tasks
from tunix_rt_nb.errors import InputError
from tunix_rt_nb.trace import Trace

ORDER = [*map(str, range(2, 11)), "J", "Q", "K", "A"]


def independent_answer(trace: Trace) -> str | Fraction:
    """A second opinion that shares no code with the tasks."""
    if trace.task == "arithmetic":
        return str(eval(trace.prompt.removeprefix("What is ").removesuffix("?")))
    cards = re.findall(r"(\w+)[♠♥♦♣]", trace.prompt)
    mine = ORDER.index(cards[0])
    if len(cards) == 2:
        theirs = ORDER.index(cards[1])
        return "tie" if mine == theirs else "win" if mine > theirs else "lose"
    event = re.findall(r"I (win|lose|tie)", trace.prompt)[0]
    cards_for = {"win": 4 * mine, "lose": 4 * (12 - mine), "tie": 3}
    return Fraction(cards_for[event], 51)


@pytest.mark.parametrize("name", tasks.TASKS)
def test_answers_agree_with_an_independent_implementation(name: str) -> None:
    for trace in tasks.draw(name, 2000, seed=1):
        expected = independent_answer(trace)
        said = trace.final_answer
        assert (Fraction(said) if isinstance(expected, Fraction) else said) == expected
        assert tasks.problems(trace) == []


@pytest.mark.parametrize("name", tasks.TASKS)
@pytest.mark.parametrize("difficulty", ["easy", "medium", "hard"])
def test_a_changed_number_card_or_word_in_any_step_is_caught(name: str, difficulty: str) -> None:
    rng = random.Random(0)
    missed = []
    for trace in tasks.draw(name, 150, seed=2, difficulty=difficulty):
        for step in trace.steps:
            altered = alter(step.content, rng)
            steps = [(s.type, altered if s.i == step.i else s.content) for s in trace.steps]
            wrong = Trace.of(trace.prompt, steps, trace.final_answer, trace.meta)
            if tasks.get(name).check_step(wrong, step.i) is None:
                missed.append((step.content, altered))
    assert missed == []


def alter(text: str, rng: random.Random) -> str:
    """Changes one number, card or word that carries meaning."""
    spots = list(re.finditer(r"\d+|[♠♥♦♣]|greater|less|equal|above|below|carry|borrow", text))
    spot = rng.choice(spots)
    old = spot[0]
    if old.isdigit():
        new = str(int(old) + rng.choice([1, 2, 10]))
    else:
        groups = ["♠♥♦♣", ["greater", "less", "equal"], ["above", "below"], ["carry", "borrow"]]
        group = next(g for g in groups if old in g)
        new = rng.choice([x for x in group if x != old])
    return text[: spot.start()] + new + text[spot.end() :]


@pytest.mark.parametrize("name", tasks.TASKS)
def test_a_step_too_many_is_wrong(name: str) -> None:
    trace = next(tasks.draw(name, 1, seed=3))
    steps = [(s.type, s.content) for s in trace.steps]
    longer = Trace.of(trace.prompt, [*steps, steps[-1]], trace.final_answer, trace.meta)
    assert tasks.get(name).check_step(longer, len(steps)) is not None


@pytest.mark.parametrize("name", tasks.TASKS)
@pytest.mark.parametrize("answer", ["", "?", "-1", "1e400", "9" * 5000, "win or lose", "0/0", "½"])
def test_a_wrong_answer_never_scores(name: str, answer: str) -> None:
    for trace in tasks.draw(name, 50, seed=4):
        assert tasks.get(name).grade(answer, trace) == 0.0


@pytest.mark.parametrize(
    "step",
    [
        "Units: 09-5=4, borrow 0.",
        "Units: 9-5=04, borrow 0.",
        "Units: ٩-٥=٤, borrow 0.",
        "Units: 9-5=4, borrow 0. ",
        "units: 9-5=4, borrow 0.",
        "Units: 19-5=14, borrow 1.",
        "Units: 9-5=4, carry 0.",
    ],
)
def test_a_step_in_another_form_is_wrong(step: str) -> None:
    def check(text: str) -> str | None:
        trace = Trace.of("What is 99 - 55 + 10?", [("units", text)], "54", {"task": "arithmetic"})
        return tasks.get("arithmetic").check_step(trace, 0)

    assert check("Units: 9-5=4, borrow 0.") is None
    assert check(step) is not None


@pytest.mark.parametrize("name", tasks.TASKS)
@pytest.mark.parametrize(
    "prompt", ["?", "What is 5 + 5?", "What is 1" + "0" * 5000 + " + 10?", "K♠"]
)
def test_a_prompt_of_something_else_is_a_problem_and_no_crash(name: str, prompt: str) -> None:
    [problem] = tasks.problems(Trace.of(prompt, [("s", "t")], "1", {"task": name}))
    assert problem.startswith("prompt: ")


def test_the_space_of_sums_is_what_counting_finds() -> None:
    totals = dict.fromkeys(range(10, 100), 1)
    for _ in range(2):
        after: dict[int, int] = {}
        for total, ways in totals.items():
            for result in [*range(total + 10, 100), *range(total - 10, -1, -1)]:
                after[result] = after.get(result, 0) + ways
        totals = after
    assert tasks.get("arithmetic").space() == sum(totals.values()) == 601_545


def test_equal_odds_in_other_words_score() -> None:
    odds = next(t for t in tasks.draw("high_card_duel", 99, 0) if t.final_answer == "24/51")
    assert tasks.get("high_card_duel").grade(" 8 / 17 ", odds) == 1.0


@pytest.mark.parametrize("name", tasks.TASKS)
def test_neighbouring_seeds_draw_other_traces(name: str) -> None:
    first = [t.prompt for t in tasks.draw(name, 200, seed=5)]
    second = [t.prompt for t in tasks.draw(name, 200, seed=6)]
    assert len(set(first)) == 200
    assert sum(a == b for a, b in zip(first[1:], second, strict=False)) < 5


def test_the_same_seed_draws_the_same_traces_in_every_process() -> None:
    code = (
        "from tunix_rt_nb import tasks\n"
        "print([t.id for n in tasks.TASKS for t in tasks.draw(n, 50, seed=8)])"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "31337")
    }
    assert len(told) == 1


def test_the_first_traces_stay_when_more_are_asked_for() -> None:
    few = list(tasks.draw("arithmetic", 20, seed=9))
    assert list(tasks.draw("arithmetic", 60, seed=9))[:20] == few


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: list(tasks.draw("high_card_duel", 10**6, 0)), "n: 1000000 .*distinct prompts"),
        (lambda: list(tasks.draw("arithmetic", 0, 0)), "n: 0"),
        (lambda: list(tasks.draw("arithmetic", "20", 0)), "n: '20'"),  # type: ignore[arg-type]
        (lambda: tasks.get("chess"), "task: unknown 'chess', expected one of: high_card_duel"),
        (lambda: tasks.get("arithmetic", "mild"), "difficulty: unknown 'mild'"),
    ],
)
def test_bad_requests_get_one_line(call: object, says: str) -> None:
    with pytest.raises(InputError, match=says):
        call()  # type: ignore[operator]


def test_the_space_of_a_task_can_be_drawn_whole() -> None:
    space = tasks.get("high_card_duel").space() or 0
    assert len({t.prompt for t in tasks.draw("high_card_duel", space, seed=0)}) == space
