"""What model and loss do in place changes no answer, and nothing of the caller's."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import learnability as lw

LAGS = [1, 2, 3]
FEW = lw.DiagnosisOptions(exact_windows=16, anchors=2, resamples=20)


def drawn(*shape, seed):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


X = drawn(48, 12, 3, seed=0)
Y = X[..., 0].roll(2, 1) + 0.5 * drawn(48, 12, seed=1)
Y[drawn(48, 12, seed=2) > 0.8] = torch.nan


class Model(nn.Module):
    """A value per step; `change` is what becomes of the inputs first."""

    def __init__(self, change=lambda x: x):
        super().__init__()
        torch.manual_seed(3)
        self.rnn, self.out = nn.GRU(3, 8, batch_first=True), nn.Linear(8, 1)
        self.change = change

    def forward(self, x):
        return self.out(self.rnn(self.change(x))[0]).squeeze(-1)


class Whole(Model):
    """Takes what it needs out of a batch."""

    def forward(self, batch):
        return super().forward(batch.pop("past"))


def loss_of(z, y):
    known = ~y.isnan()
    return (torch.where(known, z - y.nan_to_num(), 0) ** 2).mean()


def outputs_in_place(z, y):
    z[y.isnan()] = 0
    return F.mse_loss(z, y.nan_to_num())


def both_in_place(z, y):
    unknown = y.isnan()
    z.masked_fill_(unknown, 0)
    y[unknown] = 0
    return F.mse_loss(z, y)


def named(z, batch):
    return loss_of(z, batch["y"])


def taken_out(z, batch):
    return loss_of(z, batch.pop("y"))


def measured(model, data, loss):
    """Return N(l) and the strengths that verdicts rest on."""
    (found,) = lw.diagnose(model, data, loss, LAGS, options=FEW).values()
    verdict = found.group("verdict")["strength"].values
    return np.concatenate([found.group("detection")["needed"].values, verdict])


@pytest.mark.parametrize("loss", [outputs_in_place, both_in_place])
def test_a_loss_may_change_outputs_and_targets(loss):
    x, y = X.clone(), Y.clone()
    np.testing.assert_allclose(
        measured(Model(), (x, y), loss), measured(Model(), (X, Y), loss_of), rtol=1e-5
    )
    assert torch.equal(x, X)
    assert torch.equal(y.isnan(), Y.isnan())


def test_a_model_may_change_its_inputs():
    x = X.clone()
    found = measured(Model(lambda x: x.mul_(0.5)), (x, Y), loss_of)
    np.testing.assert_array_equal(
        found, measured(Model(lambda x: 0.5 * x), (X, Y), loss_of)
    )
    assert torch.equal(x, X)


@pytest.mark.parametrize("loss", [named, taken_out])
def test_a_batch_may_be_taken_apart(loss):
    data = {"past": X, "y": Y}
    np.testing.assert_allclose(
        measured(Whole(), data, loss), measured(Model(), (X, Y), loss_of), rtol=1e-5
    )
    assert set(data) == {"past", "y"}


def test_a_loss_that_draws_is_asked_with_outputs_of_its_own():
    def noisy(z, y):
        return loss_of(z, y + 1e-3 * torch.randn_like(y))

    np.testing.assert_allclose(
        measured(Model(), (X, Y), noisy), measured(Model(), (X, Y), loss_of), rtol=0.1
    )


def test_a_loss_with_a_schedule_is_refused():
    calls = []

    def annealed(z, y):
        calls.append(1)
        return loss_of(z, y) * (1 + 0.01 * len(calls))

    with pytest.raises(lw.UnsupportedModelError, match="schedule held still"):
        measured(Model(), (X, Y), annealed)
