"""The before-and-after table, as records, as text and as JSON."""

from textwrap import indent
from typing import Any

from tunix_rt_nb.evaluate import STRICT, Scorecard, notes, warnings
from tunix_rt_nb.report.columns import text_table


def summary(before: Scorecard, after: Scorecard) -> dict[str, Any]:
    """Return the figures of two scorecards as `run --json` prints them.

    Returns:
      `before` and `after`: the figures over all tasks; `warnings`: reasons to doubt the scores
      after training; `by_task`: task -> its score `before` and `after`, its share of right steps
      after training (`steps_right`), and its number of items (`n`).
    """
    return {
        "before": _figures(before),
        "after": _figures(after),
        "warnings": warnings(after),
        "by_task": {
            task: {
                "before": before["category_scores"][task]["score"],
                "after": score["score"],
                "steps_right": score["steps_right"],
                "n": score["n"],
            }
            for task, score in after["category_scores"].items()
        },
    }


def _figures(card: Scorecard) -> dict[str, Any]:
    whole = _whole(card)
    return {
        "accuracy": whole.pop("score"),
        "strict_accuracy": card["strict_score"],
        "interval": card["interval"],
        **whole,
        "skipped": card.get("n_skipped", 0),
    }


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"


def before_after(before: Scorecard, after: Scorecard) -> list[dict[str, str]]:
    """Build the before-and-after table: shares of right answers and steps, by task and overall.

    All values are texts, such as `50.0 %`. The last row counts an answer as right only if it is
    written exactly in the style that was trained.
    """
    tasks = [*after["category_scores"], "all"]
    cards = [{**card["category_scores"], "all": _whole(card)} for card in (before, after)]
    rows = [
        {
            "task": task,
            "held-out items": str(cards[1][task]["n"]),
            "answers before": _percent(cards[0][task]["score"]),
            "answers after": _percent(cards[1][task]["score"]),
            "steps before": _percent(cards[0][task]["steps_right"]),
            "steps after": _percent(cards[1][task]["steps_right"]),
        }
        for task in tasks
    ]
    strict = {
        "task": STRICT,
        "answers before": _percent(before["strict_score"]),
        "answers after": _percent(after["strict_score"]),
        "steps before": "",
        "steps after": "",
    }
    return [*rows, {**rows[-1], **strict}]


def _whole(card: Scorecard) -> dict[str, Any]:
    return {
        "score": card["primary_score"],
        "steps_right": card["steps_right"],
        "n": card["n_scored"],
    }


def before_after_text(before: Scorecard, after: Scorecard) -> str:
    """Return the before-and-after table as text, with remarks below it.

    The remarks are the 95 % interval of the share of right answers after training, then notes and
    warnings about the scores after training.
    """
    rows = before_after(before, after)
    text = indent(text_table(rows, right=list(rows[0])[1:]), "  ")
    low, high = after["interval"]
    told = [f"answers after, 95 % interval: {_percent(low)} to {_percent(high)}"]
    below = "".join(f"  {line}\n" for line in [*told, *notes(after), *warnings(after)])
    return f"\n{text}\n{below}"
