"""The memory that one run takes at its peak, and that there is."""

import math
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np

from ..chunks import STATE_BYTES
from ..compiled.engine import backward_bytes
from .single import RunSettings

try:
    import resource
except ImportError:  # Windows
    resource = None

HELD = 5
"""Arrays of a state's size that measuring one part of the sequences takes."""
FLOAT = 4
"""Bytes of a float32."""
SPARE = 0.5e9
"""Bytes that chunks of gradients and windows take at once."""
WORKER_BYTES = 0.3e9
"""Bytes of a process that has loaded the libraries, at least."""


def machine_bytes() -> float:
    """Return the bytes of memory that this process may use.

    The least of what the machine has, what its container may take (control groups of
    Linux, version 1 or 2) and what ``ulimit -v`` allows; infinite where the system says
    none of them.
    """
    return min([math.inf, *_physical(), *container_limits(), *_allowed()])


def _physical() -> Iterator[float]:
    names = ("SC_PAGE_SIZE", "SC_PHYS_PAGES")
    if set(names) <= set(getattr(os, "sysconf_names", ())):
        size, pages = map(os.sysconf, names)
        yield float(size * pages)


def _allowed() -> Iterator[float]:
    if resource is not None:
        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit != resource.RLIM_INFINITY:
            yield float(limit)


def container_limits(root: Path = Path("/")) -> Iterator[float]:
    """Yield the bytes that each control group around this process may take.

    Args:
        root: of the file system.

    Source: control-group-v2, memory.max; cgroup-v1, memory.limit_in_bytes (kernel.org).
    """
    listed = root / "proc/self/cgroup"
    if not listed.exists():
        return
    for line in listed.read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        top, name = root / "sys/fs/cgroup", "memory.max"
        if "memory" in controllers.split(","):
            top, name = top / "memory", "memory.limit_in_bytes"
        elif controllers:
            continue
        inner = top / path.lstrip("/")
        for folder in (inner, *inner.parents):
            if folder.is_relative_to(top):
                yield from _limit(folder / name)


def _limit(file: Path) -> Iterator[float]:
    """Yield the number in a file; a group may be without, or lie out of sight."""
    with suppress(OSError):
        text = file.read_text().strip()
        if text.isdecimal():
            yield float(text)


def check_memory(runs: Iterable[RunSettings]) -> None:
    """Refuse runs whose arrays this machine cannot hold, however they are computed.

    Args:
        runs: that are to be run here.

    Raises:
        ValueError: if a single array, or the sequences together, are larger than the
            memory.
    """
    there = machine_bytes()
    sizes = {name: size for run in runs for name, size in _arrays(run).items()}
    for name, size in sizes.items():
        if size > there:
            raise ValueError(
                f"{name} take {size / 1e9:.3g} GB at least and this machine has "
                f"{there / 1e9:.1f} GB; make them fewer or smaller"
            )


def _arrays(run: RunSettings) -> dict[str, float]:
    """Give the bytes of what a run has to hold at once, under its settings' names."""
    steps, cell, measures = run.task.steps, run.architecture, run.measures
    counts = {
        "training": run.training_sequences,
        "validation": run.validation_sequences,
        "diagnosis": run.diagnosis_sequences,
    }
    row = steps * (run.task.inputs + 1) * FLOAT
    batch = _batch(run)
    return {
        **{f"{n} {kind} sequences": n * row for kind, n in counts.items()},
        f"{sum(counts.values())} sequences together": sum(counts.values()) * row,
        f"weights of {cell.units} units": cell.units * (cell.units + 1) * FLOAT,
        f"the states of a batch of {batch}": batch * steps * cell.units * FLOAT,
        f"{measures.exact_windows} exact windows": 16 * measures.exact_windows,
        f"{measures.anchors} anchors": 8 * measures.anchors,
        f"{measures.resamples} resamples": 8 * measures.resamples,
    }


def run_bytes(run: RunSettings) -> float:
    """Give the bytes of one run: what this process holds already, and its own.

    Args:
        run: its settings.
    """
    return held_bytes() + own_bytes(run)


def held_bytes() -> float:
    """Return the bytes that this process has held at its peak.

    Where the system does not say, those of a process that has loaded the libraries.
    """
    if resource is None:
        return WORKER_BYTES
    unit = 1 if sys.platform == "darwin" else 1024
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)


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
    kept = backward_bytes(cell, _batch(run), steps, np.dtype(np.float32))
    return sequences + found + max(HELD * part, kept) + SPARE


def _batch(run: RunSettings) -> int:
    """Give the sequences of the largest batch of its training."""
    return min(run.recipe.final_batch or run.recipe.batch, run.training_sequences)
