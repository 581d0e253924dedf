"""Laws of the detection window: closed forms, invariances, the compiled twin."""

import copy

import numpy as np
import pytest
import torch

from experiments.networks import probe_statistics
from learnability.cells import ConstGate
from learnability.detection.leave_one_out import u_statistic
from learnability.detection.samples import needed_by_gradients
from learnability.evidence.inputs import shifted
from learnability.tasks import MultiLag, Sequences
from learnability.unroll import Network
from tests.networks import COMPILED, make_data, make_network, sequence_gradients

FACTOR = (2 * 1.6448536269514722) ** 2


def numbers(s, g):
    """Give needed_by_gradients's arguments for S (sequence, lag, parameter) and G."""
    square = (s**2).sum(axis=-1).T
    dot = np.einsum("nlp,lp->ln", s, s.sum(axis=0))
    others = s.sum(axis=0) - s
    along = np.einsum("nlp,np->ln", others, g)
    projection = along / np.linalg.norm(others, axis=-1).T
    return square, dot, projection[:, None]


@pytest.mark.parametrize(("kind", "norm"), COMPILED)
def test_the_compiled_sweep_is_its_twin(kind, norm):
    network = make_network(kind, norm, inputs=2, units=5)
    data, lags = Sequences(*make_data(21, 9, 2)), [1, 2, 3, 5, 8]
    for u in (None, torch.tensor([0.6, 0.8]).double()):
        slow, fast = (
            probe_statistics(network, data, lags, direction=u, compiled=compiled)
            for compiled in (False, True)
        )
        for name in ("square", "dot", "projection", "tilt", "target"):
            one, two = getattr(slow, name), getattr(fast, name)
            np.testing.assert_allclose(one, two, rtol=1e-9, atol=1e-13)


def test_the_sweep_does_not_depend_on_threads():
    network = make_network("GRU", True, inputs=2, units=5)
    data = Sequences(*make_data(150, 9, 2))
    one = probe_statistics(network, data, [1, 4])
    torch.set_num_threads(2)
    try:
        two = probe_statistics(network, data, [1, 4])
    finally:
        torch.set_num_threads(1)
    np.testing.assert_array_equal(one.projection, two.projection)
    np.testing.assert_array_equal(one.dot, two.dot)


def linear_cell(random, sequences, steps, taps, noise):
    """Give S and G of ``yhat_t = sum_j k_j x_{t-j}`` at the best k."""
    x = random.normal(size=(sequences, steps))
    past = np.stack([np.pad(x, ((0, 0), (j, 0)))[:, :steps] for j in range(taps)])
    s = np.einsum("lnt,jnt->nlj", past[1:], past) / steps
    error = noise * random.normal(size=x.shape)
    return s, -np.einsum("nt,jnt->nj", error, past) / steps


def test_linear_cell_has_its_exact_need():
    """``||s_l|| = (T-l)/T``, so ``N(l) = 10.82 noise^2/(c^2 (T-l))`` exactly."""
    random, steps, taps, noise, c = np.random.default_rng(0), 20, 6, 0.7, 0.3
    lags, repetitions = np.arange(1, taps), 300
    signal, covered = [], np.zeros(taps - 1)
    truth = FACTOR * noise**2 / (c**2 * (steps - lags))
    for _ in range(repetitions):
        found = numbers(*linear_cell(random, 120, steps, taps, noise))
        need = needed_by_gradients(*found, effect_size=c)
        signal.append(u_statistic(*found[:2])[0])
        covered += (need.lower <= truth) & (truth <= need.upper)
    error = np.std(signal, axis=0) / repetitions**0.5
    wanted = ((steps - lags) / steps) ** 2
    assert (np.abs(np.mean(signal, axis=0) - wanted) < 4 * error).all()
    assert (covered / repetitions > 0.91).all()
    assert covered.mean() / repetitions < 0.98


def test_leaky_unit_has_its_asymptotic_need():
    """``N(l) = 10.82 sigma^2 Var h/(T c^2 s^2 (1-s)^(2l))``: up by (1-s)^-2 a lag.

    A leaky unit ``h' = (1-s) h + s x`` (tanh of small inputs), targets of white noise,
    the gradient of the read-out's weight at 0.
    """
    s, steps, sequences, sigma, c = 0.25, 60, 3000, 0.8, 0.5
    cell = ConstGate(1, 1, s=s).double()
    network = Network(cell).double()
    with torch.no_grad():
        for p in network.parameters():
            p.zero_()
        cell.W_x.fill_(1e-4)
    x, y = make_data(sequences, steps, 1, seed=3)
    lags = np.arange(1, 8)
    weight = torch.stack([shifted(x[..., 0], int(lag)) for lag in lags], dim=1)
    weight = torch.cat((weight, -sigma * y[:, None]), dim=1) / steps
    states = network.states(x).detach()
    rows = sequence_gradients(network, x, states, weight)[..., -2:-1].numpy() / 1e-4
    need = needed_by_gradients(*numbers(rows[:, :-1], rows[:, -1]), effect_size=c)
    t = np.arange(steps)
    variance = s / (2 - s) * (1 - (1 - s) ** (2 * (t + 1)))  # from a zero history
    mean = s * (1 - s) ** lags * (steps - lags) / steps
    truth = FACTOR * sigma**2 * variance.sum() / steps**2 / (c * mean) ** 2
    assert need.resolved.all()
    assert ((need.lower < truth) & (truth < need.upper)).all()
    far = truth * ((steps - lags) / steps) ** 2
    np.testing.assert_allclose(far[1:] / far[:-1], (1 - s) ** -2, rtol=1e-12)
    slope = np.diff(np.log(need.needed * ((steps - lags) / steps) ** 2)).mean()
    assert slope == pytest.approx(-2 * np.log(1 - s), rel=0.1)


TASK = MultiLag(lags=(1, 3), coefficients=(0.6, 0.5), inputs=2, steps=12)


def need_of(network, x, y, *, only_cell=False):
    """Give N(l) at a stated strength, of all parameters or of the cell's alone."""
    u = TASK.direction(seed=0).double()
    probes = [shifted(x @ u, lag) for lag in (1, 2, 3)]
    states = network.states(x).detach()
    error = (network.read(states) - y).detach()
    weight = torch.stack([*probes, error], dim=1) / x.shape[1]
    rows = sequence_gradients(network, x, states, weight)
    stop = -network.cell.units - 1 if only_cell else None
    rows = rows[..., :stop].numpy()
    found = numbers(rows[:, :-1], rows[:, -1])
    return needed_by_gradients(*found, effect_size=0.5).needed


def test_need_does_not_know_the_order_of_the_units():
    network = make_network("LSTM", True, inputs=2, units=4)
    x, y = make_data(80, 12, 2)
    order = torch.tensor([2, 0, 3, 1])
    turned = copy.deepcopy(network)
    with torch.no_grad():
        for name, p in turned.named_parameters():
            if p.ndim and p.shape[0] == 4:
                p.copy_(p[order])
            if name.startswith("cell.U_"):
                p.copy_(p[:, order])
    torch.testing.assert_close(turned(x), network(x))
    one, two = (
        needed_by_gradients(s.square, s.dot, s.projection, effect_size=0.5).needed
        for s in (
            probe_statistics(net, Sequences(x, y), [1, 2, 3])
            for net in (network, turned)
        )
    )
    np.testing.assert_allclose(one, two, rtol=1e-9)


def test_need_of_the_cell_does_not_know_the_scale_of_the_read_out():
    """With c and the errors as they are: the cell's S_n and G_n grow alike."""
    network = make_network("GRU", False, inputs=2, units=4)
    x, y = make_data(80, 12, 2)
    base = need_of(network, x, y, only_cell=True)
    error = (network(x) - y).detach()
    with torch.no_grad():
        network.w_out.mul_(3.0)
    scaled = need_of(network, x, network(x).detach() - error, only_cell=True)
    np.testing.assert_allclose(scaled, base, rtol=1e-9)


def test_need_does_not_know_the_scale_of_the_loss():
    """k times the loss: k times G_n, and k c in place of c in what its S_n adds."""
    s, g = linear_cell(np.random.default_rng(5), 100, 15, 4, 0.5)
    square, dot, projection = numbers(s, g)
    base = needed_by_gradients(square, dot, projection, effect_size=0.2)
    louder = needed_by_gradients(square, dot, 7.0 * projection, effect_size=7.0 * 0.2)
    np.testing.assert_allclose(louder.needed, base.needed)
    assert np.isfinite(base.needed).any()
