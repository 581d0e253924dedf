"""The closed-form and the compiled sweep against automatic differentiation."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.func import vjp

from learnability.cells import previous
from learnability.evidence import (
    lag_gradients,
    lag_projection,
    random_direction,
    sweep,
)
from learnability.transport import sampled_exact
from learnability.transport.orders import own_entries
from learnability.unroll import tangent
from tests.networks import ALL, COMPILED, make_data, make_network
from tests.reference import sweep as twin

sizes = st.fixed_dictionaries(
    {
        "sequences": st.integers(1, 19),
        "steps": st.integers(2, 9),
        "units": st.integers(1, 19),
        "seed": st.integers(0, 10_000),
    }
)


def prepared(kind, norm, size, inputs=3):
    network = make_network(kind, norm, inputs, size["units"], size["seed"])
    x, y = make_data(size["sequences"], size["steps"], inputs, size["seed"])
    states = network.states(x).detach()
    return network, x, y, states, network.error_signal(states, y)


@pytest.mark.parametrize(("kind", "norm"), ALL)
@given(size=sizes)
@settings(max_examples=6)
def test_pull_is_the_transposed_jacobian(kind, norm, size):
    network, x, _, states, _ = prepared(kind, norm, size)
    cell = network.cell
    generator = torch.Generator().manual_seed(size["seed"])
    adjoint = torch.randn(states.shape, generator=generator, dtype=x.dtype)
    with torch.no_grad():
        got = cell.vjp(adjoint, cell.local_derivatives(states, x))
        projected = cell.input_projection(x)
    expected = vjp(cell.step_projected, previous(states), projected)[1](adjoint)
    for value, wanted in zip(got, expected, strict=True):
        torch.testing.assert_close(value, wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("kind", "norm"), ALL)
@given(size=sizes, data=st.data())
@settings(max_examples=6)
def test_sweep_is_its_twin(kind, norm, size, data):
    network, x, _, states, delta = prepared(kind, norm, size)
    longest = data.draw(st.integers(0, size["steps"] - 1))
    steps = st.integers(0, size["steps"] - 1)
    anchors = data.draw(st.lists(steps, min_size=1, max_size=4))
    arguments = (network.cell, x, states, delta, anchors, longest)
    pairs = zip(sweep(*arguments), twin.sweep(*arguments), strict=True)
    for (lag, source, got), (lag_, source_, expected) in pairs:
        assert lag == lag_
        assert torch.equal(source, source_)
        torch.testing.assert_close(got, expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize(("kind", "norm"), COMPILED)
@given(size=sizes, data=st.data())
@settings(max_examples=6)
def test_compiled_evidence_is_its_twin(kind, norm, size, data):
    network, x, _, states, delta = prepared(kind, norm, size)
    steps = st.integers(0, size["steps"] - 1)
    lags = data.draw(st.lists(steps, min_size=1, max_size=4, unique=True))
    anchors = data.draw(st.none() | st.lists(steps, min_size=1, max_size=4))
    w = random_direction(network.cell, seed=size["seed"])
    # Every second step of twice as many: inputs that are not contiguous.
    spread = torch.stack((x, x), dim=2).flatten(1, 2)[:, ::2]
    psi = [
        lag_projection(
            network.cell,
            spread,
            states,
            delta,
            w,
            lags,
            anchors=anchors,
            engine=engine,
        )
        for engine in ("compiled", "reference")
    ]
    torch.testing.assert_close(*psi, rtol=1e-10, atol=1e-12, equal_nan=True)


@pytest.mark.parametrize(("kind", "norm"), ALL)
def test_single_precision_follows_double(kind, norm):
    size = {"sequences": 5, "steps": 60, "units": 20, "seed": 1}
    network, x, _, states, delta = prepared(kind, norm, size)
    w = random_direction(network.cell, seed=1)
    expected = lag_projection(network.cell, x, states, delta, w, range(50))
    single = {name: value.float() for name, value in w.items()}
    cell = network.cell.float()
    got = lag_projection(
        cell, x.float(), states.float(), delta.float(), single, range(50)
    )
    scale = expected.nan_to_num().abs().max()
    error = (got.double() - expected).nan_to_num().abs().max()
    assert error < 2e-5 * scale


@pytest.mark.parametrize(("kind", "norm"), ALL)
def test_conservation_and_telescoping_over_long_sequences(kind, norm):
    size = {"sequences": 3, "steps": 40, "units": 17, "seed": 2}
    network, x, y, states, delta = prepared(kind, norm, size)
    cell = network.cell
    w = random_direction(cell, seed=3)
    lags = range(size["steps"])
    immediate = lag_projection(cell, x, states, delta, w, lags)
    v = tangent(cell, x, w)
    total = lag_projection(cell, x, states, delta, w, lags, source=v)
    after = torch.cat((total[1:], torch.zeros_like(total[:1]))).nan_to_num()
    scale = total.nan_to_num().abs().max()
    difference = (total - after - immediate).nan_to_num().abs().max()
    assert difference < 1e-12 * scale

    loss = 0.5 * ((network.read(network.states(x)) - y) ** 2).sum()
    names, parameters = zip(*cell.named_parameters(), strict=True)
    gradient = torch.autograd.grad(loss, parameters)
    slope = sum((g * w[name]).sum() for name, g in zip(names, gradient, strict=True))
    torch.testing.assert_close(immediate.nansum(), slope, rtol=1e-9, atol=1e-9)

    parts = list(lag_gradients(cell, x, states, delta))
    for name, expected in zip(names, gradient, strict=True):
        found = sum(part[name] for _, part in parts)
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-10)


def test_the_number_of_threads_changes_nothing():
    size = {"sequences": 40, "steps": 30, "units": 20, "seed": 4}
    network, x, _, states, delta = prepared("GRU", True, size)
    w = random_direction(network.cell, seed=1)
    psi, allowed = [], torch.get_num_threads()
    for threads in (1, 3, 1):
        torch.set_num_threads(threads)
        psi.append(lag_projection(network.cell, x, states, delta, w, range(20)))
    torch.set_num_threads(allowed)
    assert torch.equal(psi[0].nan_to_num(), psi[1].nan_to_num())
    assert torch.equal(psi[0].nan_to_num(), psi[2].nan_to_num())


@pytest.mark.parametrize(("kind", "norm"), ALL)
def test_sampled_exact_is_its_twin(kind, norm):
    size = {"sequences": 3, "steps": 12, "units": 6, "seed": 5}
    network, x, _, states, _ = prepared(kind, norm, size)
    cell = network.cell
    anchors = torch.tensor([[0, 9], [2, 11], [2, 10]])
    sequence, step = anchors.unbind(dim=1)
    with torch.no_grad():
        exit_ = cell.diagonal_jacobian(states, x).exit
        gains = dict(sampled_exact(cell, x, states, range(9), anchors))
    for lag, matrix in enumerate(twin.sampled_matrices(cell, x, states, 8, anchors)):
        at = None if exit_ is None else exit_[sequence, step - lag]
        expected = own_entries(cell, matrix, at)
        torch.testing.assert_close(gains[lag], expected, rtol=1e-11, atol=1e-13)


def test_a_dtype_without_kernel_names_the_remedy():
    size = {"sequences": 1, "steps": 3, "units": 2, "seed": 0}
    network, x, _, states, delta = prepared("GRU", False, size)
    x, states, delta = (a.bfloat16() for a in (x, states, delta))
    arguments = (network.cell.bfloat16(), x, states, delta, {}, [1])
    with pytest.raises(ValueError, match="use engine='auto'"):
        lag_projection(*arguments, source=states, engine="compiled")
