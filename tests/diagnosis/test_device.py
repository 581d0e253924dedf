"""Where the model runs while it is diagnosed."""

import pandas as pd
import pytest
import torch
from torch import nn

import learnability as lw
from learnability.models import replay

X = torch.randn(60, 12, 3, generator=torch.Generator().manual_seed(0))
FEW = lw.DiagnosisOptions(exact_windows=8, anchors=2, resamples=20)
NO_CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


def loss(outputs, targets):
    return ((outputs[0] - targets) ** 2).mean()


def diagnosed(model, **options):
    return lw.diagnose(model, (X, X.roll(2, 1)), loss, [1, 2], options=FEW, **options)


class Looped(nn.Module):
    """A cell of the package in a model, unrolled by it."""

    def __init__(self):
        super().__init__()
        self.cell = lw.GRU(3, 3)

    def forward(self, x):
        return (lw.unroll(self.cell, x),)


@pytest.mark.parametrize("kind", [lambda: nn.GRU(3, 3, batch_first=True), Looped])
@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=NO_CUDA)])
def test_numbers_are_the_same_and_the_model_is_back(device, kind):
    model = kind()
    with torch.no_grad():
        for k, p in enumerate(model.parameters()):
            p.uniform_(-0.5, 0.5, generator=torch.Generator().manual_seed(k))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    one, other = diagnosed(model).summary(), diagnosed(model, device=device).summary()
    pd.testing.assert_frame_equal(one, other, rtol=1e-3)
    for name, value in model.state_dict().items():
        assert value.device.type == "cpu"
        assert torch.equal(value, before[name])


def test_a_device_that_is_not_there_is_refused_in_a_sentence():
    for device in ("gpu", "meta"):  # the second one computes no numbers
        said = rf"device .{device}. cannot be used .*; give one"
        with pytest.raises(ValueError, match=said):
            diagnosed(nn.GRU(3, 3, batch_first=True), device=device)
    halves = nn.ModuleDict({"a": nn.Linear(1, 1), "b": nn.Linear(1, 1, device="meta")})
    with pytest.raises(ValueError, match="lies on cpu and meta; put it on one"):
        diagnosed(halves, device="cpu")


class Own(nn.Module):
    """A cell of the user's."""

    def __init__(self):
        super().__init__()
        self.mix = nn.Linear(6, 3)

    def step(self, state, x):
        return torch.tanh(self.mix(torch.cat([x, state], dim=-1)))

    def forward(self, state, x):
        return self.step(state, x)


class Stepping(nn.Module):
    """A model that calls it step by step."""

    def __init__(self):
        super().__init__()
        self.cell = Own()

    def forward(self, x):
        h, found = x.new_zeros(len(x), 3), []
        for step in x.unbind(1):
            h = self.cell(h, step)
            found.append(h)
        return (torch.stack(found, dim=1),)


def elsewhere(module):
    return {"elsewhere"}


def test_cells_that_lie_elsewhere_are_measured_by_a_copy(monkeypatch):
    model = Looped()
    one = diagnosed(model).summary()
    monkeypatch.setattr(replay, "_devices", elsewhere)
    pd.testing.assert_frame_equal(one, diagnosed(model).summary())


def test_own_cells_elsewhere_have_another_envelope_and_the_remedy(monkeypatch):
    monkeypatch.setattr(replay, "_devices", elsewhere)
    envelope = diagnosed(Stepping())["cell"].group("envelope")
    assert 'on the CPU; give device="cpu"' in envelope.attrs["no_equation"]
    assert envelope["normalised"].notnull().all()
