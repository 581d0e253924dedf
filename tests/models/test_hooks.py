"""Tests of models that change gradients on their way back."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from learnability import DiagnosisOptions, UnsupportedModelError, diagnose

OPTIONS = DiagnosisOptions(exact_windows=2, anchors=1, resamples=20, effect_size=0.5)
LAGS = [1, 2, 3]
X = torch.randn(60, 10, 2, generator=torch.Generator().manual_seed(1))
DATA = X, X[..., 0].roll(2, 1)
Change = Callable[[Tensor], Tensor]


class Loop(nn.Module):
    """A cell in a loop whose states somebody changes before the next step."""

    def __init__(self, change: Change) -> None:
        super().__init__()
        self.change = change
        torch.manual_seed(0)
        self.cell, self.out = nn.GRUCell(2, 6), nn.Linear(6, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return a value of each step."""
        h, states = x.new_zeros(len(x), 6), []
        for now in x.unbind(1):
            h = self.change(self.cell(now, h))
            states.append(h)
        return self.out(torch.stack(states, 1))[..., 0]


def hooked(hook: Callable[[Tensor], Tensor | None]) -> Change:
    """Return what registers a hook on states."""

    def change(h: Tensor) -> Tensor:
        if h.requires_grad:
            h.register_hook(hook)
        return h

    return change


def needed(change: Change) -> Tensor:
    """Return N(l) of a loop whose states are changed."""
    found = diagnose(Loop(change), DATA, "mse", LAGS, options=OPTIONS)
    (layer,) = found.values()
    return torch.tensor(layer.group("detection")["needed"].values)


@pytest.mark.parametrize("hook", [lambda g: None, lambda g: g.clamp(-1e3, 1e3)])
def test_a_hook_that_only_looks_changes_nothing(
    hook: Callable[[Tensor], Tensor | None],
) -> None:
    assert torch.equal(needed(hooked(hook)), needed(lambda h: h))


def test_a_factor_of_gradients_in_time_belongs_to_the_step() -> None:
    by_hook = needed(hooked(lambda g: 0.8 * g))
    by_forward = needed(lambda h: 0.8 * h + 0.2 * h.detach())
    torch.testing.assert_close(by_hook, by_forward, rtol=1e-5, atol=0)
    assert (by_hook > needed(lambda h: h) * 1.05).all()


def test_gradients_that_are_clipped_on_their_way_back_are_refused() -> None:
    with pytest.raises(UnsupportedModelError, match="clips or normalises gradients"):
        needed(hooked(lambda g: g.clamp(-1e-4, 1e-4)))


def test_a_clipped_output_is_refused_too() -> None:
    class Clipped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn, self.out = nn.GRU(2, 6, batch_first=True), nn.Linear(6, 1)

        def forward(self, x: Tensor) -> Tensor:
            h, _ = self.rnn(x)
            if h.requires_grad:
                h.register_hook(lambda g: g.clamp(-1e-4, 1e-4))
            return self.out(h)[..., 0]

    with pytest.raises(UnsupportedModelError, match="leave it out for the diagnosis"):
        diagnose(Clipped(), DATA, "mse", LAGS, options=OPTIONS)
