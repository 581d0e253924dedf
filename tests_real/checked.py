"""A model of other people's parts, diagnosed and held against the truth."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import learnability as lw
from learnability.diagnosis import DiagnosisOptions
from tests_real import truth
from tests_real.conftest import Table

COUNT, STEPS, WIDTH = 32, 12, 8
LAGS = [1, 2, 3, 5, 8, 11]
QUICK = DiagnosisOptions(resamples=20, exact_windows=64, pairs=1)
ALIKE = 1e-3  # norms along as many directions as there are outputs are exact
EXACT = 2e-3  # gradients in single precision against gradients by hand


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
    table: Table,
    what: str,
    model: Model,
    calls: truth.Calls | None = None,
    given: Any = None,
    **options: Any,
) -> lw.LayerDiagnosis:
    """Diagnose a body, and hold envelope and detection against the truth.

    Args:
        table: where what was found is noted.
        what: the thing's name.
        model: a body and a read-out.
        calls: how the body is called; as a whole unless given.
        given: the data.
        options: of `diagnose`; the layer is the body unless given.
    """
    given = data() if given is None else given
    calls = calls or truth.Calls(model.body)
    direction = torch.zeros(calls.of(model, given[0])[0][0].shape[-1])
    direction[0] = 1.0
    found = diagnosed(
        model, given, **({"direction": direction, "layers": ["body"]} | options)
    )
    apart = [
        _envelope(found, truth.envelope(model, calls, given[0], [0, *LAGS])),
        _detection(found, model, calls, given, direction),
    ]
    shown = f"f {apart[0]:.1g}, U and sigma {apart[1]:.1g}"
    table.row(what, "f(l), N(l)", "autograd by hand", shown)
    return found


def _envelope(found: lw.LayerDiagnosis, exact: np.ndarray) -> float:
    """Hold the envelope of the last step against the exact one."""
    known = found.tree.children
    group = found.group("sensitivity" if "sensitivity" in known else "envelope")
    own = group.sel(order="sensitivity")
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
