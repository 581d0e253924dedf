"""The compiled engine against its twin, PyTorch's layers and automatic checks."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from learnability.cells import GRU, LSTM, DiagGate, TorchGRU
from learnability.unroll import outputs, unroll
from tests.networks import COMPILED, LOOPED, make_cell
from tests.unroll.twins import agree, draw

DTYPES = [torch.float32, torch.float64]

# B 1 and blocks that do not divide B; H below, at and beyond a vector; T 1 and chunks
# of steps that do not divide T.
sizes = st.tuples(
    st.sampled_from([1, 2, 5, 33, 40, 67]),
    st.integers(1, 12),
    st.integers(1, 5),
    st.sampled_from([1, 2, 3, 7, 16, 17, 24, 33]),
    st.integers(0, 10_000),
)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(("kind", "norm"), COMPILED)
@given(size=sizes)
@settings(max_examples=12, derandomize=True)
def test_agrees_with_the_reference(kind, norm, dtype, size):
    batch, steps, inputs, units, seed = size
    if norm and units == 2:  # a sign, and no derivative worth comparing
        units = 3
    cell = make_cell(kind, norm, inputs, units, seed).to(dtype)
    x = draw(batch, steps, inputs, seed=seed, dtype=dtype)
    state = draw(batch, cell.state_size, seed=seed + 1, dtype=dtype)
    weights = draw(batch, steps, cell.state_size, seed=seed + 2, dtype=dtype)
    agree(cell, x, state, weights)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("kind", LOOPED)
def test_any_strides(kind, dtype):
    cell = make_cell(kind, True, 3, 10, seed=0).to(dtype)
    x = draw(3, 9, 6, seed=1, dtype=dtype).permute(2, 1, 0)
    state = draw(6, 2 * cell.state_size, seed=2, dtype=dtype)[:, ::2]
    weights = draw(9, 1, 1, seed=3, dtype=dtype).expand(9, cell.state_size, 6)
    agree(cell, x, state, weights.permute(2, 0, 1))


@pytest.mark.parametrize("shift", [-200.0, -30.0, 30.0, 200.0])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("kind", LOOPED)
def test_gates_at_their_ends(kind, dtype, shift):
    """Gates at 0 and 1 to the last bit."""
    cell = make_cell(kind, False, 2, 9, seed=0).to(dtype)
    with torch.no_grad():
        for name, bias in cell.named_parameters():
            if name.startswith("b_") and name not in ("b_x", "b_g", "b_u"):
                bias.add_(shift)
    x = draw(5, 20, 2, seed=1, dtype=dtype)
    state = draw(5, cell.state_size, seed=2, dtype=dtype)
    agree(cell, x, state, draw(5, 20, cell.state_size, seed=3, dtype=dtype))


@pytest.mark.parametrize(("kind", "norm"), COMPILED)
def test_first_and_second_derivatives(kind, norm):
    cell = make_cell(kind, norm, 2, 3, seed=0)
    x = draw(2, 4, 2, seed=1, dtype=torch.float64).requires_grad_()
    state = draw(2, cell.state_size, seed=2, dtype=torch.float64).requires_grad_()
    parameters = list(cell.parameters())

    def states(*tensors):
        return unroll(cell, tensors[0], tensors[1], engine="compiled")

    inputs = (x, state, *parameters)
    assert torch.autograd.gradcheck(states, inputs)
    assert torch.autograd.gradgradcheck(states, inputs, fast_mode=True)


@pytest.mark.parametrize(("kind", "norm"), COMPILED)
def test_first_and_second_derivatives_of_outputs(kind, norm):
    cell = make_cell(kind, norm, 2, 3, seed=0)
    x = draw(2, 4, 2, seed=1, dtype=torch.float64).requires_grad_()
    weight = draw(3, seed=2, dtype=torch.float64).requires_grad_()

    def seen(*tensors):
        return outputs(cell, tensors[0], tensors[1], engine="compiled")

    inputs = (x, weight, *cell.parameters())
    assert torch.autograd.gradcheck(seen, inputs)
    assert torch.autograd.gradgradcheck(seen, inputs, fast_mode=True)


def test_outputs_without_gradients_are_the_same():
    """They hold no states, and a frozen network gives a gradient to none."""
    cell, x = LSTM(2, 9), draw(5, 12, 2, seed=0, dtype=torch.float32)
    weight = draw(9, seed=1, dtype=torch.float32)
    with torch.no_grad():
        alone = outputs(cell, x, weight, engine="compiled")
    wanted = outputs(cell, x, weight, engine="compiled")
    assert not alone.requires_grad
    assert torch.equal(alone, wanted)
    wanted.sum().backward()
    assert weight.grad is None
    assert cell.U_f.grad is not None


def test_is_the_gru_of_pytorch():
    theirs = torch.nn.GRU(3, 7, batch_first=True)
    ours = TorchGRU(3, 7)
    with torch.no_grad():
        from_x = theirs.weight_ih_l0.chunk(3), theirs.bias_ih_l0.chunk(3)
        from_h = theirs.weight_hh_l0.chunk(3), theirs.bias_hh_l0.chunk(3)
        # PyTorch's z is 1 minus ours: all that leads to it changes its sign.
        for n, (gate, sign) in enumerate((("r", 1), ("z", -1), ("g", 1))):
            getattr(ours, f"W_{gate}").copy_(sign * from_x[0][n])
            getattr(ours, f"U_{gate}").copy_(sign * from_h[0][n])
            bias = from_x[1][n] + (from_h[1][n] if gate != "g" else 0)
            getattr(ours, f"b_{gate}").copy_(sign * bias)
        ours.b_u.copy_(from_h[1][2])
    x = draw(4, 30, 3, seed=0, dtype=torch.float32)
    found = unroll(ours, x, engine="compiled")
    torch.testing.assert_close(found, theirs(x)[0], rtol=0, atol=2e-6)


def test_is_the_lstm_of_pytorch():
    theirs = torch.nn.LSTM(3, 7, batch_first=True)
    ours = LSTM(3, 7)
    with torch.no_grad():
        for n, gate in enumerate("ifgo"):
            rows = slice(7 * n, 7 * n + 7)
            getattr(ours, f"W_{gate}").copy_(theirs.weight_ih_l0[rows])
            getattr(ours, f"U_{gate}").copy_(theirs.weight_hh_l0[rows])
            bias = theirs.bias_ih_l0[rows] + theirs.bias_hh_l0[rows]
            getattr(ours, f"b_{gate}").copy_(bias)
    x = draw(4, 30, 3, seed=0, dtype=torch.float32)
    found = unroll(ours, x, engine="compiled")[..., ours.output]
    torch.testing.assert_close(found, theirs(x)[0], rtol=0, atol=2e-6)


def test_a_frozen_parameter_has_no_gradient():
    cell = DiagGate(2, 3)
    cell.U_s.requires_grad_(False)
    unroll(cell, torch.ones(2, 4, 2), engine="compiled").sum().backward()
    assert cell.U_s.grad is None
    assert cell.W_h.grad is not None


def test_a_changed_parameter_is_noticed():
    cell = DiagGate(2, 3)
    states = unroll(cell, torch.ones(2, 4, 2), engine="compiled")
    with torch.no_grad():
        cell.W_h.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        states.sum().backward()


@pytest.mark.parametrize("norm", [False, True])
def test_a_nan_stays_visible(norm):
    cell = GRU(2, 5, layernorm=norm)
    x = torch.ones(6, 4, 2)
    x[2, 1, 0] = torch.nan
    states = unroll(cell, x, engine="compiled")
    lost = states.isnan().all(-1)
    assert lost[2, 1:].all()
    assert not lost[2, 0]
    assert not states[[0, 1, 3, 4, 5]].isnan().any()
