"""A diagnosis leaves no trace in the model or in any random state."""

import copy
import random
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from learnability import diagnose
from learnability.models.layer_taps import taps_of
from learnability.models.quiet import kept_random_states
from learnability.models.record import Recorder
from tests.models.zoo import INPUTS, STEPS, UNITS, draw


class Everything(nn.Module):
    """Dropout, running statistics, a buffer that counts, a hook of the user's."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(INPUTS)
        self.rnn = nn.LSTM(INPUTS, UNITS, 2, dropout=0.5, batch_first=True)
        self.cell = nn.GRUCell(UNITS, UNITS)
        self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(UNITS, 2))
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        self.calls += 1
        x = F.dropout(self.norm(x.transpose(1, 2)).transpose(1, 2), 0.1)
        out, h = self.rnn(x)[0], None
        rows = []
        for t in range(x.shape[1]):
            h = self.cell(out[:, t], h)
            rows.append(h)
        np.random.rand()  # noqa: NPY002
        random.random()
        return self.head(torch.stack(rows, dim=1))


def state_of(model):
    hooks = [
        (len(m._forward_hooks), len(m._forward_pre_hooks), len(m._backward_hooks))
        for m in model.modules()
    ]
    modes = [m.training for m in model.modules()]
    grads = [None if p.grad is None else p.grad.clone() for p in model.parameters()]
    wanted = [p.requires_grad for p in model.parameters()]
    return hooks, modes, grads, wanted, copy.deepcopy(model.state_dict())


def test_nothing_of_the_model_changes():
    model = Everything()
    model.head.eval()
    model.rnn.register_forward_hook(lambda *_: None)
    model(draw(4, STEPS, INPUTS, dtype=torch.float32)).sum().backward()
    model.head[1].weight.requires_grad_(False)
    before = state_of(model)
    batch = (draw(5, STEPS, n, dtype=torch.float32) for n in (INPUTS, 2))
    batch = tuple(batch)
    recorder = Recorder(model, taps_of(model), F.mse_loss)
    # After that: the checks of types that run along draw from Python's generator.
    randoms = torch.get_rng_state(), np.random.get_state()[1], random.getstate()  # noqa: NPY002
    with kept_random_states(), recorder.attached():
        recorder.ask(batch, (0, 1))
        recorder.record(batch)
    after = state_of(model)
    assert before[:2] == after[:2]
    assert before[3] == after[3]
    for one, two in zip(before[2], after[2], strict=True):
        assert (one is None) == (two is None)
        assert one is None or torch.equal(one, two)
    for name, value in before[4].items():
        assert torch.equal(value, after[4][name]), name
    assert torch.equal(randoms[0], torch.get_rng_state())
    assert (randoms[1] == np.random.get_state()[1]).all()  # noqa: NPY002
    assert randoms[2] == random.getstate()


def test_hooks_are_gone_after_a_failure():
    model = Everything()
    before = state_of(model)
    recorder = Recorder(model, taps_of(model), F.mse_loss)
    with (
        pytest.raises(ValueError, match=r"cannot take inputs of shape \(5, 9, 4\)"),
        recorder.attached(),
    ):
        recorder.ask((torch.zeros(5, STEPS, INPUTS + 1), torch.zeros(5)), (0, 1))
    assert before[:2] == state_of(model)[:2]


@pytest.mark.parametrize("used", [False, True])
def test_random_states_of_several_accelerators_are_kept(monkeypatch, used):
    """Of those in use alone: a diagnosis on the CPU starts no accelerator."""
    states, asked = {0: 10, 1: 11, 2: 12}, []

    def get(device):
        asked.append(device)
        return states[device]

    monkeypatch.setattr(
        torch.accelerator, "current_accelerator", lambda: torch.device("cuda")
    )
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(states))
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: used)
    monkeypatch.setattr(torch.cuda, "get_rng_state", get)
    monkeypatch.setattr(
        torch.cuda,
        "set_rng_state",
        lambda state, device: states.update({device: state}),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with kept_random_states():
            states[2] += 5
    assert asked == ([0, 1, 2] if used else [])
    assert states[2] == (12 if used else 17)


def test_a_compiled_model_runs_as_it_is_written():
    """Its taps would have it compiled anew, again and again."""
    built = []

    def backend(graph, _):
        built.append(graph)
        return graph.forward

    plain = Everything().eval()
    model = torch.compile(plain, backend=backend)
    x = draw(16, STEPS, INPUTS, dtype=torch.float32)
    diagnose(model, (x, x[..., :2].roll(1, 1)), F.mse_loss, [1, 2])
    assert built == []
    model(x)
    assert built


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_a_validation_loop_without_gradients_is_no_matter(mode):
    torch.manual_seed(0)
    model = nn.GRU(2, 4, batch_first=True)
    x = draw(40, 12, 2, dtype=torch.float32)

    def loss(outputs, targets):
        return ((outputs[0].sum(dim=-1) - targets) ** 2).mean()

    def found():
        given = diagnose(model, (x.clone(), x[..., 0].roll(2, 1)), loss, [1, 2])
        return given.summary(full=True)

    expected = found()
    with mode():
        own = found()
        assert torch.is_inference_mode_enabled() == (mode is torch.inference_mode)
        assert not torch.is_grad_enabled()
    pd.testing.assert_frame_equal(own, expected)
