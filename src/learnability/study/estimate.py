"""What a study will take, from a short measurement on this machine."""

import os
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from torch import optim

from ..diagnosis import Work, fitted_evidence, silent
from ..randomness import stream
from ..tasks import Sequences
from ..training import train
from ..unroll import Network
from .data import RunData
from .single import RunSettings

FEW, MORE = 4, 12
"""Sequences of the two timed diagnoses; what differs is the cost a sequence."""
STEPS = 3
"""Timed training steps; the fastest of them counts."""
TRIED_BATCH = 32
"""Sequences of a timed batch; the time a sequence hardly changes beyond."""
FIT_LAGS = 2
KEPT = 8
"""Arrays of a state's size that a backward pass keeps of a batch."""
FLOAT = 4
"""Bytes of a float32."""
SPARE = 0.5e9
"""Bytes that chunks of gradients and windows take at once."""


@final
@dataclass(frozen=True)
class Estimate:
    """What a study will take.

    Attributes:
        seconds: of work, of all runs on the machine as it is.
        bytes: of memory at the peak of one run.
        runs: how many.
    """

    seconds: float
    bytes: float
    runs: int

    def sentence(self, workers: int = 1) -> str:
        """Say it in a sentence.

        Args:
            workers: how many runs there are at a time.

        Example:
            >>> Estimate(5400.0, 2e9, 45).sentence()
            '45 runs, about 1.5 hours in all, 2.0 GB of memory'
        """
        taken = _time(self.seconds / min(workers, max(self.runs, 1)))
        memory = self.bytes * min(workers, max(self.runs, 1)) / 1e9
        runs = "1 run" if self.runs == 1 else f"{self.runs} runs"
        return f"{runs}, about {taken} in all, {memory:.1f} GB of memory"

    def warning(self, workers: int = 1) -> str | None:
        """Give a sentence if the memory of this machine is too small, or None.

        Args:
            workers: how many runs there are at a time.
        """
        there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        if self.bytes * workers <= there:
            return None
        return (
            f"this machine has {there / 1e9:.1f} GB: it will run out of memory; "
            "take fewer workers, fewer diagnosis sequences or a smaller --scale"
        )


def estimate(runs: Sequence[RunSettings]) -> Estimate:
    """Estimate what runs will take; each architecture is timed for a moment.

    Args:
        runs: those still to do.
    """
    each = {run.architecture: run for run in runs}
    costs = {a: _Cost.measured(run) for a, run in each.items()}
    seconds = sum(costs[run.architecture].of(run) for run in runs)
    return Estimate(seconds, max((_bytes(run) for run in runs), default=0), len(runs))


@dataclass(frozen=True)
class _Cost:
    """Seconds of one architecture.

    Attributes:
        trained: a sequence of a training step.
        fixed: of a diagnosis, whatever its size.
        diagnosed: a sequence of a diagnosis.
        fit: of all lags' stable laws.
    """

    trained: float
    fixed: float
    diagnosed: float
    fit: float

    @classmethod
    def measured(cls, run: RunSettings) -> "_Cost":
        batch = min(run.recipe.batch, TRIED_BATCH)
        data = RunData(run.task, run.seed, (batch, 1, MORE))
        cell = run.architecture.build(run.task.inputs, stream(run.seed, "weights"))
        network = Network(cell, seed=stream(run.seed, "read-out"))
        change = {"epochs": 1, "batch": batch, "final_batch": None}
        recipe = run.recipe.model_copy(update=change)

        def step() -> None:
            train(network, data.training, data.validation, recipe, seed=0)

        few, more = (_diagnosed(run, network, data, n) for n in (FEW, MORE))
        slope = max(0.0, more - few) / (MORE - FEW)
        return cls(
            trained=min(_seconds(step) for _ in range(STEPS)) / batch,
            fixed=max(0.0, few - FEW * slope),
            diagnosed=slope,
            fit=_fit(run),
        )

    def of(self, run: RunSettings) -> float:
        """Give the seconds of one run; a forward pass is a third of a step."""
        sequences = run.training_sequences + run.validation_sequences / 3
        diagnosis = self.fixed + self.diagnosed * run.diagnosis_sequences
        return self.trained * sequences * run.recipe.epochs + diagnosis + self.fit


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _diagnosed(
    run: RunSettings, network: Network, data: RunData, sequences: int
) -> float:
    """Give the faster of two diagnoses of few sequences; the first may have to warm."""
    x, y = data.diagnosis.x[:sequences], data.diagnosis.y[:sequences]
    # Base rates of plain SGD need no history, and cost what all others do.
    optimizer = optim.SGD(network.parameters(), lr=1.0)

    def work() -> None:
        lags = sorted(run.lags)
        few = Sequences(x, y)
        tried = Work(network, few, lags, run.seed, run.measures, silent)
        tried.envelopes(optimizer)
        tried.psi()
        tried.probe(data.direction)

    return min(_seconds(work) for _ in range(2))


def _fit(run: RunSettings) -> float:
    """Give the seconds of all lags' stable laws, from a few lags."""
    lags, random = sorted(run.lags), np.random.default_rng(0)
    psi = random.standard_normal((min(FIT_LAGS, len(lags)), run.diagnosis_sequences))
    tried = lags[: len(psi)]
    taken = _seconds(lambda: fitted_evidence(psi, tried, run.seed, run.measures))
    return taken * len(lags) / len(psi)


def _bytes(run: RunSettings) -> float:
    """Give the memory of one run: sequences, states with errors, chunks, the rest."""
    steps = run.task.steps
    state = 2 if run.architecture.cell == "LSTM" else 1
    units = run.architecture.units * state
    drawn = run.training_sequences + run.validation_sequences + run.diagnosis_sequences
    sequences = drawn * steps * (run.task.inputs + 1) * FLOAT
    states = 2 * run.diagnosis_sequences * steps * units * FLOAT
    batch = (run.recipe.final_batch or run.recipe.batch) * steps * units * FLOAT * KEPT
    loaded = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return loaded + sequences + max(states, batch) + SPARE


def _time(seconds: float) -> str:
    """Give a time as people say it.

    Example:
        >>> _time(40.0), _time(600.0), _time(5400.0)
        ('40 s', '10 minutes', '1.5 hours')
    """
    if seconds < 100:
        return f"{max(seconds, 1):.0f} s"
    if seconds < 5000:
        return f"{seconds / 60:.0f} minutes"
    if seconds < 300000:
        return f"{seconds / 3600:.1f} hours"
    return f"{seconds / 86400:.1f} days"
