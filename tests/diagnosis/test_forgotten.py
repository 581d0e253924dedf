"""Few units and many delays: what a state forgets neither time nor data bring back."""

import pytest
import torch
from torch import nn
from torch.nn import functional

import learnability as lw
from learnability.tasks import learnt_shares

TASK = lw.MultiLag(
    lags=(2, 4, 8, 16, 24, 32), coefficients=(0.45,) * 6, inputs=4, steps=48, noise=0.3
)
DIRECTION = TASK.direction(seed=0)
FAR, LONG = [16, 24, 32], 5_000


class Model(nn.Module):
    def __init__(self, units):
        super().__init__()
        torch.manual_seed(0)
        self.rnn = lw.ConstGate(4, units, s=0.2)
        self.head = nn.Linear(units, 1)

    def forward(self, x):
        return self.head(lw.unroll(self.rnn, x))[..., 0]


def drawn(count, seed):
    data = TASK.draw(count, seed=seed, direction=DIRECTION)
    return data.x, data.y


def trained(units=4, sequences=512, updates=2000):
    """Train a model; return it, its data and its optimizer."""
    model, (x, y) = Model(units), drawn(sequences, 1)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    generator = torch.Generator().manual_seed(3)
    for _ in range(updates):
        chosen = torch.randint(sequences, (32,), generator=generator)
        optimizer.zero_grad()
        functional.mse_loss(model(x[chosen]), y[chosen]).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    return model, (x, y), optimizer


def shares(model):
    """Return the learnt shares of the far lags on fresh data."""
    x = drawn(1024, 4)[0]
    with torch.no_grad():
        found = learnt_shares(TASK, x, model(x), DIRECTION)
    return dict(zip(TASK.lags, found.tolist(), strict=True))


@pytest.mark.slow
def test_far_delays_are_forgotten_by_few_units_and_only_more_units_help():
    model, data, optimizer = trained()
    found = lw.diagnose(
        model,
        data,
        "mse",
        TASK.lags,
        heldout=drawn(512, 2),
        optimizer=optimizer,
    )
    said = found.verdicts().verdict.droplevel(0)
    assert set(said[FAR]) == {"forgotten"}
    assert found.explain(24).code == "hidden_size = 8"
    before, longer, more, larger = (
        shares(one[0])
        for one in (
            [model],
            trained(updates=LONG),
            trained(sequences=2048),
            trained(units=8, updates=LONG),  # a plateau, until some 4,000 updates
        )
    )
    for lag in FAR:
        assert longer[lag] < before[lag] + 0.1
        assert more[lag] < before[lag] + 0.1
        assert larger[lag] > longer[lag] + 0.1
