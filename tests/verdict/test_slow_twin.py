"""The regression against one that builds its design and fits it again and again."""

import numpy as np
import pytest

import learnability as lw


def design(x, y, longest):
    """Rows of all lags and targets, sequence by sequence, as loops say it."""
    x = x - x.mean(axis=0)
    y = y - y.mean(axis=0)
    rows, targets, owner = [], [], []
    for n in range(len(x)):
        for t in range(longest, x.shape[1]):
            rows.append([x[n, t - lag] for lag in range(longest + 1)])
            targets.append(y[n, t])
            owner.append(n)
    scale = np.sqrt((x**2).mean())
    targets = np.array(targets)
    return np.array(rows) / scale, targets / targets.std(), np.array(owner)


def test_coefficients_and_errors_are_those_of_plain_least_squares():
    r = np.random.default_rng(0)
    x, y = r.normal(size=(2, 20, 16)).cumsum(axis=-1)
    rows, targets, owner = design(x, y, 3)
    full = np.linalg.lstsq(rows, targets)[0]
    without = [
        np.linalg.lstsq(rows[owner != n], targets[owner != n])[0] for n in range(20)
    ]
    variance = ((full - np.array(without)) ** 2).sum(axis=0) * 20 / 19
    table = lw.dependence((x, y), 3).table
    deviation = np.sqrt((rows**2).mean(axis=0))  # of each lag's own input
    strength = np.sqrt(np.maximum(full**2 - variance, 0)) * deviation
    assert np.allclose(table.strength, strength, atol=1e-6)
    half = (table.upper - table.lower)[table.lower > 0] / 2
    assert np.allclose(half, (2.093 * np.sqrt(variance))[table.lower > 0], rtol=1e-3)


def test_what_left_out_sequences_foretell_is_that_of_plain_least_squares():
    r = np.random.default_rng(1)
    x = r.normal(size=(16, 20))
    y = np.roll(x, 2, axis=1) + r.normal(size=x.shape)
    rows, targets, owner = design(x, y, 3)
    for lag, share in lw.dependence((x, y), 3).curve.r_squared.items():
        errors = 0.0
        for fold in range(8):
            own = owner // 2 == fold
            few = rows[:, : int(str(lag)) + 1]
            fit = np.linalg.lstsq(few[~own], targets[~own])[0]
            errors += ((targets[own] - few[own] @ fit) ** 2).sum()
        assert share == pytest.approx(1 - errors / (targets**2).sum(), abs=1e-6)
