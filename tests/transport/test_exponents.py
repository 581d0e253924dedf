"""Exponents by pulling back, against those by whole Jacobians."""

import numpy as np
import pytest
import torch

from experiments.claims.exponents import lyapunov_exponents
from learnability.transport import jacobians, leading_exponents
from learnability.unroll import unroll
from tests.networks import make_cell, make_data


def trajectories(kind, sequences, steps):
    cell = make_cell(kind, False, 3, 4, seed=2)
    x, _ = make_data(sequences, steps, 3, seed=1)
    with torch.no_grad():
        states = unroll(cell, x)
    return cell, x, states


@pytest.mark.parametrize("kind", ["GRU", "TorchRNN", "DiagGate"])
def test_all_of_them_are_the_determinant(kind):
    cell, x, states = trajectories(kind, 3, 12)
    found = leading_exponents(cell, x, states, cell.state_size)
    jacobian = jacobians(cell, x, states)
    expected = torch.linalg.slogdet(jacobian)[1].mean()
    assert found.values.sum() == pytest.approx(float(expected), rel=1e-9)


@pytest.mark.parametrize("kind", ["GRU", "LSTM"])
def test_long_trajectories_have_the_exponents_of_the_jacobians(kind):
    given = trajectories(kind, 4, 600)
    found = leading_exponents(*given, 2, burn=100)
    expected = lyapunov_exponents(*given, count=2, burn=100)
    error = np.hypot(found.error, expected.error)
    assert (np.abs(found.values - expected.values) < 4 * error + 2e-3).all()
