"""Windows: contiguous, maximal, with intervals, censored at the end of the grid."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learnability.detection import window


def slow_contiguous(lags, needed, budget):
    reached = 0
    for lag, need in zip(lags, needed, strict=True):
        if need > budget:
            return reached
        reached = lag
    return reached


@given(
    st.lists(st.floats(0, 1e6) | st.just(np.inf), min_size=1, max_size=8),
    st.lists(st.floats(1e-3, 1e6), min_size=1, max_size=4),
)
def test_against_the_obvious_loop(needed, budgets):
    lags = 2 ** np.arange(len(needed))
    found = window(lags, needed, budgets)
    for i, budget in enumerate(budgets):
        seen = [lag for lag, need in zip(lags, needed, strict=True) if need <= budget]
        assert found.contiguous[i] == slow_contiguous(lags, needed, budget)
        assert found.maximal[i] == max(seen, default=0)
        assert list(lags[found.detected[i]]) == seen
        assert found.censored[i] == (found.contiguous[i] == lags[-1])


def test_first_lag_that_fails_ends_the_window():
    found = window([1, 2, 4, 8], [5, 50, 5, 500], [10])
    assert (found.contiguous[0], found.maximal[0]) == (1, 4)
    assert window([1, 2], [5, 5], [1]).contiguous[0] == 0


def test_interval_turns_round():
    lags, needed = [1, 2, 4, 8], np.array([1.0, 10.0, 100.0, 1000.0])
    found = window(lags, needed, [50, 2000], lower=needed / 5, upper=needed * 10)
    assert found.lower is not None
    assert found.upper is not None
    assert found.upper_censored is not None
    np.testing.assert_array_equal(found.lower, [1, 4])
    np.testing.assert_array_equal(found.contiguous, [2, 8])
    np.testing.assert_array_equal(found.upper, [4, 8])
    np.testing.assert_array_equal(found.censored, [False, True])
    np.testing.assert_array_equal(found.upper_censored, [False, True])


def test_unresolved_lag_has_no_upper_end():
    found = window([1, 2, 4], [1, 2, 3], [1e9], upper=[10, np.inf, 10])
    assert found.lower is not None
    assert (found.lower[0], found.contiguous[0]) == (1, 4)


def test_windows_grow_with_the_budget():
    needed = np.random.default_rng(1).lognormal(3, 2, size=30)
    reached = window(np.arange(1, 31), needed, np.geomspace(1, 1e5, 40)).contiguous
    assert (np.diff(reached) >= 0).all()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (([0, 1], [1, 1], [5]), "lags must be increasing"),
        (([2, 1], [1, 1], [5]), "lags must be increasing"),
        (([1, 1], [1, 1], [5]), "lags must be increasing"),
        (([1, 2], [1], [5]), "there are 2 lags"),
        (([1, 2], [1, np.nan], [5]), "holds NaN"),
        (([1, 2], [1, 1], [0]), "give a list of positive numbers"),
        (([1, 2], [1, 1], [np.inf]), "give a list of positive numbers"),
        (([1, 2], [1, 1], [5], [3, 3], [2, 2]), "lower lies above upper"),
    ],
)
def test_bad_requests(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        window(*arguments)
