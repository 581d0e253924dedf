"""Ways in which people write a model and its loss, each beside its control.

A control says the same in other words, and must be answered the same.
"""

from dataclasses import dataclass
from functools import cache, partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.distributions import Categorical
from torch.nn import functional as F

import learnability as lw

LAGS = [1, 2, 3, 4]
FEW = lw.DiagnosisOptions(exact_windows=16, anchors=2, resamples=20)


def measured(model, data, loss, lags=LAGS):
    """Return the strength of the first layer, and what each lag needs."""
    found = lw.diagnose(model, data, loss, lags=lags, options=FEW)
    detection = next(iter(found.values())).group("detection")
    return detection.attrs["effect_size"], detection["needed"].values


def check_the_same(case, control):
    (c, need), (d, wanted) = case, control
    if d == 0:
        assert c == 0
        return
    assert abs(np.log(max(c, 1e-12) / d)) < np.log(1.1)
    both = np.isfinite(need) & np.isfinite(wanted)
    assert (np.abs(np.log(need[both] / wanted[both])) < np.log(1.25)).all()
    assert (np.isfinite(need) == np.isfinite(wanted)).all()


class Tagger(nn.Module):
    """An LSTM with a class a step; `head` makes of its logits what it returns."""

    def __init__(self, head=lambda z, y: z):
        super().__init__()
        torch.manual_seed(1)
        self.rnn, self.out = nn.LSTM(3, 16, batch_first=True), nn.Linear(16, 2)
        self.head = head

    def forward(self, x, y=None):
        return self.head(self.out(self.rnn(x)[0]), y)


class Siamese(nn.Module):
    """Two inputs through one GRU as one batch; an output an item, or all twice over."""

    def __init__(self, twice):
        super().__init__()
        torch.manual_seed(1)
        self.rnn, self.out = nn.GRU(3, 16, batch_first=True), nn.Linear(16, 1)
        self.twice = twice

    def forward(self, a, b):
        h = self.out(self.rnn(torch.cat([a, b]))[1][0])[:, 0]
        d = h[: len(a)] - h[len(a) :]
        return torch.cat([d, d]) if self.twice else d


class Last(nn.Module):
    """A value per sequence, (B, 1)."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(4)
        self.rnn, self.out = nn.GRU(3, 16, batch_first=True), nn.Linear(16, 1)

    def forward(self, x):
        return self.out(self.rnn(x)[0][:, -1])


@dataclass
class Output:
    """What a model returns, as a record."""

    logits: torch.Tensor


def drawn(*shape, seed):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def turned(values):
    return values.transpose(0, 1).contiguous()


def ce(z, y):
    return F.cross_entropy(z.flatten(0, 1), y.flatten())


def flat_ce(z, y):
    return F.cross_entropy(z, y.flatten())


def nll(z, y):
    return F.nll_loss(z.flatten(0, 1), y.flatten())


def of_shares(p, y):
    return -p.gather(-1, y[..., None]).log().mean()


def square(outputs, y):
    return ((outputs[0].mean(-1) - y) ** 2).mean()


def likelihood(law, y):
    return -law.log_prob(y).mean()


def correlation(o, y):
    both = torch.stack([o[0].mean(-1).flatten(), y.flatten()])
    return 1 - torch.corrcoef(both)[0, 1]


def gru(first=True):
    torch.manual_seed(3)
    return nn.GRU(3, 16, batch_first=first)


X = drawn(256, 16, 3, seed=0)
REAL = X[..., 0].roll(2, 1)
Y = (REAL > 0).long()
BATCHES = list(zip(X.split(100), Y.split(100), strict=True))

log_softmax, softmax = (partial(f, dim=-1) for f in (torch.log_softmax, torch.softmax))


@cache
def plain(form):
    data = {"tensors": (X, Y), "one batch": [(X, Y)], "batches": BATCHES}
    return measured(Tagger(), data[form], ce)


@cache
def trained_weights():
    """Return weights after 200 steps: wrong rules agree before training only."""
    model = Tagger()
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(200):
        optimizer.zero_grad()
        ce(model(X), Y).backward()
        optimizer.step()
    return model.state_dict()


def trained(head=lambda z, y: z):
    model = Tagger(head)
    model.load_state_dict(trained_weights())
    return model


WAYS = {
    "log-softmax and NLL": (lambda z, y: log_softmax(z), nll),
    "softmax and -log p": (lambda z, y: softmax(z), of_shares),
    "flattened logits": (lambda z, y: z.flatten(0, 1), flat_ce),
    "loss inside, with logits": (lambda z, y: (ce(z, y), z), lambda o, y: o[0]),
    "loss inside, alone": (ce, lambda o, y: o),
    "dataclass": (lambda z, y: Output(z), lambda o, y: ce(o.logits, y)),
    "namespace": (lambda z, y: SimpleNamespace(z=z), lambda o, y: ce(o.z, y)),
    "distribution": (lambda z, y: Categorical(logits=z), likelihood),
}


@pytest.mark.parametrize("way", WAYS)
def test_ways_to_return_outputs(way):
    head, loss = WAYS[way]
    data = (X, Y, Y) if way.startswith("loss inside") else (X, Y)
    check_the_same(measured(Tagger(head), data, loss), plain("tensors"))


@pytest.mark.parametrize("form", ["one batch", "batches"])
def test_flattened_logits_in_batches(form):
    data = [(X, Y)] if form == "one batch" else BATCHES
    head, loss = WAYS["flattened logits"]
    check_the_same(measured(Tagger(head), data, loss), plain(form))


@pytest.mark.parametrize("way", ["log-softmax and NLL", "softmax and -log p"])
def test_ways_to_return_outputs_once_trained(way):
    head, loss = WAYS[way]
    control = measured(trained(), (X, Y), ce)
    assert control[0] > 0
    check_the_same(measured(trained(head), (X, Y), loss), control)


def test_siamese_networks():
    a, b = drawn(2, 512, 12, 3, seed=6)
    won = (a[:, -3, 0] > b[:, -3, 0]).float()
    bce = F.binary_cross_entropy_with_logits
    case = measured(Siamese(False), [(a, b, won)], bce)
    control = measured(Siamese(True), [(a, b, won)], lambda o, y: bce(o[: len(y)], y))
    assert control[0] > 0
    check_the_same(case, control)


@pytest.mark.parametrize("count", [256, 16])
def test_whole_tensors_with_time_first_are_refused(count):
    x, y = turned(X[:count]), turned(REAL[:count])
    with pytest.raises(ValueError, match="put sequences first"):
        measured(gru(first=False), (x, y), square)


def test_sequences_first_for_a_layer_with_time_first_are_refused():
    with pytest.raises(ValueError, match="put sequences first"):
        measured(gru(first=False), (X, REAL), square)


def test_batches_with_time_first_are_answered():
    data = [(turned(X), turned(REAL))]
    control = measured(gru(), [(X, REAL)], square)
    check_the_same(measured(gru(first=False), data, square), control)


def test_a_profile_that_all_sequences_share_is_no_dependency():
    profile = torch.sin(torch.arange(32) / 5.0)[:, None]
    u = drawn(256, 32, 3, seed=7) + 2 * profile
    v = drawn(256, 32, seed=8) + 2 * profile[:, 0]
    case = measured(gru(), (u, v), square)
    check_the_same(case, measured(gru(), (u - u.mean(0), v - v.mean(0)), square))
    assert case[0] == 0


@pytest.mark.filterwarnings("ignore:Using a target size")
def test_a_loss_that_broadcasts_is_refused():
    with pytest.raises(ValueError, match="the loss mixes sequences"):
        measured(Last(), (X, X[:, -3, 0]), F.mse_loss)


def test_a_correlation_is_refused():
    with pytest.raises(ValueError, match="the loss mixes sequences"):
        measured(gru(), (X, REAL), correlation)


def test_gradients_that_vanish_at_some_lags_are_answered():
    x, y = drawn(96, 256, 3, seed=5), drawn(96, 256, seed=9)
    measured(gru(), (x, y), square, list(range(1, 251, 12)))


def test_forty_sequences_are_answered():
    measured(gru(), (X[:40], REAL[:40]), square)
