"""What a model keeps on itself, and what it is handed, is afterwards as before."""

from collections import deque
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import learnability as lw
from learnability.models.quiet import quiet
from tests.models.zoo import draw

FEW = lw.DiagnosisOptions(exact_windows=8, anchors=2, resamples=20)


@dataclass
class Memory:
    h: torch.Tensor


class Keeper(nn.Module):
    """A language model that keeps things in every way that a forward pass can."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(7, 5, max_norm=0.5)  # writes into its weights
        self.rnn = nn.GRU(5, 4, batch_first=True)
        self.head = nn.Linear(4, 7)
        self.register_buffer("late", None)
        self.register_buffer("mean", torch.ones(4))
        self.hidden = torch.ones(1, 2, 4)
        self.inplace, self.graph = torch.full((4,), 2.0), torch.zeros(4)
        self.shared = self.inplace
        self.pair = (torch.ones(4), [torch.ones(4)])
        self.table = {"h": torch.ones(4), "old": torch.ones(4)}
        self.last = deque([torch.ones(4)], maxlen=2)
        self.record, self.space = Memory(torch.ones(4)), SimpleNamespace(h=None)
        self.losses, self.calls, self._private = [], 0, None
        self.outside = [nn.Linear(2, 2)]

    def forward(self, tokens):
        tokens.clamp_(max=3)
        out, self.hidden = self.rnn(self.embed(tokens))
        h = out[0, -1]
        self.graph += h  # with its graph
        with torch.no_grad():
            self.inplace.copy_(h)
            self.pair[0].add_(1)
            self.pair[1][0] = h
            self.table["h"] = h
            del self.table["old"]
            self.table["old"] = h
            self.last.append(h)
            self.last.append(h)
            self.record.h = h
            self.record.h.add_(0)
            self.space.h = h
            self.late, self.mean = h.clone(), self.mean + h
            self.outside[0].weight.zero_()
        self.losses.append(h.sum().item())
        self.calls += 1
        self._private = self.new = h
        return self.head(out)


def inventory(value, seen=None):
    """Tell identities and values of all that can be reached."""
    seen = {} if seen is None else seen
    if id(value) in seen:
        return id(value)
    seen[id(value)] = value
    if isinstance(value, torch.Tensor):
        values = value.detach().flatten().tolist()
        return id(value), values, value.requires_grad, value.grad_fn is None
    if isinstance(value, dict):
        return id(value), [(k, inventory(v, seen)) for k, v in value.items()]
    if isinstance(value, list | tuple | deque):
        return id(value), [inventory(v, seen) for v in value]
    if isinstance(value, nn.Module | Memory | SimpleNamespace):
        return id(value), inventory(vars(value), seen)
    return value if isinstance(value, int | float | str) else id(value)


def test_all_that_a_model_keeps_is_as_before():
    model = Keeper()
    tokens = torch.randint(7, (2, 6), generator=torch.Generator().manual_seed(0))
    handed = tokens.clone()
    before = inventory(model)
    with quiet(model):
        model(tokens)
        assert inventory(model) != before
    assert inventory(model) == before
    assert torch.equal(tokens, handed)
    assert not hasattr(model, "new")


def test_a_failure_puts_everything_back_too():
    model = Keeper()
    before = inventory(model)

    def run():
        with quiet(model):
            model(torch.zeros(2, 6, dtype=torch.long))
            model(torch.zeros(2, 6))

    with pytest.raises(RuntimeError):
        run()
    assert inventory(model) == before


def test_training_goes_on_after_a_diagnosis():
    """A graph left on a kept tensor would end the next backward pass."""
    model, (tokens, targets) = Keeper(), torch.randint(7, (2, 64, 9))
    before, kept = inventory(model), tokens.clone()

    def loss(z, y):
        return F.cross_entropy(z.transpose(1, 2), y)

    lw.diagnose(model, [(tokens, targets)], loss, [1, 2], options=FEW)
    assert inventory(model) == before
    assert torch.equal(tokens, kept)
    model(tokens.clone()).sum().backward()


def test_a_tensor_of_the_last_training_step_keeps_its_graph():
    class Carried(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn, self.h = nn.GRU(3, 4, batch_first=True), None

        def forward(self, x):
            out, self.h = self.rnn(x)
            return out

    model = Carried()
    x = draw(64, 9, 3, dtype=torch.float32)
    model(x)
    kept = model.h
    lw.diagnose(model, (x, draw(64, 9, 4).float()), F.mse_loss, [1, 2], options=FEW)
    assert model.h is kept
    kept.sum().backward()
    assert model.rnn.weight_hh_l0.grad is not None


def test_one_input_twice_is_one_input():
    seen = []

    class Twice(nn.Module):
        def forward(self, a, b):
            a.zero_()
            seen.append((a is b, float(b.sum())))

    x = torch.ones(3)
    model = Twice()
    with quiet(model):
        model(x, b=x)
    assert seen == [(True, 0.0)]
    assert x.sum() == 3
