"""Envelopes and the exact sweep: against plain PyTorch, against the machine.

Every row is measured in one process by turns and is the median of its pairs.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from learnability.cells import GRU, Cell, DiagGate
from learnability.evidence import lag_projection
from learnability.transport import Windows
from learnability.unroll import unroll

from .harness import Row, Work, peak, product_rate, seconds

PAIRS = 3


class Problem(NamedTuple):
    """A cell and its sequences."""

    cell: Cell
    x: Tensor
    states: Tensor
    lags: list[int]


def problem(sequences: int, steps: int, units: int) -> Problem:
    """Return a DiagGate with LayerNorm, 16 inputs and 128 lags in 4 .. 256."""
    generator = torch.Generator().manual_seed(0)
    cell = DiagGate(16, units, layernorm=True)
    x = torch.randn(sequences, steps, 16, generator=generator)
    with torch.no_grad():
        states = unroll(cell, x)
    lags = np.linspace(4, 256, 128).round().astype(int)
    return Problem(cell, x, states, lags.tolist())


def many_batches() -> Work:
    """Give the windows of 2,000 sequences, T 1024, H 128, in batches of 50, as work."""
    given = problem(50, 1024, 128)

    def work() -> None:
        sums = Windows(given.cell, given.lags)
        for _ in range(2000 // len(given.x)):
            sums.add(given.x, given.states)
        sums.result()

    return work


def memory() -> Row:
    """Measure the peak memory of many batches beyond the arrays of one."""
    used = peak(many_batches)
    return Row("memory", 300 / max(used, 1), used, 300, "MB", 1)


def sweep() -> Row:
    """Measure the exact sweep of 256 sequences, 4 anchors, 256 lags, GRU H 128."""
    units, sequences, steps = 128, 256, 512
    cell = GRU(16, units, init="uniform")
    x = torch.randn(sequences, steps, 16)
    with torch.no_grad():
        states = unroll(cell, x)
    delta, source = torch.randn(2, sequences, steps, units).unbind()
    anchors = np.linspace(256, steps - 1, 4).astype(int).tolist()

    def swept() -> None:
        lag_projection(
            cell, x, states, delta, {}, range(257), anchors=anchors, source=source
        )

    swept()
    # One product with each of three recurrent matrices, a row and lag.
    work = sequences * 4 * 256 * 3 * 2 * units**2 / 1e9
    pairs = [(work / seconds(swept), product_rate()) for _ in range(2 * PAIRS)]
    ratio = statistics.median(ours / theirs for ours, theirs in pairs)
    ours, theirs = (statistics.median(side) for side in zip(*pairs, strict=True))
    return Row("sweep", ratio, ours, theirs, "GFLOP/s", 0.4)


ROWS: dict[str, Callable[[], Row]] = {
    "memory": memory,
    "sweep": sweep,
}
