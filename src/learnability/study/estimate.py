"""What a study will take, from a short measurement on this machine."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import final

from ..compiled.engine import using_threads
from ..randomness import stream
from ..tasks import Sequences
from ..training import train
from ..unroll import Network
from . import tried
from .data import RunData
from .memory import machine_bytes, run_bytes
from .settings import Settings
from .single import RunSettings

FEW, MORE = 8, 24
"""Sequences of the two timed diagnoses; what differs is the cost a sequence."""
TIMES = 3
"""Timed epochs; the fastest of them counts."""
TRIED_STATES = 2**22
"""States of a timed epoch: of one small batch, or of several smaller ones."""
FEWEST, BATCHES = 8, 16
"""Sequences of a timed batch at least, and batches of a timed epoch at most."""


@final
@dataclass(frozen=True)
class Estimate:
    """What a study will take.

    Attributes:
        seconds: of work, of all runs on the machine as it is.
        bytes: of memory at the peak of one run.
        runs: how many.
        start: seconds that a worker needs before it works.
        after: seconds for reading all results, table, figures and report.
    """

    seconds: float
    bytes: float
    runs: int
    start: float = 0.0
    after: float = 0.0

    def total(self, workers: int | None = None) -> float:
        """Give the seconds from here to the report.

        Args:
            workers: how many processes of their own work; None for this process.
        """
        start = 0.0 if workers is None else self.start
        return start + self.seconds / self._at_once(workers) + self.after

    def _at_once(self, workers: int | None) -> int:
        return min(workers or 1, max(self.runs, 1))

    def sentence(self, workers: int | None = None) -> str:
        """Say it in a sentence.

        Args:
            workers: how many processes of their own work; None for this process.

        Example:
            >>> Estimate(5400.0, 2e9, 45).sentence()
            '45 runs, about 1.5 hours in all, 2.0 GB of memory'
        """
        memory = self.bytes * self._at_once(workers) / 1e9
        runs = "1 run" if self.runs == 1 else f"{self.runs} runs"
        taken = _time(self.total(workers))
        return f"{runs}, about {taken} in all, {memory:.1f} GB of memory"

    def warning(self, workers: int | None = None) -> str | None:
        """Give a sentence if the memory of this machine is too small, or None.

        Args:
            workers: how many processes of their own work; None for this process.
        """
        there = machine_bytes()
        if self.bytes * self._at_once(workers) <= there:
            return None
        return (
            f"this machine has {there / 1e9:.1f} GB: it will run out of memory; "
            "take fewer workers, fewer diagnosis sequences or a smaller --scale"
        )


def estimate(
    settings: Settings, runs: Sequence[RunSettings], threads: int | None = None
) -> Estimate:
    """Estimate what runs will take; each architecture is timed for a moment.

    Args:
        settings: the study, for what comes after its runs.
        runs: those still to do.
        threads: that a run will have; None for those of this process.
    """
    if not runs:
        return Estimate(0.0, 0.0, 0)
    loaded = time.process_time()
    each = {run.architecture: run for run in runs}
    with using_threads(threads):
        costs = {a: _measured(run) for a, run in each.items()}
        # Fits and files are as large whatever the cell; once for what they load.
        trial = partial(tried.fitted, runs[0], costs[runs[0].architecture].found)
        trial()
        rest, found = trial()
    return Estimate(
        sum(costs[run.architecture].of(run) + rest for run in runs),
        max(run_bytes(run) for run in runs),
        len(runs),
        # A worker loads what this process loaded, and uses it for the first time.
        start=loaded + sum(cost.first for cost in costs.values()),
        after=tried.after(settings, found),
    )


@dataclass(frozen=True)
class _Cost:
    """Seconds of one architecture.

    Attributes:
        trained: a sequence of a training step.
        fixed: of reading the sequences' gradients, whatever their number.
        diagnosed: the same, a sequence.
        exact: of the exact envelopes.
        first: more, where it is used for the first time.
        found: what was read from few sequences.
    """

    trained: float
    fixed: float
    diagnosed: float
    exact: float
    first: float
    found: tried.Read

    def of(self, run: RunSettings) -> float:
        """Give the seconds of one run; a forward pass is a third of a step."""
        sequences = run.training_sequences + run.validation_sequences / 3
        read = self.fixed + self.diagnosed * run.diagnosis_sequences
        trained = self.trained * sequences * run.recipe.epochs
        return trained + read + self.exact


def _measured(run: RunSettings) -> _Cost:
    batch, drawn = _tried_epoch(run)
    data = RunData(run.task, run.seed, (drawn, 1, MORE))
    cell = run.architecture.build(run.task.inputs, stream(run.seed, "weights"))
    network = Network(cell, seed=stream(run.seed, "read-out"))
    change = {"epochs": 1, "batch": batch, "final_batch": None}
    recipe = run.recipe.model_copy(update=change)

    def step() -> None:
        train(network, data.training, data.validation, recipe, seed=0)

    steps = [tried.seconds(step) for _ in range(TIMES)]
    x, y = data.diagnosis.x, data.diagnosis.y
    parts = [Sequences(x[:n], y[:n]) for n in (FEW, FEW, MORE)]
    first, few, more = (tried.read(run, network, p, data.direction) for p in parts)
    slope = max(0.0, more.seconds - few.seconds) / (MORE - FEW)
    return _Cost(
        trained=min(steps) / drawn,
        fixed=max(0.0, few.seconds - FEW * slope),
        diagnosed=slope,
        # Without base rates and with them.
        exact=2 * tried.exact(run, network, parts[-1]),
        first=max(0.0, first.seconds - few.seconds) + max(steps) - min(steps),
        found=more,
    )


def _tried_epoch(run: RunSettings) -> tuple[int, int]:
    """Give the sequences of a timed batch, and those of a timed epoch."""
    fit = TRIED_STATES // (run.task.steps * run.architecture.units)
    batch = min(run.recipe.batch, run.training_sequences, max(FEWEST, fit))
    return batch, batch * max(1, min(BATCHES, fit // batch))


def _time(seconds: float) -> str:
    """Give a time as people say it.

    Example:
        >>> _time(40.0), _time(600.0), _time(5400.0)
        ('40 s', '10 minutes', '1.5 hours')
    """
    if seconds < 200:
        return f"{max(seconds, 1):.0f} s"
    if seconds < 5000:
        return f"{seconds / 60:.0f} minutes"
    if seconds < 300000:
        return f"{seconds / 3600:.1f} hours"
    return f"{seconds / 86400:.1f} days"
