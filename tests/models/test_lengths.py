"""Batches of several lengths, as loaders that sort by length give them."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import learnability as lw
from tests.models.shared import LAGS, QUICK, assert_same
from tests.models.zoo import draw

STEPS, COUNT = 12, 36
X, Y = draw(COUNT, STEPS, 2), draw(COUNT, STEPS, seed=1)
ENDS = [4 + 4 * (n // 12) for n in range(COUNT)]  # a dozen each of 4, 8 and 12 steps


class Tagger(nn.Module):
    """A GRU with a value a step."""

    def __init__(self, *, learnt=False):
        super().__init__()
        torch.manual_seed(0)
        self.gru, self.out = nn.GRU(2, 4, batch_first=True), nn.Linear(4, 1)
        self.start = nn.Parameter(torch.randn(1, 1, 4)) if learnt else None
        self.double()

    def forward(self, x, *_):
        start = self.start
        start = None if start is None else start.expand(-1, len(x), -1).contiguous()
        return self.out(self.gru(x, start)[0])[..., 0]


def diagnosed(data, loss=F.mse_loss, *, learnt=False, **more):
    return lw.diagnose(Tagger(learnt=learnt), data, loss, LAGS, options=QUICK, **more)


def cut(rows, steps):
    return X[rows, :steps], Y[rows, :steps]


def buckets(ends):
    return [cut([n for n in range(COUNT) if ENDS[n] == end], end) for end in ends]


def test_single_sequences_are_put_beside_others_of_their_length():
    order = torch.randperm(COUNT, generator=torch.Generator().manual_seed(0)).sort()[1]
    one_by_one = [cut([n], ENDS[n]) for n in order.tolist()]
    kinds = list(dict.fromkeys(ENDS[n] for n in order.tolist()))
    rows = [[n for n in order.tolist() if ENDS[n] == end] for end in kinds]
    together = [cut(own, ENDS[own[0]]) for own in rows]
    assert_same(diagnosed(one_by_one), diagnosed(together))


def test_what_has_no_other_of_its_length_is_left_out_and_counted_with_a_word():
    rest = [cut([n], 8) for n in range(12)] + [cut([12], 4)]
    with pytest.warns(UserWarning, match="1 of 13 sequences share their shape with no"):
        (found,) = diagnosed(rest).values()
    (twin,) = diagnosed([cut(range(12), 8)]).values()
    assert (found.tree.attrs["sequences"], twin.tree.attrs["sequences"]) == (13, 12)
    both = (one.group("envelope")["mean"].values for one in (found, twin))
    np.testing.assert_array_equal(*both)


def test_a_sequence_without_another_of_its_length_is_refused():
    alone = [(draw(1, 4 + n, 2), draw(1, 4 + n)) for n in range(12)]
    with pytest.raises(lw.UnsupportedModelError, match="a batch holds one sequence"):
        diagnosed(alone)


def until_the_end(outputs, targets):
    """Give the mean square error of each sequence's own steps."""
    values, ends = targets
    inside = torch.arange(STEPS) < ends[:, None]
    return (((outputs - values) ** 2 * inside).sum(dim=1) / ends).mean()


def test_a_batch_may_be_shorter_than_a_lag():
    """What arrives is what arrives in padded sequences whose ends are told."""
    padded = [(X, (Y, torch.tensor(ENDS)))]
    lengths = {"lengths": lambda batch: batch[1][1]}
    (own,) = diagnosed(buckets([4, 8, 12])).values()
    (twin,) = diagnosed(padded, until_the_end, **lengths).values()
    for name in ("mean", "error", "windows", "clusters"):
        both = (found.group("envelope")[name].values for found in (own, twin))
        np.testing.assert_allclose(*both, rtol=1e-6, equal_nan=True, err_msg=name)
    both = (found.group("evidence")["psi"].isnull().values for found in (own, twin))
    np.testing.assert_array_equal(*both)


def test_the_past_is_not_over_where_a_first_batch_is():
    """Measured without an equation, since the start is learnt."""
    (found,) = diagnosed(buckets([4, 8, 12]), learnt=True).values()
    assert "past_ends" not in found.group("sensitivity").attrs
    assert (found.group("sensitivity")["mean"] > 0).all()


class One(Tagger):
    """The same for one sequence, without an axis of sequences."""

    def forward(self, x):
        return super().forward(x[None])[0]


class Each(nn.Module):
    """Calls a model for each of several sequences."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        return torch.stack([self.model(one) for one in x])


def test_a_model_of_one_sequence_is_refused_with_what_serves():
    data = [(x, y) for x, y in zip(X, Y, strict=True)]
    with pytest.raises(ValueError, match=r"gru sees one sequence, .* torch\.stack"):
        lw.diagnose(One(), data, F.mse_loss, LAGS, options=QUICK)
    delayed = F.pad(X[:, :-2, 0], (2, 0))
    needed = []
    for model in (Each(One()), Tagger()):  # the first by its calls, the other by cell
        found = lw.diagnose(model, (X, delayed), F.mse_loss, LAGS, options=QUICK)
        needed.append(next(iter(found.values())).group("detection")["needed"].values)
    assert np.isfinite(needed[0]).any()
    np.testing.assert_allclose(*needed, rtol=0.2)
