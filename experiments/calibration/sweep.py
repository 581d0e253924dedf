"""All runs of a calibration: what is there already is kept, the rest is shared out."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from learnability.checked import digest
from learnability.compiled import using_threads
from learnability.study.folder import Damaged
from learnability.study.pool import Tell, checked_workers, execute_in, processes

from .brute import try_cell
from .diagnosed import diagnose_cell
from .early import look_early
from .run import Record, run_one
from .settings import Calibration, Trial
from .store import Store

RUNS, TRIALS, DIAGNOSES, LOOKS = "runs", "trials", "diagnoses", "early"


def run_all(
    calibration: Calibration,
    store: Store,
    *,
    workers: int = 1,
    progress: Callable[[float], None] | None = None,
    tell: Tell = lambda sentence: None,
) -> list[Record]:
    """Make the missing runs of a calibration and give the records of all.

    Args:
        calibration: its settings.
        store: where results are kept, each under the hash of its settings.
        workers: processes.
        progress: called with the share of the runs that are there.
        tell: told a sentence where a record is damaged or a worker was killed.

    Returns:
        A record a run, in the order of `Calibration.runs`.

    Raises:
        ValueError: if workers is below 1, or a record cannot be written.
    """
    chosen = {run.identity(): run for run in calibration.in_turn()}
    do_all(run_one, RUNS, chosen, store, workers, progress, tell)
    return kept(calibration, store)


def kept(calibration: Calibration, store: Store) -> list[Record]:
    """Give the records of the runs that are there, without making any."""
    found = (store.load(RUNS, run.identity()) for run in calibration.runs())
    return [record for record in found if record is not None]


def look_all(
    calibration: Calibration,
    store: Store,
    *,
    workers: int = 1,
    progress: Callable[[float], None] | None = None,
    tell: Tell = lambda sentence: None,
) -> None:
    """Make the early looks that the second round of laws needs; kept ones stay.

    Args:
        calibration: its settings; only trainings that are there are looked at.
        store: where results are kept.
        workers: processes.
        progress: called with the share of the looks that are there.
        tell: as of `run_all`.

    Raises:
        ValueError: as `run_all`.
    """
    wanted = {run.identity(): run for run in calibration.in_turn()}
    there = {i: r for i, r in wanted.items() if store.load(RUNS, i) is not None}
    do_all(look_early, LOOKS, there, store, workers, progress, tell)


def kept_pairs(
    calibration: Calibration, store: Store
) -> tuple[list[Record], list[Record]]:
    """Give the trainings that have an early look, and these looks."""
    names = [run.identity() for run in calibration.runs()]
    found = [(store.load(RUNS, i), store.load(LOOKS, i)) for i in names]
    pairs = [(run, look) for run, look in found if run and look]
    return [run for run, _ in pairs], [look for _, look in pairs]


def try_all(
    calibration: Calibration,
    store: Store,
    *,
    workers: int = 1,
    progress: Callable[[float], None] | None = None,
    tell: Tell = lambda sentence: None,
) -> None:
    """Try detection by brute force on all cells; what is there is kept.

    Args:
        calibration: its settings; `Calibration.trial` says how finely.
        store: where results are kept.
        workers: processes.
        progress: called with the share of the cells that are done.
        tell: as of `run_all`.

    Raises:
        ValueError: as `run_all`.
    """
    for place, (kind, wanted) in enumerate(_trials(calibration).items()):

        def part(share: float, before: int = place) -> None:
            if progress is not None:
                progress((before + share) / len(TRIED))

        do_all(TRIED[kind], kind, wanted, store, workers, part, tell)


def kept_trials(calibration: Calibration, store: Store) -> dict[str, list[Record]]:
    """Give the rows of all trials that are there by name, without making any."""
    rows: dict[str, list[Record]] = {}
    for kind, wanted in _trials(calibration).items():
        for record in filter(None, (store.load(kind, i) for i in wanted)):
            for name, found in record.items():
                if isinstance(found, list):
                    rows.setdefault(name, []).extend(found)
    return rows


TRIED: dict[str, Callable[[Any], Record]] = {
    TRIALS: try_cell,
    DIAGNOSES: diagnose_cell,
}


def _trials(calibration: Calibration) -> dict[str, dict[str, tuple[str, Trial]]]:
    """Give what is tried, by kind: real tests at one seed, diagnoses at every seed."""
    cells = dict.fromkeys(a.cell for a in calibration.architectures.values())
    trial = calibration.trial
    seeds = {TRIALS: (trial.seed,), DIAGNOSES: calibration.seeds}
    return {
        kind: {
            digest([cell, own.model_dump(mode="json")]): (cell, own)
            for own in (trial.model_copy(update={"seed": seed}) for seed in seeds[kind])
            for cell in cells
        }
        for kind in TRIED
    }


@dataclass(frozen=True)
class Job:
    """One piece of work and where its record is kept; it can travel to any process.

    Attributes:
        store: where records are kept.
        kind: what such records are called.
        identity: hash of the settings.
        work: gives a record from settings; importable, so that processes can find it.
        settings: of this piece.
    """

    store: Store
    kind: str
    identity: str
    work: Callable[[Any], Record]
    settings: Any


def do_all(
    work: Callable[[Any], Record],
    kind: str,
    chosen: dict[str, Any],
    store: Store,
    workers: int,
    progress: Callable[[float], None] | None,
    tell: Tell = lambda sentence: None,
) -> list[Record]:
    """Do what is missing of some work and give all records, in order.

    Args:
        work: gives a record from settings; importable, so that processes can find it.
        kind: what the records are called.
        chosen: settings by their hash.
        store: where records are kept.
        workers: processes.
        progress: called with the share of the records that are there.
        tell: told a sentence where a record is damaged or a worker was killed.

    Raises:
        ValueError: if workers is below 1, or a record cannot be written.
    """
    checked_workers(workers)
    found = {identity: _kept(store, kind, identity, tell) for identity in chosen}
    jobs = {
        f"{kind} {identity}": Job(store, kind, identity, work, chosen[identity])
        for identity, record in found.items()
        if record is None
    }
    for identity in _made(jobs, workers, tell):
        # Read again: a record made now is the same as one that was kept.
        found[identity] = store.load(kind, identity)
        if progress is not None:
            progress(sum(r is not None for r in found.values()) / len(found))
    if progress is not None and not jobs:
        progress(1.0)
    return [record for record in found.values() if record is not None]


def _kept(store: Store, kind: str, identity: str, tell: Tell) -> Record | None:
    try:
        return store.find(kind, identity)
    except Damaged as error:
        tell(f"{error}; it is made again")
        return None


def _made(jobs: dict[str, Job], workers: int, tell: Tell) -> Iterator[str]:
    """Yield the identities of records as they are made."""
    if workers == 1:
        yield from map(make, jobs.values())
    else:
        yield from execute_in(processes(workers), make, jobs, tell)


def make(job: Job) -> str:
    """Make one record unless another process has, and give its identity.

    Processes share the cores, and a record owes its last digit to the number of
    threads: there is one.
    """
    store, place = job.store, (job.kind, job.identity)
    with store.place(*place).locked(wait=True), using_threads(1):
        if _kept(store, *place, tell=lambda sentence: None) is None:
            store.save(*place, job.work(job.settings))
    return job.identity
