"""Windows of sequences of different lengths against a loop over sequences."""

import numpy as np
import pytest
import torch

from learnability.transport import Windows
from learnability.transport.orders import transport
from learnability.unroll import unroll
from tests.networks import make_cell, make_data
from tests.transport.twins import envelope

LAGS = [1, 3, 8]
LENGTHS = torch.tensor([12, 5, 12, 9, 2, 1, 9])
FIELDS = ("mean", "error", "typical", "unit_mean", "unit_typical")


@pytest.mark.parametrize("kind", ["GRU", "LSTM"])
def test_each_sequence_counts_within_its_own_steps(kind):
    cell, (x, _) = make_cell(kind, False, 3, 4, seed=1), make_data(7, 12, 3)
    with torch.no_grad():
        states = unroll(cell, x)
    sums = Windows(cell, LAGS)
    sums.add(x[:3], states[:3], LENGTHS[:3])
    spoilt = torch.where(torch.arange(12) < LENGTHS[:, None], 0.0, torch.nan)
    sums.add(x[3:], (states + spoilt[..., None])[3:], LENGTHS[3:])
    found = sums.result()
    for order in ("zero", "first", "diagonal"):
        for place, lag in enumerate(LAGS):
            rows = []
            for n, length in enumerate(LENGTHS.tolist()):
                if length > lag:
                    own = x[n : n + 1, :length], states[n : n + 1, :length]
                    (gain,) = (g for _, g in transport(cell, *own, [lag], order=order))
                    rows.append(gain[0].detach().abs().numpy())
            every = np.concatenate(rows)
            total = every.sum(axis=-1)
            f = total.mean()
            got = found[order]
            np.testing.assert_allclose(got.mean[place], f, rtol=1e-10)
            np.testing.assert_allclose(got.unit_mean[place], every.mean(axis=0))
            np.testing.assert_allclose(got.typical[place], np.exp(np.log(total).mean()))
            apart = np.array([r.sum() - f * len(r) for r in rows])
            error = np.sqrt((apart**2).sum() * len(rows) / (len(rows) - 1)) / len(every)
            np.testing.assert_allclose(got.error[place], error, rtol=1e-9)


def test_one_length_is_the_mean_over_windows():
    cell, (x, _) = make_cell("GRU", True, 3, 4, seed=1), make_data(6, 12, 3)
    with torch.no_grad():
        states = unroll(cell, x)
    sums = Windows(cell, LAGS)
    sums.add(x, states, torch.full((6,), 12))
    for order, got in sums.result().items():
        expected = envelope(cell, x, states, LAGS, order=order)
        for name in FIELDS:
            one, two = getattr(got, name), getattr(expected, name)
            np.testing.assert_allclose(one, two, rtol=1e-10)


def test_lags_beyond_every_sequence_are_named():
    cell, (x, _) = make_cell("GRU", False, 3, 4, seed=1), make_data(2, 6, 3)
    sums = Windows(cell, [1, 8])
    sums.add(x, unroll(cell, x).detach(), torch.tensor([6, 3]))
    with pytest.raises(ValueError, match="largest possible lag is 5"):
        sums.result()
