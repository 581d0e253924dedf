"""What is too small for its numbers, or half zero, is nan, and the rest stands."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import learnability as lw
from learnability.report import fitted_decay

FEW = lw.DiagnosisOptions(exact_windows=64, anchors=2, resamples=20)


class Last(nn.Module):
    def __init__(self, kind, units, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.rnn = kind(3, units, batch_first=True)
        self.head = nn.Linear(units, 1)

    def forward(self, x):
        return self.head(self.rnn(x)[0])


def found(kind, steps, lags, dtype=torch.float32, sequences=64):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(sequences, steps, 3, generator=generator).to(dtype)
    model = Last(kind, 16).to(dtype)
    data = x, x[..., :1].roll(1, dims=1)
    options = FEW.model_copy(update={"work": 2e9})
    return lw.diagnose(model, data, F.mse_loss, lags, options=options)[
        "rnn[layer 0, forward]"
    ]


@pytest.fixture(scope="module")
def both():
    lags = [1, 2, 4, 8, 16, 32, 64, 128, 256, 290]
    types = torch.float32, torch.float64
    return [found(nn.GRU, 300, lags, dtype) for dtype in types]


def test_nothing_is_left_of_the_floor_of_single_precision(both):
    single, double = (one.group("envelope") for one in both)
    below = single["below"].values
    assert below.any()
    assert not double["below"].any()
    for name in ("mean", "normalised", "typical", "lower", "upper"):
        values = single[name].values
        assert np.isnan(values[below]).all()
    told = ~below
    one, two = single["normalised"].values[told], double["normalised"].values[told]
    np.testing.assert_allclose(np.log(one), np.log(two), rtol=1e-3, atol=1e-3)


def test_no_decay_is_fitted_to_the_floor(both):
    single, double = (one.group("envelope").sel(order="exact") for one in both)
    lags, told = single["lag"].values, ~single["below"].values
    one, two = single["normalised"].values, double["normalised"].values
    assert fitted_decay(lags, one) == fitted_decay(lags[told], two[told])


def test_time_scales_come_from_normal_numbers(both):
    """Each unit's slope is that of double precision over the same lags."""
    single, double = both
    reached = single.group("envelope")["unit_mean"].notnull()
    for place, order in enumerate(("zero", "first", "diagonal", "exact")):
        for unit in range(16):
            own = reached.values[place, :, unit]
            if own.sum() < 3:
                continue
            means = double.group("envelope")["unit_mean"].sel(order=order)[own, unit]
            slope = np.polyfit(means["lag"], np.log(means), 1)[0]
            tau = float(single.group("time_scales")["tau"].sel(order=order)[unit])
            assert tau == pytest.approx(-1 / slope, rel=1e-2)


def test_a_typical_time_scale_is_that_of_one_window_where_all_are_alike():
    cell = lw.ConstGate(3, 4, s=0.2)
    x = torch.randn(64, 40, 3, generator=torch.Generator().manual_seed(0))
    data = lw.Sequences(x, x[:, :, 0])
    lags = [1, 2, 4, 8, 16]
    one = lw.diagnose(lw.Network(cell), data, F.mse_loss, lags, options=FEW)["cell"]
    tau = one.group("time_scales").sel(order="zero")
    np.testing.assert_allclose(tau["tau"], -1 / np.log(0.8), rtol=1e-4)
    np.testing.assert_allclose(tau["tau_typical"], tau["tau"], rtol=1e-4)


@pytest.mark.parametrize("kind", [nn.GRU, nn.RNN])
def test_evidence_that_has_underflowed_loses_its_own_lags_only(kind):
    lags = [1, 2, 4, 8, 16, 32, 64, 100, 130, 160, 190, 220, 244, 250]
    one = found(kind, 256, lags)
    evidence = one.group("evidence")
    unknown = np.isnan(evidence["alpha"].values)
    assert unknown.any()
    assert not unknown.all()
    assert ((evidence["reason"].values != "") == unknown).all()
    assert np.isfinite(one.group("envelope")["normalised"].sel(order="exact")[0])
    assert np.isfinite(one.group("detection")["needed"][0])


def test_where_nothing_arrives_no_number_of_sequences_may_be_enough(both):
    """Noise alone would leave every number above those at hand possible."""
    for one in both:
        need = one.group("detection")
        exact = one.group("envelope").sel(order="exact", lag=need["lag"])
        f = exact["normalised"].where(exact["below"] != 1, 0.0).values
        gone = np.isinf(need["lower"].values)
        # Of lag l stands f(l - 1), which lies between those of the grid.
        assert gone[1:][f[:-1] < 1e-6].all()
        assert not gone[f > 1e-6].any()
        for name in ("needed", "upper"):
            assert np.isinf(need[name].values[gone]).all()
        assert not gone.all()
        seen = one.needed_window(1e30)["upper"]
        found = need["own"].notnull().values
        assert not seen.isin(need["lag"].values[gone & found]).any()
    assert not (exact["below"] == 1).any()  # of double precision: lost in rounding
    single, _ = both
    lower = single.group("detection")["lower"].values
    assert np.isinf(lower).any()


def test_a_typical_unit_decays_no_slower_than_its_mean(both):
    for one in both:
        typical, mean = (
            one.group("envelope")[f"unit_{n}"] for n in ("typical", "mean")
        )
        known = typical.notnull() & mean.notnull()
        assert (typical <= mean * (1 + 1e-5)).values[known.values].all()
