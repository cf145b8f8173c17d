"""The rounds in which a model learned from its own attempts: figures, a plot and pass rates."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NotRequired

from typing_extensions import TypedDict  # Pydantic accepts that of `typing` only from 3.12 on

from tunix_rt_nb.common import one_line
from tunix_rt_nb.evaluate import Prediction, outcome
from tunix_rt_nb.report import theme
from tunix_rt_nb.report.plots import WIDTH, level, panels
from tunix_rt_nb.report.tables import _percent

if TYPE_CHECKING:
    from IPython.display import Image

_COLUMNS, _ROWS = 8, 40  # the most rounds beside each other, and tasks with their difficulties
_PANELS = {
    "what is rewarded": {"answer": "answer", "steps": "steps", "form": "form"},
    "what came of it": {"right": "right", "wrong_reasons": "right for wrong reasons"},
}


class Round(TypedDict):
    """The line of a round in `metrics.jsonl`; `improve.figures` says what its figures mean.

    Attributes:
      lessons: the number of answers that were learned from, those of earlier rounds included.
      too_long: the number of answers that were too long to be learned from.
      distance: the estimated divergence from the model at the start, in nats per token.
    """

    round: int
    reward: float
    answer: float
    steps: float
    form: float
    right: float
    wrong_reasons: float
    stopped: float
    tokens: float
    informative: float
    lessons: int
    too_long: NotRequired[int]
    distance: float


def of_rounds(metrics: Iterable[Mapping[str, Any]]) -> list[Round]:
    """Return the lines of rounds among the lines of `metrics.jsonl`."""
    found: dict[int, Any] = {line["round"]: line for line in metrics if "round" in line}
    return [found[number] for number in sorted(found)]


def rounds_table(metrics: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return the figures of each round as a row of texts.

    `reward` goes from 0 to 1.1; `answer`, `steps` and `form` are its parts. Shares are of answers,
    but `informative` is of prompts. `tokens` is per answer, `distance` in nats per token.
    """
    return [
        {
            "round": f"{line['round']:,}",
            "reward": f"{line['reward']:.2f}",
            "answer": _percent(line["answer"]),
            "steps": _percent(line["steps"]),
            "form": _percent(line["form"]),
            "right": _percent(line["right"]),
            "right for wrong reasons": _percent(line["wrong_reasons"]),
            "lessons": f"{line['lessons']:,}",
            "informative": _percent(line["informative"]),
            "tokens": f"{line['tokens']:,.1f}",
            "stopped": _percent(line["stopped"]),
            "too long": f"{line.get('too_long', 0):,}",
            "distance": f"{line['distance']:.4f}",
        }
        for line in of_rounds(metrics)
    ]


@theme.drawing()
def rounds_plot(metrics: Iterable[Mapping[str, Any]]) -> "Image":
    """Plot what answers were rewarded for by round, and how many were right for wrong reasons."""
    figure = rounds_axes(metrics).figure
    return theme.image(figure, "Parts of the reward, and right answers, by round")


@theme.drawing()
def rounds_axes(metrics: Iterable[Mapping[str, Any]]) -> Any:
    """Draw what `rounds_plot` shows; return axes, whose figure can be saved in any format."""
    lines = of_rounds(metrics)
    numbers = [line["round"] for line in lines]
    both = panels([[*_PANELS]], WIDTH, 3, sharey=True)
    style = "o-" if len(lines) <= 40 else "-"
    for title, axes in both.items():
        for field, name in _PANELS[title].items():
            axes.plot(numbers, [100 * line[field] for line in lines], style, label=name)  # type: ignore[literal-required]
        axes.set(xlabel="round", xlim=(0.5, max(numbers, default=1) + 0.5), ylim=(-3, 103))
        axes.set_title(title, loc="left", fontsize="medium")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend()
    axes = both[next(iter(_PANELS))]
    axes.set_ylabel("answers (%)")
    return axes


def pass_rates(rounds: Sequence[Sequence[Prediction]]) -> list[dict[str, str]]:
    """Return how many answers were asked for, and right with every step, by task and difficulty.

    Args:
      rounds: the answers of each round.

    Returns:
      A row for each task and difficulty, with a column for each round. If there are more than eight
      rounds, eight are shown; of more than forty rows, those asked most.
    """
    cells: dict[tuple[str, int, str], dict[int, list[Prediction]]] = {}
    for k, answers in enumerate(rounds):
        for answer in answers:
            cells.setdefault(_cell(answer), {}).setdefault(k, []).append(answer)
    most = sorted(cells, key=lambda cell: -sum(map(len, cells[cell].values())))[:_ROWS]
    return [
        {
            "task": one_line(task, 40),
            "difficulty": one_line(difficulty, 40),
            **{f"round {k + 1}": _rate(cells[cell].get(k, [])) for k in spread(len(rounds))},
        }
        for cell in sorted(most)
        for task, _, difficulty in [cell]
    ]


def _cell(answer: Prediction) -> tuple[str, int, str]:
    difficulty = str(answer.get("difficulty") or "")
    return str(answer["task"]), level(difficulty), difficulty


def _rate(answers: Sequence[Prediction]) -> str:
    right = sum(outcome(answer) == "right" for answer in answers)
    return f"{_percent(right / len(answers))} of {len(answers):,}" if answers else ""


def watched(rounds: Sequence[Sequence[Prediction]]) -> dict[int, Prediction]:
    """Return the first answer of each round by the round's number; of at most eight rounds.

    Args:
      rounds: the answers of each round, all to the first prompt before those to the next; the first
        prompt is the same in all of them.
    """
    return {k + 1: rounds[k][0] for k in spread(len(rounds)) if rounds[k]}


def spread(n: int) -> list[int]:
    """Return the indices of at most eight of `n` rounds, evenly spread, the first and the last.

    Example:
      >>> spread(3), spread(100)
      ([0, 1, 2], [0, 14, 28, 42, 57, 71, 85, 99])
    """
    if n <= _COLUMNS:
        return list(range(n))
    return [round(k * (n - 1) / (_COLUMNS - 1)) for k in range(_COLUMNS)]
