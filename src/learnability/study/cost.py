"""What a study costs: the memory that it must have, and the time that is left.

How long the rest takes is told from the first epoch, and from finished runs.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, final

from ..cells import CELLS
from ..machine import machine_bytes
from ..models.layer import Progress
from .run import RunSettings
from .settings import Settings

# Bytes of a float32.
FLOAT = 4
# Bytes of a process that has loaded the libraries, at least.
WORKER_BYTES = 0.3e9


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
    """Return the bytes of what a run has to hold at once, under its settings' names."""
    steps, cell, options = run.task.steps, run.architecture, run.options
    counts = {
        "training": run.training_sequences,
        "validation": run.validation_sequences,
        "diagnosis": run.diagnosis_sequences,
    }
    row = steps * (run.task.inputs + 1) * FLOAT
    batch = min(run.recipe.largest_batch, run.training_sequences)
    return {
        **{f"{n} {kind} sequences": n * row for kind, n in counts.items()},
        f"{sum(counts.values())} sequences together": sum(counts.values()) * row,
        f"weights of {cell.units} units": cell.units * _row(run) * FLOAT,
        f"the states of a batch of {batch}": batch * steps * cell.units * FLOAT,
        f"{options.exact_windows} exact windows": 16 * options.exact_windows,
        f"{options.anchors} anchors": 8 * options.anchors,
        f"{options.resamples} resamples": 8 * options.resamples,
    }


def _row(run: RunSettings) -> int:
    """Return the weights of a unit at least: by all units, or by the inputs alone."""
    cell = run.architecture
    square = any(name[0] in "UW" for name in CELLS[cell.cell].recurrent)
    return (cell.units if square else run.task.inputs) + 1


# A run's seconds as multiples of its training's: long trainings, and short ones.
AFTER_TRAINING = (1.1, 2.5)
# What else the machine does makes equal runs differ by that.
AS_BEFORE = (0.8, 1.25)
# Cells of the same size differ by that; by a root of it where several were seen.
OF_ANOTHER_CELL = (0.5, 2.0)
UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0, "days": 86400.0}
# Of a unit, from which on the next larger one is told.
SWITCH = 100


class Seconds(NamedTuple):
    """A range of time in seconds."""

    low: float
    high: float

    def times(self, low: float, high: float) -> "Seconds":
        """Return the range with its ends multiplied.

        Args:
            low: factor of the lower end.
            high: factor of the upper end.
        """
        return Seconds(self.low * low, self.high * high)

    def __str__(self) -> str:
        """Say the range as people do.

        Example:
            >>> print(Seconds(170, 320), Seconds(50, 52), Seconds(3, 130), sep=", ")
            3 to 5 min, about 50 s, 3 s to 2 min
        """
        (low, small), (high, large) = map(_rounded, self)
        if (low, small) == (high, large):
            return f"about {high} {large}"
        return f"{low}{'' if small == large else f' {small}'} to {high} {large}"


def _rounded(seconds: float) -> tuple[int, str]:
    """Return a time in its own unit, with the digits that a guess deserves."""
    name, unit = next(
        ((n, u) for n, u in UNITS.items() if seconds < SWITCH * u),
        ("days", UNITS["days"]),
    )
    number = seconds / unit
    step = 5 if number > 20 else 1
    return step * round(number / step), name


def work(run: RunSettings) -> float:
    """Return the states that a run's training computes, to which its time is compared.

    Args:
        run: its settings.
    """
    states = run.task.steps * run.architecture.units
    return float(run.recipe.epochs * run.training_sequences * states)


@final
@dataclass
class Pace:
    """What is known of how fast runs are.

    Attributes:
        at_once: how many runs are in work at a time.
        seen: seconds of whole runs: ranges of runs that have begun, or as they were.
    """

    at_once: int = 1
    seen: dict[RunSettings, Seconds] = field(default_factory=dict)

    @classmethod
    def of(
        cls, settings: Settings, times: Mapping[str, float], at_once: int = 1
    ) -> "Pace":
        """Return the pace of a study of which runs may have finished.

        Args:
            settings: the study.
            times: seconds of runs, by identity.
            at_once: how many runs are in work at a time.
        """
        pace = cls(at_once)
        for run in settings.runs():
            if run.identity() in times:
                pace.finish(run, times[run.identity()])
        return pace

    def finish(self, run: RunSettings, seconds: float) -> None:
        """Take down how long a whole run took.

        Args:
            run: the run.
            seconds: that it took.
        """
        self.seen[run] = Seconds(seconds, seconds).times(*AS_BEFORE)

    def left(self, runs: Iterable[RunSettings]) -> Seconds | None:
        """Return how long runs will take together, or None where nothing tells.

        Args:
            runs: those still to do.

        Example:
            >>> from learnability.study import load_settings
            >>> first, *rest = load_settings("quick").changed(seeds=[1, 2]).runs()
            >>> pace = Pace()
            >>> pace.left(rest) is None
            True
            >>> pace.finish(first, 10.0)
            >>> print(pace.left([r for r in rest if r.architecture.cell == "GRU"]))
            8 to 50 s
        """
        if not self.seen:
            return None
        each = [self._of(run) for run in runs]
        if not each:
            return Seconds(0.0, 0.0)
        # The longest of them is done by one worker.
        ends = [
            max(sum(end) / self.at_once, max(end)) for end in zip(*each, strict=True)
        ]
        return Seconds(*ends)

    def _of(self, run: RunSettings) -> Seconds:
        alike = {
            r: s for r, s in self.seen.items() if r.architecture == run.architecture
        }
        cells = {r.architecture.cell for r in self.seen}
        known = [
            s.times(*[work(run) / work(r)] * 2) for r, s in (alike or self.seen).items()
        ]
        found = Seconds(min(s.low for s in known), max(s.high for s in known))
        if alike:
            return found
        less, more = (factor ** (1 / len(cells)) for factor in OF_ANOTHER_CELL)
        return found.times(less, more)

    def watch(
        self, run: RunSettings, progress: Progress, tell: Callable[[], None]
    ) -> Progress:
        """Return a run's progress that learns from its first epoch.

        Args:
            run: the run.
            progress: told all that is told of the run.
            tell: called once, when the pace is known from the first epoch.
        """
        begun: list[tuple[float, float]] = []

        def watched(stage: str, share: float) -> None:
            progress(stage, share)
            if stage != "training" or self.seen:
                return
            now = time.monotonic()
            if not begun:
                begun.append((now, share))
            elif share > begun[0][1]:
                trained = (now - begun[0][0]) / (share - begun[0][1])
                self.seen[run] = Seconds(trained, trained).times(*AFTER_TRAINING)
                tell()

        return watched
