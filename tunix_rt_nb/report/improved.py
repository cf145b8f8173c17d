"""The improved model of a run: its scorecard, and what the page of the run shows of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tunix_rt_nb import runs
from tunix_rt_nb.common import checked, files
from tunix_rt_nb.evaluate import (
    Prediction,
    Scorecard,
    compare,
    outcome,
    predictions,
    scorecard,
    scorecards,
    verdict,
    warnings,
)
from tunix_rt_nb.report.answers import laid_out
from tunix_rt_nb.report.plots import embedded
from tunix_rt_nb.report.rounds import (
    Round,
    pass_rates,
    rounds_axes,
    rounds_table,
    spread,
    watched,
)
from tunix_rt_nb.report.tables import bars, before_after


def cards(run: Path) -> tuple[Scorecard, Scorecard, Scorecard | None]:
    """Return the scorecards of a run: before and after training, and of an improved model.

    The last one is None if there is no such model, or if it is of another evaluation.

    Raises:
      InputError: the run is not evaluated, or a scorecard is damaged.
    """
    folder = improvement(run)
    improved = scorecard.improved_scorecard(folder) if folder else None
    return *scorecards(evaluation(run)), improved


def evaluation(run: Path) -> Path:
    """Return the folder of a run's evaluation; without its own, the one its improvement read."""
    own, improved = run / runs.stem("evaluate"), run / runs.stem("improve")
    if (own / "result.json").is_file() or not (improved / "result.json").is_file():
        return own
    return runs.lineage("improve", improved)["evaluate"]


def improvement(run: Path) -> Path | None:
    """Return the folder of a run's improvement.

    Return None if there is none, or if it read another evaluation than `evaluation` finds.
    """
    folder = run / runs.stem("improve")
    if not (folder / "result.json").is_file():
        return None
    read = runs.result(folder)["inputs"].get("evaluate")
    return folder if read and read["sha256"] == runs.content_hash(evaluation(run)) else None


def values(
    run: Path, before: Sequence[Prediction], after: Sequence[Prediction]
) -> dict[str, Any] | None:
    """Return what the page of a run shows of its improved model; None if it has none.

    Args:
      run: the folder of the run.
      before, after: the answers of the models before and after training.

    Raises:
      InputError: a file is damaged, or the models answered different items.
    """
    first, second, card = cards(run)
    folder = improvement(run)
    if not folder or not card:
        return None
    answers = predictions.of_run(folder, "improved")
    lines = _read(folder / "metrics.jsonl")
    rounds = _rounds(folder / "rounds", len(lines))
    return {
        "card": card,
        "warnings": warnings(card),
        "table": before_after(first, second, card),
        "chart": bars(first, second, card),
        "verdicts": {
            "fine-tuned": verdicts(after, answers),
            "base": verdicts(before, answers),
        },
        "rounds": rounds_table(lines),
        "plot": embedded(rounds_axes(lines)) if lines else "",
        "rates": pass_rates(rounds),
        "watched": {n: laid_out(one) for n, one in watched(rounds).items()},
    }


def verdicts(a: Sequence[Prediction], b: Sequence[Prediction]) -> list[str]:
    """Return whether model B is better than model A: by answers, and by answers with every step.

    Args:
      a, b: the answers of both models to the same items.
    """
    return [
        f"answers: {verdict(compare(a, b))}",
        f"every step right: {verdict(compare(_sound(a), _sound(b)))}",
    ]


def _sound(answers: Sequence[Prediction]) -> list[Prediction]:
    """Score answers by whether they are right in every step."""
    found: Any = [{**one, "score": float(outcome(one) == "right")} for one in answers]
    return list(found)


def _read(path: Path) -> list[Round]:
    """Read the lines of rounds in a `metrics.jsonl`."""
    return [
        checked(Round, line, f"{path}:{number}: ")
        for number, line in enumerate(files.read_lines(path), 1)
        if "round" in line
    ]


def _rounds(folder: Path, n: int) -> list[list[Prediction]]:
    """Read the answers of those of `n` rounds that are shown; the others are empty."""
    found = sorted(folder.glob("round-*.jsonl"), key=lambda path: (len(path.name), path.name))[:n]
    shown = spread(len(found))
    return [_answers(path) if k in shown else [] for k, path in enumerate(found)]


def _answers(path: Path) -> list[Prediction]:
    return [
        checked(Prediction, line, f"{path}:{number}: ")
        for number, line in enumerate(files.read_lines(path), 1)
        if number > 1  # the first line is a header
    ]
