"""Probe statistics against brute force; the window of pure noise is 0."""

import numpy as np
import pytest
import torch

from experiments.networks import probe_statistics
from learnability.cells import CELLS
from learnability.detection import window
from learnability.detection.dependence import strongest
from learnability.detection.samples import needed_by_gradients
from learnability.evidence.inputs import input_probes, shifted
from learnability.tasks import MultiLag, Sequences
from learnability.unroll import Network
from tests.networks import GATED, make_data, make_network


def gradient(network, output):
    parts = torch.autograd.grad(output, list(network.parameters()), allow_unused=True)
    return torch.cat([g.flatten() for g in parts if g is not None])


@pytest.mark.parametrize("kind", ["SharedGate", "LSTM"])
@pytest.mark.parametrize("known", [True, False])
def test_statistics_against_autograd(kind, known):
    network = make_network(kind, True, inputs=2, units=3)
    x, y = make_data(5, 8, 2)
    data, lags = Sequences(x, y), [1, 3]
    u = torch.tensor([0.6, 0.8]).double() if known else None
    found = probe_statistics(network, data, lags, direction=u)
    every = torch.ones(x.shape[:2], dtype=torch.bool)
    signals = input_probes([(x, every)], u).signals(x)
    mean = gradient(network, network(x).mean())
    for i, lag in enumerate(lags):
        s, g = [], []
        for n in range(5):
            probes = shifted(signals[:, n], lag)
            rows = [
                gradient(network, (p * network(x)[n]).mean()) - p.mean() * mean
                for p in probes
            ]
            s.append(torch.stack(rows))
            g.append(gradient(network, 0.5 * ((network(x)[n] - y[n]) ** 2).mean()))
        s, g = torch.stack(s), torch.stack(g)
        square = (s**2).sum(dim=-1).mean(dim=1)
        dot = (s * s.sum(dim=0)).sum(dim=-1).mean(dim=1)
        np.testing.assert_allclose(found.square[i], square, rtol=1e-8)
        np.testing.assert_allclose(found.dot[i], dot, rtol=1e-8)
        for n in range(5):
            other = s.sum(dim=0) - s[n]
            along = (other / other.norm(dim=-1, keepdim=True)) @ g[n]
            np.testing.assert_allclose(found.projection[i, :, n], along, rtol=1e-8)
        others = (y.sum(dim=0) - y) / 4  # 5 sequences
        target = (shifted(signals, lag) * (y - others)).sum(dim=-1) / (8 - lag)
        np.testing.assert_allclose(found.target[i], target, rtol=1e-10)


def test_whitened_inputs_have_unit_covariance():
    x, _ = make_data(50, 9, 3)
    x = x @ torch.tensor([[2.0, 0, 0], [1, 1, 0], [3, 1, 0]]).double() + 5  # rank 2
    own = torch.ones(x.shape[:2], dtype=torch.bool)
    some = input_probes(zip(x.split(7), own.split(7), strict=True))  # in parts
    flat = some.signals(x).movedim(0, -1).reshape(-1, 2)
    eye = torch.eye(2).double()
    torch.testing.assert_close(flat.T @ flat / len(flat), eye, rtol=1e-9, atol=1e-9)
    assert flat.mean(dim=0).abs().max() < 1e-12


def test_probe_needs_a_direction_that_varies():
    x = torch.randn(1, 8, 2).double().expand(4, 8, 2)  # what all sequences share
    own = torch.ones(4, 8, dtype=torch.bool)
    for u in (torch.tensor([1.0, 0.0]).double(), None):
        with pytest.raises(ValueError, match="do not vary"):
            input_probes([(x, own)], u)


TASK = MultiLag(lags=(1, 3), coefficients=(0.6, 0.5), noise=0.3, inputs=2, steps=8)
LAGS = [1, 2, 3, 4]


def detection_window(kind, seed, *, permute):
    direction = TASK.direction(seed=seed)
    data = TASK.draw(60, seed=seed + 1, direction=direction)
    data = data.permuted(seed=seed + 2) if permute else data
    fast = {"s": 0.5} if kind == "ConstGate" else {}
    cell = CELLS[kind](2, 6, init="uniform", seed=seed, **fast)
    network = Network(cell, seed=seed)
    found = probe_statistics(network, data, LAGS, direction=direction)
    need = needed_by_gradients(
        found.square,
        found.dot,
        found.projection,
        effect_size=strongest(found.target)[0],
    )
    return int(window(LAGS, need.needed, [1e9]).contiguous[0])


@pytest.mark.parametrize("kind", sorted(GATED))
def test_window_of_permuted_targets_is_zero(kind):
    """In at least 95 of 100 studies at error 5 %, whatever the budget."""
    seeds = range(0, 2000, 20)
    empty = [detection_window(kind, seed, permute=True) == 0 for seed in seeds]
    assert sum(empty) >= 95
    # The same networks and inputs with their own targets do have windows.
    assert any(detection_window(kind, seed, permute=False) > 0 for seed in seeds[:20])
