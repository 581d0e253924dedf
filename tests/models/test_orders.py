"""Models that put the sequences of a batch into an order of their own."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from torch.utils.data import DataLoader, TensorDataset

import learnability as lw
from tests.models.shared import LAGS, QUICK, assert_same, until_the_end
from tests.models.zoo import draw

STEPS, COUNT = 12, 40
X, Y = draw(COUNT, STEPS, 2), draw(COUNT, STEPS, seed=1)
LENGTHS = torch.randint(7, STEPS + 1, (COUNT,), generator=torch.Generator())


class Packs(nn.Module):
    """A GRU on packed sequences, sorted by the model or by PyTorch."""

    def __init__(self, by_hand, *, learnt=False, padded=False):
        super().__init__()
        torch.manual_seed(0)
        self.gru, self.out = nn.GRU(2, 4, batch_first=True), nn.Linear(4, 1)
        self.start = nn.Parameter(torch.randn(1, 1, 4)) if learnt else None
        self.by_hand, self.padded = by_hand, padded
        self.double()

    def forward(self, x, lengths):
        order = (
            lengths.argsort(descending=True) if self.by_hand else torch.arange(len(x))
        )
        start = self.start
        start = None if start is None else start.expand(-1, len(x), -1).contiguous()
        given = x[order]
        if not self.padded:
            given = pack_padded_sequence(
                given, lengths[order], batch_first=True, enforce_sorted=self.by_hand
            )
        states = self.gru(given, start)[0]
        if not self.padded:
            states = pad_packed_sequence(
                states, batch_first=True, total_length=x.shape[1]
            )[0]
        return self.out(states[order.argsort()])[..., 0], lengths


class Flips(nn.Module):
    """A GRU that sees the batch backwards, or not."""

    def __init__(self, flips):
        super().__init__()
        torch.manual_seed(0)
        self.gru, self.out, self.flips = (
            nn.GRU(2, 4, batch_first=True),
            nn.Linear(4, 1),
            flips,
        )
        self.double()

    def forward(self, x):
        turn = (lambda v: v.flip(0)) if self.flips else (lambda v: v)
        return self.out(turn(self.gru(turn(x))[0]))[..., 0]


class Routes(nn.Module):
    """A layer for all sequences, and one of two for each, by its first step."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.GRU(2, 4, batch_first=True)
        self.experts = nn.ModuleList(nn.GRU(4, 4, batch_first=True) for _ in range(2))
        self.out = nn.Linear(4, 1)
        self.double()

    def forward(self, x):
        states, chosen = self.first(x)[0], (x[:, 0, 0] > 0).long()
        given = torch.zeros_like(states)
        for k, expert in enumerate(self.experts):
            own = (chosen == k).nonzero()[:, 0]
            if len(own):
                given = given.index_add(0, own, expert(states[own])[0])
        return self.out(given)[..., 0]


def diagnosed(model, data, loss=until_the_end, **more):
    return lw.diagnose(model, data, loss, LAGS, options=QUICK, **more)


@pytest.mark.parametrize("learnt", [False, True])
def test_sorting_by_length_is_no_matter(learnt):
    """Both with the equation and, where the start is learnt, without it."""
    one, other = (
        diagnosed(
            Packs(by_hand, learnt=learnt),
            DataLoader(TensorDataset(X, LENGTHS, Y), batch_size=COUNT - 8),
        )
        for by_hand in (True, False)
    )
    assert_same(one, other)


def test_a_batch_that_is_turned_round_is_the_batch():
    one, other = (diagnosed(Flips(f), (X, Y), F.mse_loss) for f in (True, False))
    assert_same(one, other)


def test_packed_sequences_with_a_learnt_start_are_padded_ones():
    """What arrives of the inputs was left out where they were packed."""
    data = X, LENGTHS, Y
    packed = diagnosed(Packs(False, learnt=True), data)["gru"]
    given = {"lengths": lambda batch: batch[1]}
    padded = diagnosed(Packs(False, learnt=True, padded=True), data, **given)["gru"]
    own, twin = packed.group("envelope"), padded.group("sensitivity")
    for name in ("mean", "origin", "start"):
        torch.testing.assert_close(*(torch.tensor(g[name].values) for g in (own, twin)))
    assert "undefined" not in own.attrs


def test_a_layer_that_some_sequences_pass_by_takes_nothing_with_it():
    found = diagnosed(Routes(), (X, Y), F.mse_loss)
    assert list(found) == ["first[layer 0, forward]"]
    assert set(found.refused) == {"experts.0", "experts.1"}


class Ranked(Packs):
    """A GRU that takes sequences by falling lengths alone."""

    def forward(self, x, lengths):
        given = pack_padded_sequence(x, lengths, batch_first=True)
        states = pad_packed_sequence(self.gru(given)[0], batch_first=True)[0]
        rest = x.shape[1] - states.shape[1]
        return self.out(F.pad(states, (0, 0, 0, rest)))[..., 0], lengths


@pytest.mark.parametrize("sums", [False, True])
def test_batches_that_are_sorted_by_length(sums):
    """A model that wants them so is that which sorts for itself."""

    def loss(outputs, y):
        return until_the_end(outputs, y) * (len(y) if sums else 1)

    order = LENGTHS.argsort(descending=True)
    parts = order[::2], order[1::2]
    data = [(X[own], LENGTHS[own], Y[own]) for own in parts]
    found = diagnosed(Ranked(by_hand=False), data, loss)
    one, other = (
        diagnosed(Model(by_hand=False), data[:1], loss) for Model in (Ranked, Packs)
    )
    assert_same(one, other)
    (layer,) = found.values()
    assert layer.group("detection").attrs["sequences"] == COUNT


def test_unsorted_batches_of_a_model_that_wants_them_sorted():
    with pytest.raises(lw.UnsupportedModelError, match="enforce_sorted=False"):
        diagnosed(Ranked(by_hand=False), (X, LENGTHS, Y))
