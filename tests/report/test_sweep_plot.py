"""The plot of a sweep: which parameter stands where, and what is drawn of it."""

from pathlib import Path
from statistics import mean, stdev
from typing import Any

import pytest
from matplotlib.image import imread

from tunix_rt_nb import report
from tunix_rt_nb.report.sweep_plot import sweep_axes
from tunix_rt_nb.runs.sweep import Group


def group(varied: dict[str, Any], scores: list[float], before: float = 0.0) -> Group:
    average = mean(scores) if scores else None
    spread = stdev(scores) if len(scores) > 1 else None
    return Group(varied, 3, scores, average, spread, 1.0, 0.1, before, 48)


RATES = {0.001: [0.2, 0.3, 0.4], 0.004: [0.5, 0.5, 0.5], 0.016: [0.8, 0.9, 1.0]}


def legend(axes: Any) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]


def ticks(axes: Any) -> list[str]:
    return [text.get_text() for text in axes.get_xticklabels()]


def test_rates_over_decades_stand_on_a_log_scale_with_a_dot_for_each_seed() -> None:
    axes = sweep_axes([group({"LEARNING_RATE": r}, scores) for r, scores in RATES.items()], "try")
    assert (axes.get_xscale(), axes.get_xlabel(), ticks(axes)) == (
        "log",
        "LEARNING_RATE",
        ["0.001", "0.004", "0.016"],
    )
    dots = [list(line.get_ydata()) for line in axes.lines if line.get_linestyle() == "None"]
    assert [[y / 100 for y in each] for each in dots if len(each) == 3][:3] == [*RATES.values()]
    [means] = axes.containers
    assert list(means.lines[0].get_ydata()) == pytest.approx([30, 50, 90])
    assert [segment[1][1] for segment in means.lines[2][0].get_segments()] == pytest.approx(
        [40, 50, 100]
    )
    told = axes.texts[-1].get_text()
    assert told == "mean ± standard deviation of 3 seeds, 48 held-out items"
    assert axes.get_legend() is None


def test_another_parameter_makes_series_and_the_score_before_a_line() -> None:
    some = [
        group({"OPTIMIZER": name, "LORA_RANK": rank}, [0.5], before=0.1)
        for name in ("adamw", "muon")
        for rank in (2, 3, 4)
    ]
    axes = sweep_axes(some, "try")
    assert (axes.get_xscale(), axes.get_xlabel()) == ("linear", "LORA_RANK")
    assert legend(axes) == ["before training", "adamw", "muon"]
    assert axes.get_legend().get_title().get_text() == "OPTIMIZER"


def test_values_that_are_no_numbers_stand_side_by_side_and_failed_ones_are_counted() -> None:
    some = [group({"STYLE": "tags"}, [0.5, 0.6]), group({"STYLE": "$x^2$"}, [])]
    axes = sweep_axes(some, "try")
    assert ticks(axes) == ["tags", r"\$x^2\$"]
    assert axes.texts[-1].get_text().endswith("held-out items, 4 failed")


@pytest.mark.parametrize("scores", [[0.5, 0.6], []], ids=["seeds alone", "nothing"])
def test_little_is_drawn_too(scores: list[float]) -> None:
    axes = sweep_axes([group({}, scores)], "try")
    low, high = axes.get_ylim()
    assert -2 <= low < high <= 104


def test_the_files_are_transparent_as_wide_as_a_slide_and_the_same_each_time(
    tmp_path: Path,
) -> None:
    some = [group({"LEARNING_RATE": r}, scores) for r, scores in RATES.items()]
    svg, png = report.write_sweep_plot(tmp_path / "a.b", "try", some)
    assert (svg.name, png.name) == ("a.b.svg", "a.b.png")
    picture = imread(png)
    assert picture.shape == (900, 1600, 4)
    assert picture[0, 0, 3] == 0
    first = svg.read_bytes()
    assert report.write_sweep_plot(tmp_path / "a.b", "try", some)[0].read_bytes() == first
