"""Lengths of a model: warm-up of states that forget as they are known to."""

import numpy as np
import pytest
import torch
from torch import nn

import learnability as lw

QUICK = lw.DiagnosisOptions(resamples=20, exact_windows=16)
GENERATOR = torch.Generator().manual_seed(0)
X = torch.randn(40, 60, 2, generator=GENERATOR)
Y = X[..., 0].roll(6, 1) + 0.3 * torch.randn(40, 60, generator=GENERATOR)


def found_of(model, **options):
    return lw.diagnose(model, (X, Y), "mse", [1, 6, 12], options=QUICK, **options)


@pytest.fixture(scope="module")
def leaky():
    cell = lw.ConstGate(2, 8, s=0.2, layernorm=False, seed=0)
    with torch.no_grad():
        cell.W_h.zero_()
    return found_of(lw.Network(cell))


def test_a_leak_forgets_a_wrong_start_at_its_own_rate(leaky):
    table = leaky.lengths().warm_up
    steps = table.loc[("cell", "states", "other")]
    assert steps.within_10 == pytest.approx(np.log(0.1) / np.log(0.8), abs=2)
    assert steps.within_1 == pytest.approx(np.log(0.01) / np.log(0.8), abs=3)


def test_lengths_follow_from_the_lags_that_the_data_hold(leaky, tmp_path):
    lengths = leaky.lengths()
    assert lengths.lookback == 7
    assert lengths.truncation.farthest_chunks[12] == 0.5
    assert "look back 7 steps" in repr(lengths)
    assert "chunks of 12" in repr(lengths)
    leaky.save(tmp_path / "found.nc")
    again = lw.Diagnosis.load(tmp_path / "found.nc").lengths()
    assert repr(again) == repr(lengths)
    assert again.warm_up.equals(lengths.warm_up)


def test_all_layers_warm_up_and_upper_ones_not_before_lower_ones():
    class Stacked(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.rnn = nn.GRU(2, 8, num_layers=2, batch_first=True)
            self.out = nn.Linear(8, 1)

        def forward(self, x):
            return self.out(self.rnn(x)[0])[..., 0]

    table = found_of(Stacked()).lengths().warm_up["within_10"].unstack("layer")
    below, above = (table[f"rnn[layer {k}, forward]"] for k in (0, 1))
    assert above["states"]["other"] >= below["states"]["other"]


def test_targets_without_dependence_give_no_length():
    found = lw.diagnose(
        lw.Network(lw.GRU(2, 4)), (X, Y.roll(3, 0)), "mse", [1, 6], options=QUICK
    )
    lengths = found.lengths()
    assert lengths.truncation.empty
    assert np.isnan(lengths.lookback)
    assert "no lag was found" in repr(lengths)
