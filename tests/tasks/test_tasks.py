import os
import re
import subprocess
import sys
from functools import cache

import pytest

from tests.conftest import some
from tests.helpers.oracles import ORACLES
from tunix_rt_nb import tasks
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.tasks import certificate, sample
from tunix_rt_nb.tasks.amend import AMENDS
from tunix_rt_nb.trace.trace import Trace

N = int(os.environ.get("TRACES", "2500"))  # of all tasks together; 100000 for a long check
NAMES = list(tasks.TASKS)
LEVELS = [(name, level) for name in NAMES for level in tasks.DIFFICULTIES]


def test_there_are_twenty_tasks_and_each_is_described() -> None:
    assert len(NAMES) >= 20
    assert all(re.fullmatch("[a-z_]+", name) for name in NAMES)
    assert all(tasks.TASKS[name].about for name in NAMES)
    assert set(ORACLES) == set(NAMES)


@pytest.mark.parametrize(("name", "level"), LEVELS)
def test_steps_and_answers_agree_with_an_independent_implementation(name: str, level: str) -> None:
    each = max(8, N // len(LEVELS) // len(tasks.GRAINS))
    for grain in tasks.GRAINS:
        for trace in some(name, each, 1, level, grain=grain):
            assert ORACLES[name](trace) == [], trace.canonical()


@cache
def traces_of(name: str) -> sample.Sample:
    return sample.drawn(name, 12, seed=2)


@pytest.mark.slow
@pytest.mark.parametrize(
    "check", [c for c in certificate.CHECKS if c != "same bytes"]
)  # that is below
@pytest.mark.parametrize("name", NAMES)
def test_each_task_that_ships_has_its_certificate(name: str, check: str) -> None:
    holds, told = certificate.CHECKS[check](traces_of(name))
    assert holds, told


@pytest.mark.parametrize("name", NAMES)
def test_a_prompt_of_another_task_is_a_problem_and_no_crash(name: str) -> None:
    for other in NAMES:
        if other != name:
            prompt = some(other, 1, 0, "hard")[0].prompt
            [problem] = tasks.problems(Trace.of(prompt, [("s", "t")], "1", {"task": name}))
            assert problem.startswith("prompt: ")


@pytest.mark.parametrize(("name", "level"), LEVELS)
def test_a_mistake_is_wrong_and_its_repair_is_right(name: str, level: str) -> None:
    for grain in tasks.GRAINS:
        for trace in some(name, 6, 6, level, grain=grain, mistakes=1.0):
            meta = trace.meta or {}
            assert tasks.problems(trace) == []
            [place] = meta["mistakes"]
            said = [step.content for step in trace.steps]
            assert said[place + 1].startswith(AMENDS)
            repaired = said[place + 1].split(". ", 1)[1]
            unnoticed = [*said[:place], said[place], *said[place + 2 :]]
            right = [*said[:place], repaired, *said[place + 2 :]]
            for texts, wrong in ((unnoticed, True), (right, False)):
                steps = [("s", text) for text in texts]
                plain = Trace.of(trace.prompt, steps, trace.final_answer, meta)
                assert bool(tasks.problems(plain)) == wrong


@pytest.mark.parametrize("name", NAMES)
def test_a_repair_of_what_was_right_or_that_is_wrong_itself_is_no_step(name: str) -> None:
    trace = some(name, 1, 7)[0]
    first, *rest = [(s.type, s.content) for s in trace.steps]
    again = ("amend", AMENDS[0] + first[1])
    for steps in ([first, again, *rest], [("s", "?"), ("amend", AMENDS[0] + "?"), *rest]):
        assert tasks.problems(Trace.of(trace.prompt, steps, trace.final_answer, trace.meta))


@pytest.mark.parametrize("name", NAMES)
def test_both_grains_and_several_wordings_are_drawn(name: str) -> None:
    fine, coarse = (some(name, 60, 8, "medium", grain=grain) for grain in tasks.GRAINS)
    assert sum(len(t.steps) for t in coarse) < sum(len(t.steps) for t in fine)
    places = range(max(len(t.steps) for t in fine))
    first = [[t.steps[k].content.split()[0] for t in fine if k < len(t.steps)] for k in places]
    assert any(len({re.sub(r"[\W\d]", "", word) for word in words}) > 1 for words in first)


@pytest.mark.parametrize("name", NAMES)
def test_the_answer_is_not_told_before_the_steps_reach_it(name: str) -> None:
    """A step that no longer fits shows it: with another answer's prompt the first steps differ."""
    for trace in some(name, 40, 9, "medium"):
        if len(trace.steps) > 2 and len(trace.final_answer) > 3:
            assert trace.final_answer not in trace.steps[0].content


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_neighbouring_seeds_and_difficulties_draw_other_traces(name: str) -> None:
    first = [t.prompt for t in some(name, 100, 5, "hard")]
    second = [t.prompt for t in some(name, 100, 6, "hard")]
    assert len(set(first)) == len(first)
    assert sum(a == b for a, b in zip(first[1:], second, strict=False)) < 5


@pytest.mark.slow
def test_the_same_seed_draws_the_same_traces_in_every_process() -> None:
    code = (
        "from tunix_rt_nb import tasks\n"
        "for n in tasks.TASKS:\n"
        "    for d in tasks.DIFFICULTIES:\n"
        "        print(n, d, [t.id for t in tasks.draw(n, 5, 8, d, mistakes=0.5)])"
    )
    told = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "31337")
    ]
    assert told[0].splitlines() == told[1].splitlines()


def test_the_first_traces_stay_when_more_are_asked_for() -> None:
    few = list(tasks.draw("arithmetic", 20, seed=9))
    assert list(tasks.draw("arithmetic", 60, seed=9))[:20] == few


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: list(tasks.draw("high_card_duel", 10**6, 0)), "n: 1000000 .*distinct problems"),
        (lambda: list(tasks.draw("arithmetic", 0, 0)), "n: 0"),
        (lambda: list(tasks.draw("arithmetic", "20", 0)), "n: '20'"),  # type: ignore[arg-type]
        (lambda: list(tasks.draw("arithmetic", 1, 0, grain="rough")), "grain: unknown 'rough'"),
        (
            lambda: list(tasks.draw("arithmetic", 1, 0, mistakes=2)),
            "mistakes: is 2, expected a share",
        ),
        (lambda: tasks.get("chess"), "task: unknown 'chess', expected one of: high_card_duel"),
        (lambda: tasks.get("arithmetic", "mild"), "difficulty: unknown 'mild'"),
    ],
)
def test_bad_requests_get_one_line(call: object, says: str) -> None:
    with pytest.raises(InputError, match=says):
        call()  # type: ignore[operator]


def test_the_space_of_a_task_can_be_drawn_whole() -> None:
    space = tasks.get("high_card_odds").space() or 0
    drawn = tasks.draw("high_card_odds", space, seed=0)
    assert len({tasks.get("high_card_odds").read(t.prompt) for t in drawn}) == space == 156
