"""The certificate of a task: it holds for a sound task, and names what is wrong with another."""

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tasks.test_plugins import EXAMPLE, registry
from tunix_rt_nb import tasks
from tunix_rt_nb.tasks import certificate, sample

__all__ = ["registry"]

PROMPT = 'return f"I buy {pens} pens at {price} cents and pay 999 cents. My change?"'
RETURN = "return Solution(lines, str(change))"


def findings(path: Path, source: str) -> Iterator[tasks.Finding]:
    path.write_text(source, encoding="utf-8")
    [name] = tasks.load_from([path])
    return tasks.certify(name, n=6)


@pytest.mark.usefixtures("registry")
def test_the_task_of_the_manual_has_its_certificate(tmp_path: Path) -> None:
    found = list(findings(tmp_path / "mine.py", EXAMPLE))
    assert [f.told for f in found if not f.holds] == []
    assert [f.check for f in found] == ["drawn and read back", *certificate.CHECKS]


def method(text: str) -> str:
    return f"{RETURN}\n\n{textwrap.indent(textwrap.dedent(text), '    ')}"


CHECKER = method(
    """
    def checker(self, problem, grain):
        return lambda before, said: None
    """
)
LENGTH = method(
    """
    def checker(self, problem, grain):
        right = super().checker(problem, grain)
        return lambda before, said: right(before, said) if said else None
    """
)
SCORE = method(
    """
    def score(self, answer, problem):
        return float({})
    """
)
RIGHT = "super().score(answer, problem)"


@pytest.mark.usefixtures("registry")
@pytest.mark.parametrize(
    ("old", "new", "check", "says"),
    [
        ("rng.randint", "random.randint", "same bytes", "in 3 processes, are 4 different ones"),
        ("PROMPT.fullmatch", "PROMPT.search", "other prompts", "reads .*expected a ValueError"),
        ("My change?", "My chance?", "drawn and read back", "ValueError: asks for no change: 'I"),
        (
            "int(match[2])",
            "int(match[2]), self.difficulty",
            "drawn and read back",
            "does not always give",
        ),
        ("int(match[2])", "[int(match[2])]", "drawn and read back", "TypeError: unhashable"),
        ("] * 89", "] * 8900", "space", "easy 17,800, but 120 draws find"),
        ("] * 89", "] * 3", "space", "easy 6, but 120 draws find"),
        ('999-{cost}={change}."', '999-{cost}={cost}."', "sums", "is [0-9]+, not"),
        (RETURN, CHECKER, "altered steps caught", "0 of"),
        (RETURN, LENGTH, "steps in order", "accepts .* as whole"),
        (RETURN, SCORE.format("True"), "wrong answers", "'' scores 1.0"),
        (RETURN, SCORE.format(f"{RIGHT} or ' or ' in answer"), "wrong answers", " or .*scores 1.0"),
        (RETURN, SCORE.format(f"{RIGHT} or len(answer) == 3"), "wrong answers", "'nan' scores"),
        (
            RETURN,
            SCORE.format("answer.strip()[:-1] == str(999 - problem[0] * problem[1])[:-1]"),
            "wrong answers",
            "altered",
        ),
        (RETURN, SCORE.format(f"answer[:1] != ' ' and {RIGHT}"), "right answers", "scores 0.0"),
        (RETURN, 'return Solution([("s", "So it is.")], "1")', "no twins", "have the steps of"),
        ("problem\n", "problem\n        assert price != 77\n", "drawn and", "AssertionError"),
    ],
)
def test_what_is_wrong_with_a_task_fails_the_check_for_it(
    tmp_path: Path, old: str, new: str, check: str, says: str
) -> None:
    assert old in EXAMPLE
    if check.startswith("drawn") and old.startswith("My"):
        source = EXAMPLE.replace(PROMPT, PROMPT.replace(old, new))
    else:
        source = EXAMPLE.replace(old, new)
    failed = {f.check: f.told for f in findings(tmp_path / "mine.py", source) if not f.holds}
    [told] = [told for name, told in failed.items() if name.startswith(check)]
    assert re.search(says, told), told


def test_an_altered_text_differs_from_what_it_was() -> None:
    import random

    rng = random.Random(0)
    for text in ("Units: 7+8=15, carry 1.", "♠ Q", "yes", "?", "٣", "not", "x²"):
        assert all(sample.alter(text, ["yes", "not"], rng) != text for _ in range(50))
