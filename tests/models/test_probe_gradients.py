"""Probe gradients: kept or made twice, compiled or not, they are the same."""

import numpy as np
import pytest
import torch

import learnability as lw
from learnability.models import probe_gradients
from learnability.models.probe_gradients import statistics
from learnability.models.probing import Probes
from learnability.models.sample import Sample

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
    return Sample(cell, x * own, states, lengths, delta, target)


@pytest.fixture
def chosen(sample):
    g = torch.Generator().manual_seed(2)
    signals = torch.randn((2, 11, 9), generator=g, dtype=torch.float64)
    axes = torch.randn((3, sample.cell.state_size), generator=g, dtype=torch.float64)
    return Probes(signals, axes)


def silent(share):
    del share


def test_ways_agree(sample, chosen, monkeypatch):
    """Compiled and kept against differentiated and made twice, chunk by chunk."""
    kept = statistics(sample, chosen, LAGS, silent)
    monkeypatch.setattr(probe_gradients, "sweeps", lambda cell, x: False)
    monkeypatch.setattr(probe_gradients, "CHUNK_BYTES", 3e4)
    streamed = statistics(sample, chosen, LAGS, silent, keep=0)
    for one, other in zip(kept, streamed, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-12)


def test_statistics_are_those_of_autograd(sample, chosen):
    """One row at a time: unroll, differentiate, take the mean off, multiply."""
    cell, weights = sample.cell, sample.looks / sample.count[:, None]
    values = list(cell.parameters())

    def gradient(n, weight, axis):
        states = lw.unroll(cell, sample.x[n : n + 1], engine="reference")[0]
        value = (weight * (states @ axis)).sum()
        return torch.cat([g.flatten() for g in torch.autograd.grad(value, values)])

    mean = [
        sum(gradient(n, weights[n], axis) for n in range(11)) / 11
        for axis in chosen.axes
    ]
    found = statistics(sample, chosen, LAGS, silent)
    pairs = [(i, k) for i in range(2) for k in range(3)]
    square = np.zeros((len(LAGS), 11))
    for row, lag in enumerate(LAGS):
        for i, k in pairs:
            for n in range(11):
                phi = torch.cat((torch.zeros(lag), chosen.signals[i, n, :-lag]))
                weight = weights[n] * phi.double()
                s = gradient(n, weight, chosen.axes[k]) - weight.sum() * mean[k]
                square[row, n] += float(s @ s) / len(pairs)
    np.testing.assert_allclose(found.square, square, rtol=1e-8)
