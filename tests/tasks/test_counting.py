import re
from collections.abc import Callable

import pytest

from tests.conftest import some, with_step
from tests.tasks.test_arithmetic import check_columns
from tunix_rt_nb import tasks
from tunix_rt_nb.tasks.words.counting import LEGS
from tunix_rt_nb.trace.trace import Trace

LEG_ASK = (
    "Your task is to count how many legs there are in total when given a list of animals.\n\n"
    "Now, how many legs are there in total if you have {}?"
)
FILTER_ASK = "{} all numbers {} than {} in this list: {}\nReturn the new list in the same format."
SPELL = re.compile(r"(?:Spell )?(\w+): ((?:\w )*\w)\.")
COUNT = re.compile(r"(?:Of )?(\w)(?: there)?: (\d+), (?:so far: (\d+)|(\d+) so far)\.")
WORD = re.compile(r"(?:There are )?(\d+) in (\w+), (\d+) so far\.")
LEG_FORMS = re.compile(
    r"One ([a-z ]+)(?:: | has )(\d+)(?: legs)?\.|"
    r"(?:Legs of )?([a-z ]+): (\d+)\*(\d+)=(\d+), (\d+) so far\.|"
    r"(?:In all|Together) (\d+) legs\."
)
COLUMN_FORMS = re.compile(
    r"(?:Now |So |Together, |With the zeros, )?\d+[*+]\d+=\d+\.|"
    r"(?:In the )?[A-Za-z ]+:? "
    r"(?:\d[*+]\d=\d+, )?\d+[*+]\d=\d+(?:, carry \d|, so \d+[*+]\d+=\d+)?\."
)
RELATION = r"is (larger than|smaller than|equal to)"
VERDICT = re.compile(rf"(-?[\d.]+) {RELATION} (-?[\d.]+)(?:: it|, so it) (stays|goes)\.")
SIGN = re.compile(r"(?:The number )?(-?[\d.]+) is (not )?negative\.")
BARE = re.compile(rf"(?:Without the signs|(?:Before|After) the point),? (\d+) {RELATION} (\d+)\.")
FOUND = re.compile(r"(?:(Larger|Smaller)|These are (larger|smaller)) than (-?[\d.]+): (.*)\.")
LEFT = re.compile(r"(?:Left|What is left): (.*)\.")


def check_letters(trace: Trace) -> list[str]:
    letter, text = re.findall(r'"(.*?)"', trace.prompt)
    words = text.split()
    wrong: list[str] = []
    said: list[tuple[int, int]] = []
    spelled: list[str] = []
    for step in (step.content for step in trace.steps):
        if m := SPELL.fullmatch(step) if len(spelled) == len(said) else None:
            spelled.append(m[1])
            wrong += [step] * (m[2].split(" ") != list(m[1].lower()))
        elif m := COUNT.fullmatch(step):
            said.append((int(m[2]), int(m[3] or m[4])))
            wrong += [step] * (m[1] != letter)
        elif m := WORD.fullmatch(step):
            spelled.append(m[2])
            said.append((int(m[1]), int(m[3])))
        else:
            wrong.append(f"unknown form: {step}")
    n = [sum(c in (letter, letter.upper()) for c in word) for word in words]
    if spelled != words or said != [(n[k], sum(n[: k + 1])) for k in range(len(words))]:
        wrong.append("counts other letters")
    return wrong if trace.final_answer == str(sum(n)) else [*wrong, "answer"]


def check_legs(trace: Trace) -> list[str]:
    from reasoning_gym.arithmetic.leg_counting import ANIMALS

    herds = re.findall(r"(\d+) ([a-z ]+)", trace.prompt)
    animals = [(name.removesuffix("s") if n != "1" else name, int(n)) for n, name in herds]
    texts = [step.content for step in trace.steps]
    wrong = check_columns(texts)
    total = 0
    named = []
    for text in texts:
        if m := LEG_FORMS.fullmatch(text):
            one, legs, kind, n, each, product, sofar, whole = m.groups()
            named += [name for name in (one, kind) if name]
            total += int(product or 0)
            right = (
                ANIMALS[one] == int(legs)
                if one
                else (kind, int(n)) in animals
                and ANIMALS[kind] == int(each)
                and total == int(sofar)
                if kind
                else whole == trace.final_answer
            )
            wrong += [] if right else [text]
        elif not COLUMN_FORMS.fullmatch(text):
            wrong.append(f"unknown form: {text}")
    if named != [name for name, _ in animals]:
        wrong.append("counts other animals")
    right_total = sum(n * ANIMALS[name] for name, n in animals)
    return wrong if trace.final_answer == str(right_total) else [*wrong, "answer"]


def related(a: str, word: str, b: str) -> bool:
    x, y = float(a), float(b)
    return {"larger": x > y, "smaller": x < y, "equal": x == y}[word.split()[0]]


def check_filter(trace: Trace) -> list[str]:
    keep, side, limit = re.findall(r"^(Keep|Remove) .* (larger|smaller) than (\S+)", trace.prompt)[
        0
    ]
    numbers = re.findall(r"'(.*?)'", trace.prompt)
    hits = [n for n in numbers if related(n, side, limit)]
    left = [n for n in numbers if (n in hits) == (keep == "Keep")]
    wrong, compared = [], []
    for text in (step.content for step in trace.steps):
        if m := VERDICT.fullmatch(text):
            compared.append(m[1])
            if m[3] != limit or not related(*m.groups()[:3]) or (m[4] == "stays") != (m[1] in left):
                wrong.append(text)
        elif m := SIGN.fullmatch(text):
            ours = numbers[len(compared)]
            wrong += [text] * (m[1] != ours or (float(ours) < 0) == bool(m[2]))
        elif m := BARE.fullmatch(text):
            ours = numbers[len(compared)]
            parts = [n.strip("-").split(".") for n in (ours, limit)]
            if text.startswith("After"):
                shown = [p[1].ljust(len(m[1]), "0") if p[1:] else "0" * len(m[1]) for p in parts]
                wrong += [text] * (parts[0][0] != parts[1][0])
            else:
                shown = [p[0] for p in parts]
            if list(m.groups()[::2]) != shown or not related(m[1], m[2], m[3]):
                wrong.append(text)
        elif m := FOUND.fullmatch(text):
            compared = numbers
            told = (m[1] or m[2]).lower(), m[3], m[4]
            wrong += [text] * (told != (side, limit, ", ".join(hits) or "none"))
        elif m := LEFT.fullmatch(text):
            wrong += [text] * (m[1] != (", ".join(left) or "none"))
        else:
            wrong.append(f"unknown form: {text}")
    if compared != numbers:
        wrong.append("compares other numbers")
    return wrong if eval(trace.final_answer) == left else [*wrong, "answer"]


ORACLES: dict[str, Callable[[Trace], list[str]]] = {
    "letter_counting": check_letters,
    "leg_counting": check_legs,
    "number_filtering": check_filter,
}


@pytest.mark.parametrize("name", ORACLES)
@pytest.mark.parametrize("grain", tasks.GRAINS)
def test_the_other_implementation_notices_a_wrong_step(name: str, grain: str) -> None:
    turned = {"larger": "smaller", "smaller": "larger", "stays": "goes", "goes": "stays"}
    noticed, missed = 0, []
    for trace in some(name, 40, 2, "medium", grain=grain):
        for step in trace.steps:
            for spot in re.finditer(r"\d+|larger|smaller|stays|goes", step.content):
                new = turned.get(spot[0]) or str(int(spot[0]) + 7)
                text = step.content[: spot.start()] + new + step.content[spot.end() :]
                if ORACLES[name](with_step(trace, step.i, text)):
                    noticed += 1
                else:
                    missed.append(text)
    assert all("0*" in text for text in missed)  # 0*6=0 is as true as 0*13=0
    assert noticed > 20 * len(missed)


def test_capitals_count_as_the_same_letter() -> None:
    task = tasks.get("letter_counting")
    problem = task.read(
        'How many times does the letter "t" appear in the text: "The Tortoise that 2t"?'
    )
    for grain in tasks.GRAINS:
        assert task.solve(problem, grain).answer == "6"


def test_legs_are_those_that_reasoning_gym_counts() -> None:
    from reasoning_gym.arithmetic.leg_counting import ANIMALS

    assert ANIMALS == LEGS


@pytest.mark.parametrize(
    ("herds", "legs"),
    [
        ("1 jellyfish, 3 starfishs", "15"),
        ("2 snakes, 5 leechs", "0"),
        ("15 woodlouses, 12 crabs, 1 praying mantis", "336"),
        ("2 praying mantiss, 1 sea slug", "12"),
    ],
)
def test_herds_counted_by_hand(herds: str, legs: str) -> None:
    task = tasks.get("leg_counting")
    for grain in tasks.GRAINS:
        assert task.solve(task.read(LEG_ASK.format(herds)), grain).answer == legs


@pytest.mark.parametrize(
    "herds",
    [
        "1 dogs",
        "2 dog",
        "0 dogs",
        "2 unicorns",
        "2 dogs, 3 dogs",
        "02 dogs",
        "2  dogs",
        "1 s",
        "٢ dogs",
    ],
)
def test_other_herds_are_refused(herds: str) -> None:
    with pytest.raises(ValueError, match="legs|animal"):
        tasks.get("leg_counting").read(LEG_ASK.format(herds))


@pytest.mark.parametrize(
    ("keep", "side", "limit", "numbers", "left"),
    [
        ("Keep", "larger", "44", ["44", "45", "43"], ["45"]),
        ("Remove", "larger", "44", ["44", "45", "43"], ["44", "43"]),
        ("Keep", "smaller", "-3.5", ["-3.50", "-3.51", "-3.49", "3"], ["-3.51"]),
        ("Remove", "smaller", "-0.05", ["-0.5", "0.00", "-0.06"], ["0.00"]),
        ("Keep", "larger", "12.4", ["12.39", "12.41", "12"], ["12.41"]),
        ("Remove", "smaller", "9", ["1", "2", "1"], []),
    ],
)
def test_lists_filtered_by_hand(
    keep: str, side: str, limit: str, numbers: list[str], left: list[str]
) -> None:
    task = tasks.get("number_filtering")
    problem = task.read(FILTER_ASK.format(keep, side, limit, numbers))
    for grain in tasks.GRAINS:
        assert task.solve(problem, grain).answer == str(left)


def test_quotes_and_spaces_in_an_answer_do_not_matter_but_the_numbers_do() -> None:
    task = tasks.get("number_filtering")
    problem = task.read(FILTER_ASK.format("Keep", "larger", "1.0", ["2.50", "0.1", "-3", "7"]))
    for answer in ("['2.50', '7']", '["2.50","7"]', "[2.50, 7]", " [ '2.50' , '7' ]\n"):
        assert task.score(answer, problem) == 1.0
    for answer in (
        *(
            "['2.5', '7']",
            "['7', '2.50']",
            "['2.50']",
            "['2.50', '7', '7']",
            "2.50, 7",
            "['2.50' '7']",
        ),
        *(
            "['2.50', '7'] or []",
            "['2.50\", '7']",
            "[]",
            "[,]",
            "['2.50', '7',]",
            "[" * 100_000 + "]",
        ),
        *("[['2.50', '7']]", "['2.50', '7'", "[" + "1," * 50_000 + "1]"),
    ):
        assert task.score(answer, problem) == 0.0
    none = task.read(FILTER_ASK.format("Keep", "larger", "9", ["1"]))
    assert task.score("[ ]", none) == 1.0
    assert task.score("['']", none) == task.score("[,]", none) == 0.0


@pytest.mark.parametrize(
    "numbers", [["2.5", "2.50"], ["0", "-0.0"], ["-0"], ["01"], ["1e3"], ["1" * 9], [], ["٣"]]
)
def test_numbers_in_odd_or_two_forms_are_refused(numbers: list[str]) -> None:
    with pytest.raises(ValueError, match="number"):
        tasks.get("number_filtering").read(FILTER_ASK.format("Keep", "larger", "1", numbers))
