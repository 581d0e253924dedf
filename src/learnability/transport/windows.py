"""Envelopes of many sequences, of one length or of several, a batch at a time."""

import itertools
from collections.abc import Iterable
from typing import final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..cells import Cell, Steps
from ..compiled import engine
from .clusters import RatioSums
from .envelope import Envelope, EnvelopeSums, Totals, logs
from .orders import Order, per_unit_gains

COMPILED: tuple[Order, ...] = ("zero", "first", "diagonal")  # the kernels' own order
# Numbers in one array of a slice, half a megabyte of float32: the arrays that
# linearising a cell takes then stay near the second-level cache.
SLICE = 2**17

TOGETHER = 4  # slices of a thread that are linearised before it sums them

LEAK, OWN, EXIT, RATE = range(4)  # factors whose logarithms are summed step by step

Kind = tuple[torch.dtype, bool]


@final
class Windows:
    """Envelopes of the orders zero, first and diagonal over windows inside sequences.

    Over all sequences f(l) is a ratio of sums, ``sum_n s_n / sum_n w_n``, with w_n the
    windows of sequence n and s_n the sum of ``sum_q |mu_{t,l}[q]|`` over them; its
    standard error is that of `RatioSums`. What is held does not grow with the number
    of sequences.

    A total that underflows in the inputs' dtype counts as 0, and makes its typical
    value 0; so does a unit's gain in order first. The units' typical values of the
    other two orders are sums of logarithms and do not underflow.

    Args:
        cell: the recurrence.
        lags: lags in steps, at least 1.

    Example:
        >>> import torch
        >>> from learnability.cells import ConstGate
        >>> from learnability.unroll import unroll
        >>> cell, x = ConstGate(3, 4, s=0.5), torch.zeros(2, 9, 3)
        >>> sums = Windows(cell, [1, 2])
        >>> sums.add(x, unroll(cell, x), torch.tensor([9, 4]))
        >>> sums.result()["zero"].normalised
        array([0.5 , 0.25])

    Source: Livi 2025, envelope (arXiv 2512.05790).
    """

    def __init__(self, cell: Cell, lags: Iterable[int]) -> None:
        self._cell, self._lags = cell, sorted(lags)
        self._sums: dict[int, WindowSums] = {}
        self._ratio = RatioSums(len(COMPILED), len(self._lags) + 1)
        self._kind: Kind | None = None

    def add(
        self,
        x: Float[Tensor, "sequence step input"],
        states: Float[Tensor, "sequence step state"],
        lengths: Int[Tensor, "sequence"] | None = None,
        *,
        rates: Float[Tensor, "sequence step unit"] | None = None,
        clusters: Int[Tensor, "sequence"] | None = None,
    ) -> None:
        """Add a batch of sequences.

        Args:
            x: inputs.
            states: the states after each step, from a zero initial state.
            lengths: steps of each sequence; what comes after them does not count. All
                T unless given.
            rates: base rates Lambda at every state; 1 unless given.
            clusters: number of the cluster of each sequence, not below those before it;
                a cluster each unless given.

        Raises:
            ValueError: if a batch is of another kind than those before it, or clusters
                are not in ascending order.
        """
        kind = x.dtype, rates is not None
        if self._kind not in (None, kind):
            raise ValueError(
                f"a batch of {_named(*kind)} comes after one of {_named(*self._kind)}; "
                "add batches of one kind"
            )
        self._kind = kind
        if lengths is None:
            lengths = torch.full((len(x),), x.shape[1])
        grid, size = np.array([0, *self._lags]), lengths.cpu().numpy()
        number = np.maximum(size[:, None] - grid, 0.0)
        sums = np.zeros((len(x), len(COMPILED), len(grid)))
        for length in np.unique(size[size > 0]).tolist():
            lags = [lag for lag in self._lags if lag < length]
            found = self._add(x, states, rates, lengths == length, length, lags)
            sums[size == length, :, : len(lags) + 1] = found
        self._ratio.add(sums, number, clusters)

    def _add(
        self,
        x: Tensor,
        states: Tensor,
        rates: Tensor | None,
        own: Tensor,
        length: int,
        lags: list[int],
    ) -> Float[np.ndarray, "own order lag"]:
        """Add the sequences of one length; where all are, none is copied."""
        chosen = slice(None) if bool(own.all()) else own
        kept = None if rates is None else rates[chosen][:, :length]
        if length not in self._sums:
            self._sums[length] = WindowSums(self._cell, length, lags)
        return self._sums[length].add(
            x[chosen][:, :length], states[chosen][:, :length], kept
        )

    def sums(self) -> EnvelopeSums:
        """Return the sums over all sequences so far, of the orders `COMPILED`.

        Raises:
            ValueError: if no sequence has been added.
        """
        if self._kind is None:
            raise ValueError("no sequence has been added; there is nothing to average")
        totals, longest = (
            [self._merged(o) for o in COMPILED],
            max(self._sums, default=0),
        )
        return EnvelopeSums(totals, self._ratio, self._kind[0], longest)

    def result(self) -> dict[Order, Envelope]:
        """Return the envelopes of all sequences so far.

        Raises:
            ValueError: if no sequence is longer than the longest lag.
        """
        found = self.sums().envelopes(self._lags)
        return dict(zip(COMPILED, found, strict=True))

    def _merged(self, order: Order) -> Totals:
        place = COMPILED.index(order)
        totals = Totals.none(len(self._lags) + 1, self._cell.carried_units)
        for length, sums in self._sums.items():
            own = slice(0, len(sums.lags))
            totals.number[own] += sums.count * (length - sums.lags)
            totals.sizes[own] += sums.sizes[place]
            totals.logs[own] += sums.logs[place]
            totals.unit_logs[own] += sums.unit_log_sums(order)
        return totals


def _named(dtype: torch.dtype, rated: bool) -> str:
    return f"{dtype} {'with' if rated else 'without'} base rates"


@final
class WindowSums:
    """Sums over the windows between two recorded states of T steps.

    Args:
        cell: the recurrence.
        steps: T.
        lags: lags in steps, from 1.
    """

    def __init__(self, cell: Cell, steps: int, lags: list[int]) -> None:
        self.cell, self.steps, units = cell, steps, cell.carried_units
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
        size = max(1, SLICE // (self.steps * self.cell.carried_units))
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
