"""Sums over the windows of sequences of one length, a slice at a time."""

import itertools
from collections.abc import Iterable
from typing import final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..cells import Cell, Steps
from ..compiled import engine
from .orders import Order, per_unit_gains

COMPILED: tuple[Order, ...] = ("zero", "first", "diagonal")  # the kernels' own order
# Numbers in one array of a slice, half a megabyte of float32: the arrays that
# linearising a cell takes then stay near the second-level cache.
SLICE = 2**17

TOGETHER = 4  # slices of a thread that are linearised before it sums them

LEAK, OWN, EXIT, RATE = range(4)  # factors whose logarithms are summed step by step


@final
class WindowSums:
    """Sums over the windows between two recorded states of T steps.

    Args:
        cell: the recurrence.
        steps: T.
        lags: lags in steps, from 1.
    """

    def __init__(self, cell: Cell, steps: int, lags: list[int]) -> None:
        self.cell, self.steps, units = cell, steps, cell.units
        self.lags = np.array([0, *lags])
        shape = (3, len(self.lags))
        self.sizes = np.zeros((*shape, units))
        self.unit_logs = np.zeros((len(self.lags), units))  # of order first
        self.logs = np.zeros(shape)
        self.step_logs = np.zeros((4, steps, units))
        self.count = 0  # of sequences

    def add(
        self, x: Tensor, states: Tensor, rates: Tensor | None
    ) -> Float[np.ndarray, "sequence order lag"]:
        """Add sequences of T steps, and return the sum of the sizes of each.

        Slices are of a fixed size, and their sums are added in the order of the
        sequences: the number of threads changes nothing.
        """
        size = max(1, SLICE // (self.steps * self.cell.units))
        given = zip(
            x.split(size),
            states.split(size),
            itertools.repeat(None) if rates is None else rates.split(size),
            strict=False,
        )
        found = []
        while slices := list(itertools.islice(given, TOGETHER * engine.threads())):
            parts = [self._factors(*part) for part in slices]
            for sums in _window_sums(parts, self.lags.tolist()):
                self.sizes += sums.sizes
                self.unit_logs += sums.unit_logs
                self.logs += sums.logs
                found.append(sums.by_sequence)
        self.count += len(x)
        return np.concatenate(found)

    def _factors(
        self, x: Tensor, states: Tensor, rates: Tensor | None
    ) -> tuple[Steps, Tensor | None]:
        """Linearise a slice and add the logarithms of its factors."""
        with torch.no_grad():
            steps = self.cell.diagonal_jacobian(states, x)
            own = steps.leak + steps.correction
            factors = (steps.leak, own, steps.exit, rates)
            for kind, values in enumerate(factors):
                if values is not None:
                    logs = values.abs().log().sum(dim=0, dtype=torch.float64)
                    self.step_logs[kind] += logs.cpu().numpy()
        return steps, rates

    def unit_log_sums(self, order: Order) -> Float[np.ndarray, "lag unit"]:
        """Return the sum over windows of ``log |mu[q]|``.

        The logarithm of a product is a sum over steps, each as often as windows hold
        it: nothing underflows.
        """
        if order == "first":
            return self.unit_logs
        steps, lags = np.arange(self.steps), self.lags[:, None]
        last = self.steps - 1 - lags  # the last source
        held = np.minimum(last, steps - 1) - np.maximum(0, steps - lags) + 1
        total = weighted(held, self.step_logs[OWN if order == "diagonal" else LEAK])
        total = total + weighted(steps <= last, self.step_logs[RATE])
        # Without rates or exit their logarithms are sums of nothing: 0.
        ends = weighted(steps >= lags, self.step_logs[EXIT])
        return total + ends


def weighted(
    times: Int[np.ndarray, "lag step"], logs: Float[np.ndarray, "step unit"]
) -> Float[np.ndarray, "lag unit"]:
    """Return ``times @ logs``, a logarithm of 0 counting only where it is counted."""
    times = np.maximum(times, 0).astype(float)
    lost = np.isneginf(logs)
    finite = times @ np.where(lost, 0.0, logs)
    return np.where(times @ lost > 0, -np.inf, finite)


def _window_sums(
    parts: list[tuple[Steps, Tensor | None]], lags: list[int]
) -> Iterable[engine.Sums]:
    steps, rates = parts[0]
    if engine.sums_windows(steps.leak, steps.correction, steps.exit, rates):
        return engine.window_sums(parts, lags)
    return (plain_sums(*part, lags) for part in parts)


def plain_sums(steps: Steps, rates: Tensor | None, lags: list[int]) -> engine.Sums:
    """Return the sums over the windows of some sequences, lag by lag in PyTorch.

    Args:
        steps: factors of all steps.
        rates: base rates Lambda at every state; 1 unless given.
        lags: lags in steps, from 0, ascending.
    """
    count, _, units = steps.leak.shape
    sums = engine.Sums.none(count, len(lags), units)
    for kind, order in enumerate(COMPILED):
        for place, (_, gain) in enumerate(per_unit_gains(steps, lags, order)):
            mu = gain[:, 1:]
            mu = mu if rates is None else mu * rates[:, : mu.shape[1]]
            size, tiny = mu.abs().double(), torch.finfo(mu.dtype).tiny
            total = size.sum(dim=-1)
            sums.sizes[kind, place] = size.sum(dim=(0, 1)).cpu()
            sums.logs[kind, place] = float(logs(total, tiny).sum())
            sums.by_sequence[:, kind, place] = total.sum(dim=1).cpu()
            if order == "first":
                sums.unit_logs[place] = logs(size, tiny).sum(dim=(0, 1)).cpu()
    return sums


def logs(size: Tensor, tiny: float) -> Tensor:
    """Return logarithms; what is not a normal number counts as 0."""
    return torch.where(size < tiny, 0.0, size).log()
