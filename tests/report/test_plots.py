"""Plots, looked at as pictures: the lengths of their bars and the places of their points."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from IPython.display import Image
from matplotlib.cbook import is_math_text
from matplotlib.colors import to_rgb
from matplotlib.image import imread

from tests.conftest import NOW, some
from tests.helpers.run_folders import TRACES, predictions, right, wrong
from tunix_rt_nb import dataset, report
from tunix_rt_nb.evaluate import sum_up
from tunix_rt_nb.render import Example, Examples, Rows, pack
from tunix_rt_nb.report import theme
from tunix_rt_nb.report.plots import AFTER, BEFORE, IMPROVED, label, loss_axes
from tunix_rt_nb.report.rounds import rounds_axes
from tunix_rt_nb.store import TraceStore

FIRST, SECOND, THIRD, FOURTH, *_ = theme.SERIES
HANDLE = 24  # pixels of a legend's handle, at most


def pixels(image: Any) -> np.ndarray:
    """Return the picture on white as [rows, columns, colours], each from 0 to 1."""
    assert isinstance(image, Image) and image.alt
    assert (image.format, image.data[:8]) == ("png", b"\x89PNG\r\n\x1a\n")
    found = imread(BytesIO(image.data))[::2, ::2]  # there are two pixels for each of a page
    assert found.shape[0] > 200 and found.shape[1] == image.width == 770
    assert not found[[0, -1]][..., 3].any()  # its ground is transparent
    return found[..., :3] * found[..., 3:] + 1 - found[..., 3:]


def of(picture: np.ndarray, colour: str, near: float = 0.02) -> np.ndarray:
    """Which pixels have a colour."""
    return np.abs(picture - np.array(to_rgb(colour))).max(axis=-1) <= near


def stretches(flags: np.ndarray) -> list[tuple[int, int]]:
    """Where each stretch of set flags begins and ends."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(int), [0]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def longest(flags: np.ndarray) -> np.ndarray:
    """The longest stretch of each column."""
    most = now = np.zeros(flags.shape[1], int)
    for line in flags:
        now = (now + 1) * line
        most = np.maximum(most, now)
    return most


def heights(flags: np.ndarray) -> list[int]:
    """The heights of bars of one colour, from left to right."""
    each = longest(flags)
    return [int(np.median(each[start:end])) for start, end in stretches(each > 2)]


def widths(flags: np.ndarray) -> list[int]:
    """The widths of lying bars of one colour, from the top down; a legend's handles are no bars."""
    each = longest(flags.T)
    bars = [int(np.median(each[start:end])) for start, end in stretches(each > HANDLE)]
    return [bar for bar in bars if bar > HANDLE]


def in_ratio(found: Sequence[int], *expected: float) -> bool:
    """Tell whether lengths in pixels are as these, but for some pixels at their ends."""
    assert len(found) == len(expected), found
    scale = max(found) / max(expected)
    return all(abs(one - scale * other) <= 5 for one, other in zip(found, expected, strict=True))


def row(traces: int, task: str, difficulty: str = "easy", steps: int = 3) -> dict[str, Any]:
    told = {"task": task, "difficulty": difficulty, "steps": steps, "characters": 100 * steps}
    return {**told, "traces": traces}


def part(picture: np.ndarray, n: int) -> np.ndarray:
    """Return one of the plots of a store: bars on top, below them two histograms side by side."""
    bottom, middle = len(picture) - 220, picture.shape[1] // 2
    if n == 0:
        return picture[:bottom]
    return picture[bottom:, :middle] if n == 1 else picture[bottom:, middle:]


def test_each_task_has_a_bar_as_long_as_it_has_traces() -> None:
    rows = [row(30, "b"), row(5, "a"), row(15, "a", steps=5), row(10, "c")]
    picture = part(pixels(report.store_plot(rows)), 0)
    assert in_ratio(widths(of(picture, FIRST)), 20, 30, 10)  # a to c from the top down


def test_difficulties_are_stacked_from_easy_to_hard_and_the_unknown_last() -> None:
    levels = ("", "hard", "easy", "medium")
    rows = [row(10 * (k + 1), "a", level) for k, level in enumerate(levels)]
    picture = part(pixels(report.store_plot(rows)), 0)
    each = [of(picture, colour) for colour in (FIRST, SECOND, THIRD, FOURTH)]
    across = [[stretches(flags[y]) for flags in each] for y in range(len(picture))]
    clear = [row for row in across if all(len(found) == 1 for found in row)]  # of the legend
    places = [found[0] for found in clear[0]]
    assert in_ratio([end - start for start, end in places], 30, 40, 20, 10)
    assert [start for start, _ in places] == sorted(start for start, _ in places)


def test_lengths_are_counted_in_traces_and_not_in_rows() -> None:
    rows = [row(30, "a", steps=3), row(4, "a", steps=5), row(6, "b", steps=5)]
    picture = pixels(report.store_plot(rows))
    for n in (1, 2):  # steps, characters
        assert in_ratio(heights(of(part(picture, n), FIRST)), 30, 10)


def test_one_trace_without_a_difficulty_makes_one_bar_in_each_plot() -> None:
    picture = pixels(report.store_plot([row(1, "a", "")]))
    assert len(widths(of(part(picture, 0), FIRST))) == 1
    for n in (1, 2):
        assert len(heights(of(part(picture, n), FIRST))) == 1


@pytest.mark.slow
def test_a_real_store_is_plotted(tmp_path: Path) -> None:
    store = TraceStore(tmp_path)
    store.add([*some("arithmetic", 20, seed=0), *some("products", 30, seed=0)], NOW)
    picture = pixels(report.store_plot(store.distribution()))
    fewer, more = widths(of(part(picture, 0), FIRST))
    assert fewer < more


def test_a_store_without_traces_is_plotted_empty() -> None:
    assert not of(pixels(report.store_plot([])), FIRST).any()


NAMES = ["$5 and $6", "$\\nonsense$", "$", "_hidden", "two\nlines\t\x1b[0m", "x" * 99]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_shown_as_text_and_not_as_a_formula(name: str) -> None:
    assert not is_math_text(label(name)) and len(label(name)) < 40
    picture = pixels(report.store_plot([row(3, name, name), row(6, "b", name)]))
    assert len(widths(of(part(picture, 0), FIRST))) == 2
    pixels(report.length_plot({name: [3]}, 4))


def test_tasks_whose_names_begin_alike_have_a_bar_each() -> None:
    rows = [row(10, "x" * 50 + end) for end in "abc"]
    assert len(widths(of(part(pixels(report.store_plot(rows)), 0), FIRST))) == 3


def tokens(*bins: tuple[int, int]) -> dict[str, Any]:
    return {"unit": "words", "sample": sum(n for _, n in bins), "histogram": list(bins)}


def funnel(*stages: int, sides: tuple[int, int] = (3, 1)) -> list[dict[str, Any]]:
    rows = [{"sieve": f"sieve {k}", "traces": n} for k, n in enumerate(stages)]
    return [*rows, *({"sieve": name, "traces": n} for name, n in zip("ab", sides, strict=True))]


def split(picture: np.ndarray) -> list[int]:
    """Return the lengths of the three parts of the bar on top."""
    top = picture[40:100]
    each = [widths(of(top, colour)) for colour in (FIRST, SECOND, THIRD)]
    return [length for found in each for length in found]


def left_out(picture: np.ndarray) -> list[int]:
    return widths(of(picture[110:370], THIRD))


def lengths_of(picture: np.ndarray) -> np.ndarray:
    return of(picture[380:], FIRST)


def test_the_funnel_shows_what_each_stage_loses() -> None:
    told = funnel(800, 400, 400, 200, 100, sides=(75, 25))
    picture = pixels(report.funnel_plot(told, tokens((10, 4), (20, 0), (30, 8))))
    assert in_ratio(left_out(picture), 400, 200, 100)
    assert in_ratio(heights(lengths_of(picture)), 4, 8)


def test_on_top_are_both_sides_of_the_split_and_all_that_was_left_out() -> None:
    told = funnel(800, 500, 400, sides=(300, 100))
    picture = pixels(report.funnel_plot(told, tokens((10, 4))))
    assert in_ratio(split(picture), 300, 100, 400)


def test_a_bin_reaches_from_the_one_before_it_up_to_its_own_length() -> None:
    told = tokens((10, 5), (20, 5), (30, 5))
    lengths = lengths_of(pixels(report.funnel_plot(funnel(4, 4), told)))
    [(start, end)] = stretches(lengths.any(axis=0))
    assert end - start > 0.6 * lengths.shape[1]  # three bins without a gap
    assert heights(lengths) == [longest(lengths)[(start + end) // 2]]


def test_a_funnel_that_loses_nothing_has_no_bars_for_it() -> None:
    picture = pixels(report.funnel_plot(funnel(4, 4, 4), tokens((10, 1))))
    assert left_out(picture) == []
    assert in_ratio(split(picture), 3, 1)
    assert len(heights(lengths_of(picture))) == 1


def test_the_funnel_of_a_real_dataset_is_plotted(tmp_path: Path) -> None:
    store = TraceStore(tmp_path / "traces")
    store.add(some("arithmetic", 40, seed=0), NOW)
    spec = dataset.DatasetSpec.of(dataset_name="x", near_duplicates=None, limit=20)
    manifest = dataset.read_manifest(dataset.build(store, spec, tmp_path))
    told = dataset.funnel(manifest)
    picture = pixels(report.funnel_plot(told, manifest["tokens"]))
    assert len(left_out(picture)) == 1  # 20 were not selected
    assert in_ratio(split(picture), *[line["traces"] for line in told[-2:]], 20)
    assert heights(lengths_of(picture))


def limit(picture: np.ndarray) -> int:
    """The column of the dotted line that marks the maximum length."""
    line = of(picture, theme.INK, near=0.1)
    line[:, :90] = line[260:] = line[:45] = False  # without the axes and the legend
    return int(line.sum(axis=0).argmax())


def test_lengths_of_each_task_have_their_colour_and_number() -> None:
    picture = pixels(report.length_plot({"a": [10] * 30, "b": [30] * 20}, 40))
    [one], [two] = (
        [bar for bar in heights(of(picture, colour)) if bar > HANDLE] for colour in (FIRST, SECOND)
    )
    assert in_ratio([one, two], 30, 20)
    ends = [np.flatnonzero(of(picture, c)[250]).max() for c in (FIRST, SECOND)]
    assert ends[0] < ends[1] < limit(picture)


def test_tasks_of_one_length_are_stacked() -> None:
    picture = pixels(report.length_plot({"a": [10] * 10, "b": [10] * 30}, 12))
    bars = [[bar for bar in heights(of(picture, c)) if bar > HANDLE] for c in (FIRST, SECOND)]
    assert in_ratio([bar for [bar] in bars], 10, 30)
    lower, upper = (
        np.flatnonzero(of(picture, c)[40:260].any(axis=1)).max() for c in (FIRST, SECOND)
    )
    assert lower > upper


def test_the_maximum_length_is_marked_where_it_cuts_examples_off() -> None:
    picture = pixels(report.length_plot({"a": [10] * 5 + [50] * 5}, 30))
    lengths = np.flatnonzero(of(picture, FIRST)[250])
    assert lengths.min() < limit(picture) < lengths.max()
    middle = (lengths.min() + lengths.max()) / 2
    assert abs(limit(picture) - middle) < 5


def test_one_example_and_none_are_plotted_with_the_maximum_length() -> None:
    one = pixels(report.length_plot({"a": [10]}, 40))
    assert np.flatnonzero(of(one, FIRST)[250]).max() < limit(one)
    none = pixels(report.length_plot({}, 40))
    assert not of(none, FIRST).any()
    assert of(none, theme.INK, near=0.1)[45:260, limit(none)].sum() > 40


def test_of_more_than_six_tasks_the_smallest_share_a_colour() -> None:
    picture = pixels(report.length_plot({f"task {k}": [10 * k] * k for k in range(1, 9)}, 90))
    each = [heights(of(picture, colour)[60:]) for colour in theme.SERIES]
    assert in_ratio([max(found) for found in each], 8, 7, 6, 5, 4, 3)
    assert len([n for n in each[-1] if n > 8]) == 3  # three other tasks


def packed(*lengths: int, length: int = 16) -> Rows:
    each = [Example(str(k), tuple(range(4, 4 + n)), 1) for k, n in enumerate(lengths)]
    return pack(Examples.of(each), length)


def inside(picture: np.ndarray) -> np.ndarray:
    """Return what is within the axes: the number of each pixel's colour, 0 for white."""
    dark = of(picture, theme.INK, near=0.1)
    bottom = int(longest(dark.T).argmax())
    left, right = max(stretches(dark[bottom]), key=lambda s: s[1] - s[0])
    top = int(np.argmax((picture[:, left + 9 : right] < 0.9).any(axis=(1, 2))))
    found = picture[top + 2 : bottom - 2, left + 4 : right - 3]
    numbers = (255 * found).round().astype(int) @ [1 << 16, 1 << 8, 1]
    return np.where(numbers == 0xFFFFFF, 0, numbers + 1)


def lengths(line: np.ndarray) -> list[int]:
    """How long each colour goes on; where two meet there may be a pixel of both."""
    places = [0, *(np.flatnonzero(np.diff(line)) + 1).tolist(), len(line)]
    return [n for n in np.diff(places).tolist() if n > 2]


def test_examples_of_a_row_have_colours_side_by_side_and_padding_is_white() -> None:
    drawn = inside(pixels(report.rows_plot(packed(8, 4))))
    assert (drawn == drawn[:1]).all()  # one row
    assert in_ratio(lengths(drawn[0]), 8, 4, 4)
    width = drawn.shape[1]
    first, second, padding = (drawn[0, int(share * width)] for share in (0.25, 0.6, 0.9))
    assert first != second
    assert first and second and not padding


def test_rows_stand_below_each_other() -> None:
    drawn = inside(pixels(report.rows_plot(packed(16, 16, 8, 4))))
    assert in_ratio(lengths(drawn[:, -1]), 2, 1)
    assert drawn[0].all() and not drawn[-1, -1]
    assert in_ratio(lengths(drawn[-1]), 8, 4, 4)


def test_a_row_that_is_full_has_no_padding_and_eleven_examples_are_told_apart() -> None:
    drawn = inside(pixels(report.rows_plot(packed(*[1] * 11, length=11))))
    assert drawn.all()
    assert in_ratio(lengths(drawn[0]), *[1] * 11)


def test_of_many_rows_every_so_many_th_is_plotted() -> None:
    rows = packed(*[16] * 40, *[8] * 20)  # 40 rows of one example, then 10 of two
    drawn = inside(pixels(report.rows_plot(rows, most=5)))
    assert in_ratio(lengths(drawn[:, -1]), 4, 1)
    [only] = np.unique(inside(pixels(report.rows_plot(rows, most=1))))
    assert only == drawn[0, 0]


@pytest.mark.parametrize("n", [5, 9, 10, 47, 48, 49])
def test_there_are_never_more_rows_than_asked_for(n: int) -> None:
    rows = packed(*[16, 1] * n)  # full rows and rows of 16 examples, turn by turn
    seen: list[np.ndarray] = []

    class Watched:
        def __len__(self) -> int:
            return n

        def arrays(self, places: np.ndarray) -> Any:
            seen.append(places)
            return rows.arrays(places[:1])

    report.rows_plot(Watched(), most=5)
    assert 3 <= len(seen[0]) <= 5 and seen[0][0] == 0


def line(picture: np.ndarray, colour: str) -> np.ndarray:
    """The points of a line, as columns and heights; that in the legend is left out."""
    flags = of(picture, colour, near=0.25)
    flags[:70, 560:] = False
    flags[:, :95] = False
    y, x = np.nonzero(flags)
    columns = np.unique(x)
    return np.array([(column, -y[x == column].mean()) for column in columns])


METRICS = [{"step": n, "loss": 100.0 / 10 ** (n - 1)} for n in (1, 2, 3)]


def test_the_loss_is_a_line_over_steps_on_a_logarithmic_scale() -> None:
    held_out = [{"step": n, "eval_loss": 10.0} for n in (1, 3)]
    picture = pixels(report.loss_plot(iter([*METRICS, *held_out])))
    columns, values = line(picture, FIRST).T
    fit = np.polyfit(columns, values, 1)
    assert fit[0] < 0  # it falls,
    assert np.abs(np.polyval(fit, columns) - values).max() < 3  # each tenfold as far
    columns, values = line(picture, SECOND).T
    assert np.ptp(values) <= 3
    assert np.ptp(columns) > 400


def test_held_out_losses_are_points_where_they_were_taken() -> None:
    picture = pixels(report.loss_plot([*METRICS, {"step": 2, "eval_loss": 1.0}]))
    points = line(picture, SECOND)
    middle = line(picture, FIRST)[:, 0]
    assert 4 <= np.ptp(points[:, 0]) <= 15  # one point
    assert abs(points[:, 0].mean() - (middle.min() + middle.max()) / 2) < 5
    lowest, highest = line(picture, FIRST)[:, 1].min(), line(picture, FIRST)[:, 1].max()
    assert abs(points[:, 1].mean() - lowest) < 5 < highest - lowest


def test_one_step_and_one_held_out_loss_are_plotted() -> None:
    metrics = [{"step": 1, "loss": 2.0}, {"step": 1, "eval_loss": 1.5}]
    assert 4 <= np.ptp(line(pixels(report.loss_plot(metrics)), SECOND)[:, 0]) <= 15


def test_a_loss_that_was_never_taken_has_no_line() -> None:
    picture = pixels(report.loss_plot(METRICS))
    assert len(line(picture, FIRST)) > 400
    assert not of(picture, SECOND).any()
    held_out = pixels(report.loss_plot([{"step": n, "eval_loss": 2.0} for n in (1, 2)]))
    assert of(held_out, SECOND).any() and not of(held_out, FIRST).any()
    assert not of(pixels(report.loss_plot([])), FIRST).any()


def test_the_loss_of_many_steps_is_smoothed_over_a_faint_line() -> None:
    noisy = [{"step": n, "loss": 1.0 + n % 3} for n in range(1, 401)]
    columns, values = line(pixels(report.loss_plot(noisy)), FIRST).T
    assert np.ptp(columns) > 400
    assert np.ptp(values) < 30  # the loss itself goes up and down over 250 pixels


LEGEND = 45  # rows of pixels at the top, that hold the legend


def bars(picture: np.ndarray, colour: str) -> list[int]:
    return widths(of(picture[LEGEND:], colour))


def test_right_answers_and_steps_are_bars_by_task_and_for_all() -> None:
    before = sum_up(predictions([wrong(t) for t in TRACES]))
    after = sum_up(predictions([right(t) if n < 9 else wrong(t) for n, t in enumerate(TRACES)]))
    picture = pixels(report.before_after_plot(before, after))
    assert in_ratio(bars(picture, AFTER), 100, 100, 50, 66.7, 75, 83.3)
    steps = [before["category_scores"][task]["steps_right"] for task in after["category_scores"]]
    told = [*steps, before["steps_right"]]
    scale = max(bars(picture, AFTER))  # none of the answers was right before, so those are no bars
    assert in_ratio([scale, *bars(picture, BEFORE)], 1.0, *told)


def test_an_improved_model_has_the_third_of_three_bars() -> None:
    cards = [
        sum_up(predictions([right(t) if k % 4 <= n else wrong(t) for k, t in enumerate(TRACES)]))
        for n in range(3)
    ]
    picture = pixels(report.before_after_plot(*cards))
    colours = (BEFORE, AFTER, IMPROVED)
    each = [tops(picture, colour) for colour in colours]
    assert [len(found) for found in each] == [6, 6, 6]
    assert all(one < two < three for one, two, three in zip(*each, strict=True))
    assert in_ratio([bars(picture, colour)[4] for colour in colours], 25, 50, 75)


def test_where_no_step_can_be_checked_there_is_no_bar() -> None:
    card = sum_up([{**p, "steps_right": None} for p in predictions([right(TRACES[0])], TRACES[:1])])
    picture = pixels(report.before_after_plot(card, card))
    assert in_ratio(bars(picture, BEFORE) + bars(picture, AFTER), *[1] * 4)


def tops(picture: np.ndarray, colour: str) -> list[int]:
    """Return where each horizontal bar of a colour begins, from the top down."""
    return [top for top, _ in stretches(longest(of(picture[LEGEND:], colour).T) > HANDLE)]


def test_of_one_item_before_stands_above_after() -> None:
    card = sum_up(predictions([right(TRACES[0])], TRACES[:1]))
    picture = pixels(report.before_after_plot(card, card))
    assert in_ratio(bars(picture, BEFORE) + bars(picture, AFTER), *[1] * 8)
    before, after = tops(picture, BEFORE), tops(picture, AFTER)
    assert sorted(before + after) == [
        top for pair in zip(before, after, strict=True) for top in pair
    ]


@pytest.mark.slow
def test_25_tasks_have_room_for_their_bars_and_names() -> None:
    each = predictions([right(t) for t in TRACES[:2]], TRACES[:2])
    rows = [
        {**p, "task": f"the task of the number {k:02}", "id": f"{k}"}
        for k in range(25)
        for p in each
    ]
    card = sum_up(rows)
    picture = pixels(report.before_after_plot(card, card))
    found = tops(picture, AFTER)
    assert len(found) == 2 * 26
    assert min(np.diff(found)) > 28  # pixels, for a line of text of 14


def test_a_model_that_got_worse_has_the_lower_bars_after_training() -> None:
    good = sum_up(predictions([right(t) for t in TRACES]))
    none = sum_up(predictions([""] * len(TRACES)))
    picture = pixels(report.before_after_plot(good, none))
    assert len(bars(picture, BEFORE)) == 6
    assert bars(picture, AFTER) == []


def test_a_loss_that_is_not_positive_has_a_linear_scale() -> None:
    metrics = [{"step": n, "loss": 0.2 - 0.1 * n} for n in range(1, 9)]
    columns, values = line(pixels(report.loss_plot(metrics)), FIRST).T
    assert loss_axes(metrics).get_yscale() == "linear"
    assert abs(np.corrcoef(columns, values)[0, 1] + 1) < 1e-3


FIGURES = {"answer": 0.5, "steps": 0.25, "form": 0.75, "right": 0.2, "wrong_reasons": 0.4}


def test_parts_of_the_reward_and_right_answers_are_lines_over_rounds() -> None:
    lines = [{"step": 40 * n, "round": n + 1, **FIGURES} for n in range(4)]
    pixels(report.rounds_plot([*METRICS, *lines]))
    both = rounds_axes([*METRICS, *lines]).figure.axes
    told = [(one.get_label(), one.get_xydata().tolist()) for axes in both for one in axes.lines]
    names = ["answer", "steps", "form", "right", "right for wrong reasons"]
    assert told == [
        (name, [[n, 100 * share] for n in (1, 2, 3, 4)])
        for name, share in zip(names, FIGURES.values(), strict=True)
    ]


def test_a_training_without_rounds_has_no_points() -> None:
    pixels(report.rounds_plot(METRICS))
    assert not any(len(one.get_xdata()) for one in rounds_axes(METRICS).lines)
