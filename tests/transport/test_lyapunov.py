"""Lyapunov exponents: conservation of volume, eigenvalues, brute force."""

import numpy as np
import pytest
import torch

from learnability.cells import ConstGate
from learnability.transport import jacobians, leading_exponents
from learnability.unroll import unroll
from tests.networks import ALL, make_cell, make_data

# Without a leak LayerNorm's Jacobian is singular and its determinant only rounding.
RNNS = [("TorchRNN", True), ("DiagRNN", True)]
# An output that the next step forgets is a direction that is lost at once, and so is
# a mean whose weights start at 0.
READ = ("S6", "MLSTM", "GatedDeltaNet", "SLSTM")
REGULAR = [case for case in ALL if case not in RNNS and case[0] not in READ]


@pytest.mark.parametrize(("kind", "norm"), REGULAR)
def test_the_sum_is_the_mean_log_determinant(kind, norm):
    cell = make_cell(kind, norm, 3, 5, seed=4)
    x, _ = make_data(3, 70, 3, seed=5)
    with torch.no_grad():
        states = unroll(cell, x)
    found = leading_exponents(cell, x, states, burn=3)
    volume = torch.linalg.slogdet(jacobians(cell, x, states))[1][:, :-3].mean(dim=1)
    np.testing.assert_allclose(found.values.sum(), volume.mean().item(), rtol=1e-9)
    assert (np.diff(found.values) <= 0).all()
    assert kind == "LRU" or (found.error > 0).all()  # its rates know no inputs


def test_layernorm_without_a_leak_loses_its_mean():
    cell = make_cell("TorchRNN", True, 3, 5, seed=4)
    x, _ = make_data(3, 70, 3, seed=5)
    with torch.no_grad():
        found = leading_exponents(cell, x, unroll(cell, x), burn=3)
    assert found.values[-1] < np.log(1e-10)
    assert found.values[0] > np.log(1e-2)


def test_a_constant_jacobian_has_the_logarithms_of_its_eigenvalues():
    cell = ConstGate(2, 6, s=0.3, seed=1).double()
    with torch.no_grad():
        # Symmetric, so that eigenvalues are real and their spaces are orthogonal.
        cell.W_h.copy_((cell.W_h + cell.W_h.T) / 2)
    x = torch.zeros(1, 3000, 2, dtype=torch.float64)
    found = leading_exponents(cell, x, unroll(cell, x).detach(), burn=2000)
    eigen = torch.linalg.eigvalsh(0.7 * torch.eye(6) + 0.3 * cell.W_h).abs().log()
    expected = np.sort(eigen.detach().numpy())[::-1]
    np.testing.assert_allclose(found.values, expected, atol=1e-6)
    assert np.isnan(found.error).all()


def test_against_the_singular_values_of_the_whole_product():
    cell = make_cell("DiagGate", False, 3, 4, seed=7)
    x, _ = make_data(1, 60, 3, seed=8)
    with torch.no_grad():
        states = unroll(cell, x)
    product = torch.eye(4, dtype=torch.float64)
    for jacobian in jacobians(cell, x, states)[0]:
        product = jacobian @ product
    # The volume that the first k directions span, without overflow at 60 steps.
    found = leading_exponents(cell, x, states, count=2)
    pair = torch.linalg.svdvals(product[:2]).log().sum() / 60
    assert found.values.sum() == pytest.approx(pair.item(), rel=1e-9)
    one = torch.linalg.vector_norm(product[0]).log() / 60
    single = leading_exponents(cell, x, states, count=1)
    assert single.values[0] == pytest.approx(one.item(), rel=1e-9)


def test_a_lost_direction_is_minus_infinity():
    cell = ConstGate(2, 3, s=1.0).double()
    with torch.no_grad():
        cell.W_h.zero_()
        cell.W_h[0, 0] = 0.5
    x = torch.zeros(2, 4, 2, dtype=torch.float64)
    found = leading_exponents(cell, x, unroll(cell, x).detach())
    assert found.values[0] == pytest.approx(np.log(0.5))
    assert (found.values[1:] == -np.inf).all()


def test_wrong_calls():
    cell, x = ConstGate(2, 3), torch.zeros(1, 4, 2)
    states = unroll(cell, x).detach()
    with pytest.raises(ValueError, match="4 exponents"):
        leading_exponents(cell, x, states, count=4)
    with pytest.raises(ValueError, match="4 steps cannot be left out"):
        leading_exponents(cell, x, states, burn=4)
