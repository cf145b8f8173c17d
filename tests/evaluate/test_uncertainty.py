from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import stats

from tunix_rt_nb.evaluate.uncertainty import bootstrap, items_needed, mcnemar, sign_flip, wilson


@pytest.mark.slow
@given(st.integers(0, 400), st.integers(1, 400))
def test_the_interval_of_a_share_is_wilsons(right: int, n: int) -> None:
    right = min(right, n)
    theirs = stats.binomtest(right, n).proportion_ci(method="wilson")
    assert wilson(right, n) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


@given(st.integers(0, 500), st.integers(0, 500))
def test_the_p_value_of_a_difference_is_mcnemars_exact_one(gained: int, lost: int) -> None:
    if gained + lost:
        theirs = stats.binomtest(gained, gained + lost).pvalue
        assert mcnemar(gained, lost) == pytest.approx(theirs, abs=1e-9)
    assert mcnemar(gained, lost) == mcnemar(lost, gained)
    assert mcnemar(gained, gained) == 1.0


@settings(max_examples=20)
@given(st.lists(st.sampled_from([-1.0, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0]), max_size=10))
def test_the_p_value_of_means_is_that_of_all_signs(differences: list[float]) -> None:
    signs = np.array([*product((-1, 1), repeat=len(differences))])
    sums = abs(signs @ np.array(differences, float))
    exact = (sums >= abs(sum(differences)) - 1e-9).mean()
    assert sign_flip(differences) == pytest.approx(exact, abs=0.02)
    assert sign_flip(differences) == sign_flip([-value for value in differences])


def test_the_p_value_of_means_is_scipys(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).normal(0.1, 0.5, 80)
    theirs = stats.permutation_test(
        (values,), np.mean, permutation_type="samples", n_resamples=10_000, rng=0
    ).pvalue
    assert sign_flip(list(values)) == pytest.approx(theirs, abs=0.02)
    whole = sign_flip(list(values))
    monkeypatch.setattr("tunix_rt_nb.evaluate.uncertainty._AT_A_TIME", 999)
    assert sign_flip(list(values)) == pytest.approx(whole, abs=0.02)


@settings(max_examples=5)
@given(st.integers(1, 500), st.integers(0, 2**32))
def test_the_interval_of_a_mean_is_the_percentile_bootstrap(n: int, seed: int) -> None:
    values = np.random.default_rng(seed).uniform(-1, 1, n)
    if n == 1:
        assert bootstrap([values[0]], seed) == (values[0], values[0])
        return
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=10_000, method="percentile", rng=np.random.default_rng(seed)
    ).confidence_interval
    assert bootstrap(list(values), seed) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_many_items_are_resampled_some_at_a_time_with_the_same_result(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values = list(np.random.default_rng(0).uniform(size=333))
    whole = bootstrap(values)
    monkeypatch.setattr("tunix_rt_nb.evaluate.uncertainty._AT_A_TIME", 999)
    assert bootstrap(values) == whole


def test_two_models_that_are_the_same_seldom_differ() -> None:
    """1,000 pairs of models of one ability on 400 items: at most 6 % are told apart."""
    rng = np.random.default_rng(0)
    for ability, apart in ((0.5, 0.5), (0.9, 0.15), (0.3, 0.05)):
        told = 0
        for _ in range(1000):
            a = rng.random(400) < ability
            b = np.where(rng.random(400) < apart, rng.random(400) < ability, a)
            told += mcnemar(int((b & ~a).sum()), int((a & ~b).sum())) < 0.05
        assert told <= 60


def test_as_many_items_as_are_said_to_be_needed_find_a_difference_four_times_in_five() -> None:
    rng = np.random.default_rng(1)
    for gained, lost in ((0.10, 0.05), (0.30, 0.20), (0.06, 0.01)):
        values = np.repeat(
            [1.0, -1.0, 0.0], [round(1000 * x) for x in (gained, lost, 1 - gained - lost)]
        )
        n = items_needed(list(values))
        drawn = rng.multinomial(n, [gained, lost, 1 - gained - lost], 400)
        found = sum(mcnemar(int(a), int(b)) < 0.05 for a, b, _ in drawn)
        assert 0.75 <= found / 400 <= 0.9


def test_where_no_item_changed_one_point_is_looked_for() -> None:
    assert items_needed([0.0] * 100) == items_needed([1.0] + [0.0] * 99) == 785
