import random
import re
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest

from tests.conftest import some, with_step
from tests.helpers import growth
from tunix_rt_nb import tasks
from tunix_rt_nb.tasks.gym import _dataset
from tunix_rt_nb.tasks.words.logic import KnightsKnaves, _value
from tunix_rt_nb.trace.trace import Trace

CLAIMS = re.compile(r'"([^"]+?)[.,]?"|(?: said| told you| expressed) that ([^."]+)\.')
SUPPOSED = re.compile(r"(?:Suppose|Try this:|If) ([^:.]+)(?:: (?:(fits)|(\w+) contradicts it))?\.")
SAID = re.compile(
    r"(?:Now )?(?:([A-Z][a-z]+) says|[Tt]hat is) ((?:true|false|and|or|not|if|then|only|[ ()])+?)"
    r"(?:, (?:which is )?(true|false))?(?:[:,] (fits|contradiction))?\."
)
PUZZLE = (
    "A very special island is inhabited only by knights and knaves. Knights always tell the truth, "
    "and knaves always lie. You meet 2 inhabitants: Emma, and Noah. {} So who is a knight and who "
    'is a knave? (Format your answer like: "Emma is a knight/knave, and Noah is a knight/knave")'
)


def truth(text: str) -> bool:
    """Python reads what is said: `==` for if and only if, `<=` for if."""
    told = text.replace("if and only if", "==").replace(" then ", " <= ").replace("if ", "")
    return bool(eval(told.replace("true", "True").replace("false", "False")))


def check_knights(trace: Trace) -> list[str]:
    told = trace.prompt.split("inhabitants: ")[1]
    names = re.findall("[A-Z][a-z]+", told.split(".")[0])
    honest, liar = re.findall(r"who is (an? \w+)", told)
    person = re.compile(rf"(\w+) (?:is )?({honest}|{liar})")
    claims = [a or b for a, b in CLAIMS.findall(told.split(" So who is ")[0])]

    def case_of(text: str) -> dict[str, bool]:
        return {name: role == honest for name, role in person.findall(text)}

    def filled(name: str, case: dict[str, bool]) -> str:
        claim = claims[names.index(name)].replace("it is not the case that", "not")
        text = person.sub(lambda m: str(case[m[1]] == (m[2] == honest)).lower(), claim)
        return re.sub(r"\((true|false)\)", r"\1", text)

    def against(case: dict[str, bool]) -> list[str]:
        return [name for name in names if truth(filled(name, case)) != case[name]]

    cases = [
        dict(zip(names, roles, strict=True)) for roles in product((True, False), repeat=len(names))
    ]
    [right] = [case for case in cases if not against(case)]
    wrong = [] if case_of(trace.final_answer) == right else ["answer"]
    if wrong or len(person.findall(trace.final_answer)) != len(names):
        return ["answer"]
    tried: list[dict[str, bool]] = []
    said: list[tuple[str, str]] = []
    speaker = expression = ""
    for text in (step.content for step in trace.steps):
        if m := SUPPOSED.fullmatch(text):
            tried.append(case_of(m[1]))
            contradict = against(tried[-1])
            if (m[2] and contradict) or (m[3] and m[3] not in contradict[:1]):
                wrong.append(text)
        elif tried and (m := SAID.fullmatch(text)):
            who, told, value, verdict = m.groups()
            speaker = who or speaker
            before = filled(speaker, tried[-1]) if who else expression
            now = truth(told)
            if (who and told != before) or now != truth(before):
                wrong.append(text)
            if (not who and len(told) >= len(expression)) or (value and truth(value) != now):
                wrong.append(text)
            if verdict and (verdict == "fits") != (now == tried[-1][speaker]):
                wrong.append(text)
            expression = told
            said += [(speaker, verdict)] if verdict else []
        else:
            wrong.append(f"unknown form: {text}")
    checked = [
        (name, "contradiction" if name in against(case)[:1] else "fits")
        for case in cases[: len(tried)]
        for name in names[: names.index((against(case) or names[-1:])[0]) + 1]
    ]
    if tried != cases[: len(tried)] or tried[-1:] != [right] or said not in ([], checked):
        wrong.append("leaves a case or a claim out")
    return wrong


ORACLES: dict[str, Callable[[Trace], list[str]]] = {"knights_knaves": check_knights}


@pytest.mark.parametrize("grain", tasks.GRAINS)
def test_the_other_implementation_notices_a_wrong_step(grain: str) -> None:
    swaps = {"true": "false", "false": "true", "fits": "contradiction", "contradiction": "fits"}
    for trace in some("knights_knaves", 20, 2, grain=grain):
        for step in trace.steps:
            text = re.sub(
                r"\b(true|false|fits|contradiction)\b", lambda m: swaps[m[1]], step.content, count=1
            )
            other = with_step(trace, step.i, text)
            assert text == step.content or check_knights(other)


@pytest.mark.parametrize("level", tasks.DIFFICULTIES)
def test_claims_are_read_as_reasoning_gym_meant_them(level: str) -> None:
    task, dataset = tasks.get("knights_knaves", level), _dataset(KnightsKnaves, level)
    for index in range(100):
        item = dataset[index]
        problem: Any = task.read(item["question"])
        names, _, claims = problem
        assert list(names) == item["metadata"]["names"]
        for case in product((True, False), repeat=len(names)):
            meant = [dataset.test_satisfiability(s, case) for s in item["metadata"]["statements"]]
            assert [_value(claim, case) for claim in claims] == [bool(value) for value in meant]


@pytest.mark.parametrize(
    ("talk", "answer"),
    [
        (
            'Emma said, "Emma is a knave and Noah is a knave." Noah said that Noah is a knave or Emma is a knave.',
            "Emma is a knave, and Noah is a knight",
        ),
        (
            '"if Emma is a knave then Noah is a knave," Emma claimed. As Noah put it, "Emma is a knight".',
            "Emma is a knight, and Noah is a knight",
        ),
        (
            'In Emma\'s words: "it is not the case that (Emma is a knight or Noah is a knight)". "Noah is a knave or Noah is a knight" - Noah.',
            "Emma is a knave, and Noah is a knight",
        ),
    ],
)
def test_puzzles_worked_by_hand(talk: str, answer: str) -> None:
    task = tasks.get("knights_knaves")
    problem = task.read(PUZZLE.format(talk))
    assert task.solve(problem, "fine").answer == answer


def test_answers_in_other_forms_score_and_other_answers_do_not() -> None:
    task = tasks.get("knights_knaves")
    problem = task.read(
        PUZZLE.format(
            'Emma noted, "Emma is a knave and Noah is a knave". Noah noted, "Noah is a knight".'
        )
    )
    for answer in (
        "Emma is a knave, and Noah is a knight.",
        "Noah is a knight, and Emma is a knave",
        "emma is knave and noah is knight",
        "Emma is a knave, Noah is a knight",
    ):
        assert task.score(answer, problem) == 1.0
    for answer in (
        "Emma is a knave",
        "Emma is a knight, and Noah is a knave",
        "Emma is a knave, and Noah is a knight/knave",
        "Emma is a knave, Noah is a knight, and Noah is a knave",
        "Not true: Emma is a knave, and Noah is a knight",
        "Emma is a knave, and Noah is a knight" * 2000,
        "Emma is a knave, and Noah is not a knight",
        "Noah is a knight, and Noah is a knight",
    ):
        assert task.score(answer, problem) == 0.0


@pytest.mark.parametrize(
    "talk",
    [
        'Emma noted, "Noah is a knave". Noah noted, "Emma is a knave".',  # two solutions
        'Emma noted, "Emma is a knave". Noah noted, "Emma is a knave".',  # none
        'Noah noted, "Emma is a knave and Noah is a knave". Emma noted, "Noah is a knight".',
        'Emma noted, "Liam is a knave". Noah noted, "Emma is a knave".',
        'Emma noted, "Emma is a knave or Noah is a knave and Noah is a knave". Noah noted, "Emma is a knave".',
        'Emma noted, "Emma is a sage". Noah noted, "Emma is a knave".',
        'Emma noted, "<0>". Noah noted, "Emma is a knave".',
        'Emma noted, "and". Noah noted, "Emma is a knave".',
        f'Emma noted, "{"(" * 900}Emma is a knave{")" * 900}". Noah noted, "Emma is a knave".',
        f'Emma noted, "{"it is not the case that (" * 70}Emma is a knave{")" * 70}". Noah noted, "Emma is a knave".',
        f'Emma noted, "{"(" * 1900}". Noah noted, "Emma is a knave".',
        'Emma noted, "Emma is a knave and Noah is a knave".',
        "So who is a knight " * 100,
    ],
)
def test_what_is_no_puzzle_with_one_solution_is_refused(talk: str) -> None:
    def read() -> None:
        with pytest.raises(ValueError, match="claim|solution|says|statement|island"):
            tasks.get("knights_knaves").read(PUZZLE.format(talk))

    assert growth.calls(read) < 20_000


def test_prompts_do_not_depend_on_numpy_state() -> None:
    task = tasks.get("knights_knaves", "hard")
    import numpy as np

    first = task.prompt(random.Random(3))
    np.random.seed(7)
    assert task.prompt(random.Random(3)) == first
