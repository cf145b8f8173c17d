"""Graded answers, chosen and laid out for people: the worst ones, and right ones beside them."""

from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import Any

from tunix_rt_nb.evaluate import OUTCOMES, Prediction, by_item, first_wrong, grouped, outcome
from tunix_rt_nb.trace import Earlier, parse_response

_STEPS, _LETTERS = 40, 2_000  # the most steps of a response, and characters of a text, to show


def worst(after: Sequence[Prediction], most: int = 10) -> list[Prediction]:
    """List the worst answer to each item, the worst first, at most `most` of them.

    A wrong answer is worse than a right one. Of two answers with the same score, the one with fewer
    right steps is worse. Leave out an item if all answers to it are right, with every step right.
    """
    each = [min(answers, key=_badness) for answers in by_item(after).values()]
    return sorted((p for p in each if outcome(p) != "right"), key=_badness)[:most]


def _badness(prediction: Prediction) -> tuple[float, float, str]:
    return prediction["score"], prediction["steps_right"] or 0.0, prediction["id"]


def best(after: Iterable[Prediction]) -> list[Prediction]:
    """List an answer to each item that has one with every step right, the tasks taking turns."""
    right = {p["id"]: p for p in after if outcome(p) == "right"}  # one to each item
    turns = zip_longest(*_by_task(right.values()).values())
    return [p for turn in turns for p in turn if p is not None]


def telling(after: Sequence[Prediction], n: int = 10) -> list[Prediction]:
    """Choose `n` answers to show: the worst first, then right ones, of each task in turn.

    At most half of them are wrong, unless there are too few right ones.
    """
    right = best(after)
    bad = worst(after, max(n // 2, n - len(right)))
    return [*bad, *right[: n - len(bad)]]


def beside(bad: Sequence[Prediction], after: Sequence[Prediction]) -> list[tuple[Any, Any]]:
    """Pair each bad answer with a right one to another item of its task; None if there is none.

    If no answer is bad, pair up to four right ones with each other.
    """
    right = best(after)
    if not bad:
        return list(zip_longest(right[:4:2], right[1:4:2]))
    turns = {task: iter(some) for task, some in _by_task(right).items()}
    return [(p, next(turns.get(str(p["task"]), iter(())), None)) for p in bad]


def _by_task(some: Iterable[Prediction]) -> dict[str, list[Prediction]]:
    return grouped(some, lambda p: str(p["task"]))


def laid_out(prediction: Prediction) -> dict[str, Any]:
    """Return what to show of a graded answer; long texts and long solutions are cut.

    Returns:
      Among others `steps`, each with its `text`, the `reason` why it is wrong, its `tick` (`✓`, `✗`
      or `·` if it was not checked) and its `mark`: `first` for the first wrong step, `later` for
      the steps after it, else `right` or `unchecked`; and `missing`, true if the first wrong step
      is one that was not written.
    """
    written = parse_response(prediction["response"], prediction.get("style") or "numbered").steps
    first = first_wrong(prediction)
    wrong = prediction.get("wrong_steps", {})
    # Own questions may have unchecked steps; a prediction tells how many, but not which.
    unchecked = prediction.get("step_counts", {}).get("unchecked", 1)
    checked = prediction["steps_right"] is not None and not unchecked
    known = prediction.get("grader", "task") == "task" or checked
    steps = [
        {
            "text": shorten(text),
            "tick": "✗" if str(n) in wrong or n == first else "✓" if known else "·",
            "mark": _mark(n, first) if known or n == first else "unchecked",
            "reason": shorten(wrong.get(str(n), "")),
        }
        for n, text in enumerate(written[:_STEPS], 1)
    ]
    return {
        "id": prediction["id"],
        "task": prediction["task"],
        "difficulty": prediction.get("difficulty"),
        "earlier": earlier(prediction),
        "prompt": shorten(prediction["prompt"]),
        "steps": steps,
        "more": max(0, len(written) - _STEPS),
        "missing": first is not None and first > len(written),
        "answer": prediction["answer"] and shorten(prediction["answer"]),
        "right": prediction["score"] == 1.0,
        "expected": shorten(prediction["expected_answer"]),
        "outcome": OUTCOMES.get(how := outcome(prediction), shorten(how)),
        "response": ""
        if prediction.get("strict_format", True)
        else shorten(prediction["response"]),
    }


def earlier(prediction: Prediction) -> str:
    """Return the messages before a prompt, cut if they are long; empty if there are none."""
    return shorten("\n".join(Earlier.of(prediction).labelled()))


def _mark(n: int, first: int | None) -> str:
    return "first" if n == first else "later" if first and n > first else "right"


def shorten(text: str) -> str:
    """Return a text, cut after 2,000 characters."""
    more = len(text) - _LETTERS
    return f"{text[:_LETTERS]} ... ({more:,} characters more)" if more > 0 else text
