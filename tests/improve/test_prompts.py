"""Prompts of rounds: which may be asked, and how often each is."""

import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from tests.conftest import NOW, some
from tunix_rt_nb import dataset, improve, tasks
from tunix_rt_nb.common import InputError
from tunix_rt_nb.improve import Prompts
from tunix_rt_nb.improve.prompts import weight
from tunix_rt_nb.store import TraceStore
from tunix_rt_nb.trace import Trace

OWN = [(f"own-{n}", Trace.of(f"Question {n}?", [], str(n))) for n in range(9)]
SUM = Trace.of("What is 17 + 25 - 12?", [], "30", {"task": "arithmetic"})


def prompts(
    own: list[tuple[str, Trace]] = OWN,
    of_tasks: tuple[str, ...] = (),
    held_out: tuple[Trace, ...] = (),
    levels: tuple[str, ...] = ("easy",),
) -> Prompts:
    return Prompts(own, of_tasks, levels, [(f"held-{n}", t) for n, t in enumerate(held_out)])


@settings(max_examples=15)
@given(st.integers(1, 30), st.integers(0, 99), st.integers(0, 5))
def test_the_same_seed_and_round_draw_the_same_prompts(n: int, seed: int, round: int) -> None:
    of = prompts(of_tasks=("arithmetic", "products"))
    drawn = of.draw(n, seed, round, {"own-1": 0.5})
    assert drawn == of.draw(n, seed, round, {"own-1": 0.5})
    assert len({asked.name for asked in drawn}) == len(drawn) <= n
    assert drawn[0] == of.draw(1, seed, 0, {})[0]


def test_rounds_ask_other_prompts_but_the_first_is_the_same_in_each() -> None:
    of = prompts([], ("arithmetic",), levels=("medium",))
    rounds = [of.draw(20, 0, round, {}) for round in range(5)]
    assert all(asked[0] == rounds[0][0] for asked in rounds)
    rest = [one.name for asked in rounds for one in asked[1:]]
    assert len(set(rest)) == len(rest) == 5 * 19
    other = of.draw(20, 1, 0, {})
    assert not {one.name for one in other} & {one.name for one in rounds[0]}


def test_own_prompts_are_asked_at_most_once_a_round_and_fewer_come_if_there_are_fewer() -> None:
    drawn = prompts().draw(100, 0, 0, {})
    assert sorted(one.name for one in drawn) == sorted(name for name, _ in OWN)
    assert len(prompts().draw(4, 0, 3, {})) == 4


def test_own_prompts_and_tasks_share_a_round_half_and_half() -> None:
    drawn = prompts(of_tasks=("arithmetic", "products")).draw(12, 0, 1, {})
    cells = Counter(one.cell.split("-")[0] for one in drawn)
    assert abs(cells["own"] - 6) <= 1
    assert cells["own"] + cells["arithmetic easy"] + cells["products easy"] == 12
    many = prompts(of_tasks=("arithmetic",)).draw(60, 0, 1, {})
    assert sum(one.cell.startswith("own") for one in many) == len(OWN)
    assert len(many) > 50


def test_a_fresh_prompt_comes_with_its_cell_and_its_solution() -> None:
    of = prompts([], ("arithmetic", "products"), levels=("easy", "hard"))
    drawn = of.draw(40, 0, 0, {})
    names = ("arithmetic easy", "arithmetic hard", "products easy", "products hard")
    assert {one.cell for one in drawn} == set(names)
    assert all(one.trace.steps and one.trace.meta for one in drawn)
    assert all(one.cell.endswith(str((one.trace.meta or {})["difficulty"])) for one in drawn)


def test_what_is_always_or_never_right_is_drawn_less() -> None:
    of = prompts([], ("arithmetic", "products", "gcd"))
    rates = {"arithmetic easy": 0.5, "products easy": 1.0, "gcd easy": 0.0}
    counts = Counter(one.cell for k in range(10) for one in of.draw(60, 0, k, rates)[1:])
    share = counts["arithmetic easy"] / counts.total()
    assert share == pytest.approx(1 / 1.2, abs=0.08)
    assert min(counts.values()) > 0


def test_own_prompts_follow_their_pass_rates_too() -> None:
    rates = {name: float(n < 6) for n, (name, _) in enumerate(OWN)} | {"own-8": 0.5}
    drawn = [one.name for k in range(200) for one in prompts().draw(2, 0, k, rates)]
    counts = Counter(drawn)
    first = prompts().draw(1, 0, 0, {})[0].name
    assert counts.pop(first) == 200
    assert counts["own-8"] > 2 * max(n for name, n in counts.items() if name != "own-8")
    assert len(counts) == len(OWN) - 1


@given(st.floats(0, 1))
def test_the_weight_of_a_pass_rate_is_highest_at_one_half_and_never_zero(rate: float) -> None:
    assert 0.1 <= weight(rate) <= weight(0.5) == weight(None) == 1.0
    assert weight(rate) == pytest.approx(weight(1 - rate))


def test_a_trace_that_asks_a_held_out_problem_is_left_out_and_told() -> None:
    """The second of three planted bugs in the reward."""
    of = prompts(held_out=(OWN[3][1],))
    assert of.left_out == ["own-3"]
    assert str(of) == (
        "8 prompts of traces; 1 held-out problems are never asked; 1 traces ask one and are left"
        " out: own-3"
    )
    assert {one.name for k in range(9) for one in of.draw(9, 0, k, {})} == {
        name for name, _ in OWN if name != "own-3"
    }


def test_the_held_out_side_is_never_asked() -> None:
    with pytest.raises(InputError, match="^prompts: all of them are held out, expected questions"):
        prompts(held_out=tuple(trace for _, trace in OWN))
    of = prompts(of_tasks=("arithmetic",), held_out=tuple(trace for _, trace in OWN))
    assert str(of).endswith("are left out: own-0, own-1, own-2, own-3, own-4, ...")
    assert {one.cell for one in of.draw(9, 0, 0, {})} == {"arithmetic easy"}


@pytest.mark.parametrize(
    "words", ["What is 17 + 25 - 12?", "what is  17 + 25 - 12?", "Calculate 17 + 25 - 12."]
)
def test_a_held_out_problem_is_left_out_in_whatever_words(words: str) -> None:
    mine = Trace.of(words, [], "30", {"task": "arithmetic"})
    assert prompts([*OWN, ("mine", mine)], held_out=(SUM,)).left_out == ["mine"]


def test_fresh_prompts_are_never_held_out_problems() -> None:
    """A task with few problems, all of them held out but some."""
    every = some("high_card_odds", 10_000, seed=0)
    spared, held_out = every[:5], tuple(every[5:])
    problems = {dataset.evalset.problem(trace) for trace in spared}
    of = prompts([], ("high_card_odds",), held_out)
    asked = [one.trace for k in range(3) for one in of.draw(9, 0, k, {})]
    assert asked
    assert {dataset.evalset.problem(trace) for trace in asked} <= problems
    with pytest.raises(
        InputError, match="high_card_odds easy has no problem left that is not held"
    ):
        prompts([], ("high_card_odds",), tuple(every)).draw(1, 0, 0, {})


def test_no_prompt_an_unknown_task_and_an_unknown_difficulty_are_refused() -> None:
    with pytest.raises(
        InputError, match="^prompts: there are none, expected questions in ASK_FROM"
    ):
        prompts([])
    with pytest.raises(InputError, match="unknown 'sums', expected one of: "):
        prompts([], ("sums",))
    with pytest.raises(InputError, match="unknown 'huge', expected one of: easy"):
        prompts([], ("arithmetic",), levels=("huge",))


def test_it_says_what_may_be_asked() -> None:
    of = prompts(of_tasks=("arithmetic",), held_out=(SUM, Trace.of("Another?", [], "1")))
    told = "9 prompts of traces, fresh prompts of arithmetic easy; 2 held-out problems are never"
    assert str(of) == f"{told} asked"


def test_other_prompts_answers_tasks_or_held_out_problems_have_another_digest() -> None:
    assert prompts(OWN[::-1]).digest() != prompts().digest()  # chance chooses by places
    changed = [*OWN[:-1], ("own-8", Trace.of("Question 8?", [], "another answer"))]
    reworded = [*OWN[:-1], ("own-8", Trace.of("Question eight?", [], "8"))]
    others = [
        *(prompts(changed), prompts(reworded), prompts(OWN[:-1]), prompts(held_out=(SUM,))),
        *(prompts(held_out=(Trace.of("Another?", [], "1"),)), prompts(of_tasks=("gcd",))),
        *(prompts(of_tasks=("products",)), prompts(of_tasks=("gcd",), levels=("hard",))),
    ]
    assert len({of.digest() for of in (prompts(), *others)}) == 1 + len(others)
    assert prompts().digest() == prompts().digest()


# which traces are asked


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("asked")
    store = TraceStore(folder / "traces")
    store.add(some("arithmetic", 40, seed=0), NOW)
    return dataset.build(store, dataset.DatasetSpec.of(dataset_name="sums"), folder)


def test_the_training_side_of_the_dataset_is_asked_unless_there_are_tasks(built: Path) -> None:
    side = dict(dataset.load(built, "train"))
    assert dict(improve.traces_to_ask(built)) == side
    assert improve.traces_to_ask(built, ["products"]) == []
    assert dict(improve.traces_to_ask(Path("other"), ["products"], str(built))) == side


def test_a_file_of_questions_with_answers_alone_is_asked(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text('{"question": "What?", "answer": "So."}\n{"question": "Why?", "answer": "Yes"}')
    asked = improve.traces_to_ask(Path("other"), (), str(path))
    assert [(t.prompt, t.final_answer) for _, t in asked] == [("What?", "So."), ("Why?", "Yes")]
    assert len(Prompts(asked, [], ["easy"], []).draw(9, 0, 0, {})) == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"question": "What?"}', r"mine\.jsonl:1: .* expected one of .*question/answer"),
        (
            '{"question": "What?", "answer": "So."}\n{"question": "Why?", "answer": ""}',
            r"mine\.jsonl:2: response: ",
        ),
        ("", "mine.jsonl"),
    ],
)
def test_a_prompt_without_an_answer_is_refused_by_its_line(
    tmp_path: Path, text: str, says: str
) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text(text)
    with pytest.raises(InputError, match=says):
        improve.traces_to_ask(Path("other"), (), str(path))


def test_draws_need_no_global_random_state() -> None:
    of = prompts(of_tasks=("arithmetic",))
    states = []
    for seed in (1, 2):
        random.seed(seed)
        np.random.seed(seed)
        states.append(of.draw(9, 0, 0, {}))
    assert states[0] == states[1]
    assert tasks.TASKS


def test_fresh_prompts_pose_no_problem_of_an_eval_set_that_ships() -> None:
    shipped = {dataset.evalset.problem(t) for _, t in dataset.evalset.read("core-v1")}
    drawn = prompts([], ("products",)).draw(300, 0, 0, {})
    assert any(key[0] == "products" for key in shipped if isinstance(key, tuple))
    assert shipped.isdisjoint(dataset.evalset.problem(asked.trace) for asked in drawn)
