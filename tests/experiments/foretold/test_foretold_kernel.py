"""The kernel over all lags, against automatic differentiation and updates made."""

import numpy as np
import pytest
import torch

from experiments.foretold.kernel import (
    gradients,
    kernel,
    ordered,
    probes,
    rates,
    reached,
    within,
)
from learnability.cells import GRU, LSTM, DiagGate
from learnability.tasks import sharp
from learnability.unroll import Network

LAGS, STEPS = 5, 9
TASK = sharp((1, 3), coefficient=0.5, noise=0.2, inputs=2, steps=STEPS)
CELLS = pytest.mark.parametrize(
    "cell",
    [
        GRU(2, 4, layernorm=True, seed=1, init="uniform"),
        LSTM(2, 4, seed=1, init="uniform"),
        DiagGate(2, 4, layernorm=True, seed=1, init="uniform"),
    ],
    ids=["GRU", "LSTM", "DiagGate"],
)


def prepared(cell, count):
    network = Network(cell, seed=2, engine="reference").double()
    direction = TASK.direction(seed=3)
    data = TASK.draw(count, seed=4, direction=direction)
    double = type(data)(data.x.double(), data.y.double())
    return network, double, probes(double.x, direction.double(), LAGS)


@CELLS
def test_gradients_of_single_sequences_are_those_of_autograd(cell):
    network, data, phi = prepared(cell, 3)
    found, every = gradients(network, data.x, phi), ordered(network, data.x)
    assert len(every) == len([*network.parameters()])
    for n in range(3):
        y = network(data.x[n : n + 1])[0]
        for lag in range(LAGS):
            value = (phi[n, lag] * y).mean()
            own = torch.autograd.grad(value, every, retain_graph=True)
            flat = torch.cat([g.flatten() for g in own])
            torch.testing.assert_close(found[n, lag], flat, rtol=1e-9, atol=1e-12)


def test_probes_and_what_an_output_owes_to_them():
    _, data, phi = prepared(GRU(2, 4), 400)
    u = TASK.direction(seed=3).double()
    assert phi[1, 2, 5] == data.x[1, 3] @ u
    assert not phi[:, 3, :3].any()

    y = 0.7 * phi[:, 2] - 0.4 * phi[:, 4] + 3
    beta = reached(y, phi)
    # Of chance coefficients the standard error is below 1/sqrt(400 * 5).
    wanted = torch.tensor([0, 0, 0.7, 0, -0.4]).double()
    torch.testing.assert_close(beta, wanted, atol=4 / 2000**0.5, rtol=0)
    assert within(3, 10).tolist() == [1.0, 0.9, 0.8]


def test_the_kernel_leaves_out_what_a_sequence_shares_with_itself():
    random = np.random.default_rng(0)
    s, p = random.normal(size=(4, 3, 6)), random.uniform(1, 2, 6)
    wanted = sum((s[i] * p) @ s[j].T for i in range(4) for j in range(4) if i != j) / (
        4 * 3
    )
    found = kernel(torch.tensor(s), torch.tensor(p)).numpy()
    np.testing.assert_allclose(found, wanted, rtol=1e-12)
    np.testing.assert_allclose(found, found.T, rtol=1e-12)


def test_the_kernel_has_no_bias():
    random = np.random.default_rng(1)
    mean, p = random.normal(size=(3, 5)), np.arange(1.0, 6)
    found = []
    for _ in range(2000):
        s = mean + 2 * random.normal(size=(4, 3, 5))
        found.append(kernel(torch.tensor(s), torch.tensor(p)).numpy())
    error = np.std(found, axis=0) / 2000**0.5
    off = np.abs(np.mean(found, axis=0) - (mean * p) @ mean.T)
    assert (off < 4.5 * error).all()
    # With the pairs of a sequence with itself it would be off by tr(P Sigma)/n.
    assert (np.diag(error) < 4 * p.sum() / 4 / 10).all()


@pytest.mark.parametrize("kind", ["sgd", "adam"])
@CELLS
def test_an_update_moves_what_is_owed_by_the_kernel_times_what_is_missing(cell, kind):
    """``Da_l = sum_m K_lm r_m`` to first order, where the error is a sum of lags."""
    network, data, phi = prepared(cell, 200)
    every = ordered(network, data.x)
    if kind == "sgd":
        optimizer = torch.optim.SGD(network.parameters(), lr=1e-5)
    else:
        optimizer = torch.optim.Adam(network.parameters(), lr=1e-7)
        for _ in range(3):
            optimizer.zero_grad()
            (network(data.x) - data.y).pow(2).mean().backward()
            optimizer.step()
    p = rates(network, optimizer, data.x)
    missing = torch.tensor([0.3, 0.0, -0.2, 0.5, 0.1]).double()
    with torch.no_grad():
        y = network(data.x) + torch.einsum("l,nlt->nt", missing, phi)
    found = gradients(network, data.x, phi)
    # Of the same sequences, their pairs with themselves included.
    mean = found.mean(dim=0)
    loss = ((network(data.x) - y) ** 2).mean() / 2
    own = torch.autograd.grad(loss, every)
    with torch.no_grad():
        before = torch.einsum("nlt,nt->l", phi, network(data.x)) / data.y.numel()
        at = 0
        for parameter, g in zip(every, own, strict=True):
            step = p[at : at + g.numel()].view_as(g)
            parameter -= 1e-2 * step * g
            at += g.numel()
        after = torch.einsum("nlt,nt->l", phi, network(data.x)) / data.y.numel()
    wanted = (mean * p) @ mean.T @ missing
    torch.testing.assert_close((after - before) / 1e-2, wanted, rtol=0.02, atol=1e-7)
    n = len(found)
    own = torch.einsum("nlp,nmp->lm", found * p, found)
    pairs = (kernel(found, p) * (n - 1) + own / n) / n
    torch.testing.assert_close(pairs, (mean * p) @ mean.T)


def test_rates_are_in_the_order_of_the_gradients():
    network, data, _ = prepared(LSTM(2, 4, init="uniform", seed=1), 4)
    groups = [
        {"params": [q], "lr": k + 1.0} for k, q in enumerate(network.parameters())
    ]
    optimizer = torch.optim.SGD(groups)
    found = rates(network, optimizer, data.x)
    rate_of = {id(g["params"][0]): g["lr"] for g in groups}
    wanted = [
        torch.full((q.numel(),), rate_of[id(q)]) for q in ordered(network, data.x)
    ]
    assert torch.equal(found, torch.cat(wanted).double())
