"""The window kernels against their per-lag twin, and the laws of an accumulator."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from learnability.cells import ConstGate, Steps
from learnability.compiled import engine
from learnability.transport import Windows
from learnability.transport.orders import per_unit_gains
from learnability.transport.windows import COMPILED, plain_sums
from learnability.unroll import unroll
from tests.networks import ALL, make_cell, make_data
from tests.transport.twins import envelope, summarise

FIELDS = ("mean", "error", "typical", "unit_mean", "unit_typical")


def closest(got, expected, tolerance):
    """Hold two envelopes together; the error is a difference and scales with f."""
    for field in FIELDS:
        a, b = getattr(got, field), getattr(expected, field)
        scale = expected.mean if field == "error" else np.abs(b)
        assert np.array_equal(np.isnan(a), np.isnan(b))
        assert (np.abs(a - b) <= tolerance * scale)[~np.isnan(b)].all(), field
    assert got.origin == pytest.approx(expected.origin, rel=tolerance)


@st.composite
def problems(draw):
    steps = draw(st.integers(2, 40))
    lags = st.lists(st.integers(1, steps - 1), min_size=1, max_size=5, unique=True)
    return {
        "sequences": draw(st.integers(1, 4)),
        "steps": steps,
        "units": draw(st.integers(1, 19)),
        "lags": sorted(draw(lags)),
        "rated": draw(st.booleans()),
        "seed": draw(st.integers(0, 10_000)),
    }


def prepared(kind, norm, problem):
    cell = make_cell(kind, norm, 3, problem["units"], problem["seed"])
    x, _ = make_data(problem["sequences"], problem["steps"], 3, problem["seed"])
    with torch.no_grad():
        states = unroll(cell, x)
    generator = torch.Generator().manual_seed(problem["seed"])
    shape = (*x.shape[:2], cell.carried_units)
    rates = torch.rand(shape, generator=generator, dtype=x.dtype) + 0.1
    return cell, x, states, rates if problem["rated"] else None


@pytest.mark.parametrize(("kind", "norm"), ALL)
@given(problem=problems())
@settings(max_examples=10)
def test_envelopes_are_their_twins(kind, norm, problem):
    cell, x, states, rates = prepared(kind, norm, problem)
    spread = torch.stack((x, x), dim=-1)[..., 0]  # not contiguous
    lags = problem["lags"]
    sums = Windows(cell, lags)
    sums.add(spread, states, rates=rates)
    for order, got in sums.result().items():
        twin = envelope(cell, spread, states, lags, order=order, rates=rates)
        closest(got, twin, 1e-10)


def of_steps(steps, lags):
    """Give compiled and reference envelopes of given leak and correction."""
    cell = ConstGate(1, steps.leak.shape[2]).to(steps.leak.dtype)
    cell.diagonal_jacobian = lambda states, x: Steps(
        *(None if v is None else v[: len(x)] for v in vars(steps).values())
    )
    x = torch.zeros(*steps.leak.shape[:2], 1, dtype=steps.leak.dtype)
    sums = Windows(cell, lags)
    sums.add(x, torch.zeros_like(steps.leak))
    double = Steps(steps.leak.double(), steps.correction.double())
    twin = {}
    for order in COMPILED:
        gains = per_unit_gains(double, [0, *lags], order)
        twin[order] = summarise(lags, (gain[:, 1:] for _, gain in gains))
    return sums.result(), twin


def test_single_precision_follows_double():
    generator = torch.Generator().manual_seed(0)
    leak = 0.8 + 0.2 * torch.rand(3, 300, 21, generator=generator)
    correction = 0.1 * torch.rand(3, 300, 21, generator=generator)
    got, twin = of_steps(Steps(leak, correction), [1, 2, 31, 32, 200])
    for order in COMPILED:
        closest(got[order], twin[order], 2e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_saturated_gates_give_exact_zeros_and_ones(dtype):
    leak = torch.ones(2, 40, 3, dtype=dtype)
    leak[..., 1] = 0  # a unit that forgets at once
    leak[1, 20, 2] = 0  # and one that forgets at one step of one sequence
    got, twin = of_steps(Steps(leak, torch.zeros_like(leak)), [1, 7, 38])
    for order in COMPILED:
        closest(got[order], twin[order], 1e-6)
        assert (got[order].unit_mean[:, 0] == 1).all()
        assert (got[order].unit_typical[:, 1:] == 0).all()


def test_a_window_that_underflows_ends_quietly():
    leak = torch.full((1, 520, 5), 0.5)
    with np.errstate(all="raise"):
        got, _ = of_steps(Steps(leak, torch.zeros_like(leak)), [10, 100, 500])
    for order in COMPILED:
        mean = got[order].mean
        assert mean[0] == pytest.approx(5 * 0.5**10)
        assert mean[1] == pytest.approx(5 * 0.5**100)
        assert mean[2] == 0
        assert got[order].typical[2] == 0
    typical = got["zero"].unit_typical[:, 0]
    np.testing.assert_allclose(typical, 0.5 ** np.array([10, 100, 500.0]), rtol=1e-4)


def test_uneven_batches_and_threads_change_nothing():
    problem = {"sequences": 23, "steps": 50, "units": 20, "rated": True, "seed": 8}
    cell, x, states, rates = prepared("LSTM", True, problem)

    def measured(cuts, threads):
        allowed = torch.get_num_threads()
        torch.set_num_threads(threads)
        sums = Windows(cell, [1, 3, 30])
        for a, b in zip([0, *cuts], [*cuts, 23], strict=True):
            sums.add(x[a:b], states[a:b], rates=rates[a:b])
        assert torch.get_num_threads() == threads
        torch.set_num_threads(allowed)
        return sums.result()

    whole = measured([], 1)
    for cuts, threads in (([], 3), ([], 1), ([1, 7, 19], 2)):
        parts = measured(cuts, threads)
        for order in COMPILED:
            if cuts:
                closest(parts[order], whole[order], 1e-11)
                continue
            for field in FIELDS:
                a, b = (getattr(w[order], field) for w in (parts, whole))
                assert np.array_equal(a, b)


def test_wrong_calls_name_the_remedy():
    cell, x = ConstGate(1, 2), torch.zeros(2, 9, 1)
    states = unroll(cell, x).detach()
    with pytest.raises(ValueError, match="no sequence has been added"):
        Windows(cell, [1]).result()
    sums = Windows(cell, [1])
    sums.add(x, states)
    for other in ((x.double(), states, None), (x, states, states)):
        with pytest.raises(ValueError, match="batches of one kind"):
            sums.add(*other[:2], rates=other[2])


@pytest.mark.parametrize("rated", [False, True])
@pytest.mark.parametrize("kind", ["GRU", "LSTM"])
def test_what_is_not_compiled_has_the_same_numbers(kind, rated):
    problem = {"sequences": 3, "steps": 30, "units": 7, "rated": rated, "seed": 3}
    cell, x, states, rates = prepared(kind, True, problem)
    with torch.no_grad():
        steps = cell.diagonal_jacobian(states, x)
    (compiled,) = engine.window_sums([(steps, rates)], [0, 1, 5, 29])
    plain = plain_sums(steps, rates, [0, 1, 5, 29])
    for a, b in zip(compiled, plain, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def test_windows_of_a_dtype_without_kernel_run_in_pytorch():
    cell, x = ConstGate(1, 2, s=0.5).bfloat16(), torch.zeros(2, 9, 1).bfloat16()
    sums = Windows(cell, [1, 3])
    sums.add(x, torch.zeros(2, 9, 2).bfloat16())
    assert sums.result()["zero"].normalised.tolist() == [0.5, 0.125]
