"""Transport of every order against loops, derivatives and closed forms."""

import numpy as np
import pytest
import torch
from torch.func import jvp

from learnability.cells import ConstGate, DiagGate, previous
from learnability.transport import (
    ORDERS,
    ExactWindows,
    sampled_exact,
    sampled_windows,
    time_scales,
    transport,
)
from learnability.unroll import unroll
from tests.networks import ALL, LOOPED, make_cell, make_data
from tests.transport.twins import envelope

LAGS = [0, 1, 2, 5, 8]


def gains(cell, x, order, lags=LAGS):
    with torch.no_grad():
        states = unroll(cell, x)
        found = transport(cell, x, states, lags, order=order)
        return {lag: gain.detach() for lag, gain in found}


# The textbook form divides by the leak, which a plain recurrent network has not.
LEAKING = [(kind, n) for kind, n in ALL if kind not in ("TorchRNN", "DiagRNN")]


@pytest.mark.parametrize(("kind", "norm"), LEAKING)
def test_per_unit_orders_are_products_over_the_window(kind, norm):
    cell, (x, _) = make_cell(kind, norm, 3, 4, seed=5), make_data(2, 11, 3)
    with torch.no_grad():
        states = unroll(cell, x)
        steps = cell.diagonal_jacobian(states, x)
    a, r = steps.leak, steps.correction
    for lag in LAGS:
        for i in range(11 - lag):
            inside = slice(i + 1, i + lag + 1)
            e = 1 if steps.exit is None else steps.exit[:, i + lag]
            zero = a[:, inside].prod(dim=1) * e
            tilt = 1 + (r[:, inside] / a[:, inside]).sum(dim=1)
            both = (a + r)[:, inside].prod(dim=1) * e
            for order, one in (
                ("zero", zero),
                ("first", zero * tilt),
                ("diagonal", both),
            ):
                got = gains(cell, x, order)[lag][:, i]
                torch.testing.assert_close(got, one, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize(("kind", "norm"), ALL)
def test_exact_is_the_derivative_through_the_window(kind, norm):
    """Nudge the carried state of one unit, watch its output l steps later."""
    cell, (x, _) = make_cell(kind, norm, 3, 4, seed=6), make_data(2, 9, 3)
    with torch.no_grad():
        states = unroll(cell, x)
        exit_ = cell.diagonal_jacobian(states, x).exit
    found = gains(cell, x, "exact")
    for lag in LAGS:
        for q, shown in enumerate(cell.shown_in):
            nudge = torch.zeros_like(states[:, 2 if lag < 6 else 0])
            at = 2 if lag < 6 else 0
            nudge[:, cell.carried][:, q] = 1
            if exit_ is not None:
                nudge[:, cell.output][:, shown[0]] = exit_[:, at, q]

            def later(state, at=at, lag=lag):
                for t in range(at + 1, at + lag + 1):
                    state = cell.step(state, x[:, t])
                return state

            moved = jvp(later, (states[:, at],), (nudge,))[1]
            arrived = moved[:, cell.output][:, shown]
            size = arrived.norm(dim=-1) if len(shown) > 1 else arrived[:, 0]
            torch.testing.assert_close(
                found[lag][:, at, q], size, rtol=1e-9, atol=1e-13
            )


def test_orders_agree_where_recurrent_weights_are_small():
    """The first order's error shrinks with the square of the correction."""
    x, _ = make_data(2, 9, 3)
    errors = []
    for scale in (1e-2, 1e-3):
        cell = make_cell("DiagGate", False, 3, 4, seed=8)
        with torch.no_grad():
            for name in cell.recurrent:
                getattr(cell, name).mul_(scale)
        first, exact = (gains(cell, x, order, [4])[4] for order in ("first", "exact"))
        errors.append(float((first - exact).abs().max()))
    assert np.log10(errors[0] / errors[1]) == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("s", [0.05, 0.3])
def test_const_gate_decays_as_its_gate(s):
    cell, (x, _) = ConstGate(3, 4, s=s).double(), make_data(2, 40, 3)
    lags = list(range(1, 30))
    f = envelope(cell, x, unroll(cell, x), lags, order="zero")
    s = float(cell.s)  # as stored
    np.testing.assert_allclose(f.normalised, (1 - s) ** np.array(lags), rtol=1e-12)
    np.testing.assert_allclose(f.typical, f.mean, rtol=1e-12)
    tau = time_scales(f.lags, f.unit_mean)
    np.testing.assert_allclose(tau, -1 / np.log(1 - s), rtol=1e-9)


SATURATED = [
    (kind, norm) for kind, norm in ALL if kind in (*LOOPED, "MinGRU", "DiagRNN")
]


@pytest.mark.parametrize(("kind", "norm"), SATURATED)
@pytest.mark.parametrize("push", [-2000.0, 2000.0])
def test_saturated_gates_give_finite_numbers(kind, norm, push):
    """A leak of exactly 0 or 1 at every order and lag."""
    cell, (x, _) = make_cell(kind, norm, 3, 4, seed=9), make_data(2, 20, 3)
    with torch.no_grad():
        if kind == "ConstGate":
            cell.s.fill_(float(push > 0))
        for name, p in cell.named_parameters():
            if name in ("b_s", "b_z", "b_f"):
                p.fill_(push)
    states = unroll(cell, x).detach()
    leak = cell.diagonal_jacobian(states, x).leak
    assert ((leak == 0) | (leak == 1)).all()
    for order in ORDERS:
        for gain in gains(cell, x, order, list(range(20))).values():
            assert torch.isfinite(gain).all()
        f = envelope(cell, x, states, range(1, 19), order=order)
        assert np.isfinite(f.mean).all()
        assert np.isfinite(f.typical).all()


def test_sampled_windows_are_windows():
    cell, (x, _) = make_cell("GRU", True, 3, 4, seed=10), make_data(3, 9, 3)
    states = unroll(cell, x).detach()
    every = gains(cell, x, "exact")
    pairs = torch.tensor([[0, 8], [2, 8], [1, 8]])
    for lag, got in sampled_exact(cell, x, states, LAGS, pairs):
        for (n, t), one in zip(pairs, got, strict=True):
            torch.testing.assert_close(one, every[lag][n, t - lag])


def test_sampled_envelope_covers_the_whole():
    """Within four of its own standard errors at every lag, on a fixed seed."""
    cell, (x, _) = make_cell("DiagGate", True, 3, 4, seed=11), make_data(40, 24, 3)
    states = unroll(cell, x).detach()
    lags, lengths = [1, 2, 4, 8], torch.full((40,), 24)
    windows = ExactWindows(cell, sampled_windows(lengths, lags, windows=400, seed=1))
    windows.add(x, states)
    sample = windows.result()
    every = gains(cell, x, "exact", lags)
    for i, lag in enumerate(lags):
        expected = float(every[lag].abs().sum(dim=-1).mean())
        assert abs(sample.mean[i] - expected) < 4 * sample.error[i]


def test_kinds_of_base_rates_share_gains_and_are_told_apart():
    cell, (x, _) = make_cell("LSTM", False, 3, 4, seed=11), make_data(5, 9, 3)
    states, lengths = unroll(cell, x).detach(), torch.full((5,), 9)
    rates = torch.rand(5, 9, 4, generator=torch.Generator().manual_seed(0)).double()
    sample = sampled_windows(lengths, LAGS[1:], windows=10**6, seed=1)
    found = ExactWindows(cell, sample, kinds=2)
    for part in (slice(0, 2), slice(2, None)):
        found.add(x[part], states[part], rates=[None, rates[part]])
    every = gains(cell, x, "exact")
    for kind, own in enumerate((torch.ones_like(rates), rates)):
        envelope = found.result(kind)
        for place, lag in enumerate(LAGS[1:]):
            mu = (every[lag] * own[:, : every[lag].shape[1]]).abs().sum(dim=-1)
            assert envelope.mean[place] == pytest.approx(float(mu.mean()))
            typical = float(mu.log().mean().exp())
            assert envelope.typical[place] == pytest.approx(typical)


def test_slow_unit_has_no_time_scale():
    lags = np.arange(1, 6)
    tau = time_scales(lags, np.stack([np.ones(5), 0.0 * lags, 0.5**lags], axis=1))
    assert tau[0] == np.inf
    assert np.isnan(tau[1])
    assert tau[2] == pytest.approx(1 / np.log(2))


@pytest.mark.parametrize(
    ("lags", "message"),
    [([9], "largest possible lag is 8"), ([-1], "too small"), ([2, 2], "given twice")],
)
def test_wrong_lags_are_named(lags, message):
    cell, (x, _) = DiagGate(3, 4).double(), make_data(2, 9, 3)
    with pytest.raises(ValueError, match=message):
        transport(cell, x, unroll(cell, x), lags, order="zero")


def test_previous_state_of_the_first_step_is_zero():
    states = torch.ones(2, 3, 4)
    assert previous(states)[:, 0].abs().max() == 0
    assert torch.equal(previous(states)[:, 1:], states[:, :-1])
