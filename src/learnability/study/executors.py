"""Many runs at once, behind the interface of `concurrent.futures`."""

import multiprocessing
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import final

from .execute import Outcome, Request, execute
from .memory import WORKER_BYTES, machine_bytes

GONE = (
    "the scheduler is gone, and the runs in work with it; start one and run the study "
    "again: what is done is kept"
)
Tell = Callable[[str], None]


@final
@dataclass(frozen=True)
class Pool:
    """Something that runs runs.

    Attributes:
        make: opens an executor; called again if a worker's death broke the first.
        at_once: runs to have in work at a time.
        threads: of each run; None leaves them to the worker.
        work: what to do with a request.
        workers: how many processes work, as far as is known.
        deaths: what a run's future raises if its worker died.
    """

    make: Callable[[], AbstractContextManager[Executor]]
    at_once: int
    threads: int | None = None
    work: Callable[[Request], Outcome] = execute
    workers: int = 1
    deaths: tuple[type[Exception], ...] = (BrokenProcessPool,)


def processes(workers: int) -> Pool:
    """Give a pool of processes on this machine that share its cores.

    Args:
        workers: how many; each gets an equal share of the cores, at least one.

    Raises:
        ValueError: if there are no workers, or more than the memory holds.
    """
    checked_workers(workers)
    cores = len(os.sched_getaffinity(0))
    # A forked child would share compiled code's threads, which do not survive a fork.
    fresh = multiprocessing.get_context("spawn")
    return Pool(
        make=lambda: ProcessPoolExecutor(workers, mp_context=fresh),
        at_once=workers,
        threads=max(1, cores // workers),
        workers=workers,
    )


def checked_workers(workers: int) -> int:
    """Give a number of processes, or say why so many cannot work here.

    Raises:
        ValueError: if there are none, or more than the memory holds.
    """
    if workers < 1:
        raise ValueError(f"{workers} workers can do nothing; give at least 1")
    memory = machine_bytes()
    if workers * WORKER_BYTES > memory:
        raise ValueError(
            f"{workers} workers do not fit into {memory / 1e9:.1f} GB of memory; give "
            f"at most {memory // WORKER_BYTES:.0f}"
        )
    return workers


def execute_in(
    pool: Pool, requests: Sequence[Request], tell: Tell
) -> Iterator[Outcome]:
    """Execute requests in a pool; yield outcomes as they come.

    No more are handed over than are worked at, so that a worker that is killed costs
    only the runs in work. Nobody says which of them it was for: each is repeated by
    itself, from its last checkpoint or finished stage, and is to blame if its worker
    dies again. All others are done first.

    Args:
        pool: where.
        requests: what.
        tell: told a sentence if a worker was killed.

    Raises:
        ValueError: as `execute`, if the scheduler is gone, or if a run's worker was
            killed again while no other run was in work.
    """
    left = [replace(r, threads=pool.threads) for r in requests]
    guilty: list[Request] = []
    while left:
        with pool.make() as executor:
            suspects = yield from _until_broken(executor, left, pool)
        for request in suspects:
            tell(f"a worker was killed; {request.label} goes on by itself")
            with pool.make() as executor:
                guilty += yield from _until_broken(executor, [request], pool)
    if guilty:
        raise ValueError(
            f"the worker of {', '.join(r.label for r in guilty)} was killed twice, the "
            "second time while no other run was in work; look for a lack of memory and "
            "run the study again with fewer workers: all other runs are kept"
        )


def _until_broken(
    executor: Executor, left: list[Request], pool: Pool
) -> Generator[Outcome, None, list[Request]]:
    """Take requests off the list and yield outcomes; return those that were lost."""
    working: dict[Future[Outcome], Request] = {}
    lost: list[Request] = []
    try:
        while left or working:
            if not lost:
                lost += _hand_over(executor, left, working, pool)
            if not working:
                return lost
            done, _ = wait(working, return_when=FIRST_COMPLETED)
            for future in done:
                request = working.pop(future)
                try:
                    outcome = future.result()
                except pool.deaths:
                    lost.append(request)
                except CancelledError as error:
                    raise ValueError(GONE) from error
                else:
                    yield outcome
    finally:
        for future in working:
            future.cancel()
    return lost


def _hand_over(
    executor: Executor,
    left: list[Request],
    working: dict[Future[Outcome], Request],
    pool: Pool,
) -> list[Request]:
    """Submit requests while there is room; give the one that met a broken pool."""
    while left and len(working) < pool.at_once:
        request = left.pop(0)
        try:
            working[executor.submit(pool.work, request)] = request
        except pool.deaths:
            return [request]
    return []
