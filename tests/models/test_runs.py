"""Calls that begin anew are other sequences, however a model makes them.

A model that calls a recurrence for one side of a pair after the other says the same as
one that calls it once for both.
"""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence

import learnability as lw
from tests.models.shared import LAGS, QUICK, assert_same
from tests.models.zoo import draw

COUNT, STEPS, INPUTS, UNITS = 24, 8, 2, 4
A, B = draw(COUNT, STEPS, INPUTS), draw(COUNT, STEPS, INPUTS, seed=1)
TARGETS = A[:, -3, 0] - B[:, -3, 0]


class Whole(nn.Module):
    """A layer for all sequences at once; it gives the last state."""

    def __init__(self):
        super().__init__()
        self.rnn = nn.GRU(INPUTS, UNITS, batch_first=True)

    def forward(self, x):
        return self.rnn(x)[1][0]


class Both(nn.Module):
    """Two layers of two directions, of which it takes the last states."""

    def __init__(self):
        super().__init__()
        settings = {"num_layers": 2, "bidirectional": True, "batch_first": True}
        self.rnn = nn.LSTM(INPUTS, UNITS // 2, **settings)

    def forward(self, x):
        h, c = self.rnn(x)[1]
        return torch.cat([h[-2] + c[0], h[-1]], dim=-1)


class Chunks(Whole):
    """A layer that is handed its state on, chunk by chunk."""

    def forward(self, x):
        state, every = None, x.new_zeros(len(x), UNITS)
        for chunk in x.split(3, dim=1):
            _, state = self.rnn(chunk, state)
            every = every + state[0]
        return every


class Looped(nn.Module):
    """A torch cell in a loop, from a start that may be learnt."""

    def __init__(self, learnt=False):
        super().__init__()
        self.rnn = nn.GRUCell(INPUTS, UNITS)
        self.start = nn.Parameter(torch.ones(UNITS)) if learnt else None

    def forward(self, x):
        state = None if self.start is None else self.start.expand(len(x), -1)
        for step in x.unbind(1):
            state = self.rnn(step, state)
        return state


class Begun(Whole):
    """A layer from a learnt start."""

    def __init__(self):
        super().__init__()
        self.start = nn.Parameter(torch.ones(UNITS))

    def forward(self, x):
        start = self.start.expand(1, len(x), -1).contiguous()
        return self.rnn(x, start)[1][0]


class Foreign(nn.Module):
    """A cell that is called with inputs and state."""

    def __init__(self):
        super().__init__()
        self.inputs, self.states = nn.Linear(INPUTS, UNITS), nn.Linear(UNITS, UNITS)

    def forward(self, x, state):
        return torch.tanh(self.inputs(x) + self.states(state))


class Own(Foreign):
    """The same with a step of its own."""

    def step(self, state, x):
        return super().forward(x, state)

    def forward(self, state, x):
        return self.step(state, x)


class Steps(nn.Module):
    """A cell of others in a loop, from a state of 0."""

    def __init__(self, kind):
        super().__init__()
        self.rnn = kind()

    def forward(self, x):
        state = x.new_zeros(len(x), UNITS)
        for step in x.unbind(1):
            both = (state, step) if isinstance(self.rnn, Own) else (step, state)
            state = self.rnn(*both)
        return state


class Unrolled(nn.Module):
    """A cell of this package."""

    def __init__(self):
        super().__init__()
        self.rnn = lw.GRU(INPUTS, UNITS, seed=0)

    def forward(self, x):
        return lw.unroll(self.rnn, x)[:, -1, self.rnn.output]


WAYS = {
    "layer": Whole,
    "layers of two directions": Both,
    "chunks": Chunks,
    "cell": Looped,
    "cell of others": lambda: Steps(Foreign),
    "own cell": lambda: Steps(Own),
    "unrolled": Unrolled,
}


class Pairs(nn.Module):
    """The difference of two sides, of which a body runs apart or together."""

    def __init__(self, body, apart):
        super().__init__()
        torch.manual_seed(0)
        self.body, self.out, self.apart = body(), nn.Linear(UNITS, 1), apart
        self.double()

    def forward(self, a, b):
        if self.apart:
            return self.out(self.body(a) - self.body(b))[:, 0]
        one, other = self.body(torch.cat([a, b])).chunk(2)
        return self.out(one - other)[:, 0]


def check_the_same(one, other):
    """Hold the numbers of two groups to each other."""
    for name, values in other.data_vars.items():
        if values.dtype.kind == "f":
            own = one[name]
            np.testing.assert_allclose(own, values, rtol=1e-6, atol=1e-12)


def diagnosed(model, data=(A, B, TARGETS), **more):
    return lw.diagnose(model, data, F.mse_loss, LAGS, options=QUICK, **more)


@pytest.mark.parametrize("way", WAYS)
def test_both_sides_of_a_pair(way):
    one, other = (diagnosed(Pairs(WAYS[way], apart)) for apart in (True, False))
    assert_same(one, other)


@pytest.mark.parametrize("body", [Begun, lambda: Looped(learnt=True)])
def test_both_sides_from_a_learnt_start(body):
    """Without the equation: one side's steps are not behind the other's."""
    one, other = (
        next(iter(diagnosed(Pairs(body, apart)).values())) for apart in (True, False)
    )
    for group in ("detection", "dependence", "evidence"):
        check_the_same(*(found.group(group) for found in (one, other)))
    own = one.group("envelope")["mean"].values
    np.testing.assert_allclose(own, other.group("sensitivity")["mean"], rtol=1e-6)


class Packed(Whole):
    """A layer on sequences of their own lengths."""

    def forward(self, x, lengths):
        settings = {"batch_first": True, "enforce_sorted": False}
        return self.rnn(pack_padded_sequence(x, lengths, **settings))[1][0]


class PackedPairs(Pairs):
    """The same of packed sequences."""

    def forward(self, a, of_a, b, of_b):
        if self.apart:
            return self.out(self.body(a, of_a) - self.body(b, of_b))[:, 0]
        both = torch.cat([a, b]), torch.cat([of_a, of_b])
        one, other = self.body(*both).chunk(2)
        return self.out(one - other)[:, 0]


def test_packed_sides_and_sides_of_several_lengths():
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(5, STEPS + 1, (2, COUNT), generator=generator)
    data = (A, lengths[0], B, lengths[1], TARGETS)
    one, other = (diagnosed(PackedPairs(Packed, way), data) for way in (True, False))
    assert_same(one, other)
    short = (A, torch.full((COUNT,), STEPS), B, torch.full((COUNT,), 5), TARGETS)
    one = diagnosed(Pairs(Whole, apart=True), (A, B[:, :5], TARGETS))
    other = diagnosed(PackedPairs(Packed, apart=False), short)
    for group in ("envelope", "evidence", "detection", "dependence"):
        check_the_same(*(next(iter(v.values())).group(group) for v in (one, other)))


class Interleaved(Pairs):
    """Both sides step by step, by turns."""

    def forward(self, a, b):
        one = other = None
        for left, right in zip(a.unbind(1), b.unbind(1), strict=True):
            one, other = self.body.rnn(left, one), self.body.rnn(right, other)
        return self.out(one - other)[:, 0]


def test_sides_step_by_turns():
    one = diagnosed(Interleaved(Looped, apart=True))
    assert_same(one, diagnosed(Pairs(Looped, apart=False)))


class InParts(nn.Module):
    """A body called with some of a batch at a time, with one, or with all."""

    def __init__(self, body, size):
        super().__init__()
        torch.manual_seed(0)
        self.body, self.out, self.size = body(), nn.Linear(UNITS, 1), size
        self.double()

    def forward(self, x):
        if self.size is None:
            return self.out(self.body(x))[:, 0]
        if self.size == 0:  # without an axis of sequences
            return self.out(torch.stack([self.alone(one) for one in x]))[:, 0]
        return self.out(torch.cat([self.body(part) for part in x.split(self.size)]))[
            :, 0
        ]

    def alone(self, x):
        if isinstance(self.body, Whole):
            return self.body.rnn(x)[1][0]
        state = None
        for step in x:
            state = self.body.rnn(step, state)
        return state


@pytest.mark.parametrize("body", [Whole, Looped])
@pytest.mark.parametrize("size", [10, 1, 0])
def test_a_batch_may_be_taken_in_parts(body, size):
    data = (A, TARGETS)
    one, other = (diagnosed(InParts(body, k), data) for k in (size, None))
    assert_same(one, other)


class InPieces(nn.Module):
    """A recurrence that begins anew after every eighth step of a sequence."""

    def __init__(self, kind):
        super().__init__()
        options = {} if kind is nn.LSTMCell else {"batch_first": True}
        self.rnn = kind(INPUTS, UNITS, **options)
        self.out = nn.Linear(UNITS, 1)

    def piece(self, x):
        if isinstance(self.rnn, nn.LSTM):
            return self.rnn(x)[0]
        state, found = None, []
        for step in x.unbind(1):
            state = self.rnn(step, state)
            found.append(state[0])
        return torch.stack(found, 1)

    def forward(self, x):
        return self.out(torch.cat([self.piece(p) for p in x.split(8, 1)], 1))


class Smoothed(InPieces):
    """The same behind a convolution, by which a piece sees a step of the next one."""

    def __init__(self, kind):
        super().__init__(kind)
        self.smooth = nn.Conv1d(INPUTS, INPUTS, 3, padding=1)

    def forward(self, x):
        return super().forward(self.smooth(x.transpose(1, 2)).transpose(1, 2))


class Dilated(InPieces):
    """Every third step goes on with the one three steps before."""

    def forward(self, x):
        every = [self.piece(x[:, k::3]) for k in range(3)]
        return self.out(torch.stack(every, 2).flatten(1, 2))


def of_a_series(model):
    x = draw(40, 24, INPUTS)
    y = torch.zeros(40, 24, 1)
    y[:, 12:, 0] = x[:, :-12, 0]
    data, lags = (x, y.to(x)), [1, 6, 12]
    return lw.diagnose(model.to(x), data, F.mse_loss, lags, options=QUICK)


@pytest.mark.parametrize("kind", [nn.LSTMCell, nn.LSTM])
@pytest.mark.parametrize("body", [InPieces, Smoothed])
def test_where_a_sequence_begins_anew_its_past_ends(body, kind):
    torch.manual_seed(0)
    found = of_a_series(body(kind))
    assert found["rnn"].group("sensitivity").attrs["past_ends"] == 7
    if body is InPieces:
        assert found.explain(12).verdict == "vanishes"


@pytest.mark.parametrize("kind", [nn.LSTMCell, nn.LSTM])
def test_interleaved_steps_are_sequences_of_their_own(kind):
    found = of_a_series(Dilated(kind))
    assert found["rnn"].group("envelope")["lag"].max() == 6
