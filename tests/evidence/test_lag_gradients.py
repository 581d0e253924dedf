"""Conservation, telescoping, and the gradients of single sequences."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from learnability.compiled import engine as compiled
from learnability.compiled.engine import check_sweep
from learnability.evidence import (
    immediate_sensitivity,
    lag_gradients,
    lag_projection,
    random_direction,
)
from learnability.unroll import tangent
from tests.networks import (
    ALL,
    LOOPED,
    make_data,
    make_network,
    sequence_gradients,
    sizes,
)


def prepared(kind, norm, size):
    network = make_network(kind, norm, size["inputs"], size["units"], size["seed"])
    x, y = make_data(size["sequences"], size["steps"], size["inputs"], size["seed"])
    states = network.states(x)
    return network, x, y, states, network.error_signal(states, y)


@pytest.mark.parametrize(("kind", "norm"), ALL)
@given(size=sizes)
@settings(max_examples=8)
def test_parts_of_all_lags_add_up_to_the_gradient(kind, norm, size):
    network, x, y, states, delta = prepared(kind, norm, size)
    loss = 0.5 * ((network.read(states) - y) ** 2).sum()
    names, parameters = zip(*network.cell.named_parameters(), strict=True)
    whole = torch.autograd.grad(loss, parameters)
    total = dict.fromkeys(names, torch.zeros(()))
    for _, part in lag_gradients(network.cell, x, states.detach(), delta):
        total = {name: total[name] + g for name, g in part.items()}
    for name, expected in zip(names, whole, strict=True):
        torch.testing.assert_close(total[name], expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(("kind", "norm"), ALL)
@given(size=sizes)
@settings(max_examples=8)
def test_total_evidence_telescopes_to_immediate(kind, norm, size):
    network, x, _, states, delta = prepared(kind, norm, size)
    cell, states = network.cell, states.detach()
    w = random_direction(cell, seed=size["seed"])
    v = tangent(cell, x, w)
    lags = range(size["steps"])
    immediate = lag_projection(cell, x, states, delta, w, lags)
    total = lag_projection(cell, x, states, delta, w, lags, source=v)
    after = torch.cat((total[1:], torch.full_like(total[:1], torch.nan))).nan_to_num()
    there = ~torch.isnan(immediate)
    difference = (total - after)[there]
    torch.testing.assert_close(difference, immediate[there], rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(("kind", "norm"), ALL)
def test_sensitivities_are_derivatives(kind, norm):
    """Central differences of the states along w, total and immediate."""
    network = make_network(kind, norm, seed=4)
    cell, (x, _) = network.cell, make_data(2, 6, 3)
    states = network.states(x).detach()
    w, step = random_direction(cell, seed=1), 1e-6

    def moved(sign: int) -> tuple[torch.Tensor, torch.Tensor]:
        other = make_network(kind, norm, seed=4)
        with torch.no_grad():
            for name, p in other.cell.named_parameters():
                p.add_(sign * step * w[name])
            before = torch.nn.functional.pad(states, (0, 0, 1, 0))[:, :-1]
            return other.states(x), other.cell.step(before, x)

    (up, up_now), (down, down_now) = moved(1), moved(-1)
    v = tangent(cell, x, w)
    b = immediate_sensitivity(cell, x, states, w)
    torch.testing.assert_close(v, (up - down) / (2 * step), rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(
        b, (up_now - down_now) / (2 * step), rtol=1e-6, atol=1e-8
    )
    if kind in LOOPED:
        again = compiled.tangent(cell, x, w, carry=False)
        torch.testing.assert_close(again, b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("kind", "norm"), ALL)
def test_gradients_of_single_sequences(kind, norm):
    """Every sequence and row against autograd, parameter by parameter."""
    network = make_network(kind, norm, seed=2)
    (x, _), (weight, _) = make_data(2, 6, 3), make_data(2, 3, 6, seed=9)
    states = network.states(x).detach()
    names = [f"cell.{n}" for n in ("ln_weight", "ln_bias") if norm]
    names += [f"cell.{n}" for n in network.cell.factors(states, x)] + ["w_out", "b_out"]
    parameters = dict(network.named_parameters())
    assert set(names) == set(parameters)
    found = sequence_gradients(network, x, states, weight)
    for n in range(2):
        for row in range(3):
            output = (network(x)[n] * weight[n, row]).sum()
            parts = torch.autograd.grad(output, [parameters[name] for name in names])
            expected = torch.cat([g.flatten() for g in parts])
            torch.testing.assert_close(found[n, row], expected, rtol=1e-9, atol=1e-12)


def test_direction_must_match_the_cell():
    network, (x, _) = make_network("GRU", False), make_data(2, 4, 3)
    with pytest.raises(ValueError, match="W_q is no parameter of the cell; it has"):
        immediate_sensitivity(
            network.cell, x, network.states(x), {"W_q": torch.zeros(1)}
        )


ENGINES = ["compiled", "reference"]


def border(kind="LSTM"):
    """Give what a sweep of 10 steps takes: cell, inputs, states, delta, direction."""
    network, (x, y) = make_network(kind, False), make_data(2, 10, 3)
    states = network.states(x)
    delta = network.error_signal(states, y)
    return network.cell, x, states.detach(), delta, random_direction(network.cell, 1)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("anchors", "lags", "message"),
    [
        ([9, 40], [1, 2], "anchor 40 is no step of sequences of 10 steps"),
        ([10], [1], "anchor 10 is no step"),
        ([-1], [1], "anchor -1 is no step"),
        ([9], [10], "largest possible lag is 9"),
        ([9], [-1], "lags start at 0"),
    ],
)
def test_what_lies_outside_the_sequences_is_named(engine, anchors, lags, message):
    with pytest.raises(ValueError, match=message):
        lag_projection(*border(), lags, anchors=anchors, engine=engine)


@pytest.mark.parametrize("engine", ENGINES)
def test_any_whole_numbers_name_anchors(engine):
    given = border()
    expected = lag_projection(*given, [1, 9], anchors=[9, 0], engine=engine)
    for anchors in (np.array([9, 0]), torch.tensor([9, 0]), iter([9, 0])):
        found = lag_projection(*given, [1, 9], anchors=anchors, engine=engine)
        torch.testing.assert_close(found, expected, equal_nan=True)
    assert expected[:, :, 1].isnan().all()
    assert not expected[:, :, 0].isnan().any()


def test_parts_of_lags_are_refused_before_the_first_is_asked_for():
    cell, x, states, delta, _ = border()
    for options, message in (
        ({"anchors": [40]}, "anchor 40 is no step"),
        ({"longest": 10}, "lag 10 does not fit into sequences of 10 steps"),
        ({"longest": -1}, "lag -1 does not fit"),
    ):
        with pytest.raises(ValueError, match=message):
            lag_gradients(cell, x, states, delta, **options)


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
@pytest.mark.parametrize("what", ["delta", "source", "x"])
@pytest.mark.parametrize("change", ["narrow", "wide", "early", "few"])
def test_shapes_that_do_not_fit_are_refused(kind, what, change):
    """Without the checks of annotations, which run in these tests alone."""
    cell, x, states, delta, _ = border(kind)
    given = {"x": x, "delta": delta, "source": states}
    value = given[what]
    given[what] = {
        "narrow": value[..., :2],
        "wide": torch.cat((value, value), dim=-1),
        "early": value[:, :7],
        "few": value[:1],
    }[change]
    with pytest.raises(ValueError, match=r"ha(s|ve) shape \(.*(need|not )"):
        compiled.lag_projection(cell, lags=[1, 2], anchors=[9], **given)
    x = given.pop("x")
    with pytest.raises(ValueError, match=r"ha(s|ve) shape \(.*(need|not )"):
        check_sweep(cell, x, [5], 2, **given)
