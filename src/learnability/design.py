"""Designing a network for a window: gate biases whose time scales reach it.

A unit whose gate keeps ``exp(-1/tau)`` of its past forgets within tau steps. With one
noise floor at all lags the window of H units is where their mean envelope ``f(l) =
mean_q exp(-l/tau_q)`` falls to ``eps_N``; a family of time scales has one parameter,
its scale, and the scale is chosen so that this window is the wanted one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, final, get_args

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from scipy.optimize import brentq
from torch import nn

from .cells import (
    GRU,
    LRU,
    LSTM,
    MLSTM,
    RGLRU,
    S6,
    SLSTM,
    Cell,
    DiagGate,
    GatedDeltaNet,
    MinGRU,
    MinLSTM,
    TorchGRU,
)
from .cells.xlstm import CAP, uncapped
from .detection.decay import envelope_of_units, noise_level
from .models.convert import PARTS, PIECES, kind_of

Family = Literal["log-uniform", "gamma", "chrono"]

SHORTEST = 1.0  # steps: no unit forgets faster than a step
LONGEST = 1e9  # steps: a scale beyond any sequence
GATES = (LSTM, GRU, TorchGRU, DiagGate, MinGRU, MinLSTM, RGLRU, LRU, SLSTM)
# Cells whose units cannot keep their past each for itself, and what starts them.
SHARED = {S6: "dt0", MLSTM: "f0", GatedDeltaNet: "a0"}


def time_scales(family: Family, scale: float, units: int) -> Float[np.ndarray, "unit"]:
    """Return the time scales of some units: a distribution's quantiles.

    ``log-uniform``: log tau uniform between 1 and the scale. ``gamma``: rates 1/tau
    exponential with mean 1/scale, of which the envelope is ``1/(1 + l/scale)``.
    ``chrono``: the odds of keeping uniform between 1 and the scale.

    Args:
        family: which of the three.
        scale: in steps, above 1.
        units: their number, H.

    Example:
        >>> time_scales("log-uniform", 100.0, 2).round(2)
        array([ 3.16, 31.62])

    Source: chrono initialisation: Tallec and Ollivier 2018, section 2.
    """
    share = (np.arange(units) + 0.5) / units
    if family == "log-uniform":
        return SHORTEST * (scale / SHORTEST) ** share
    if family == "gamma":
        return scale / -np.log(share)
    odds = 1 + (scale - 1) * share
    return 1 / np.log1p(1 / odds)


def predicted_window(tau: Float[np.ndarray, "unit"], level: float) -> float:
    """Return the longest lag at which the mean envelope of some units has a level.

    ``H = sup{ l : mean_q exp(-l/tau_q) >= level }``

    Args:
        tau: time scales in steps.
        level: eps_N, below 1.

    Example:
        >>> float(round(predicted_window(np.array([50.0]), np.exp(-2.0)), 6))
        100.0
    """
    if level >= 1:
        return 0.0
    edge = float(tau.max()) * np.log(1 / level)

    def excess(lag: float) -> float:
        return float(envelope_of_units(tau, lag)) - level

    return edge if excess(edge) >= 0 else _root(excess, 0.0, edge)


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    return float(brentq(function, low, high, xtol=1e-12))  # pyright: ignore


@final
@dataclass(frozen=True)
class GateBias:
    """Gate biases for a window.

    Attributes:
        family: of the time scales.
        scale: the family's scale, in steps.
        tau: time scale of every unit, in steps.
        level: eps_N, the level to which the envelope may fall.
        horizon: the wanted window, in steps.
    """

    family: Family
    scale: float
    tau: Float[np.ndarray, "unit"]
    level: float
    horizon: float

    @property
    def bias(self) -> Float[np.ndarray, "unit"]:
        """Return the pre-activation of what keeps the past: ``logit(exp(-1/tau))``."""
        return -np.log(np.expm1(1 / self.tau))

    @property
    def window(self) -> float:
        """Return the predicted window, in steps."""
        return predicted_window(self.tau, self.level)

    def apply(self, module: nn.Module) -> None:
        """Set the gate biases of every recurrent layer in a module, in place.

        The gate's weights stay. The input gate of an LSTM or a MinLSTM gets the
        opposite bias, so that its memory stays of order 1 (Tallec and Ollivier 2018);
        an RGLRU keeps what was designed where its gate is 1/2, as without weights and
        bias; a pair of an LRU gets the mean rate of two units; an SLSTM keeps it once
        its normaliser has settled.

        Args:
            module: a layer, a cell or a model that holds some.

        Raises:
            ValueError: if it holds no gated layer, or one has another number of units,
                no biases, or one gate for all units; nothing is changed then.
        """
        for kind, start in SHARED.items():
            if any(isinstance(m, kind) for m in module.modules()):
                raise ValueError(
                    f"the units of {kind.__name__} share what they keep, and no bias "
                    f"gives each a time scale of its own; start it with {start}"
                )
        layers = [m for m in module.modules() if _gated(m)]
        if not layers:
            raise ValueError(
                f"{type(module).__name__} holds no gated recurrent layer; give a GRU, "
                "an LSTM or a DiagGate"
            )
        for layer in layers:
            _check(layer, len(self.tau), float(self.bias.max()))
        with torch.no_grad():
            for layer in layers:
                _set(layer, torch.from_numpy(self.bias))


def gate_bias(
    horizon: float,
    units: int,
    n_sequences: float,
    alpha: float = 2.0,
    *,
    family: Family = "log-uniform",
    noise: float = 1.0,
    significance: float = 0.05,
) -> GateBias:
    """Return gate biases whose time scales reach a wanted window.

    The scale solves ``mean_q exp(-horizon/tau_q(scale)) = eps_N``, ``eps_N = noise
    q_{1-significance} N^(-1/kappa)``.

    Args:
        horizon: the wanted window, in steps.
        units: their number, H.
        n_sequences: N, sequences to learn from.
        alpha: tail index of the noise.
        family: of time scales; see `time_scales`.
        noise: sigma/m0, noise floor over the signal of an envelope of 1.
        significance: probability to take the sign of the signal for the wrong one.

    Raises:
        ValueError: if the family is unknown, a number is out of range, or so few
            samples see nothing at any lag.

    Example:
        >>> found = gate_bias(200, units=64, n_sequences=1e4)
        >>> round(found.window), found.bias.shape
        (200, (64,))

    Source: MATH of windows: Livi 2025 (arXiv 2512.05790); docs/models.md.
    """
    if family not in get_args(Family):
        raise ValueError(
            f"the family is {family!r}; choose one of {', '.join(get_args(Family))}"
        )
    if not horizon > 0 or units < 1:
        raise ValueError(
            f"a window of {horizon} steps from {units} units cannot be designed; give "
            "numbers above 0"
        )
    level = float(
        noise_level(n_sequences, alpha, scale=noise, significance=significance)
    )
    if level >= 1:
        raise ValueError(
            f"{n_sequences:g} sequences see nothing at any lag (their noise level is "
            f"{level:.3g}, the envelope at most 1); give more"
        )

    def excess(log_scale: float) -> float:
        tau = time_scales(family, float(np.exp(log_scale)), units)
        return predicted_window(tau, level) - horizon

    low, high = np.log(SHORTEST * (1 + 1e-9)), np.log(LONGEST)
    if excess(low) >= 0:
        log_scale = low
    elif excess(high) < 0:
        raise ValueError(
            f"a window of {horizon:g} steps is too long to design; lower it"
        )
    else:
        log_scale = _root(excess, low, high)
    scale = float(np.exp(log_scale))
    return GateBias(family, scale, time_scales(family, scale, units), level, horizon)


def compare(
    horizon: float,
    units: int,
    n_sequences: float,
    alpha: float = 2.0,
    *,
    noise: float = 1.0,
    significance: float = 0.05,
) -> pd.DataFrame:
    """Return what each family predicts, with the scale at which it reaches the window.

    Arguments are those of `gate_bias`.

    Returns:
        One row per family: scale, shortest, median and longest time scale, the windows
        of N/10, N and 10 N sequences, all in steps.

    Example:
        >>> compare(200, units=64, n_sequences=1e4).index.tolist()
        ['log-uniform', 'gamma', 'chrono']
    """
    rows = {}
    for family in get_args(Family):
        size = {"noise": noise, "significance": significance}
        found = gate_bias(horizon, units, n_sequences, alpha, family=family, **size)
        row = {
            "scale": found.scale,
            "shortest": found.tau.min(),
            "median": float(np.median(found.tau)),
            "longest": found.tau.max(),
        }
        for factor, name in ((0.1, "N/10"), (1.0, "N"), (10.0, "10 N")):
            level = noise_level(
                factor * n_sequences, alpha, scale=noise, significance=significance
            )
            row[f"window {name}"] = predicted_window(found.tau, float(level))
        rows[family] = row
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("family")


def _gated(layer: nn.Module) -> bool:
    """Tell whether a layer has a gate of its own a unit that keeps the past."""
    return isinstance(layer, GATES) or kind_of(layer) in ("GRU", "LSTM")


def _check(layer: nn.Module, units: int, longest: float) -> None:
    """Refuse a layer whose gates cannot get biases for so many units."""
    own = layer.units if isinstance(layer, Cell) else layer.hidden_size
    if own != units:
        raise ValueError(
            f"the biases are for {units} units, but a layer has {own}; design them for "
            "as many"
        )
    if isinstance(layer, SLSTM) and longest >= CAP:
        raise ValueError(
            "an SLSTM's gate is capped where it keeps 3 million steps; design a "
            "shorter window"
        )
    if not isinstance(layer, Cell) and not _input_biases(layer):
        raise ValueError("the layer has bias=False; a gate needs a bias to be set")


def _set(layer: nn.Module, bias: torch.Tensor) -> None:
    """Set the bias of what keeps the past; update gates are 1 minus it."""
    if isinstance(layer, LSTM | MinLSTM):
        layer.b_f.copy_(bias)
        layer.b_i.copy_(-bias)
    elif isinstance(layer, GRU | TorchGRU | MinGRU):
        layer.b_z.copy_(-bias)
    elif isinstance(layer, SLSTM):
        layer.b_f.copy_(uncapped(bias))
    elif isinstance(layer, RGLRU):
        layer.keep(torch.sigmoid(bias))
    elif isinstance(layer, LRU):
        rates = -torch.nn.functional.logsigmoid(bias)
        layer.keep(torch.exp(-rates.unflatten(0, (-1, 2)).mean(dim=1)))
    elif isinstance(layer, DiagGate):
        layer.b_s.copy_(-bias)
    else:
        _set_torch(layer, str(kind_of(layer)), bias)


def _set_torch(layer: nn.Module, kind: str, bias: torch.Tensor) -> None:
    """Set the biases of every layer and direction of PyTorch's GRU or LSTM."""
    gates = {"b_f": bias, "b_i": -bias} if kind == "LSTM" else {"b_z": -bias}
    named = dict(layer.named_parameters())
    for name in _input_biases(layer):
        for gate, values in gates.items():
            piece = PIECES[kind][gate]
            for source, own in ((name, True), (name.replace("_ih", "_hh"), False)):
                rows = named[source].chunk(PARTS[kind])[piece.part]
                rows.copy_(piece.sign * values if own else torch.zeros_like(rows))


def _input_biases(layer: nn.Module) -> list[str]:
    """Return the names of the input biases of PyTorch's GRU or LSTM."""
    return [name for name, _ in layer.named_parameters() if name.startswith("bias_ih")]
