"""The memory that one run takes at its peak."""

import resource

import numpy as np

from ..chunks import STATE_BYTES
from ..unroll.compiled import backward_bytes
from .single import RunSettings

HELD = 5
"""Arrays of a state's size that measuring one part of the sequences takes."""
FLOAT = 4
"""Bytes of a float32."""
SPARE = 0.5e9
"""Bytes that chunks of gradients and windows take at once."""


def run_bytes(run: RunSettings) -> float:
    """Give the bytes of one run: what this process holds already, and its own.

    Args:
        run: its settings.
    """
    # ru_maxrss is in KiB.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 + own_bytes(run)


def own_bytes(run: RunSettings) -> float:
    """Give the bytes of one run's sequences, and of a training step or a part's states.

    Args:
        run: its settings.
    """
    steps, cell = run.task.steps, run.architecture.build(run.task.inputs, seed=0)
    row = steps * cell.state_size * FLOAT
    drawn = run.training_sequences + run.validation_sequences + run.diagnosis_sequences
    sequences = drawn * steps * (run.task.inputs + 1) * FLOAT
    # A direction and its signal, and what the fits hold of every sequence.
    found = run.diagnosis_sequences * (steps * FLOAT + 4 * len(run.lags) * 2 * FLOAT)
    part = min(max(row, STATE_BYTES), run.diagnosis_sequences * row)
    batch = min(run.recipe.final_batch or run.recipe.batch, run.training_sequences)
    kept = backward_bytes(cell, batch, steps, np.dtype(np.float32))
    return sequences + found + max(HELD * part, kept) + SPARE
