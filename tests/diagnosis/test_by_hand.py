"""What a user would try: causes that are known, advice that is followed."""

import pytest
import torch
from torch import nn
from torch.nn import functional

import learnability as lw
from learnability import demo

CUES = (60, 80, 100, 120)
DELAYS = (2, 4, 8, 16, 24, 32)


def delayed(count, seed):
    """Return targets that hang on six delays, under much noise."""
    task = lw.MultiLag(
        lags=DELAYS, coefficients=(0.45,) * 6, inputs=4, steps=64, noise=1.5
    )
    data = task.draw(count, seed=seed, direction=task.direction(seed=0))
    return data.x, data.y


class Model(nn.Module):
    def __init__(self, kind, inputs, outputs=1):
        super().__init__()
        torch.manual_seed(0)
        self.rnn = kind(inputs, 32, batch_first=True)
        self.head = nn.Linear(32, outputs)

    def forward(self, x):
        states = self.rnn(x)[0]
        if self.head.out_features > 1:
            return self.head(states[:, -1])
        return self.head(states)[..., 0]


def trained(model, data, loss, updates):
    """Train a model; return its optimizer and the weights that it began with."""
    start = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    generator = torch.Generator().manual_seed(3)
    for _ in range(updates):
        chosen = torch.randint(len(data[0]), (32,), generator=generator)
        optimizer.zero_grad()
        loss(model(data[0][chosen]), data[1][chosen]).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    return {"optimizer": optimizer, "start": start}


def verdicts(model, data, held, loss, lags, **options):
    found = lw.diagnose(model, data, loss, lags, heldout=held, **options)
    return found, found.verdicts().verdict.droplevel(0)


@pytest.mark.slow
def test_far_cues_vanish_and_the_line_that_is_advised_lets_them_be_learnt():
    data, held = (
        demo.draw(count, seed=seed, lags=CUES, steps=140)
        for count, seed in ((1024, 1), (256, 2))
    )
    loss = functional.cross_entropy
    model = Model(nn.LSTM, demo.TOKENS + 1, demo.TOKENS)
    training = trained(model, data, loss, 500)
    found, said = verdicts(model, data, held, loss, CUES, **training)
    assert set(said[list(CUES)]) == {"vanishes"}
    code = found.explain(120).code
    model = Model(nn.LSTM, demo.TOKENS + 1, demo.TOKENS)
    exec(code, {"lw": lw, "model": model})  # as pasted
    training = trained(model, data, loss, 500)
    _, said = verdicts(model, data, held, loss, CUES, **training)
    assert set(said[list(CUES)]) == {"learnt"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sequences", "updates", "cause"),
    [(64, 300, "too few sequences"), (1024, 200, "too few steps")],
)
def test_delays_under_noise_want_sequences_or_steps(sequences, updates, cause):
    data, held, loss = delayed(sequences, 1), delayed(256, 2), functional.mse_loss
    model = Model(nn.GRU, 4)
    training = trained(model, data, loss, updates)
    _, said = verdicts(model, data, held, loss, DELAYS, **training)
    assert set(said[list(DELAYS[2:])]) == {cause}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["independent", "increments of a walk"])
def test_what_is_not_there_is_not_in_the_data_and_its_power_is_said(kind):
    generator, loss = torch.Generator().manual_seed(4), functional.mse_loss
    walk = torch.randn(1024, 65, generator=generator).cumsum(1)
    x, y = walk[:, :-1, None], walk.diff(dim=1)
    if kind == "independent":
        x, y = delayed(1024, 1)[0], y[:, :64]
    data, held = (x[:512], y[:512]), (x[512:], y[512:])
    model = Model(nn.GRU, x.shape[-1])
    training = trained(model, data, loss, 200)
    found, said = verdicts(model, data, held, loss, [1, 4, 16], **training)
    assert set(said) == {"not in the data"}
    assert "standard deviations of the targets would have been" in str(found.explain(4))
