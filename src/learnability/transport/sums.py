"""Sums over the windows of many sequences, a slice at a time, and what they say."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..cells import Cell
from ..workers import in_threads
from . import kernels
from .orders import Order
from .record import Envelope

COMPILED: tuple[Order, ...] = ("zero", "first", "diagonal")  # the kernels' own order
# Numbers in one array of a slice, half a megabyte of float32: the arrays that
# linearising a cell takes then stay near the second-level cache.
SLICE = 2**17

LEAK, OWN, EXIT, RATE = range(4)  # factors whose logarithms are summed step by step


@dataclass(frozen=True)
class Layout:
    """What all batches of an accumulator have in common.

    Attributes:
        steps: T.
        units: H.
        directions: how many the evidence has.
        rated: whether base rates are given.
        dtype: of the inputs.
    """

    steps: int
    units: int
    directions: int
    rated: bool
    dtype: torch.dtype


@dataclass(frozen=True)
class Batch:
    """Sequences to add; see `windows.Accumulator.add`."""

    cell: Cell
    x: Float[Tensor, "sequence step input"]
    states: Float[Tensor, "sequence step state"]
    rates: Float[Tensor, "sequence step unit"] | None = None
    delta: Float[Tensor, "sequence step unit"] | None = None
    total: Float[Tensor, "direction sequence step unit"] | None = None

    def cut(self, part: slice) -> Self:
        """Give some of the sequences."""
        return replace(
            self,
            x=self.x[part],
            states=self.states[part],
            rates=None if self.rates is None else self.rates[part],
            delta=None if self.delta is None else self.delta[part],
            total=None if self.total is None else self.total[:, part],
        )

    @property
    def layout(self) -> Layout:
        """Give what other batches must have in common with this one."""
        return Layout(
            steps=self.x.shape[1],
            units=self.cell.units,
            directions=0 if self.total is None else len(self.total),
            rated=self.rates is not None,
            dtype=self.x.dtype,
        )


class WindowSums:
    """Sums over windows from the source ``first`` (-1 is the initial state) on."""

    def __init__(self, layout: Layout, lags: list[int], first: int) -> None:
        self.layout, self.first = layout, first
        self.lags = np.array([0, *lags])
        self.slots, self.starts = spans(self.lags)
        shape = (3, len(self.lags))
        self.sizes = np.zeros((*shape, layout.units))
        self.unit_logs = np.zeros((len(self.lags), layout.units))  # of order first
        self.logs = np.zeros(shape)
        self.step_logs = np.zeros((4, layout.steps, layout.units))
        self.moments = Moments(shape)
        self.psi: list[np.ndarray] = []

    def add(self, batch: Batch) -> None:
        """Add a batch of sequences.

        Threads take slices of a fixed size and their sums are added in the order of
        the sequences: the number of threads changes nothing.
        """
        size = max(1, SLICE // (self.layout.steps * self.layout.units))

        def work(part: slice) -> tuple[np.ndarray, ...]:
            return self._measure(batch.cut(part))

        parts = slices(len(batch.x), size)
        # One array a batch: thousands of small ones would pin the heap around them.
        psi = np.empty((len(batch.x), 3 * self.layout.directions, len(self.lags)))
        found = in_threads(work, parts, with_torch=True)
        for part, (*sums, evidence) in zip(parts, found, strict=True):
            psi[part] = evidence
            self._merge(*sums)
        self.psi.append(psi)

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
        total = none[None][:0] if batch.total is None else batch.total
        arrays = (leak, steps.correction, exits, batch.rates, batch.delta, total)
        inputs = (
            (none if array is None else array).contiguous().numpy() for array in arrays
        )
        grid = (self.first, self.slots, self.starts)
        sums = kernels.windows(tuple(inputs), grid)  # pyright: ignore
        return logs, *sums

    def _merge(
        self,
        step_logs: np.ndarray,
        sizes: np.ndarray,
        unit_logs: np.ndarray,
        logs: np.ndarray,
        by_sequence: np.ndarray,
    ) -> None:
        self.step_logs += step_logs
        self.sizes += sizes
        self.unit_logs += unit_logs
        self.logs += logs
        self.moments.add(by_sequence)

    def envelope(self, order: Order) -> Envelope:
        """Give the envelope of an order, lag 0 as its origin."""
        place = COMPILED.index(order)
        windows = self.layout.steps - self.lags - self.first
        number = self.moments.count * windows
        unit_mean = self.sizes[place] / number[:, None]
        unit_logs = self.unit_log_sums(order) / number[:, None]
        mean = unit_mean.sum(axis=-1)
        return Envelope(
            lags=self.lags[1:],
            mean=mean[1:],
            error=self.moments.error()[place, 1:] / windows[1:],
            typical=np.exp(self.logs[place, 1:] / number[1:]),
            unit_mean=unit_mean[1:],
            unit_typical=np.exp(unit_logs[1:]),
            origin=float(mean[0]),
        )

    def evidence(self, order: Order) -> Float[np.ndarray, "lag direction sequence"]:
        """Give ``psi_n(l)``, the mean over the valid steps of each sequence."""
        psi = np.concatenate(self.psi)
        psi = psi.reshape(len(psi), -1, 3, len(self.lags))[:, :, COMPILED.index(order)]
        return (psi / (self.layout.steps - self.lags)).T[1:]

    def unit_log_sums(self, order: Order) -> Float[np.ndarray, "lag unit"]:
        """Give the sum over windows of ``log |mu[q]|``.

        The logarithm of a product is a sum over steps, each as often as windows hold
        it: nothing underflows.
        """
        if order == "first":
            return self.unit_logs
        steps, lags = np.arange(self.layout.steps), self.lags[:, None]
        last = self.layout.steps - 1 - lags  # the last source
        held = np.minimum(last, steps - 1) - np.maximum(self.first, steps - lags) + 1
        total = weighted(held, self.step_logs[OWN if order == "diagonal" else LEAK])
        total = total + weighted(steps <= last, self.step_logs[RATE])
        # Without rates or exit their logarithms are sums of nothing: 0.
        ends = weighted(steps >= self.first + lags, self.step_logs[EXIT])
        return total + ends


class Moments:
    """Count, mean and squared deviations, merged batch by batch (Chan et al. 1979)."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.count = 0
        self.mean, self.squares = np.zeros(shape), np.zeros(shape)

    def add(self, values: Float[np.ndarray, "sequence ..."]) -> None:
        """Add a batch of values."""
        batch, mean = len(values), values.mean(axis=0)
        apart, count = mean - self.mean, self.count + batch
        inside = ((values - mean) ** 2).sum(axis=0)
        self.squares += inside + apart**2 * (self.count * batch / count)
        self.mean += apart * (batch / count)
        self.count = count

    def error(self) -> np.ndarray:
        """Give the standard error of the mean; nan for a single value."""
        if self.count < 2:
            return np.full_like(self.mean, np.nan)
        return np.sqrt(self.squares / (self.count - 1) / self.count)


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
