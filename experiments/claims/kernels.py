"""(h) First order, and (i) the published GRU kernel, against exact transport."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from learnability.cells import CELLS, Cell
from learnability.cells.base import Steps
from learnability.randomness import stream
from learnability.transport.livi2025 import published_gains, published_steps
from learnability.transport.orders import per_unit_gains, sampled_exact
from learnability.unroll import unroll

from .record import Claim, Curve, Measured, Panel, Part, Tolerance

PUBLISHED = ("ConstGate", "SharedGate", "DiagGate", "GRU", "LSTM")
INPUTS, UNITS = 16, 128
LAGS = (1, 2, 5, 10, 20, 40, 80, 160, 320)
LAGS_LSTM = (1, 2, 4, 8, 16, 32)
NETWORKS = 4
FACTOR = 1.25
"""Within it a kernel counts as right."""

Gains = Callable[[Cell, Tensor, Tensor, list[int]], dict[int, Tensor]]


@dataclass(frozen=True)
class Kernels:
    """An approximate and the exact envelope of an ensemble of networks.

    Attributes:
        cell: name of the cell.
        layernorm: whether its candidate is normalised.
        tau: time scale of a unit at initialisation, in steps.
        lags: lags in steps; (lag,).
        exact: sum over units of |M[q,q]|, by network; (network, lag).
        other: the same of the approximation; (network, lag).
    """

    cell: str
    layernorm: bool
    tau: int
    lags: np.ndarray
    exact: Float[np.ndarray, "network lag"]
    other: Float[np.ndarray, "network lag"]

    @property
    def name(self) -> str:
        """Give the cell with its normalisation."""
        return f"{self.cell}, LayerNorm" if self.layernorm else self.cell

    def compared(self, lag: int) -> Measured:
        """Give the approximation over the exact envelope at one lag.

        The standard error is that of the ratio of means over networks.
        """
        at = int(np.flatnonzero(self.lags == lag)[0])
        mean = self.other[:, at].mean(), self.exact[:, at].mean()
        ratio = mean[0] / mean[1]
        residual = self.other[:, at] - ratio * self.exact[:, at]
        error = residual.std(ddof=1) / len(residual) ** 0.5 / mean[1]
        return Measured(f"{self.name}, lag {lag}", ratio, error, 1.0)


def first_gains(
    cell: Cell, x: Tensor, states: Tensor, lags: list[int]
) -> dict[int, Tensor]:
    """Give the gains of the first-order expansion over the last windows.

    Args:
        cell: the recurrence.
        x: inputs.
        states: states after each step.
        lags: lags in steps.
    """
    steps = cell.diagonal_jacobian(states, x)
    last = slice(-max(lags), None)
    exit_ = None if steps.exit is None else steps.exit[:, last]
    cut = Steps(steps.leak[:, last], steps.correction[:, last], exit_)
    return {lag: gain[:, -1] for lag, gain in per_unit_gains(cut, lags, "first")}


def gru_gains(
    cell: Cell, x: Tensor, states: Tensor, lags: list[int]
) -> dict[int, Tensor]:
    """Give the published gains of first order over the last windows.

    Args:
        cell: the recurrence.
        x: inputs.
        states: states after each step.
        lags: lags in steps.
    """
    published = published_steps(cell, x, states)
    found = published_gains(published, lags, order="first")
    return {lag: gain[:, -1] for lag, gain in found.items()}


def first_order(
    seed: int,
    *,
    cells: Sequence[str] = PUBLISHED,
    units: int = UNITS,
    gains: Gains = first_gains,
) -> Claim:
    """Compare the first-order expansion with exact transport at initialisation.

    sum_q |prod a (1 + sum r/a)| against sum_q |M[q,q]|

    Args:
        seed: of the experiment.
        cells: names of the cells.
        units: H.
        gains: the approximation.

    Example:
        >>> first_order(0, cells=["LSTM"], units=8).letter
        'h'

    Source: Livi 2025, arXiv 2512.05790, first-order expansion.
    """
    found = [
        _kernels(seed, name, layernorm, units, gains)
        for name in cells
        for layernorm in (False, True)
    ]
    return Claim(
        letter="h",
        title="First order against exact transport",
        statement="The first-order expansion of the Jacobian product describes what "
        "arrives at the lags that decide the window.",
        testbed=f"{NETWORKS} networks of {units} units a cell at the published "
        f"initialisation (orthogonal matrices, gate 0.05, LSTM forget gate 0.5), "
        "Gaussian inputs, LayerNorm off and on; ratio of the envelopes at lags counted "
        "in units of the time scale tau of a unit (20 steps; LSTM 2).",
        parts=_orders(found),
        panels=tuple(_panel(name, found, "first order") for name in cells),
        caption="Sum over units of the own entries of the Jacobian product: exact "
        "(points, standard errors over networks) and first order (lines), without and "
        "with LayerNorm.",
    )


def published_gru(seed: int, *, units: int = UNITS, gains: Gains = gru_gains) -> Claim:
    """Compare the published GRU kernel with exact transport at initialisation.

    prod(1-z) (1 + sum r/a) + prod r + prod (1-z) r against M[q,q], r the reset gate in
    the further products

    Args:
        seed: of the experiment.
        units: H.
        gains: the approximation.

    Example:
        >>> published_gru(0, units=8).letter
        'i'

    Source: Livi 2025, arXiv 2512.05790, and the programme published with it.
    """
    found = [_kernels(seed, "GRU", norm, units, gains) for norm in (False, True)]
    return Claim(
        letter="i",
        title="The published GRU kernel",
        statement="The published kernel of the GRU is its transport.",
        testbed=f"{NETWORKS} GRUs of {units} units at the published initialisation "
        "(orthogonal matrices, update gate 0.05), Gaussian inputs, LayerNorm off and "
        "on; ratio of the envelopes.",
        parts=tuple(
            _part(name, words, found, lags)
            for name, words, lags in (
                ("lags 1 and 2", "at the shortest lags", (1, 2)),
                ("lags 10 and 20", "at lags up to the time scale of a unit", (10, 20)),
                ("lag 320", "at sixteen time scales", (320,)),
            )
        ),
        panels=(_panel("GRU", found, "published"),),
        caption="Sum over units of the own entries of the Jacobian product: exact "
        "(points, standard errors over networks) and as published (lines), without and "
        "with LayerNorm.",
    )


def _kernels(seed: int, name: str, norm: bool, units: int, gains: Gains) -> Kernels:
    lags: list[int] = [*(LAGS_LSTM if name == "LSTM" else LAGS)]
    pairs = [_one(seed, k, name, norm, units, lags, gains) for k in range(NETWORKS)]
    exact, other = (np.array(rows) for rows in zip(*pairs, strict=True))
    tau = 2 if name == "LSTM" else 20
    return Kernels(name, norm, tau, np.array(lags), exact, other)


def _one(
    seed: int,
    network: int,
    name: str,
    layernorm: bool,
    units: int,
    lags: list[int],
    gains: Gains,
) -> tuple[list[float], list[float]]:
    """Give both envelopes of one network, at the end of one sequence."""
    purpose = f"kernels {name} {network}"
    weights = np.random.default_rng(stream(seed, f"{purpose} weights"))
    kind = CELLS[name]
    cell = kind(INPUTS, units, layernorm=layernorm, seed=weights).double()
    random = np.random.default_rng(stream(seed, f"{purpose} inputs"))
    steps = max(lags) + 2 * 20
    x = torch.from_numpy(random.standard_normal((1, steps, INPUTS)))
    with torch.no_grad():
        states = unroll(cell, x)
        anchors = torch.tensor([[0, steps - 1]])
        exact = dict(sampled_exact(cell, x, states, lags, anchors))
        other = gains(cell, x, states, lags)
    return tuple(  # pyright: ignore[reportReturnType]
        [float(found[lag].abs().sum()) for lag in lags] for found in (exact, other)
    )


def _orders(found: list[Kernels]) -> tuple[Part, ...]:
    return (
        _part(
            "up to tau", "at lags up to the time scale of a unit", found, (0.5, 1), True
        ),
        _part("4 tau", "at four time scales", found, (4,), True),
        _part("16 tau", "at sixteen time scales", found, (16,), True),
    )


def _part(
    name: str,
    words: str,
    found: list[Kernels],
    lags: tuple[float, ...],
    in_tau: bool = False,
) -> Part:
    numbers = tuple(
        k.compared(int(lag * k.tau) if in_tau else int(lag))
        for k in found
        for lag in lags
    )
    ratios = np.array([n.value for n in numbers])
    worst = float(ratios[np.argmax(np.abs(np.log(ratios)))])
    return Part(
        name,
        f"The envelope is that of exact transport {words}.",
        Tolerance("factor", FACTOR),
        numbers,
        (
            f"{words} it is right within a factor {FACTOR:g}",
            f"{words} it is wrong by a factor up to {max(worst, 1 / worst):.2g}",
        ),
    )


def _panel(name: str, found: list[Kernels], kernel: str) -> Panel:
    curves = []
    for hue, k in enumerate(k for k in found if k.cell == name):
        mean = k.exact.mean(axis=0)
        error = k.exact.std(axis=0, ddof=1) / len(k.exact) ** 0.5
        lags, label = k.lags.astype(float), "LayerNorm" if k.layernorm else "without"
        curves += [
            Curve(f"exact, {label}", lags, mean, error, "points", hue),
            Curve(f"{kernel}, {label}", lags, k.other.mean(axis=0), None, "line", hue),
        ]
    return Panel(name, "lag in steps", "sum of |M[q,q]|", tuple(curves), "xy")
