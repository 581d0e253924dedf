"""A whole study: a request per run that travels to any process, and what they give."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol, final

from ..compiled.engine import using_threads
from ..diagnosis import LayerDiagnosis
from ..machine import checked_device, one_blas_thread
from ..models.layer import Progress, silent
from ..storage import place
from .cost import Pace, Seconds
from .folder import Damaged, RunFolder
from .logs import Logger, log_run
from .pool import Pool, execute_in
from .run import CHECKPOINT_EVERY, CPU, Request, RunSettings
from .settings import Settings
from .stages import Stages
from .store import Store


@final
@dataclass(frozen=True)
class Outcome:
    """What became of a request.

    Attributes:
        label: the run's name in the study.
        held: whether another process holds the run, so that nothing was done.
        made: the stages that were made; none where all were there.
        whole: whether the run was made from its beginning.
        told: sentences about damaged files.
        seconds: of work.
    """

    label: str
    held: bool = False
    made: tuple[str, ...] = ()
    whole: bool = False
    told: tuple[str, ...] = ()
    seconds: float = 0.0


def execute(request: Request, progress: Progress = silent) -> Outcome:
    """Make what is missing of one run.

    Args:
        request: what to do.
        progress: called with the name of a stage and the share of it that is done.

    Raises:
        ValueError: if the folder cannot be written.
    """
    started, told = time.monotonic(), []
    folder = RunFolder.below(place(request.folder), request.run.identity())
    held = folder.locked(wait=request.wait)
    with using_threads(request.threads), one_blas_thread(), held as ours:
        if not ours:
            return Outcome(request.label, held=True)
        stages = Stages(request, folder, progress, told.append)
        stages.ensure()
    return Outcome(
        request.label,
        made=tuple(stages.made),
        whole="training" in stages.made and not stages.resumed,
        told=tuple(told),
        seconds=time.monotonic() - started,
    )


def check_device(settings: Settings, pool: Pool | None) -> None:
    """Refuse a device that this machine lacks, unless others are to train.

    Args:
        settings: the study.
        pool: what will run the runs; this process unless given.

    Raises:
        ValueError: if the device cannot be used.
    """
    here = pool is None or pool.workers is not None
    if settings.device is not None and here:
        checked_device(settings.device)


class Watcher(Protocol):
    """What a study tells while it works."""

    def begin(self, label: str) -> Progress:
        """Take notice of a run that begins here; return what its stages report to."""
        ...

    def kept(self, label: str) -> None:
        """Take notice of a run whose results were there already."""

    def done(self, outcome: Outcome, finished: str) -> None:
        """Take notice of a run that ended, and of how far the study is."""

    def tell(self, sentence: str) -> None:
        """Take notice of anything else that happened."""


def run_study(
    settings: Settings,
    store: Store,
    watcher: Watcher,
    *,
    pool: Pool | None = None,
    every: float = CHECKPOINT_EVERY,
    loggers: Sequence[Logger] = (),
) -> dict[str, LayerDiagnosis]:
    """Run what is missing of a study and return all of its diagnoses by label.

    A stage whose results are there, made with the same settings by the same version, is
    kept as it is; one that turns out damaged when it is read is made again. A run that
    another process holds is left to it and waited for at the end.

    Args:
        settings: the study.
        store: where it lies.
        watcher: told what begins and how far it is.
        pool: what runs the runs; this process unless given.
        every: seconds of training between checkpoints.
        loggers: told of every run that was made, when it has ended.

    Raises:
        ValueError: if the folder holds another study or cannot be written, or the
            device cannot be used.
    """
    check_device(settings, pool)
    store.begin(settings)
    workers = (1 if pool is None else pool.workers) or len(settings.runs())
    pace = Pace.of(settings, store.load_times(), workers)
    told = _Told(settings, store, watcher, loggers, pace)
    requests = [
        Request(
            store.address,
            settings.label(run),
            run,
            settings.scale,
            every,
            device=settings.device or CPU,
        )
        for run in told.load_finished()
    ]
    held = _work(requests, told, pool)
    if held:
        watcher.tell(f"another process works at {', '.join(held)}; waiting for it")
        again = [replace(r, wait=True) for r in requests if r.label in held]
        _work(again, told, pool)
    return {
        label: told.found[label] if label in told.found else store.load_run(settings, r)
        for label, r in told.runs.items()
    }


@dataclass(frozen=True)
class _Told:
    """A watcher, and the loggers that hear of every run that was made."""

    settings: Settings
    store: Store
    watcher: Watcher
    loggers: Sequence[Logger]
    pace: Pace
    left: dict[str, RunSettings] = field(default_factory=dict)
    found: dict[str, LayerDiagnosis] = field(default_factory=dict)

    @cached_property
    def runs(self) -> dict[str, RunSettings]:
        return {self.settings.label(run): run for run in self.settings.runs()}

    def load_finished(self) -> list[RunSettings]:
        """Load what is there already; return the runs that are missing or damaged."""
        for label, run in self.runs.items():
            try:
                there = self._loaded(run)
            except Damaged as error:
                self.watcher.tell(f"{label}: {error}")
                there = None
            if there is None:
                self.left[label] = run
            else:
                self.found[label] = there
                self.watcher.kept(label)
        return list(self.left.values())

    def _loaded(self, run: RunSettings) -> LayerDiagnosis | None:
        scale = self.settings.scale
        if not self.store.whole(run, scale):
            return None
        self.store.run(run).drop_stale_checkpoint()
        return self.store.finished(run, scale)

    def begin(self, label: str) -> Progress:
        def known() -> None:
            self.watcher.tell(f"training and diagnosis: {self._time_left()} left")

        progress = self.watcher.begin(label)
        return self.pace.watch(self.runs[label], progress, known)

    def _time_left(self) -> Seconds | None:
        return self.pace.left(self.left.values())

    def tell(self, sentence: str) -> None:
        self.watcher.tell(sentence)

    def done(self, outcome: Outcome) -> None:
        run = self.left.pop(outcome.label)
        if outcome.whole:
            self.pace.finish(run, outcome.seconds)
            self.store.add_time(run, outcome.seconds)
        finished = f"{len(self.runs) - len(self.left)} of {len(self.runs)} runs done"
        time_left = self._time_left() if self.left else None
        if time_left is not None:
            finished += f", {time_left} left"
        self.watcher.done(outcome, finished)
        if outcome.made and self.loggers:
            self._log(outcome)

    def _log(self, outcome: Outcome) -> None:
        run = self.runs[outcome.label]
        found = self.store.load_run(self.settings, run)
        self.found[outcome.label] = found  # reading takes longer than holding it
        for logger in self.loggers:
            log_run(logger, outcome.label, run, found)


def _work(requests: list[Request], told: _Told, pool: Pool | None) -> list[str]:
    """Execute the requests; return the labels of those that other processes hold."""
    held = []
    if pool is None:
        outcomes = (execute(r, told.begin(r.label)) for r in requests)
    else:
        parts = {r.label: replace(r, threads=pool.threads) for r in requests}
        outcomes = execute_in(pool, execute, parts, told.tell)
    for outcome in outcomes:
        for sentence in outcome.told:
            told.tell(f"{outcome.label}: {sentence}")
        if outcome.held:
            held.append(outcome.label)
        else:
            told.done(outcome)
    return held


def outlook(settings: Settings, store: Store, pool: Pool | None = None) -> str:
    """Return a sentence on what is to do of a study, and how long that takes.

    Args:
        settings: the study.
        store: where it lies.
        pool: what will run the runs; this process unless given.
    """
    runs, left = settings.runs(), store.missing(settings)
    if not left:
        return (
            f"{settings.title}: all {len(runs)} runs are there, nothing is left to do; "
            f"see them with `learnability show {store.folder}`"
        )
    first = left[0]
    known = Pace.of(settings, store.load_times(), (pool and pool.workers) or 1)
    time_left = known.left(left)
    when = "epoch" if pool is None else "run"
    return (
        f"{settings.title}: {len(left)} of {len(runs)} runs to do, each "
        f"{first.recipe.epochs:,} epochs of {first.training_sequences:,} sequences of "
        f"{first.task.steps:,} steps and a diagnosis on {first.diagnosis_sequences:,}; "
        + (
            f"how long that takes is said after the first {when}"
            if time_left is None
            else f"{time_left} left"
        )
    )
