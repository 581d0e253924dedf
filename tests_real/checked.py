"""A model of other people's parts, diagnosed and held against the truth."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import learnability as lw
from learnability.diagnosis import DiagnosisOptions
from tests_real import truth
from tests_real.conftest import Row

COUNT, STEPS, WIDTH = 32, 12, 8
LAGS = [1, 2, 3, 5, 8, 11]
QUICK = DiagnosisOptions(resamples=20, exact_windows=10**4, pairs=1)
ALIKE = 1e-4  # norms along as many directions as there are outputs are exact
EXACT = 1e-4  # gradients in single precision against gradients by hand


class Model(nn.Module):
    """A body that maps steps to steps, and a read-out of one number.

    Args:
        body: gives a step for each step; the first tensor of what it gives counts.
        width: of what it gives.
    """

    def __init__(self, body: nn.Module, width: int = WIDTH) -> None:
        super().__init__()
        self.body, self.head = body, nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(truth.first(self.body(x)))[..., 0]


class Loop(nn.Module):
    """A cell called step by step with inputs and the state that it gave.

    Args:
        cell: gives a state, or outputs and a state.
        beside: whether it gives outputs beside its state.
    """

    def __init__(self, cell: nn.Module, beside: bool = False) -> None:
        super().__init__()
        self.cell, self.beside = cell, beside

    def forward(self, x: Tensor) -> Tensor:
        state, made = None, []
        for step in x.unbind(dim=1):
            given = self.cell(step, state)
            out, state = given if self.beside else (given, given)
            made.append(out[0] if isinstance(out, tuple) else out)
        return torch.stack(made, dim=1)

    def parts(self, given: Any) -> list[Tensor]:
        """Return the parts of the state of what the cell gives."""
        state = given[1] if self.beside else given
        parts = list(state) if isinstance(state, tuple) else [state]
        return parts[: len({id(part) for part in parts})]

    def taken(self, parts: list[Tensor]) -> Any:
        """Return the state that the cell takes."""
        double = self.cell.uses_double_state()
        return tuple(parts * (2 // len(parts))) if double else parts[0]


def data(width: int = WIDTH, count: int = COUNT, steps: int = STEPS) -> Any:
    """Return white inputs, and their first feature of two steps ago with noise."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(count, steps, width, generator=generator)
    noise = torch.randn(count, steps, generator=generator)
    return x, x[..., 0].roll(2, 1) + 0.5 * noise


def diagnosed(model: nn.Module, given: Any, **options: Any) -> lw.LayerDiagnosis:
    """Return the diagnosis of the only layer."""
    settings = {"options": QUICK, "lags": LAGS} | options
    (found,) = lw.diagnose(model, given, "mse", **settings).values()
    return found


def check(
    row: Row,
    what: str,
    model: Model,
    calls: truth.Calls | None = None,
    given: Any = None,
    loop: Loop | None = None,
    **options: Any,
) -> lw.LayerDiagnosis:
    """Diagnose a body, and hold envelope and detection against the truth.

    Args:
        row: notes what was found.
        what: the thing's name.
        model: a body and a read-out.
        calls: how the body is called; as a whole unless given.
        given: the data.
        loop: of the cell that is diagnosed, where it is called in one.
        options: of `diagnose`; the layer is the body unless given.
    """
    given = data() if given is None else given
    calls = calls or truth.Calls(model.body)
    direction = torch.zeros(calls.of(model, given[0])[0][0].shape[-1])
    direction[0] = 1.0
    found = diagnosed(
        model, given, **({"direction": direction, "layers": ["body"]} | options)
    )
    order = "sensitivity"
    if loop is not None and "exact" in found.group("envelope")["order"]:
        order = "exact"
        grid = [0, *LAGS]
        exact = truth.transport(loop.cell, given[0], grid, loop.parts, loop.taken)
    else:
        exact = truth.envelope(model, calls, given[0], [0, *LAGS])
    apart = [
        _envelope(found, exact, order),
        _detection(found, model, calls, given, direction),
    ]
    shown = f"f {apart[0]:.1g}, U and sigma {apart[1]:.1g}"
    row(what, "f(l), N(l)", "autograd by hand", shown)
    return found


def _envelope(found: lw.LayerDiagnosis, exact: np.ndarray, order: str) -> float:
    """Hold an envelope against the exact one."""
    name = order if order in found.tree.children else "envelope"
    own = found.group(name).sel(order=order)
    measured = np.array([float(own["origin"]), *own["mean"].values])
    assert (measured[exact == 0] == 0).all()
    there = exact > 0
    apart = np.abs(np.log(measured[there] / exact[there])).max()
    assert apart < ALIKE
    return float(apart)


def _detection(
    found: lw.LayerDiagnosis,
    model: Model,
    calls: truth.Calls,
    given: Any,
    direction: Tensor,
) -> float:
    """Hold what N(l) is made of against gradients by hand."""
    group = found.group("detection")
    lags = group["lag"].values.tolist()
    weights = model.head.weight[0]
    exact = truth.detection(model, calls, weights, given, direction, lags)
    largest = np.abs(exact.signal).max()
    by_signal = np.abs(group["signal"].values - exact.signal) / largest
    by_noise = np.abs(group["noise"].values / exact.noise - 1)
    apart = float(max(by_signal.max(), by_noise.max()))
    assert apart < EXACT
    return apart
