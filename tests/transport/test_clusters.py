"""Errors over clusters of sequences: against loops, invariances, coverage."""

import numpy as np
import pytest
import torch
import xarray as xr

from learnability.cells import ConstGate
from learnability.diagnosis.groups import envelope_group, with_interval
from learnability.transport import ExactWindows, Windows, sampled_windows
from learnability.transport.clusters import RatioSums
from learnability.unroll import unroll
from tests.networks import make_cell, make_data

ORDERS, LAGS = 2, 3


def drawn(rows, seed=0):
    rng = np.random.default_rng(seed)
    weights = rng.integers(1, 9, size=(rows, LAGS)).astype(float)
    return weights[:, None] * rng.lognormal(size=(rows, ORDERS, LAGS)), weights


def test_errors_are_those_of_a_linearised_ratio():
    sums, weights = drawn(23)
    found = RatioSums(ORDERS, LAGS)
    for part in (slice(0, 5), slice(5, 6), slice(6, 23)):
        found.add(sums[part], weights[part])
    for order in range(ORDERS):
        s, w = sums[:, order], weights
        f = s.sum(axis=0) / w.sum(axis=0)
        apart = (s - f * w) / w.sum(axis=0)
        of_log = apart / f - (apart / f)[:, :1]
        for got, each in ((found.error, apart), (found.log_error, of_log)):
            expected = np.sqrt((each**2).sum(axis=0) * 23 / 22)
            np.testing.assert_allclose(got(order), expected, rtol=1e-9, atol=1e-8)


@pytest.mark.parametrize("scale", [1e-200, 1.0, 1e200])
def test_errors_scale_with_what_is_measured(scale):
    sums, weights = drawn(9)
    one, other = RatioSums(ORDERS, LAGS), RatioSums(ORDERS, LAGS)
    one.add(sums, weights)
    other.add(scale * sums, weights)
    np.testing.assert_allclose(other.error(0), scale * one.error(0), rtol=1e-9)
    np.testing.assert_allclose(other.log_error(0), one.log_error(0), atol=1e-8)


def test_rows_of_one_cluster_are_one_sequence():
    """However they are split into calls."""
    sums, weights = drawn(12)
    ids = torch.tensor([0, 0, 0, 1, 3, 3, 3, 3, 4, 4, 5, 9])
    starts = [0, 3, 4, 8, 10, 11]
    whole = RatioSums(ORDERS, LAGS)
    whole.add(np.add.reduceat(sums, starts), np.add.reduceat(weights, starts))
    for cuts in ([], [1, 2, 6], [3, 4, 11]):
        parts = RatioSums(ORDERS, LAGS)
        for a, b in zip([0, *cuts], [*cuts, 12], strict=True):
            parts.add(sums[a:b], weights[a:b], ids[a:b])
        assert parts.clusters.tolist() == [6] * LAGS
        np.testing.assert_allclose(parts.error(1), whole.error(1), rtol=1e-10)
        np.testing.assert_allclose(parts.log_error(1), whole.log_error(1), atol=1e-8)


def test_copies_of_a_sequence_in_its_cluster_change_no_error():
    """All orders; the exact one on all its windows."""
    cell, (x, _) = make_cell("LSTM", False, 3, 4, seed=1), make_data(6, 12, 3)
    states, lags = unroll(cell, x).detach(), [1, 5]
    twice = torch.arange(6).repeat_interleave(2)

    def measured(x, states, clusters):
        lengths = torch.full((len(x),), 12)
        sample = sampled_windows(lengths, lags, windows=10**6, seed=0)
        exact, others = ExactWindows(cell, sample), Windows(cell, lags)
        for part in (slice(0, 5), slice(5, None)):
            own = None if clusters is None else clusters[part]
            exact.add(x[part], states[part], clusters=own)
            others.add(x[part], states[part], clusters=own)
        return {**others.result(), "exact": exact.result()}

    one, two = measured(x, states, None), measured(x[twice], states[twice], twice)
    for order, f in one.items():
        assert f.clusters.tolist() == two[order].clusters.tolist() == [6, 6]
        np.testing.assert_allclose(two[order].mean, f.mean, rtol=1e-10)
        np.testing.assert_allclose(two[order].error, f.error, rtol=1e-8)
        np.testing.assert_allclose(two[order].log_error, f.log_error, rtol=1e-8)


def test_one_cluster_has_no_error():
    sums, weights = drawn(4)
    found = RatioSums(ORDERS, LAGS)
    found.add(sums, weights, torch.zeros(4, dtype=torch.long))
    assert np.isnan(found.error(0)).all()
    assert np.isnan(found.log_error(0)).all()


def test_clusters_in_another_order_are_refused():
    sums, weights = drawn(2)
    found = RatioSums(ORDERS, LAGS)
    with pytest.raises(ValueError, match="cluster 3 comes after a higher one"):
        found.add(sums, weights, torch.tensor([4, 3]))
    found.add(sums, weights, torch.tensor([4, 5]))
    with pytest.raises(ValueError, match="cluster 4 comes after a higher one"):
        found.add(sums, weights, torch.tensor([4, 5]))


@pytest.mark.parametrize("sequences", [16, 50, 256])
def test_intervals_cover_with_persistent_sequences(sequences):
    """Each sequence forgets at its own rate, the same in all its windows."""
    lag, repeats = 16, 1000
    rng = np.random.default_rng(sequences)

    def forgets(*shape):
        return 0.05 * rng.lognormal(sigma=0.4, size=shape)

    true = np.exp(-lag * forgets(2_000_000)).mean()
    held = 0
    for _ in range(repeats):
        number = rng.poisson(5, size=(sequences, 2)).astype(float)
        kept = np.exp(-np.array([0, lag]) * forgets(sequences)[:, None])
        found = RatioSums(1, 2)
        found.add((number * kept)[:, None], number)
        f = (number * kept).sum(axis=0) / number.sum(axis=0)
        values = (f[1] / f[0], found.log_error(0)[1], found.clusters[1])
        names = ("normalised", "log_error", "clusters")
        row = {n: ("lag", [v]) for n, v in zip(names, values, strict=True)}
        ends = with_interval(xr.Dataset(row), 0.95)
        held += float(ends["lower"][0]) < true < float(ends["upper"][0])
    assert 0.92 <= held / repeats <= 0.98


def test_equal_sequences_have_intervals_without_width():
    cell, x = ConstGate(3, 4, s=0.5).double(), torch.zeros(8, 9, 3).double()
    sums = Windows(cell, [1, 2])
    sums.add(x, unroll(cell, x).detach())
    group = with_interval(envelope_group(sums.result()), 0.9)
    for end in ("lower", "upper"):
        np.testing.assert_allclose(group[end], group["normalised"], rtol=1e-9)


def test_sums_over_parts_add_up():
    """Also where one unit is not known yet, as all its sums are 0."""
    sums, weights = drawn(20)
    sums[:9, 1, 2] = 0
    sums[9:] *= 1e6  # units apart
    whole = RatioSums(ORDERS, LAGS)
    whole.add(sums, weights)
    found = []
    for part in (slice(0, 5), slice(5, 9), slice(9, 20)):
        found.append(RatioSums(ORDERS, LAGS))
        found[-1].add(sums[part], weights[part])
    for together in (found[0] + found[1] + found[2], found[0] + (found[1] + found[2])):
        assert together.clusters.tolist() == whole.clusters.tolist()
        np.testing.assert_allclose(together.weights, whole.weights)
        for order in range(ORDERS):
            for name in ("error", "log_error"):
                one, other = (getattr(s, name)(order) for s in (together, whole))
                np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-7)


def test_sums_go_on_after_others_were_added():
    sums, weights = drawn(12)
    whole, one, other = (RatioSums(ORDERS, LAGS) for _ in range(3))
    whole.add(sums, weights)
    one.add(sums[:4], weights[:4])
    other.add(sums[4:7], weights[4:7])
    one = one + other
    one.add(sums[7:], weights[7:])
    np.testing.assert_allclose(one.error(1), whole.error(1), rtol=1e-10)


def test_envelopes_of_parts_add_up():
    """Sequences of several lengths, with base rates; all orders."""
    cell, (x, _) = make_cell("LSTM", False, 3, 4, seed=1), make_data(9, 12, 3)
    states, lags = unroll(cell, x).detach(), [1, 5]
    lengths = torch.tensor([12, 12, 7, 7, 12, 9, 12, 6, 12])
    rates = torch.rand(9, 12, 4, generator=torch.Generator().manual_seed(0)).double()
    sample = sampled_windows(lengths, lags, windows=40, seed=0)

    def sums(part):
        own = sample.of(part.start, part.stop)
        exact, others = ExactWindows(cell, own), Windows(cell, lags)
        exact.add(x[part], states[part], rates=[rates[part]])
        others.add(x[part], states[part], lengths[part], rates=rates[part])
        return exact.sums(), others.sums()

    wholes = sums(slice(0, 9))
    parts = [sums(slice(*ends)) for ends in ((0, 2), (2, 4), (4, 9))]
    for whole, (a, b, c) in zip(wholes, zip(*parts, strict=True), strict=True):
        every = zip(whole.envelopes(lags), (a + b + c).envelopes(lags), strict=True)
        for one, other in every:
            for name, values in vars(one).items():
                settings = {"rtol": 1e-9, "err_msg": name}
                np.testing.assert_allclose(getattr(other, name), values, **settings)
