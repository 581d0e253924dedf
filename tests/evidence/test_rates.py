"""Base rates against the steps that the optimizers really make."""

from functools import partial

import pytest
import torch
from torch import optim

from learnability.evidence import parameter_rates, unit_rates
from learnability.evidence.rates import NoRates
from tests.networks import make_data, make_network


def trained(make, steps=3, kind="DiagGate", units=3):
    """D = H = 3, so that nothing can be told by its shape."""
    network = make_network(kind, False, inputs=3, units=units, seed=1)
    optimizer = make(network.parameters())
    x, y = make_data(4, 5, 3)
    for _ in range(steps):
        optimizer.zero_grad()
        ((network(x) - y) ** 2).mean().backward()
        optimizer.step()
    return network, optimizer, x


def test_sgd_and_momentum():
    network, optimizer, _ = trained(lambda p: optim.SGD(p, lr=0.1, momentum=0.75))
    weight = network.cell.W_h
    assert (parameter_rates(optimizer, weight) == 0.1).all()


@pytest.mark.parametrize("amsgrad", [False, True])
@pytest.mark.parametrize("kind", [optim.Adam, optim.AdamW])
def test_adam_step_is_rate_times_first_moment(kind, amsgrad):
    """One more step of zero gradient moves by the rate times the decayed moment."""
    options = {"lr": 0.01, "amsgrad": amsgrad, "weight_decay": 0.0}
    network, optimizer, _ = trained(lambda p: kind(p, **options))
    weight = network.cell.W_h
    state = optimizer.state[weight]
    step = float(state["step"]) + 1
    v = state["exp_avg_sq"] * 0.999
    v = torch.maximum(v, state["max_exp_avg_sq"]) if amsgrad else v
    before = weight.detach().clone()
    for p in network.parameters():
        p.grad = torch.zeros_like(p)
    optimizer.step()
    rate = parameter_rates(optimizer, weight)
    torch.testing.assert_close(
        rate, 0.01 / ((v / (1 - 0.999**step)).sqrt() + 1e-8), rtol=1e-9, atol=0
    )
    moment = state["exp_avg"] / (1 - 0.9**step)
    torch.testing.assert_close(weight.detach(), before - rate * moment)


@pytest.mark.parametrize("kind", [optim.SGD, optim.RMSprop])
def test_momentum_s_gain_is_left_out(kind):
    """The first step knows no momentum yet: both rates are those of one gradient."""
    rates = []
    for momentum in (0.0, 0.9):
        make = partial(kind, lr=0.01, momentum=momentum)
        network, optimizer, _ = trained(make, steps=1)
        rates.append(parameter_rates(optimizer, network.cell.W_h))
    torch.testing.assert_close(*rates)


@pytest.mark.parametrize("centered", [False, True])
def test_rmsprop_step_is_rate_times_gradient(centered):
    network, optimizer, _ = trained(
        lambda p: optim.RMSprop(p, lr=0.01, centered=centered)
    )
    weight, x, y = network.cell.W_h, *make_data(4, 5, 3, seed=3)
    optimizer.zero_grad()
    ((network(x) - y) ** 2).mean().backward()
    before = weight.detach().clone()
    optimizer.step()
    moved = before - weight.detach()
    torch.testing.assert_close(moved, parameter_rates(optimizer, weight) * weight.grad)


def test_base_rate_is_a_weighted_mean_of_step_sizes():
    network, optimizer, x = trained(lambda p: optim.AdamW(p, lr=0.01))
    cell, states = network.cell, network.states(x).detach()
    states[0, 0] = 0
    each = [parameter_rates(optimizer, getattr(cell, n)) for n in cell.recurrent]
    rates = unit_rates(torch.stack(each), states)
    for n, t in ((0, 0), (1, 2)):
        weight = states[n, t] ** 2
        weight = torch.ones(3).double() if weight.sum() == 0 else weight
        expected = sum((m * weight).sum(dim=1) / weight.sum() for m in each) / len(each)
        torch.testing.assert_close(rates[n, t], expected)


def test_what_has_no_rate_is_named():
    network, optimizer, _ = trained(lambda p: optim.AdamW(p, lr=0.01), steps=0)
    with pytest.raises(NoRates, match="has made no step yet"):
        parameter_rates(optimizer, network.cell.W_h)
    with pytest.raises(NoRates, match="does not train this parameter"):
        parameter_rates(optimizer, torch.zeros(3, 3))
    network, optimizer, _ = trained(lambda p: optim.RMSprop(p, maximize=True))
    with pytest.raises(NoRates, match="let it minimize"):
        parameter_rates(optimizer, network.cell.W_h)
    for kind in (optim.Adagrad, optim.ASGD):
        network, optimizer, _ = trained(lambda p, kind=kind: kind(p, lr=0.01))
        with pytest.raises(NoRates, match=f"rate is known for {kind.__name__}"):
            parameter_rates(optimizer, network.cell.W_h)
