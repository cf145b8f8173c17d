"""Remarks on a scorecard, in lines: reasons to doubt it, and how own questions were graded."""

from tunix_rt_nb.evaluate.graders import sentences
from tunix_rt_nb.evaluate.scorecard import FEWEST, Scorecard


def warnings(card: Scorecard) -> list[str]:
    """Return the reasons to doubt a scorecard, one line each; empty if there are none.

    Example:
      >>> warnings({"n_scored": 12, "interval": (0.2, 0.7), "strict_format": 1.0, "stopped": 1.0})
      ['12 items are few: the interval is 50 points wide, 50 items and more decide better']
    """
    n, (low, high) = card["n_scored"], card["interval"]
    told = []
    if n < FEWEST:
        width = f"the interval is {100 * (high - low):.0f} points wide"
        told.append(f"{n} items are few: {width}, {FEWEST} items and more decide better")
    if card["strict_format"] < 0.5:
        told.append(
            f"{card['strict_format']:.0%} of the answers are in the style that was trained:"
            " look at the loss mask, and whether the template is that of training"
        )
    if card["stopped"] < 0.5:
        told.append(
            f"{card['stopped']:.0%} of the answers end with the stop token: is it trained,"
            " and is there room for an answer?"
        )
    return told


def notes(card: Scorecard) -> list[str]:
    """Return lines on how answers were graded that no task can verify; empty if there are none.

    Example:
      >>> counts = {"right": 9, "wrong": 1, "unchecked": 4}
      >>> notes({"graders": {"number": 8}, "disagreements": 0, "step_counts": counts})[1]
      'all their steps: 9 right, 1 wrong, 4 not checkable'
    """
    if "graders" not in card:
        return []
    graders = {**card["graders"]}
    open = graders.pop("none", 0)
    by = ", ".join(f"{name} {n:,}" for name, n in graders.items())
    steps = card["step_counts"]
    told = [
        f"own questions, answers graded by: {by or 'no grader'}"
        + (f"; {open:,} that no grader could decide count as wrong" if open else ""),
        f"all their steps: {steps['right']:,} right, {steps['wrong']:,} wrong,"
        f" {steps['unchecked']:,} not checkable",
    ]
    if n := card.get("verbatim"):
        told.append(f"{n:,} of the expected answers are {sentences.VERBATIM}")
    if n := card["disagreements"]:
        told.append(f"graders disagree on {n:,} of the answers: see `disagree` in the predictions")
    return told
