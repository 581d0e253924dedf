"""Much work at once, behind the interface of `concurrent.futures`."""

import multiprocessing
from collections.abc import Callable, Generator, Iterator, Mapping
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
from dataclasses import dataclass
from typing import Any, TypeVar, final

import torch

from ..compiled.engine import tune_process
from .memory import WORKER_BYTES, machine_bytes

GONE = (
    "the scheduler is gone, and what was in work with it; start one and run the same "
    "command again: what is done is kept"
)
Tell = Callable[[str], None]
Part = TypeVar("Part")
Result = TypeVar("Result")


def called(work: Callable[[Part], Result], part: Part) -> Result:
    """Do the work with a part, as a worker without needs of its own does."""
    return work(part)


@final
@dataclass(frozen=True)
class Pool:
    """Something that does work with many parts.

    Attributes:
        make: opens an executor; called again if a worker's death broke the first.
        at_once: parts to have in work at a time.
        threads: for each part; None leaves them to the worker.
        call: how a worker does the work with a part.
        workers: how many processes work, as far as is known.
        deaths: what a part's future raises if its worker died.
    """

    make: Callable[[], AbstractContextManager[Executor]]
    at_once: int
    threads: int | None = None
    call: Callable[[Callable[[Any], Any], Any], Any] = called
    workers: int = 1
    deaths: tuple[type[Exception], ...] = (BrokenProcessPool,)


def processes(workers: int, threads: int | None = None) -> Pool:
    """Give a pool of processes on this machine.

    Args:
        workers: how many.
        threads: of each; an equal share of PyTorch's here unless given.

    Raises:
        ValueError: if there are no workers, or more than the memory holds, or no
            threads.
    """
    checked_workers(workers)
    # A forked child would share compiled code's threads, which do not survive a fork.
    fresh = multiprocessing.get_context("spawn")
    return Pool(
        make=lambda: ProcessPoolExecutor(
            workers, mp_context=fresh, initializer=tune_process
        ),
        at_once=workers,
        threads=shared_threads(workers, threads),
        workers=workers,
    )


def shared_threads(workers: int, threads: int | None) -> int:
    """Return the threads of each of some workers, as asked or an equal share.

    What is shared are PyTorch's threads in this process: what OMP_NUM_THREADS or
    `torch.set_num_threads` says, and otherwise the machine's cores.

    Args:
        workers: how many.
        threads: of each, if that was asked for.

    Raises:
        ValueError: if it is less than one.
    """
    if threads is None:
        return max(1, torch.get_num_threads() // workers)
    return checked_threads(threads)


def checked_threads(threads: int) -> int:
    """Return a number of threads, or say that it is none.

    Raises:
        ValueError: if there are none.
    """
    if threads < 1:
        raise ValueError(f"{threads} threads can do nothing; give at least 1")
    return threads


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
    pool: Pool,
    work: Callable[[Part], Result],
    parts: Mapping[str, Part],
    tell: Tell,
) -> Iterator[Result]:
    """Do work in a pool; yield results as they come.

    No more parts are handed over than are worked at, so that a worker that is killed
    costs only those in work. Nobody says which of them it was for: each is repeated by
    itself, and is to blame if its worker dies again. All others are done first. Work
    that keeps what it has made goes on from there.

    Args:
        pool: where.
        work: what to do with a part; importable, so that processes find it.
        parts: what to do it with, by the names that sentences call them.
        tell: told a sentence if a worker was killed.

    Raises:
        ValueError: as the work, if the scheduler is gone, or if a part's worker was
            killed again while no other part was in work.
    """
    left = dict(parts)
    guilty: list[str] = []
    while left:
        with pool.make() as executor:
            suspects = yield from _until_broken(executor, work, left, pool)
        for name, part in suspects.items():
            tell(f"a worker was killed; {name} goes on by itself")
            with pool.make() as executor:
                guilty += yield from _until_broken(executor, work, {name: part}, pool)
    if guilty:
        raise ValueError(
            f"the worker of {', '.join(guilty)} was killed twice, the second time "
            "while nothing else was in work; look for a lack of memory and run the "
            "same command again with fewer workers: all else is kept"
        )


def _until_broken(
    executor: Executor,
    work: Callable[[Part], Result],
    left: dict[str, Part],
    pool: Pool,
) -> Generator[Result, None, dict[str, Part]]:
    """Take parts off what is left and yield results; return those that were lost."""
    working: dict[Future[Result], tuple[str, Part]] = {}
    lost: dict[str, Part] = {}
    try:
        while left or working:
            if not lost:
                lost |= _hand_over(executor, work, left, working, pool)
            if not working:
                return lost
            done, _ = wait(working, return_when=FIRST_COMPLETED)
            for future in done:
                name, part = working.pop(future)
                try:
                    result = future.result()
                except pool.deaths:
                    lost[name] = part
                except CancelledError as error:
                    raise ValueError(GONE) from error
                else:
                    yield result
    finally:
        for future in working:
            future.cancel()
    return lost


def _hand_over(
    executor: Executor,
    work: Callable[[Part], Result],
    left: dict[str, Part],
    working: dict[Future[Result], tuple[str, Part]],
    pool: Pool,
) -> dict[str, Part]:
    """Submit parts while there is room; give the one that met a broken pool."""
    while left and len(working) < pool.at_once:
        name = next(iter(left))
        part = left.pop(name)
        try:
            working[executor.submit(pool.call, work, part)] = name, part
        except pool.deaths:
            return {name: part}
    return {}
