"""Which windows the exact envelope looks at: of each lag a uniform sample of all."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

BLOCK = 2**20  # numbers that are drawn at once


@final
@dataclass(frozen=True)
class SampledWindows:
    """Windows by their ends (sequence n, step t), and the lags that each counts for.

    Attributes:
        lags: 0 and the lags asked for, ascending.
        sequence: n; (pair,), ascending.
        step: t; (pair,).
        first: place among the lags of the first one that the pair counts for; (pair,).
        last: that of the last one, the longest lag up to t; (pair,).
    """

    lags: Int[np.ndarray, "lag"]
    sequence: Int[np.ndarray, "pair"]
    step: Int[np.ndarray, "pair"]
    first: Int[np.ndarray, "pair"]
    last: Int[np.ndarray, "pair"]

    def __len__(self) -> int:
        return len(self.sequence)

    def of(self, start: int, stop: int) -> "SampledWindows":
        """Return the windows of the sequences ``start`` to ``stop - 1`` as 0, 1, ..."""
        ends = np.searchsorted(self.sequence, [start, stop])
        own = self._at(np.arange(*ends))
        return SampledWindows(
            own.lags, own.sequence - start, own.step, own.first, own.last
        )

    def parts(self, size: int) -> Iterator["SampledWindows"]:
        """Yield at most so many windows at a time, those for the longest lags first."""
        falling = np.argsort(-self.last, kind="stable")
        for start in range(0, len(self), size):
            yield self._at(falling[start : start + size])

    def _at(self, place: Int[np.ndarray, "chosen"]) -> "SampledWindows":
        names = ("sequence", "step", "first", "last")
        return SampledWindows(self.lags, *(getattr(self, n)[place] for n in names))


def sampled_windows(
    lengths: Int[Tensor, "sequence"],
    lags: Sequence[int],
    *,
    windows: int,
    seed: int | np.random.SeedSequence | np.random.Generator,
) -> SampledWindows:
    """Draw of each lag about as many windows as asked for, 0 included.

    Every pair (sequence n, end t) has one random number u, whatever the lags. It counts
    for lag l if ``t >= l`` and ``u < windows / |V_l|``, V_l all pairs with ``t >= l``:
    what is measured at a lag does not depend on the other lags, and what counts for a
    lag counts for all longer ones that fit.

    Args:
        lengths: steps of each sequence.
        lags: lags in steps, from 1.
        windows: of each lag, about; all where there are fewer.
        seed: NumPy-style seed of the sample.

    Raises:
        ValueError: if a lag fits into no sequence or fewer than 2 windows are asked
            for.

    Example:
        >>> import torch
        >>> found = sampled_windows(torch.tensor([9, 4]), [1, 6], windows=99, seed=0)
        >>> [int((found.last >= place).sum()) for place in range(3)]
        [13, 11, 3]
    """
    if windows < 2:
        raise ValueError(f"{windows} windows give no standard error; sample at least 2")
    size, grid = lengths.cpu().numpy(), np.array([0, *sorted(lags)])
    if int(size.max()) <= grid[-1]:
        raise ValueError(
            f"no sequence has a window of lag {grid[-1]}; give shorter lags"
        )
    shares = np.minimum(1.0, windows / _fitting(size, grid))
    random, ends = np.random.default_rng(seed), np.cumsum(size)
    parts = []
    for start in range(0, int(ends[-1]), BLOCK):
        pair = np.arange(start, min(start + BLOCK, int(ends[-1])))
        u = random.random(len(pair))
        sequence = np.searchsorted(ends, pair, side="right")
        step = pair - (ends - size)[sequence]
        last = np.searchsorted(grid, step, side="right") - 1
        first = np.searchsorted(shares, u, side="right")
        kept = first <= last
        parts.append(np.stack([sequence, step, first, last])[:, kept])
    return SampledWindows(grid, *np.concatenate(parts, axis=1))


def carried_steps(
    lengths: Int[Tensor, "sequence"], lags: Sequence[int], windows: float
) -> float:
    """Return over how many steps, all windows together, a sample has to be carried.

    Args:
        lengths: steps of each sequence.
        lags: lags in steps, from 1.
        windows: of each lag, about.

    Example:
        >>> import torch
        >>> carried_steps(torch.tensor([9, 9]), [8], windows=2)
        16.0
    """
    size, grid = lengths.cpu().numpy(), np.array([0, *sorted(lags)])
    step = np.arange(int(size.max()))
    at = np.searchsorted(grid, step, side="right") - 1
    there = len(size) - np.searchsorted(np.sort(size), step, side="right")
    shares = np.minimum(1.0, windows / _fitting(size, grid))
    return float((there * shares[at] * grid[at]).sum())


def _fitting(
    lengths: Int[np.ndarray, "sequence"], lags: Int[np.ndarray, "lag"]
) -> Float[np.ndarray, "lag"]:
    """Return how many windows of each lag there are."""
    steps, counts = np.unique(lengths, return_counts=True)
    return np.maximum(steps - lags[:, None], 0) @ counts.astype(float)
