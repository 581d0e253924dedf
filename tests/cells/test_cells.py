"""Closed forms against automatic differentiation; conventions against PyTorch's."""

import pytest
import torch
from hypothesis import given, settings

from learnability.cells import LSTM, ConstGate, DiagGate, TorchGRU, previous
from learnability.transport import jacobians
from learnability.unroll import unroll
from tests.networks import ALL, KINDS, make_cell, make_data, sizes

TURNING = ("LRU",)


def own_jacobian(cell, jacobian, exit_):
    """Give what each carried unit keeps of itself; a pair keeps the size of a nudge."""
    inside = jacobian[..., cell.carried, cell.carried]
    if cell.shown_in.shape[1] > 1:
        place = torch.arange(cell.carried_units)[:, None]
        return inside[..., cell.shown_in, place].norm(dim=-1)
    own = inside.diagonal(dim1=-2, dim2=-1)
    if exit_ is None:
        return own
    from_output = jacobian[..., cell.carried, cell.output]
    place = torch.arange(cell.carried_units)
    return own + from_output[..., place, cell.shown_in[:, 0]] * previous(exit_)


@pytest.mark.parametrize(("kind", "norm"), ALL)
@given(size=sizes)
@settings(max_examples=10)
def test_leak_and_correction_are_the_diagonal(kind, norm, size):
    cell = make_cell(kind, norm, size["inputs"], size["units"], size["seed"])
    x, _ = make_data(size["sequences"], size["steps"], size["inputs"], size["seed"])
    with torch.no_grad():
        states = unroll(cell, x)
        steps = cell.diagonal_jacobian(states, x)
    jacobian = jacobians(cell, x, states)
    own = own_jacobian(cell, jacobian, steps.exit)
    torch.testing.assert_close(
        steps.leak + steps.correction, own, rtol=1e-9, atol=1e-12
    )


@pytest.mark.parametrize(("kind", "norm"), ALL)
def test_leak_is_what_the_gate_alone_keeps(kind, norm):
    """With all recurrent weights at zero nothing but the leak carries the past."""
    cell = make_cell(kind, norm, 3, 4, seed=1)
    with torch.no_grad():
        for name in cell.recurrent:
            getattr(cell, name).zero_()
        if kind == "SharedGate":
            cell.u_s.zero_()
        if kind == "GatedDeltaNet":  # no key overwrites anything
            cell.b_beta.fill_(-1e3)
    x, _ = make_data(2, 6, 3, seed=2)
    with torch.no_grad():
        states = unroll(cell, x)
        steps = cell.diagonal_jacobian(states, x)
    jacobian = jacobians(cell, x, states)
    if kind not in TURNING:
        alone = torch.diag_embed(steps.leak)
        torch.testing.assert_close(alone, jacobian[..., cell.carried, cell.carried])
    own = own_jacobian(cell, jacobian, steps.exit)
    torch.testing.assert_close(steps.leak, own)
    assert steps.correction.abs().max() == 0


@pytest.mark.parametrize("kind", ["DiagGate", "GRU", "LSTM"])
def test_published_start(kind):
    """The leak gate starts at its value for any input; matrices are orthogonal."""
    cell = KINDS[kind](3, 6, init="published", seed=0)
    x = 5 * torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(0))
    leak = cell.diagonal_jacobian(unroll(cell, x), x).leak
    expected = 0.5 if kind == "LSTM" else 0.95
    torch.testing.assert_close(leak, torch.full_like(leak, expected))
    for name in cell.recurrent[:1] if kind == "DiagGate" else ["U_g"]:
        square = getattr(cell, name)
        torch.testing.assert_close(square @ square.T, torch.eye(6), atol=1e-5, rtol=0)


def test_torch_gru_is_torchs_gru():
    units = 5
    cell = make_cell("TorchGRU", False, 3, units, seed=3)
    theirs = torch.nn.GRU(3, units, batch_first=True).double()
    with torch.no_grad():
        # PyTorch orders r, z, n and keeps z as the share of the old state.
        theirs.weight_ih_l0.copy_(torch.cat((cell.W_r, -cell.W_z, cell.W_g)))
        theirs.weight_hh_l0.copy_(torch.cat((cell.U_r, -cell.U_z, cell.U_g)))
        theirs.bias_ih_l0.copy_(torch.cat((cell.b_r, -cell.b_z, cell.b_g)))
        zero = torch.zeros(units)
        theirs.bias_hh_l0.copy_(torch.cat((zero, zero, cell.b_u)))
    x, _ = make_data(2, 9, 3)
    torch.testing.assert_close(unroll(cell, x), theirs(x)[0], rtol=1e-12, atol=1e-12)
    assert isinstance(cell, TorchGRU)


def test_lstm_is_torchs_lstm():
    cell = make_cell("LSTM", False, 3, 5, seed=3)
    assert isinstance(cell, LSTM)
    theirs = torch.nn.LSTM(3, 5, batch_first=True).double()
    with torch.no_grad():
        theirs.weight_ih_l0.copy_(torch.cat((cell.W_i, cell.W_f, cell.W_g, cell.W_o)))
        theirs.weight_hh_l0.copy_(torch.cat((cell.U_i, cell.U_f, cell.U_g, cell.U_o)))
        theirs.bias_ih_l0.copy_(torch.cat((cell.b_i, cell.b_f, cell.b_g, cell.b_o)))
        theirs.bias_hh_l0.zero_()
    x, _ = make_data(2, 9, 3)
    states = unroll(cell, x)
    torch.testing.assert_close(states[..., cell.output], theirs(x)[0])


def test_same_seed_same_weights_other_seed_other_weights():
    first, again, other = (DiagGate(3, 4, seed=s) for s in (1, 1, 2))
    assert torch.equal(first.W_h, again.W_h)
    assert not torch.equal(first.W_h, other.W_h)


@pytest.mark.parametrize("s", [-0.1, 1.1])
def test_gate_outside_its_range_is_refused(s):
    with pytest.raises(ValueError, match=r"between 0 and 1"):
        ConstGate(3, 4, s=s)


def test_a_cell_needs_units():
    with pytest.raises(ValueError, match="units is 0"):
        DiagGate(3, 0)
