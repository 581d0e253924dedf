"""The three terms of the laws, against integration, closed forms and networks."""

import numpy as np
import pytest
import torch

from experiments.foretold import clock, escape
from experiments.foretold.dynamics import (
    Kernel,
    grown,
    growth,
    shares,
    solved,
    target,
)
from learnability.tasks import blurred, sharp

LAGS = 6


def seen(seed=0):
    random = np.random.default_rng(seed)
    root = random.normal(size=(LAGS, LAGS)) / 5
    return Kernel(root @ root.T, random.normal(size=LAGS), 1 - np.arange(LAGS) / 12)


def integrated(one, c, end, rate=lambda t: 1.0, steps=20_000):
    """Integrate ``d beta/dt = W^-1 K (c - beta)`` by Euler's method."""
    beta, h = one.beta.copy(), end / steps
    for k in range(steps):
        speed = rate((k + 0.5) * h) * (one.kernel @ (c - beta))
        beta += h * speed / one.within
    return beta


def test_the_closed_form_is_the_integral():
    one, c = seen(), np.arange(LAGS) / 3.0
    found = solved(one, c, np.array([0.0, 2.0, 7.0]))
    np.testing.assert_allclose(found[0], one.beta, atol=1e-12)
    np.testing.assert_allclose(found[1], integrated(one, c, 2.0), atol=1e-3)
    np.testing.assert_allclose(found[2], integrated(one, c, 7.0), atol=1e-3)


def test_a_kernel_that_grows_is_time_that_runs_faster():
    one, c, g = seen(1), np.ones(LAGS), 0.4
    found = solved(one, c, grown(g, np.array([3.0])))[0]
    wanted = integrated(one, c, 3.0, rate=lambda t: np.exp(g * t))
    np.testing.assert_allclose(found, wanted, atol=2e-3)
    assert grown(-0.5, np.array([1e5])) == pytest.approx(2.0)
    assert np.isfinite(grown(0.1, np.array([1e6]))).all()


def test_growth_is_that_of_what_lowers_the_loss():
    one, c = seen(2), np.ones(LAGS)
    later = one._replace(kernel=one.kernel * np.exp(0.03 * 20))
    assert growth(one, later, c, 20) == pytest.approx(0.03)
    assert growth(one._replace(kernel=-one.kernel), later, c, 20) == 0.0


@pytest.mark.parametrize(
    "task",
    [
        sharp((1, 3), coefficient=0.5, noise=0.2, inputs=2, steps=12),
        blurred((1, 2, 5), coefficient=0.4, noise=0.2, inputs=2, steps=12),
    ],
    ids=["delays", "bands"],
)
def test_shares_are_those_of_the_task(task):
    u = task.direction(seed=1)
    data = task.draw(4000, seed=2, direction=u)
    c = target(task, LAGS)
    full = shares(task, c, 1 - np.arange(LAGS) / 12)
    np.testing.assert_allclose(full, 1.0)
    beta = np.random.default_rng(0).normal(size=LAGS)
    y = sum(
        beta[lag] * np.pad((data.x @ u).numpy(), ((0, 0), (lag, 0)))[:, :12]
        for lag in range(LAGS)
    )
    wanted = task.learnt_shares(data.x, torch.from_numpy(np.asarray(y)), u)
    found = shares(task, beta, 1 - np.arange(LAGS) / 12)
    # Of chance products the standard error is sd(y)/(c sqrt(4000 * 12)).
    error = float(np.std(y)) / 0.4 / 48_000**0.5
    np.testing.assert_allclose(found, wanted, atol=5 * error)


def test_the_first_mode_to_escape_is_the_one_with_the_largest_pull():
    lags = np.arange(LAGS)
    within = 1 - lags / 12
    c = 2.0 * escape.MEMORIES[100] ** lags
    one = Kernel(np.zeros((LAGS, LAGS)), np.zeros(LAGS), within)
    times, beta = escape.modes(one, c, rate=0.1, size=1e-3, units=1)
    rho = escape.MEMORIES[:, None] ** lags @ (within * c)
    best = escape.MEMORIES[rho.argmax()] ** lags
    amplitude = rho.max() / (within @ best**2)
    assert times[0] == 0
    assert times[1] == pytest.approx(np.log(amplitude / 1e-3) / (0.2 * rho.max()))
    np.testing.assert_allclose(beta[0], 0.0)
    # The mode is fitted to the residual: what is left is at a right angle to it.
    assert (within * best) @ (c - beta[1]) == pytest.approx(0.0, abs=1e-9)


def test_a_unit_of_a_linear_network_grows_at_the_rate_of_its_mode():
    """Both weights of ``v w lambda^l``, by steps on the loss, from small ones."""
    lags = np.arange(LAGS)
    within, memory = 1 - lags / 12, 0.6
    c = np.array([0.0, 0.5, 0.0, 0.4, 0.0, 0.0])
    rho, eta_v, eta_w = abs(memory**lags @ (within * c)), 0.02, 0.005
    v = 1e-4 * (eta_v / eta_w) ** 0.5
    w, sizes = 1e-4, []
    for _ in range(400):
        sizes.append(v * w)
        pull = memory**lags @ (within * (c - v * w * memory**lags))
        v, w = v + eta_v * w * pull, w + eta_w * v * pull
    grown_by = np.log(sizes[300] / sizes[0]) / 300
    assert grown_by == pytest.approx(2 * (eta_v * eta_w) ** 0.5 * rho, rel=0.02)


def test_clock():
    # 0.2 of the mean square errors' gap, so 0.1 of the losses', half of it on either.
    assert clock.half_gap((0.1, 0.3), 20) == pytest.approx(0.05 / 20)
    times = np.arange(100.0)
    loss = np.exp(-times / 10)
    assert clock.overfit_clock(loss, times, 0.01) == round(10 * np.log(1 / 0.1))
    assert clock.overfit_clock(loss, times, -0.01) == 99
