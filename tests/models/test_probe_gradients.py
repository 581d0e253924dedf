"""Probe gradients: kept or made twice, compiled or not, they are the same."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

import learnability as lw
from learnability.evidence import probe, statistics
from learnability.evidence.inputs import shifted
from learnability.evidence.probe import probe_gradients, summed_up
from learnability.evidence.sample import Sample

LAGS = [1, 2, 5]


@pytest.fixture(params=["LSTM", "GRU"])
def sample(request):
    cell = getattr(lw, request.param)(3, 5, layernorm=True, init="uniform").double()
    g = torch.Generator().manual_seed(1)

    def normal(*shape):
        return torch.randn(shape, generator=g, dtype=torch.float64)

    x, lengths = normal(11, 9, 3), torch.tensor([9] * 8 + [4, 6, 8])
    own = (torch.arange(9) < lengths[:, None])[..., None]
    with torch.no_grad():
        states = lw.unroll(cell, x * own)
    delta, target = (normal(*states.shape) * own for _ in range(2))
    return Sample(
        cell, x * own, states, lengths, delta, target, own[..., 0], torch.arange(len(x))
    )


@pytest.fixture
def chosen(sample):
    g = torch.Generator().manual_seed(2)
    signals = torch.randn((2, 11, 9), generator=g, dtype=torch.float64)
    axes = torch.randn((3, sample.cell.state_size), generator=g, dtype=torch.float64)
    return signals, axes


def measured(sample, chosen, cuts=(11,), *, compiled=True):
    """Give the statistics of all (lag, signal, axis), sequences some at a time."""
    signals, axes = chosen
    rows = [(lag, i, k) for lag in LAGS for i in range(2) for k in range(3)]
    starts = np.cumsum([0, *cuts])
    parts = [sample.part(slice(a, b)) for a, b in pairwise(starts)]

    def weights(own, place, some):
        past = [shifted(signals[i, place], lag) for lag, i, _ in rows[some]]
        return torch.stack(past, dim=1) * (own.looks / own.count[:, None])[:, None]

    kinds = [k for _, _, k in rows]
    made = probe_gradients(lambda: parts, 11, weights, axes, kinds, compiled=compiled)
    return summed_up(made, LAGS, np.zeros((3, 6, 11)))


def test_ways_agree(sample, chosen, monkeypatch):
    """Compiled and kept against differentiated and made again, chunk by chunk."""
    kept = measured(sample, chosen)
    monkeypatch.setattr(statistics, "KEPT_BYTES", 0)
    monkeypatch.setattr(statistics, "SUM_BYTES", 1e5)
    monkeypatch.setattr(probe, "FEWEST", 3)
    monkeypatch.setattr(probe, "PART_BYTES", 0)
    again = measured(sample, chosen, (3, 5, 3), compiled=False)
    for name in ("square", "dot", "projection", "tilt"):
        one, other = getattr(kept, name), getattr(again, name)
        np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("read_out", [False, True])
def test_products_over_steps_are_the_numbers(sample, chosen, monkeypatch, read_out):
    if read_out:
        axis = chosen[1][0].clone()
        axis[sample.cell.units :] = 0  # a read-out sees h alone
        sample = replace(sample, read_out=axis)
    numbers = measured(sample, chosen)
    monkeypatch.setattr(probe, "by_products", lambda sample, held: True)
    kept = measured(sample, chosen, (3, 5, 3))
    monkeypatch.setattr(statistics, "KEPT_BYTES", 0)
    monkeypatch.setattr(statistics, "SUM_BYTES", 1e5)
    monkeypatch.setattr(probe, "PRODUCT_BYTES", 0)
    again = measured(sample, chosen, (3, 5, 3))
    for name in ("square", "dot", "projection", "tilt"):
        for found in (kept, again):
            one, other = getattr(numbers, name), getattr(found, name)
            np.testing.assert_allclose(other, one, rtol=1e-8, atol=1e-12)


def test_products_of_single_precision_are_the_numbers(monkeypatch):
    """As a user's large layer has them."""
    torch.manual_seed(0)
    gru, x = torch.nn.GRU(2, 4, batch_first=True), torch.randn(64, 12, 2)

    def loss(outputs, targets):
        return ((outputs[0].sum(dim=-1) - targets) ** 2).mean()

    numbers, products = [], []
    for found in (numbers, products):
        need = lw.diagnose(gru, (x, x[..., 0].roll(2, 1)), loss, [1, 2, 4])["model"]
        found += [need.group("detection")[key].values for key in ("signal", "noise")]
        monkeypatch.setattr(probe, "by_products", lambda sample, held: True)
    np.testing.assert_allclose(products, numbers, rtol=1e-3, atol=1e-5)


def test_products_are_for_cells_whose_gradients_are_too_many_to_hold(sample):
    large = replace(sample, known=lw.LSTM(3, 64))
    assert probe.by_products(large, statistics.KEPT_BYTES)
    assert not probe.by_products(large, statistics.KEPT_BYTES // 4)
    assert not probe.by_products(sample, statistics.KEPT_BYTES)  # steps are many
    together = replace(large, item=torch.arange(11) // 2)
    assert not probe.by_products(together, statistics.KEPT_BYTES)


def test_statistics_are_those_of_autograd(sample, chosen):
    """One row at a time: unroll, differentiate, take the mean off, multiply."""
    cell, weights = sample.cell, sample.looks / sample.count[:, None]
    signals, axes = chosen
    values = list(cell.parameters())

    def gradient(n, weight, axis):
        states = lw.unroll(cell, sample.x[n : n + 1], engine="reference")[0]
        value = (weight * (states @ axis)).sum()
        return torch.cat([g.flatten() for g in torch.autograd.grad(value, values)])

    mean = [sum(gradient(n, weights[n], axis) for n in range(11)) / 11 for axis in axes]
    found = measured(sample, chosen)
    pairs = [(i, k) for i in range(2) for k in range(3)]
    square = np.zeros((len(LAGS), 11))
    for row, lag in enumerate(LAGS):
        for i, k in pairs:
            for n in range(11):
                phi = torch.cat((torch.zeros(lag), signals[i, n, :-lag]))
                weight = weights[n] * phi.double()
                s = gradient(n, weight, axes[k]) - weight.sum() * mean[k]
                square[row, n] += float(s @ s) / len(pairs)
    np.testing.assert_allclose(found.square, square, rtol=1e-8)


def test_what_is_carried_back_at_a_time_is_bounded(sample, chosen, monkeypatch):
    """A state may hold many more numbers than its cell has weights."""
    expected, largest = measured(sample, chosen, compiled=False), []

    def carried(cell, x, states, cotangent):
        largest.append(cotangent.nbytes)
        return cell_gradients(cell, x, states, cotangent)

    cell_gradients = probe.cell_gradients
    monkeypatch.setattr(probe, "cell_gradients", carried)
    one = sample.states[0].nbytes * (len(LAGS) * 6 + 1)
    monkeypatch.setattr(probe, "CARRIED_BYTES", 2 * one)
    found = measured(sample, chosen, compiled=False)
    assert max(largest[1:]) == 2 * one  # the first is of the mean
    for own, values in zip(found.parts[:3], expected.parts[:3], strict=True):
        np.testing.assert_allclose(own, values, rtol=1e-9, atol=1e-12)
