"""Truncation: against loops that keep or lose a lag; steps until something is near."""

import numpy as np
import pytest

from learnability.verdict.lengths import kept_weight, steps_until, truncation


@pytest.mark.parametrize(("k1", "k2"), [(1, 1), (1, 9), (4, 4), (4, 10), (7, 20)])
def test_a_lag_is_kept_as_often_as_backward_passes_reach_it(k1, k2):
    """The losses of the last k1 steps go back at most k2 steps from the end."""
    lags = np.arange(25.0)
    reached = [lags <= k2 - 1 - after for after in range(k1)]
    np.testing.assert_allclose(kept_weight(lags, k1, k2), np.mean(reached, axis=0))


def test_what_is_kept_grows_with_the_length_and_sliding_keeps_more():
    table = truncation({3: 0.5, 40: 0.2, 12: 0.4}, range(1, 200))
    assert (table.diff().dropna() >= 0).to_numpy().all()
    assert (table.sliding >= table.chunks).all()
    assert table.sliding[41] == pytest.approx(1.0)
    assert table.sliding[40] == pytest.approx(1 - 0.04 / 0.45)
    assert table.farthest_chunks[[41, 80]].round(2).tolist() == [0.02, 0.5]


def test_nothing_to_keep_is_an_empty_table():
    assert truncation({}).empty


def test_a_distance_has_to_stay_within_its_level():
    decay = 0.5 ** np.arange(10)
    assert steps_until(decay, 0.1) == 4
    assert np.isnan(steps_until(decay, 1e-6))
    assert np.isnan(steps_until(np.full(4, np.nan), 0.1))


def test_a_window_of_no_steps_is_refused():
    with pytest.raises(ValueError, match="k1 0 and k2 4"):
        kept_weight(np.ones(1), 0, 4)
