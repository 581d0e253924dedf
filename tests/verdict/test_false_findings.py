"""How often something is found where there is nothing, and missed where it is."""

import numpy as np
import pytest
from scipy import stats
from scipy.signal import lfilter

import learnability as lw

TRIALS = 40


def autocorrelated(r, *shape):
    return lfilter([1], [1, -0.9], r.normal(size=(*shape[:-1], shape[-1] + 60)))[
        ..., 60:
    ]


def profiled(r, *shape):
    return r.normal(size=shape) + 3 * autocorrelated(r, shape[-1])


def windows(r, *_):
    return np.lib.stride_tricks.sliding_window_view(autocorrelated(r, 700), 24)


def series(r, *_):
    return autocorrelated(r, 1000)


def calm(r, *_):
    """Return a series that swings in its last eighth alone."""
    return r.normal(size=1500) * np.where(np.arange(1500) < 1320, 1, 30)


KINDS = {
    "white": lambda r, *shape: r.normal(size=shape),
    "autocorrelated": autocorrelated,
    "profiled": profiled,
    "windows of a series": windows,
    "one series": series,
    "a calm series": calm,
    "rare tokens": lambda r, *shape: r.choice(4, p=[0.9, 0.07, 0.02, 0.01], size=shape),
}


def anything(found):
    return found.joint.found or found.table.found.any() or found.bands.found.any()


@pytest.mark.parametrize("kind", KINDS)
def test_where_nothing_is_little_is_found(kind):
    count = 0
    for trial in range(TRIALS):
        r = np.random.default_rng([trial, 1])
        data = KINDS[kind](r, 40, 36), KINDS[kind](r, 40, 36)
        found = lw.dependence(data, 10)
        count += anything(found)
        assert anything(found) or found.lookback is None
    assert count <= stats.binom.ppf(0.999, TRIALS, 0.05)


def test_a_few_large_inputs_are_no_finding_wherever_they_lie():
    count = 0
    for trial in range(TRIALS):
        r = np.random.default_rng([trial, 77])
        x, y = r.standard_cauchy(size=(200, 36)), r.normal(size=200)
        count += anything(lw.dependence((x, y), 10))
    assert count <= stats.binom.ppf(0.999, TRIALS, 0.05)


def test_windows_of_a_series_taken_for_sequences_would_find_what_is_not_there():
    r = np.random.default_rng(2)
    data = windows(r), windows(r)
    blocks, each = lw.dependence(data, 10), lw.dependence(data, 10, groups=range(677))
    assert blocks.sample.endswith("blocks of windows")
    assert each.sample == "677 groups"
    assert (each.table.smallest < 0.7 * blocks.table.smallest).all()


def test_the_smallest_effect_that_is_told_is_found():
    sizes, found = [], []
    for trial in range(TRIALS):
        x, e = np.random.default_rng([trial, 4]).normal(size=(2, 40, 36))
        if trial == 0:
            size = lw.dependence((x, e), 8).table.smallest.mean()
        y = e * np.sqrt(1 - size**2)
        y[:, 5:] += size * x[:, :-5]
        table = lw.dependence((x, y), 8).table
        found.append(table.found[5])
        sizes.append((table.lower[5] <= size) & (size <= table.upper[5]))
    assert sum(found) >= stats.binom.ppf(0.001, TRIALS, 0.95)
    assert sum(sizes) >= stats.binom.ppf(0.001, TRIALS, 0.95)
