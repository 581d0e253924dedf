"""Executors and models for diagnoses that are shared between processes."""

from collections import deque
from concurrent.futures import Executor, Future

import numpy as np
import torch
from torch import nn

import learnability as lw
from learnability.evidence import pieces
from learnability.models import shards

QUICK = lw.DiagnosisOptions(resamples=20, exact_windows=32)
LAGS = [1, 2, 4, 8]


class Served(Executor):
    """Does tasks at once, as processes that are served in turn would.

    What they keep is that of this process, unless they forget it after each task.
    """

    def __init__(self, processes=2, *, forgets=False):
        self._max_workers, self.forgets, self.tasks = processes, forgets, 0
        self.idle = deque(f"process {k}" for k in range(processes))

    def submit(self, fn, /, *args, **kwargs):
        future, name = Future(), self.idle.popleft()
        self.idle.append(name)
        self.tasks += 1
        try:
            future.set_result((name, fn(*args, **kwargs)[1]))
        except ValueError as error:
            future.set_exception(error)
        if self.forgets:
            shards._readings.clear()
            pieces._PROCESS.__init__(pieces.PROCESS_BYTES)
        return future


class LSTM(nn.Module):
    """An LSTM with a read-out of one number a step."""

    def __init__(self):
        super().__init__()
        self.lstm, self.out = nn.LSTM(2, 5, batch_first=True), nn.Linear(5, 1)

    def forward(self, x):
        return self.out(self.lstm(x)[0])[..., 0]


class Leaky(nn.Module):
    """A cell of one's own."""

    def __init__(self):
        super().__init__()
        self.into, self.own = nn.Linear(2, 4), nn.Linear(4, 4, bias=False)

    def step(self, state, x):
        return 0.8 * state + 0.2 * torch.tanh(self.into(x) + self.own(state))

    def forward(self, state, x):
        return self.step(state, x)


class Stepped(nn.Module):
    """A model that calls its cell step by step."""

    def __init__(self):
        super().__init__()
        self.cell, self.out = Leaky(), nn.Linear(4, 1)

    def forward(self, x):
        state, found = x.new_zeros(len(x), 4), []
        for t in range(x.shape[1]):
            state = self.cell(state, x[:, t])
            found.append(self.out(state)[:, 0])
        return torch.stack(found, dim=1)


class Half(LSTM):
    """One that casts what it is given."""

    def forward(self, x):
        return super().forward(x.bfloat16())


class Padded(nn.Module):
    """A GRU that is given sequences of several lengths, and says them to the loss."""

    def __init__(self):
        super().__init__()
        self.gru, self.out = nn.GRU(2, 4, batch_first=True), nn.Linear(4, 1)

    def forward(self, x, steps):
        return self.out(self.gru(x)[0])[..., 0], steps


def until_the_end(outputs, targets):
    """Give the mean square error over each sequence's own steps."""
    values, steps = outputs
    own = torch.arange(values.shape[1]) < steps[:, None]
    return (((values - targets) ** 2 * own).sum(dim=1) / steps).mean()


def steps_of(batch):
    """Give the steps of each sequence."""
    return batch[1]


def data(count=200, steps=16, seed=0):
    """Give inputs and targets that hang on one of the inputs 2 steps before."""
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(count, steps, 2, generator=g)
    return x, x[..., 0].roll(2, 1) + 0.3 * torch.randn(count, steps, generator=g)


def case(name):
    """Give what `diagnose` is called with, by the name of a case."""
    torch.manual_seed(1)
    x, y = data()
    if name == "own cell":
        return {"model": Stepped(), "data": (x, y), "loss": "mse"}
    if name == "lengths":
        steps = torch.randint(9, 17, (len(x),))
        given = {"loss": until_the_end, "lengths": steps_of}
        return {"model": Padded(), "data": (x, steps, y), **given}
    if name == "half":
        return {"model": Half().bfloat16(), "data": (x, y), "loss": "mse"}
    groups = {"groups": np.arange(len(x)) * 7 % 40} if name == "groups" else {}
    return {"model": LSTM(), "data": (x, y), "loss": "mse", **groups}


def diagnosed(case, executor=None, **more):
    """Diagnose a case."""
    settings = {"lags": LAGS, "options": QUICK, **case, **more}
    return lw.diagnose(**settings, executor=executor)


def assert_same(found, expected, rtol=1e-6):
    """Hold every number of two diagnoses to each other."""
    assert list(found) == list(expected)
    for name, layer in expected.items():
        assert set(layer.tree.children) == set(found[name].tree.children)
        for group, values in layer.tree.children.items():
            own = found[name].tree[group]
            for variable in values.data_vars:
                one, other = own[variable].values, values[variable].values
                if other.dtype.kind == "f":
                    size = np.nanmax(np.abs(other), initial=0.0, where=~np.isinf(other))
                    settings = {"rtol": rtol, "atol": 1e-9 * size}
                    np.testing.assert_allclose(one, other, err_msg=variable, **settings)
                else:
                    assert (one == other).all(), variable
