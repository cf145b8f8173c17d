"""The ladder: rungs from the strict to the mathematical, of which the first that can decides."""

from typing import NamedTuple

from tunix_rt_nb.evaluate.graders import choice, maths, number, texts
from tunix_rt_nb.evaluate.graders.own import Own
from tunix_rt_nb.evaluate.graders.verdict import Verdict
from tunix_rt_nb.trace import answer_in, plain

RUNGS = {
    "exact": texts.exact,
    "text": texts.text,
    "number": number.compare,
    "choice": choice.compare,
    "maths": maths.compare,
}
"""Each rung decides an answer that it recognises and passes on any other, in this order."""


class Marked(NamedTuple):
    """The mark of an answer.

    Attributes:
      score: of the answer in it, without the marks around it; from 0.0 to 1.0.
      strict_score: of the answer as it stands.
      grader: the rung that decided `score`; `none` if no rung could, which is wrong.
      why: its reason.
      disagree: the other rungs that decided otherwise, with their scores.
    """

    score: float
    strict_score: float
    grader: str
    why: str
    disagree: tuple[tuple[str, float], ...] = ()


def mark(answer: str, expected: str, prompt: str = "", own: Own | None = None) -> Marked:
    """Mark an answer of no known task by the expected one; in doubt it is wrong.

    The first rung that can decides: the own grader if there is one, then those of `RUNGS`.

    Raises:
      InputError: as `Own.compare`.

    Example:
      >>> mark("**1,000**", "1000")[:3], mark("29.5", "29")[:3], mark("Rome", "Paris")[:3]
      ((1.0, 0.0, 'number'), (0.0, 0.0, 'number'), (0.0, 0.0, 'none'))
    """
    strict = _decided(verdicts(answer.strip(), expected, prompt, own))[1]
    _, found = look(answer, expected, prompt, own)
    name, score, why = _decided(found)
    others = tuple(
        (rung, verdict.score)
        for rung, verdict in found.items()
        if verdict.score is not None and verdict.score != score
    )
    return Marked(score, min(strict, score), name, why, others)


def look(
    answer: str, expected: str, prompt: str = "", own: Own | None = None
) -> tuple[str, dict[str, Verdict]]:
    """Return an answer without the marks around it, and what each rung makes of that.

    An answer that equals the expected one as it stands keeps its marks.

    Example:
      >>> look("**4.0**", "4")[0]
      '4.0'
    """
    if answer.strip() == expected.strip():
        return answer.strip(), verdicts(answer.strip(), expected, prompt, own)
    bared = bare(answer)
    return bared, verdicts(bared, plain(expected) or expected, prompt, own)


def verdicts(
    answer: str, expected: str, prompt: str = "", own: Own | None = None
) -> dict[str, Verdict]:
    """Return what each rung makes of an answer as it stands, in order.

    Example:
      >>> [name for name, found in verdicts("4.0", "4").items() if found.score is not None]
      ['number']
    """
    rungs = {"own": own.compare, **RUNGS} if own else RUNGS
    return {name: compare(answer, expected, prompt) for name, compare in rungs.items()}


def bare(answer: str) -> str:
    r"""Return the answer in a text, without the marks around it.

    Example:
      >>> bare(r"So it is $\boxed{4}$."), bare("4.")
      ('4', '4')
    """
    return answer_in(answer).answer or plain(answer)


def _decided(found: dict[str, Verdict]) -> tuple[str, float, str]:
    """Return the first rung that decides, its score and its reason."""
    for name, (score, why) in found.items():
        if score is not None:
            return name, score, why
    return "none", 0.0, "no rung finds that it equals what is expected"
