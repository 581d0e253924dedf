"""Gate biases for a window: what they predict, where they are put."""

import numpy as np
import pytest
import torch
from scipy import integrate
from torch import nn

import learnability as lw
from learnability import design
from learnability.detection import decay
from learnability.detection.decay import noise_level

FAMILIES = ["log-uniform", "gamma", "chrono"]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("alpha", [1.5, 2.0])
def test_the_predicted_window_is_the_wanted_one(family, alpha):
    found = design.gate_bias(150, 32, 1e5, alpha, family=family, noise=2.0)
    f = np.exp(-150 / found.tau).mean()
    assert f == pytest.approx(float(noise_level(1e5, alpha, scale=2.0)), rel=1e-9)
    assert found.window == pytest.approx(150, rel=1e-9)
    kept = 1 / (1 + np.exp(-found.bias))
    np.testing.assert_allclose(-1 / np.log(kept), found.tau, rtol=1e-9)


@pytest.mark.parametrize(
    ("family", "envelope"),
    [
        ("log-uniform", decay.LogUniform(t1=1.0, t2=80.0)),
        ("gamma", decay.GammaRates(k=1.0, rho=80.0)),
    ],
)
def test_many_units_are_the_density(family, envelope):
    tau, lags = design.time_scales(family, 80.0, 20_000), np.array([1.0, 20, 100])
    got = np.exp(-lags[:, None] / tau).mean(axis=1)
    np.testing.assert_allclose(got, envelope.value(lags), rtol=2e-3)


def test_chrono_has_uniform_odds():
    tau = design.time_scales("chrono", 80.0, 20_000)
    kept = np.exp(-1 / tau)
    odds = kept / (1 - kept)
    np.testing.assert_allclose(odds, np.linspace(1, 80, 20_000), atol=0.01)
    f, _ = integrate.quad(lambda v: (v / (1 + v)) ** 30 / 79, 1, 80)
    assert np.exp(-30 / tau).mean() == pytest.approx(f, rel=1e-3)


def keeping(layer, x):
    """Give the gate that keeps the past, of a layer whose gate weights are 0."""
    from learnability.models.convert import converted

    cell = converted(layer).cell
    return cell.diagonal_jacobian(lw.unroll(cell, x), x).leak


@pytest.mark.parametrize("kind", [nn.GRU, nn.LSTM])
def test_pytorchs_gates_keep_what_was_designed(kind):
    layer = kind(3, 8, num_layers=2, bidirectional=True)
    found = design.gate_bias(40, 8, 1e4)
    found.apply(nn.ModuleDict({"inner": layer}))
    with torch.no_grad():
        for name, p in layer.named_parameters():
            if name.startswith("weight"):
                p.zero_()
    leak = keeping(layer, torch.ones(2, 5, 3)).double()
    expected = torch.from_numpy(np.exp(-1 / found.tau)).expand_as(leak)
    torch.testing.assert_close(leak, expected, rtol=1e-5, atol=1e-6)
    if kind is nn.LSTM:
        i, f, _, _ = layer.bias_ih_l1_reverse.chunk(4)
        torch.testing.assert_close(i, -f)


@pytest.mark.parametrize(
    "kind", ["GRU", "TorchGRU", "LSTM", "DiagGate", "MinGRU", "MinLSTM", "RGLRU"]
)
def test_own_gates_keep_what_was_designed(kind):
    cell = getattr(lw, kind)(3, 8)  # published start: gate weights are 0
    found = design.gate_bias(40, 8, 1e4, family="chrono")
    found.apply(lw.Network(cell))
    x = torch.ones(2, 5, 3)
    leak = cell.diagonal_jacobian(lw.unroll(cell, x), x).leak.detach().double()
    expected = torch.from_numpy(np.exp(-1 / found.tau)).expand_as(leak)
    torch.testing.assert_close(leak, expected, rtol=1e-5, atol=1e-6)


def test_pairs_keep_the_mean_rate_of_two_units():
    cell, found = lw.LRU(3, 8), design.gate_bias(40, 8, 1e4)
    found.apply(cell)
    x = torch.ones(1, 1, 3)
    leak = cell.diagonal_jacobian(lw.unroll(cell, x), x).leak[0, 0].detach().double()
    rates = (1 / found.tau).reshape(4, 2).mean(axis=1)
    expected = torch.from_numpy(np.exp(-np.tile(rates, 2)))
    torch.testing.assert_close(leak, expected, rtol=1e-5, atol=1e-6)


def test_a_settled_normaliser_keeps_what_was_designed():
    cell, found = lw.SLSTM(3, 8), design.gate_bias(10, 8, 1e4)
    with torch.no_grad():
        for name in (*cell.recurrent, *(f"W_{gate}" for gate in "ifog")):
            getattr(cell, name).zero_()
    found.apply(cell)
    x = torch.ones(1, 400, 3)
    leak = cell.diagonal_jacobian(lw.unroll(cell, x), x).leak[0, -1].detach()
    expected = torch.from_numpy(np.exp(-1 / found.tau))
    torch.testing.assert_close(leak.double(), expected, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="capped where it keeps 3 million steps"):
        design.gate_bias(1e8, 8, 1e4).apply(cell)


@pytest.mark.parametrize(
    ("kind", "start"), [("S6", "dt0"), ("MLSTM", "f0"), ("GatedDeltaNet", "a0")]
)
def test_units_that_share_a_gate_get_no_scales_of_their_own(kind, start):
    with pytest.raises(ValueError, match=f"units of {kind} share .* with {start}"):
        design.gate_bias(40, 8, 1e4).apply(getattr(lw, kind)(3, 8))


def test_all_families_are_compared_at_the_same_window():
    table = design.compare(200, 64, 1e4)
    assert table.index.tolist() == FAMILIES
    np.testing.assert_allclose(table["window N"], 200, rtol=1e-9)
    assert (table["window N/10"] < 200).all()
    assert (table["window 10 N"] > 200).all()
    # Exponential tails add a constant a factor of N, a power law a factor.
    assert table["window 10 N"].idxmax() == "gamma"


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ((0, 8, 1e4), "cannot be designed"),
        ((40, 0, 1e4), "cannot be designed"),
        ((40, 8, 2), "see nothing at any lag"),
        ((1e13, 8, 1e4), "too long to design"),
    ],
)
def test_what_cannot_be_designed(arguments, match):
    with pytest.raises(ValueError, match=match):
        design.gate_bias(*arguments)


def test_wrong_modules_are_named():
    found = design.gate_bias(40, 8, 1e4)
    with pytest.raises(ValueError, match="choose one of"):
        design.gate_bias(40, 8, 1e4, family="uniform")
    with pytest.raises(ValueError, match="holds no gated"):
        found.apply(nn.RNN(3, 8))
    with pytest.raises(ValueError, match="a layer has 9"):
        found.apply(nn.GRU(3, 9))
    with pytest.raises(ValueError, match="bias=False"):
        found.apply(nn.GRU(3, 8, bias=False))


@pytest.mark.parametrize("last", [nn.GRU(3, 9), nn.LSTMCell(3, 8, bias=False)])
def test_what_is_refused_leaves_every_layer_as_it_was(last):
    model = nn.ModuleList([nn.GRU(3, 8), lw.LSTM(3, 8), last])
    before = [p.clone() for p in model.parameters()]
    with pytest.raises(ValueError, match=r"as many|bias=False"):
        design.gate_bias(40, 8, 1e4).apply(model)
    for old, new in zip(before, model.parameters(), strict=True):
        assert torch.equal(old, new)
