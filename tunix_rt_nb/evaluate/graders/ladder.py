"""The ladder: graders that are tried in order, from equal characters to equal formulas.

The first grader that can decide sets the score.
"""

from typing import NamedTuple

from tunix_rt_nb.evaluate.graders import choice, maths, number, sentences, texts
from tunix_rt_nb.evaluate.graders.judged import Judge
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
"""The rungs, in order. A rung gives a score only to an answer of its kind, such as a number."""


class Marked(NamedTuple):
    """The result of grading an answer. A rung is one grader; rungs are tried in a fixed order.

    Attributes:
      score: from 0.0 (wrong) to 1.0 (right), for the answer without the Markdown, LaTeX or label
        around it.
      strict_score: the same for the answer exactly as written.
      grader: the rung that decided `score`; `none` if no rung could decide, and `score` is 0.0.
      why: the reason of that rung.
      disagree: pairs of rung and score, for each other rung that decided otherwise.
    """

    score: float
    strict_score: float
    grader: str
    why: str
    disagree: tuple[tuple[str, float], ...] = ()


def mark(answer: str, expected: str, prompt: str = "", own: Own | Judge | None = None) -> Marked:
    """Grade an answer that no task can verify, by comparing it with the expected answer.

    Graders (rungs) are tried in order: an own grader if it is given, then those of `RUNGS`, then a
    judge if it is given. The first rung that can decide sets the score. If no rung can decide, the
    answer is wrong. A judge does not count for `strict_score`.

    Args:
      own: the grader from a file, or the judge, that the user names; None if there is none.

    Raises:
      InputError: `own` raises an exception, returns anything but a number from 0 to 1, or cannot be
        reached.

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
    answer: str, expected: str, prompt: str = "", own: Own | Judge | None = None
) -> tuple[str, dict[str, Verdict]]:
    """Return the answer without the marks around it, and each grader's verdict on that text.

    Marks are Markdown, LaTeX or a label such as `Answer:`. An answer that equals the expected one
    exactly as written keeps its marks. The verdicts are a dict by the name of the grader.

    Example:
      >>> look("**4.0**", "4")[0]
      '4.0'
    """
    if answer.strip() == expected.strip():
        return answer.strip(), verdicts(answer.strip(), expected, prompt, own)
    bared, right = sentences.shortened(bare(answer), plain(expected) or expected)
    found = verdicts(bared, right, prompt, own)
    if isinstance(own, Judge) and all(verdict.score is None for verdict in found.values()):
        found["judge"] = own.compare(bared, right, prompt)
    return bared, found


def verdicts(
    answer: str, expected: str, prompt: str = "", own: Own | Judge | None = None
) -> dict[str, Verdict]:
    """Return name of a grader -> its verdict on an answer exactly as written, in the order tried.

    A judge is not asked.

    Example:
      >>> [name for name, found in verdicts("4.0", "4").items() if found.score is not None]
      ['number']
    """
    rungs = {"own": own.compare, **RUNGS} if isinstance(own, Own) else RUNGS
    return {name: compare(answer, expected, prompt) for name, compare in rungs.items()}


def bare(answer: str) -> str:
    r"""Return the answer in a text, without the Markdown, LaTeX or label around it.

    Example:
      >>> bare(r"So it is $\boxed{4}$."), bare("4.")
      ('4', '4')
    """
    return answer_in(answer).answer or plain(answer)


def _decided(found: dict[str, Verdict]) -> tuple[str, float, str]:
    """Return the name of the first grader that decides, its score and its reason.

    If none decides, they are `none`, 0.0 and a text that says so.

    Args:
      found: name of a grader -> its verdict, in the order of the ladder.
    """
    for name, (score, why) in found.items():
        if score is not None:
            return name, score, why
    return "none", 0.0, "no rung finds that it equals what is expected"
