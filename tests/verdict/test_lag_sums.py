"""Sums over lags, learnt shares and memory: against loops and closed forms."""

from itertools import pairwise

import numpy as np
import pytest

from learnability.verdict.facts import facts
from learnability.verdict.lag_sums import Part, lag_sums
from learnability.verdict.memory import innovations, memory
from learnability.verdict.shares import Coefficients, fieller


def parts_of(x, columns, *, pieces=1, lengths=None, looks=True):
    """Return sequences in some pieces, each sequence a cluster."""
    steps = np.arange(x.shape[1])
    last = np.full(len(x), x.shape[1]) if lengths is None else lengths
    own = steps < last[:, None]
    every = x, columns, own, own & looks, np.arange(len(x))
    split = [np.array_split(values, pieces) for values in every]
    return lambda: [Part(*one) for one in zip(*split, strict=True)]


def past(x, lag):
    """Return what was lag steps ago, 0 before the first step."""
    found = np.zeros_like(x)
    found[:, lag:] = x[:, : x.shape[1] - lag]
    return found


@pytest.mark.parametrize("some", [False, True])
@pytest.mark.parametrize("longest", [2, 7])  # 7 leaves too few steps with all lags
def test_sums_are_those_of_loops_whatever_the_pieces(longest, some):
    r = np.random.default_rng(0)
    x, columns = r.normal(size=(12, 9, 2)), r.normal(size=(12, 9, 3))
    lengths = r.integers(5, 10, 12)
    looks = r.random((12, 9)) < (0.6 if some else 2)
    parts = parts_of(x, columns, pieces=5, lengths=lengths, looks=looks)
    found = lag_sums(parts, longest, 12)
    first = 2 if longest == 2 else 0
    own = np.arange(9) < lengths[:, None]
    looks &= own
    phi = (x - (x * own[..., None]).sum(0) / own.sum(0)[:, None]) * own[..., None]
    y = columns - (columns * looks[..., None]).sum(0) / looks.sum(0)[:, None]
    xx, xy = np.zeros(found.xx.shape), np.zeros(found.xy.shape)
    rows = 0
    for n in range(12):
        for t in np.flatnonzero(looks[n])[np.flatnonzero(looks[n]) >= first]:
            lagged = [
                phi[n, t - lag] if t >= lag else np.zeros(2)
                for lag in range(longest + 1)
            ]
            row = np.concatenate(lagged)
            xx[n] += np.outer(row, row)
            xy[n] += np.outer(row, y[n, t])
            rows += 1
    assert (found.first, found.rows) == (first, rows)
    np.testing.assert_allclose(found.xx, xx, atol=1e-12)
    np.testing.assert_allclose(found.xy, xy, atol=1e-12)


def learner(shares, seed, *, sequences=96, noise=1.0, inputs=1):
    """Return sums over sequences whose lags have been learnt in known shares.

    The targets are a sum of delays; the outputs hold a share of each, and noise.
    """
    r = np.random.default_rng(seed)
    x = r.normal(size=(sequences, 40, inputs))
    signal = {lag: 0.6 * past(x[..., 0], lag) for lag in shares}
    y = sum(signal.values()) + noise * r.normal(size=x.shape[:2])
    output = sum(share * signal[lag] for lag, share in shares.items())
    output = output + 0.3 * noise * r.normal(size=x.shape[:2])
    columns = np.stack([-y, output, x[..., 0], past(x[..., 0], 2)], axis=-1)
    return lag_sums(parts_of(x, columns, pieces=3), 5, sequences)


TRUE = {1: 0.9, 3: 0.4, 5: 0.0}


@pytest.mark.parametrize("inputs", [1, pytest.param(4, marks=pytest.mark.slow)])
def test_intervals_of_learnt_shares_hold_them_as_often_as_they_say(inputs):
    inside = []
    for seed in range(40):
        sums = learner(TRUE, seed, inputs=inputs)
        table = facts(sums, sums, None, list(range(6)), 1)
        assert table.found[list(TRUE)].all()
        assert table.share[~table.found].isna().all()
        for lag, share in TRUE.items():
            row = table.loc[lag]
            inside.append(row.share_lower <= share <= row.share_upper)
    error = np.sqrt(0.95 * 0.05 / len(inside))
    assert 0.95 - 3 * error <= np.mean(inside)


def test_shares_of_a_weak_dependence_are_not_shrunk_by_the_directions():
    """Sixteen inputs carry nothing but the errors of their coefficients."""
    found = []
    for seed in range(40):
        sums = learner({2: 0.8}, seed, inputs=16, noise=3.0)
        found.append(facts(sums, sums, None, [2], 1).share[2])
    error = np.nanstd(found) / np.sqrt(np.isfinite(found).sum())
    assert np.isfinite(found).mean() > 0.5
    assert abs(np.nanmean(found) - 0.8) < 3 * error + 0.02


def test_shares_change_by_what_the_outputs_do():
    now, after = learner(TRUE, 0), learner({**TRUE, 3: 0.5}, 0)
    table = facts(now, now, lambda: after, list(range(6)), 1, fraction=0.5)
    for lag, change in {1: 0.0, 3: 0.1, 5: 0.0}.items():
        apart = abs(table.gain[lag] - change / 0.5)
        assert apart < 4 * table.gain_error[lag] + 1e-9
    assert table.gain_error.max() < 0.05


def test_without_held_out_data_no_share_is_told():
    table = facts(learner(TRUE, 0), None, None, [0, 1], 1)
    assert table[["share", "gain"]].isna().to_numpy().all()
    assert table.kept[0] > 0.99


def test_targets_that_ask_for_nothing_are_refused():
    x = np.random.default_rng(0).normal(size=(16, 12, 1))
    sums = lag_sums(parts_of(x, 0 * np.concatenate([x, x, x], axis=-1)), 3, 16)
    with pytest.raises(ValueError, match="up to 3 the targets ask for nothing"):
        facts(sums, None, None, [0, 3], 1)


def test_a_ratio_whose_denominator_may_be_0_has_no_interval():
    moved = np.random.default_rng(0).normal(size=16)
    size = float(np.linalg.norm(moved))
    assert np.isnan(fieller(1.0, 0.1 * size, moved, moved).value)
    value, lower, upper = fieller(1.0, 9 * size, moved, moved)
    assert lower < value < upper


def test_a_share_does_not_hang_on_the_units_of_the_error_signal():
    r = np.random.default_rng(1)
    values = [r.normal(size=3) + 2, r.normal(size=3), *r.normal(size=(2, 9, 3)) / 9]
    one, many = Coefficients(*values), Coefficients(*(7 * v for v in values))
    np.testing.assert_allclose(one.share(), many.share())


def test_memory_is_that_of_states_that_hold_known_lags():
    sums = learner({1: 0.5}, 3)
    u = {lag: np.ones(1) for lag in range(6)}
    kept, error = memory(sums, slice(2, None), u)
    expected = np.array([1.0, 0, 1, 0, 0, 0])
    assert (np.abs(kept - expected) < 4 * error + 0.01).all()


def test_a_random_walk_is_not_remembered_through_its_last_value():
    r = np.random.default_rng(2)
    steps = r.normal(size=(64, 60, 1))
    walk = steps.cumsum(axis=1)
    columns = np.concatenate([walk, walk, walk], axis=-1)
    sums = lag_sums(parts_of(walk, columns), 4, 64)
    u = {lag: np.ones(1) for lag in range(1, 5)}
    kept, error = memory(sums, slice(2, None), u)
    assert (kept < 3 * error + 0.01).all()
    flat = past(walk[..., 0], 3)[:, 4:].ravel(), walk[:, 4:, 0].ravel()
    assert np.corrcoef(*flat)[0, 1] > 0.9


def test_innovations_are_uncorrelated_with_nearer_inputs():
    r = np.random.default_rng(3)
    x = r.normal(size=(500, 8)) @ r.normal(size=(8, 8))
    covariance = x.T @ x / 500
    found = innovations(covariance, {3: np.array([1.0, -2.0]), 0: np.ones(2)})
    assert np.abs(found[:, 0] @ covariance)[:6].max() < 1e-6 * covariance.max()
    assert found[:, 1].tolist() == [1, 1, 0, 0, 0, 0, 0, 0]


def test_lags_that_few_steps_have_keep_their_strengths_in_inputs_that_hang_together():
    r = np.random.default_rng(0)
    x = r.normal(size=(500, 24, 1))
    for t in range(1, 24):
        x[:, t] = 0.8 * x[:, t - 1] + 0.6 * x[:, t]
    y = 0.5 * past(x[..., 0], 1) - 0.5 * past(x[..., 0], 20) + r.normal(size=(500, 24))
    columns = np.stack([-y, 0 * y, x[..., 0]], axis=-1)
    sums = lag_sums(parts_of(x, columns), 20, 500)
    table = facts(sums, None, None, [1, 5, 20], 1)
    deviation = y[:, 20:].std()
    for lag, size in {1: 0.5, 5: 0.0, 20: 0.5}.items():
        assert table.lower[lag] <= size / deviation <= table.upper[lag] + 1e-12


@pytest.mark.parametrize(("clusters", "cuts"), [(32, [5]), (4, [5, 9]), (3, [1, 11])])
def test_pieces_add_up_to_the_whole(clusters, cuts):
    """Neighbours of two pieces may be of one cluster."""
    r = np.random.default_rng(3)
    x, columns = r.normal(size=(12, 9, 2)), r.normal(size=(12, 9, 3))
    lengths = r.integers(6, 10, 12)
    (every,) = parts_of(x, columns, lengths=lengths)()

    def over(work):
        for start, stop in pairwise([0, *cuts, 12]):
            piece = Part(*(values[start:stop] for values in every))
            yield work(lambda piece=piece: [piece], start, stop - start)

    whole = lag_sums(lambda: [every], 2, 12, clusters)
    found = lag_sums(lambda: [every], 2, 12, clusters, over)
    assert (found.rows, found.sequences, len(found.xx)) == (
        whole.rows,
        whole.sequences,
        min(clusters, 12),
    )
    for name in ("xx", "xy", "yy"):
        one, other = getattr(found, name), getattr(whole, name)
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-10)
