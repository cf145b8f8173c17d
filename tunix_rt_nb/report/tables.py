"""The before-and-after table, as records, as text and as JSON."""

from collections.abc import Mapping, Sequence
from textwrap import indent
from typing import Any

from tunix_rt_nb.common import InputError
from tunix_rt_nb.evaluate import STRICT, Scorecard, notes, warnings
from tunix_rt_nb.report.columns import text_table

MODELS = ("before", "after", "improved")  # names of the models in columns and charts
ALL_RIGHT = "all, every step right"  # the name of the row of answers that are right in every step


def summary(
    before: Scorecard, after: Scorecard, improved: Scorecard | None = None
) -> dict[str, Any]:
    """Return the figures of scorecards as `run --json` prints them.

    Returns:
      `before`, `after` and, if there is such a card, `improved`: the figures over all tasks;
      `warnings`: reasons to doubt the scores after training, or those of the improved model;
      `by_task`: task -> its score `before`, `after` and `improved`, its share of right steps after
      training (`steps_right`), and its number of items (`n`).
    """
    cards = _cards(before, after, improved)
    return {
        **{when: _figures(card) for when, card in cards.items()},
        "warnings": warnings(improved or after),
        "by_task": {
            task: {
                **{when: card["category_scores"][task]["score"] for when, card in cards.items()},
                "steps_right": score["steps_right"],
                "n": score["n"],
            }
            for task, score in after["category_scores"].items()
        },
    }


def _cards(
    before: Scorecard, after: Scorecard, improved: Scorecard | None = None
) -> dict[str, Scorecard]:
    """Return the scorecards of the models by what they are called: `before`, `after`, `improved`.

    Raises:
      InputError: the improved model answered items of other tasks.
    """
    if improved and improved["category_scores"].keys() != after["category_scores"].keys():
        raise InputError("after, improved: are of other categories, run 6_improve again")
    found = zip(MODELS, (before, after, improved), strict=True)
    return {when: card for when, card in found if card}


def _figures(card: Scorecard) -> dict[str, Any]:
    whole = _whole(card)
    sound = {name: card[name] for name in ("all_right", "all_right_interval") if name in card}
    return {
        "accuracy": whole.pop("score"),
        "strict_accuracy": card["strict_score"],
        "interval": card["interval"],
        **sound,
        **whole,
        "skipped": card.get("n_skipped", 0),
    }


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"


def before_after(
    before: Scorecard, after: Scorecard, improved: Scorecard | None = None
) -> list[dict[str, str]]:
    """Build the before-and-after table: shares of right answers and steps, by task and overall.

    All values are texts, such as `50.0 %`. The row before the last counts an answer as right only
    if every step is right, too; scorecards of older runs do not tell that. The last row counts it
    only if it is written exactly in the style that was trained.

    With an improved model there is a column for each of the three models, and the answers and the
    steps of a task have a row each, so that the table is hardly wider than a phone.
    """
    cards = _cards(before, after, improved)
    made = _long if improved else _wide
    rows = made(shares(before, after, improved))
    stricter = {ALL_RIGHT: "all_right", STRICT: "strict_score"}
    if any("all_right" not in card for card in cards.values()):
        del stricter[ALL_RIGHT]
    for name, field in stricter.items():
        told = {when: _percent(card[field]) for when, card in cards.items()}  # type: ignore[literal-required]
        told |= {f"answers {when}": share for when, share in told.items()}
        told |= {"task": name, "held-out items": rows[-1]["held-out items"]}
        rows.append({column: told.get(column, "") for column in rows[-1]})
    return rows


def _wide(rows: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """Return a row for each task, with columns for its answers and its steps."""
    found: dict[str, dict[str, str]] = {}
    for row in rows:
        of_task = {"task": row["task"], "held-out items": row["held-out items"]}
        told = {f"{row['what']} {when}": row[when] for when in ("before", "after")}
        found.setdefault(row["task"], of_task).update(told)
    return list(found.values())


def _long(rows: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """Return a row for the answers of each task, and one for its steps if any can be checked."""
    return [
        {
            "task": f"{row['task']}: {row['what']}",
            **{when: row[when] for when in MODELS},
            "held-out items": row["held-out items"],
        }
        for row in rows
        if row["after"]
    ]


def shares(
    before: Scorecard, after: Scorecard, improved: Scorecard | None = None
) -> list[dict[str, str]]:
    """Return shares of right answers and of right steps, by task and overall.

    Returns:
      Rows of texts: `task`; `what` is right, `answers` or `steps`; `held-out items`; and the shares
      `before`, `after` and `improved`, such as `50.0 %`. A share is empty if it is not known.
    """
    groups = {
        when: {**card["category_scores"], "all": _whole(card)}
        for when, card in _cards(before, after, improved).items()
    }
    return [
        {
            "task": task,
            "what": what,
            "held-out items": str(score["n"]),
            **{when: _percent(group[task][field]) for when, group in groups.items()},
        }
        for task, score in groups["after"].items()
        for what, field in (("answers", "score"), ("steps", "steps_right"))
    ]


def bars(
    before: Scorecard, after: Scorecard, improved: Scorecard | None = None
) -> list[dict[str, str]]:
    """Return the bars of a chart of shares: a `name`, and a percent for each model."""
    return [
        {
            "name": f"{row['task']}: {row['what']}",
            **{when: row[when].removesuffix(" %") or "0.0" for when in MODELS if when in row},
        }
        for row in shares(before, after, improved)
        if row["after"]
    ]


def _whole(card: Scorecard) -> Any:
    return {
        "score": card["primary_score"],
        "steps_right": card["steps_right"],
        "n": card["n_scored"],
    }


def before_after_text(
    before: Scorecard, after: Scorecard, improved: Scorecard | None = None
) -> str:
    """Return the before-and-after table as text, with remarks below it.

    The remarks are the 95 % intervals of the shares of right answers after training, then notes and
    warnings about the scores after training, or about those of the improved model.
    """
    rows = before_after(before, after, improved)
    text = indent(text_table(rows, right=list(rows[0])[1:]), "  ")
    told = [_interval("after", after), *([_interval("improved", improved)] if improved else [])]
    last = improved or after
    below = "".join(f"  {line}\n" for line in [*told, *notes(last), *warnings(last)])
    return f"\n{text}\n{below}"


def _interval(when: str, card: Scorecard) -> str:
    low, high = map(_percent, card["interval"])
    return f"answers {when}, 95 % interval: {low} to {high}"
