"""The combinations of a sweep, their names, and what their runs scored."""

import pytest
from hypothesis import given, settings, strategies as st

from tunix_rt_nb import runs
from tunix_rt_nb.common import InputError, check_name
from tunix_rt_nb.runs.sweep import groups, points

GRID = {"LEARNING_RATE": [0.001, 4e-5], "SEED": [0, 1]}


def test_each_combination_has_a_name_that_tells_it() -> None:
    assert [point.run for point in points("try", GRID)] == [
        "try-LEARNING_RATE-0.001-SEED-0",
        "try-LEARNING_RATE-0.001-SEED-1",
        "try-LEARNING_RATE-4e-05-SEED-0",
        "try-LEARNING_RATE-4e-05-SEED-1",
    ]


def test_a_swept_seed_is_that_of_training_and_sampling_alone() -> None:
    point = points("try", GRID)[1]
    told = runs.parameters.resolve(point.values, point.by_step)
    assert {step: of["SEED"] for step, of in told.items() if "SEED" in of} == {
        "generate": 0, "build": 0, "train": 1, "evaluate": 1, "improve": 1,
    }  # fmt: skip
    assert told["train"]["LEARNING_RATE"] == 0.001


TEXTS = st.lists(st.text(max_size=90).filter(str.isprintable), min_size=2, max_size=5, unique=True)


@settings(max_examples=15)
@given(TEXTS)
def test_whatever_the_values_the_names_are_safe_distinct_and_the_same_each_time(
    texts: list[str],
) -> None:
    grid = {"SYSTEM": texts, "STEPS": [1, 2]}
    names = [point.run for point in points("try", grid)]
    assert len(set(names)) == 2 * len(texts)
    assert [check_name("run", name) for name in names] == names
    assert names == [point.run for point in points("try", grid)]


@pytest.mark.parametrize(
    ("grid", "told"),
    [
        ({}, "expected several values of a parameter"),
        ({"SEED": [1]}, "expected several values of a parameter"),
        ({"LEARNING_RAT": [1, 2]}, "parameter: unknown 'LEARNING_RAT', did you mean LEARNING_RATE?"),
        ({"LEARNING_RATE": [0.1, 7]}, "LEARNING_RATE: expected a finite number from 0 and up to 1, found 7"),
        ({"LEARNING_RATE": [1, 1.0]}, "LEARNING_RATE: 1.0 is given twice"),
        ({"SEED": [0, 0]}, "SEED: 0 is given twice"),
        ({"SEED": list(range(30)), "STEPS": list(range(1, 30))}, "makes 870 runs, expected at most 500"),
    ],
)  # fmt: skip
def test_a_grid_that_cannot_be_run_is_refused(grid: dict[str, list[object]], told: str) -> None:
    with pytest.raises(InputError) as error:
        points("try", grid)
    assert told in str(error.value)


def row(score: float) -> dict[str, float]:
    return {"score": score, "steps_right": 1.0, "eval_loss": 0.5, "before": 0.0, "items": 12}


def test_seeds_are_folded_into_a_mean_and_its_spread() -> None:
    some = points("try", GRID)
    rows = dict(zip([p.run for p in some], map(row, (0.2, 0.4, 0.6)), strict=False))
    first, second = groups(some, rows)
    assert (first.varied, first.runs, first.scores) == (
        {"LEARNING_RATE": 0.001},
        2,
        [0.2, 0.4],
    )
    assert first.score == pytest.approx(0.3) and first.spread == pytest.approx(0.02**0.5)
    assert (second.score, second.spread, second.runs, len(second.scores)) == (0.6, None, 2, 1)
    assert groups(some, {})[0].score is None
