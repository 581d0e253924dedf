"""Replays against PyTorch's own forward pass and gradients."""

import itertools

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import learnability as lw
from learnability.evidence import lag_gradients
from learnability.models.layer_taps import taps_of
from learnability.models.record import Recorder
from learnability.transport import jacobians
from tests.models.zoo import (
    INPUTS,
    STEPS,
    UNITS,
    Looped,
    Sequential,
    Unrolled,
    draw,
    weighted,
)

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-9}
KINDS = {
    "tanh": lambda **o: nn.RNN(INPUTS, UNITS, nonlinearity="tanh", **o),
    "relu": lambda **o: nn.RNN(INPUTS, UNITS, nonlinearity="relu", **o),
    "GRU": lambda **o: nn.GRU(INPUTS, UNITS, **o),
    "LSTM": lambda **o: nn.LSTM(INPUTS, UNITS, **o),
}
FORMS = list(itertools.product(KINDS, (1, 2), (False, True), (False, True)))
FORMS += [("GRU", 3, True, True), ("LSTM", 3, False, True)]


def recorded(model, batch, loss=F.mse_loss, lengths=None):
    recorder = Recorder(model, taps_of(model), loss, lengths)
    with recorder.attached():
        recorder.ask(batch, (0, 1))
        return recorder, recorder.record(batch)[0]


def close(got, expected, tolerance):
    scale = max(float(expected.abs().max()), 1e-3)
    assert float((got - expected).abs().max()) <= tolerance * scale


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize(("kind", "layers", "both", "first"), FORMS)
def test_layers_are_torchs(kind, layers, both, first, dtype):
    rnn = KINDS[kind](num_layers=layers, bidirectional=both, batch_first=first)
    model = weighted(Sequential(rnn), seed=1, dtype=dtype)
    x, y = draw(5, STEPS, INPUTS, dtype=dtype), draw(5, STEPS, 2, seed=2, dtype=dtype)
    # The loss's mean is over as many sequences whichever axis they are.
    batch = (x, y) if first else (x.transpose(0, 1), y.transpose(0, 1))
    recorder, found = recorded(model, batch)
    traces = dict(zip(recorder.tracks["rnn"], found["rnn"], strict=True))
    assert len(traces) == layers * (2 if both else 1)
    theirs, last = rnn(batch[0])
    theirs = (theirs if first else theirs.transpose(0, 1)).detach()
    final = last[0] if isinstance(last, tuple) else last
    for place, (track, trace) in enumerate(traces.items()):
        h = trace.states[..., track.cell.output]
        close(h[:, -1], final[place].detach(), 1e-6)
        if track.layer == layers - 1:
            own = h.flip(1) if track.backward else h
            part = theirs[..., UNITS:] if track.backward else theirs[..., :UNITS]
            close(own, part, 1e-6)
    value = F.mse_loss(model(batch[0]), batch[1]) * 5
    check_gradients(value, recorder, found, TOLERANCE[dtype])


def check_gradients(value, recorder, found, tolerance):
    for path, traces in found.items():
        for track, trace in zip(recorder.tracks[path], traces, strict=True):
            total = {}
            parts = lag_gradients(track.cell, trace.x, trace.states, trace.asked[0])
            for _, part in parts:
                for name, g in track.conversion.back(part).items():
                    total[name] = total.get(name, 0) + g
            layer = track.conversion.layer
            assert total
            for name, got in total.items():
                (expected,) = torch.autograd.grad(
                    value, getattr(layer, name), retain_graph=True
                )
                close(got, expected, tolerance)


@pytest.mark.parametrize("kind", [nn.RNNCell, nn.GRUCell, nn.LSTMCell], ids=str)
@pytest.mark.parametrize("last", [False, True])
def test_cells_in_a_loop(kind, last):
    model = weighted(Looped(kind, last=last), seed=1)
    x, y = draw(5, STEPS, INPUTS), draw(5, STEPS, 2, seed=2)
    batch = (x, y[:, -1] if last else y)
    recorder, found = recorded(model, batch)
    assert list(found) == ["cells.0", "cells.1"]
    check_gradients(F.mse_loss(model(x), batch[1]) * 5, recorder, found, 1e-9)
    (trace,) = found["cells.1"]
    looks = (trace.asked[0] != 0).any(dim=-1)
    assert looks[:, -1].all()
    assert bool(looks[:, :-1].any()) != last


@pytest.mark.parametrize("kind", ["GRU", "LSTM", "DiagGate", "TorchRNN"])
def test_own_cells_unrolled(kind):
    model = weighted(Unrolled(getattr(lw, kind)(INPUTS, UNITS)), seed=1)
    batch = draw(5, STEPS, INPUTS), draw(5, STEPS, 2, seed=2)
    recorder, found = recorded(model, batch)
    check_gradients(F.mse_loss(model(batch[0]), batch[1]) * 5, recorder, found, 1e-9)


class Stepwise(nn.Module):
    """One of this package's cells, called by the model itself."""

    def __init__(self, cell):
        super().__init__()
        self.cell, self.head = cell, nn.Linear(cell.units, 2)

    def forward(self, x):
        state, rows = x.new_zeros(len(x), self.cell.state_size), []
        for t in range(x.shape[1]):
            state = self.cell(state, x[:, t])
            rows.append(state[:, self.cell.output])
        return self.head(torch.stack(rows, dim=1))


def test_own_cells_in_a_loop():
    model = weighted(Stepwise(lw.LSTM(INPUTS, UNITS)), seed=1)
    batch = draw(5, STEPS, INPUTS), draw(5, STEPS, 2, seed=2)
    recorder, found = recorded(model, batch)
    check_gradients(F.mse_loss(model(batch[0]), batch[1]) * 5, recorder, found, 1e-9)


LENGTHS = torch.tensor([4, 9, 1, 7, 9])


def masked(outputs, targets):
    own = torch.arange(STEPS) < LENGTHS[:, None]
    return (((outputs - targets) ** 2).mean(dim=-1) * own).sum(dim=1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("both", "final"), [(False, False), (True, False), (True, True)]
)
def test_nothing_leaks_past_a_packed_end(kind, both, final):
    rnn = KINDS[kind](num_layers=2, bidirectional=both, batch_first=True)
    model = weighted(Sequential(rnn, packed=True, final=final), seed=1)
    x, y = draw(5, STEPS, INPUTS), draw(5, STEPS, 2, seed=2)
    loss = (lambda z, y: ((z - y) ** 2).mean(dim=-1)) if final else masked
    targets = y[:, 0] if final else y
    recorder, found = recorded(model, (x, LENGTHS, targets), loss)
    for trace in found["rnn"]:
        after = torch.arange(STEPS) >= trace.lengths[:, None]
        assert torch.equal(trace.lengths, LENGTHS)
        assert not trace.asked[0][after].any()
    value = loss(model(x, LENGTHS), targets).sum()
    check_gradients(value, recorder, found, 1e-9)
    # What lies in the padding changes nothing at all.
    other = torch.where((torch.arange(STEPS) < LENGTHS[:, None])[..., None], x, 7.0)
    _, again = recorded(model, (other, LENGTHS, targets), loss)
    for one, two in zip(found["rnn"], again["rnn"], strict=True):
        assert torch.equal(one.asked[0], two.asked[0])
        assert torch.equal(one.x, two.x)


def test_padded_with_lengths_given():
    model = weighted(Sequential(nn.GRU(INPUTS, UNITS, batch_first=True)), seed=1)
    x, y = draw(5, STEPS, INPUTS), draw(5, STEPS, 2, seed=2)
    recorder, found = recorded(model, (x, y), masked, lambda batch: LENGTHS)
    (trace,) = found["rnn"]
    assert torch.equal(trace.lengths, LENGTHS)
    check_gradients(masked(model(x), y).sum(), recorder, found, 1e-9)
    with pytest.raises(ValueError, match="after the end of sequence 0"):
        recorded(model, (x, y), F.mse_loss, lambda batch: LENGTHS)
    both = nn.GRU(INPUTS, UNITS, batch_first=True, bidirectional=True)
    with pytest.raises(ValueError, match="begins in the padding: sequences"):
        recorded(Sequential(both).double(), (x, y), masked, lambda batch: LENGTHS)


@pytest.mark.parametrize("kind", KINDS)
def test_jacobians_are_autograds(kind):
    rnn = weighted(KINDS[kind](batch_first=True), seed=3)
    x, y = draw(2, STEPS, INPUTS), draw(2, STEPS, UNITS, seed=2)
    recorder, found = recorded(rnn, (x, y), lambda out, y: ((out[0] - y) ** 2).mean())
    ((track,), (trace,)) = recorder.tracks["model"], found["model"]
    ours = jacobians(track.cell, trace.x, trace.states)

    def torchs(state, x):
        parts = state[None].split(UNITS, dim=-1)
        hx = parts[0][None] if len(parts) == 1 else tuple(p[None] for p in parts)
        _, last = rnn(x[None, None], hx)
        return torch.cat(last if isinstance(last, tuple) else (last,), dim=-1)[0, 0]

    for n, t in itertools.product(range(2), range(1, STEPS)):
        expected = torch.autograd.functional.jacobian(
            lambda s, n=n, t=t: torchs(s, trace.x[n, t]), trace.states[n, t - 1]
        )
        torch.testing.assert_close(ours[n, t], expected, rtol=1e-9, atol=1e-12)


def test_biases_may_be_missing():
    model = weighted(Sequential(nn.LSTM(INPUTS, UNITS, bias=False)), seed=1)
    batch = draw(STEPS, 5, INPUTS), draw(STEPS, 5, 2, seed=2)
    recorder, found = recorded(model, batch)
    check_gradients(F.mse_loss(model(batch[0]), batch[1]) * 5, recorder, found, 1e-9)


def test_frozen_models_have_the_same_gradients():
    model = weighted(Sequential(nn.LSTM(INPUTS, UNITS, num_layers=2)), seed=1)
    batch = draw(STEPS, 5, INPUTS), draw(STEPS, 5, 2, seed=2)
    _, found = recorded(model, batch)
    model.requires_grad_(False)
    _, again = recorded(model, batch)
    for one, two in zip(found["rnn"], again["rnn"], strict=True):
        torch.testing.assert_close(one.asked[0], two.asked[0])


class Spoiling(nn.Module):
    """Changes the layer's output in place."""

    def __init__(self):
        super().__init__()
        self.rnn, self.head = nn.GRU(INPUTS, UNITS), nn.Linear(UNITS, 2)

    def forward(self, x):
        out = self.rnn(x)[0]
        return self.head(out.mul_(2.0))


@pytest.mark.parametrize("frozen", [False, True])
def test_changes_in_place_do_not_matter(frozen):
    model = weighted(Spoiling(), seed=1)
    batch = draw(STEPS, 5, INPUTS), draw(STEPS, 5, 2, seed=2)
    value = F.mse_loss(model(batch[0]), batch[1]) * 5
    recorder, found = recorded(model.requires_grad_(not frozen), batch)
    (trace,) = found["rnn"]
    h = model.rnn(batch[0])[0].detach().transpose(0, 1)
    torch.testing.assert_close(trace.states, h)
    if not frozen:
        check_gradients(value, recorder, found, 1e-9)


class Two(nn.Module):
    """Two recurrent modules one after the other; the head counts its calls."""

    def __init__(self):
        super().__init__()
        self.one = nn.GRU(INPUTS, UNITS, bidirectional=True, batch_first=True)
        self.two = nn.LSTM(2 * UNITS, UNITS, num_layers=2, batch_first=True)
        self.head, self.calls = nn.Linear(UNITS, 2), 0

    def forward(self, x):
        out = self.two(torch.tanh(self.one(x)[0]))[0]
        self.calls += 1
        return self.head(out)
