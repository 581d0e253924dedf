"""Sums over the windows of sequences of one length, a slice at a time."""

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..cells import Cell
from ..workers import in_threads
from . import kernels
from .orders import Order

COMPILED: tuple[Order, ...] = ("zero", "first", "diagonal")  # the kernels' own order
# Numbers in one array of a slice, half a megabyte of float32: the arrays that
# linearising a cell takes then stay near the second-level cache.
SLICE = 2**17

LEAK, OWN, EXIT, RATE = range(4)  # factors whose logarithms are summed step by step


@final
@dataclass(frozen=True)
class Batch:
    """Sequences of one length to add.

    Attributes:
        cell: the recurrence.
        x: inputs, float32 or float64 on the CPU.
        states: the states after each step, from a zero initial state.
        rates: base rates Lambda at every state; 1 unless given.
    """

    cell: Cell
    x: Float[Tensor, "sequence step input"]
    states: Float[Tensor, "sequence step state"]
    rates: Float[Tensor, "sequence step unit"] | None = None

    def cut(self, part: slice) -> "Batch":
        """Return some of the sequences."""
        rates = None if self.rates is None else self.rates[part]
        return Batch(self.cell, self.x[part], self.states[part], rates)


@final
class WindowSums:
    """Sums over the windows between two recorded states of T steps.

    Args:
        steps: T.
        units: H.
        lags: lags in steps, from 1.
    """

    def __init__(self, steps: int, units: int, lags: list[int]) -> None:
        self.steps, self.units = steps, units
        self.lags = np.array([0, *lags])
        self.grid = spans(self.lags)
        shape = (3, len(self.lags))
        self.sizes = np.zeros((*shape, units))
        self.unit_logs = np.zeros((len(self.lags), units))  # of order first
        self.logs = np.zeros(shape)
        self.step_logs = np.zeros((4, steps, units))
        self.count = 0  # of sequences

    def add(self, batch: Batch) -> Float[np.ndarray, "sequence order lag"]:
        """Add a batch of sequences, and return the sum of the sizes of each.

        Threads take slices of a fixed size and their sums are added in the order of
        the sequences: the number of threads changes nothing.
        """
        size = max(1, SLICE // (self.steps * self.units))

        def work(part: slice) -> tuple[np.ndarray, ...]:
            return self._measure(batch.cut(part))

        parts = slices(len(batch.x), size)
        found = []
        for *sums, by_sequence in in_threads(work, parts, with_torch=True):
            self._merge(*sums)
            found.append(by_sequence)
        self.count += len(batch.x)
        return np.concatenate(found)

    def _measure(self, batch: Batch) -> tuple[np.ndarray, ...]:
        """Linearise a slice and take all its sums."""
        with torch.no_grad():
            steps = batch.cell.linearize(batch.states, batch.x)
            leak, exits = steps.leak.contiguous(), steps.exit
            factors = (leak, leak + steps.correction, exits, batch.rates)
            logs = np.zeros_like(self.step_logs)
            for kind, values in enumerate(factors):
                if values is not None:
                    sums = values.abs().log().sum(dim=0, dtype=torch.float64)
                    logs[kind] = sums.numpy()
        none = leak.new_zeros(0, 0, 0)
        inputs = (
            (none if array is None else array).contiguous().numpy()
            for array in (leak, steps.correction, exits, batch.rates)
        )
        sums = kernels.windows(tuple(inputs), self.grid)  # pyright: ignore
        return logs, *sums

    def _merge(
        self,
        step_logs: np.ndarray,
        sizes: np.ndarray,
        unit_logs: np.ndarray,
        logs: np.ndarray,
    ) -> None:
        self.step_logs += step_logs
        self.sizes += sizes
        self.unit_logs += unit_logs
        self.logs += logs

    def unit_log_sums(self, order: Order) -> Float[np.ndarray, "lag unit"]:
        """Give the sum over windows of ``log |mu[q]|``.

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
    """Give ``times @ logs``, a logarithm of 0 counting only where it is counted."""
    times = np.maximum(times, 0).astype(float)
    lost = np.isneginf(logs)
    finite = times @ np.where(lost, 0.0, logs)
    return np.where(times @ lost > 0, -np.inf, finite)


def spans(lags: Int[np.ndarray, "lag"]) -> tuple[np.ndarray, np.ndarray]:
    """Give each lag's slot in its span (-1: not recorded), each span's first place."""
    slots = np.full(lags[-1] + 1, -1)
    edges = np.arange(0, lags[-1] + 1 + kernels.SPAN, kernels.SPAN)
    starts = np.searchsorted(lags, edges)
    slots[lags] = np.arange(len(lags)) - starts[lags // kernels.SPAN]
    return slots, starts


def slices(count: int, size: int) -> list[slice]:
    """Cut ``count`` sequences into parts."""
    return [slice(i, min(i + size, count)) for i in range(0, count, size)]
