"""Threads for compiled loops: made once and kept, like those of any BLAS.

A new thread costs more than a short loop, and a thread that has multiplied matrices
leaves megabytes behind that the BLAS never frees.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from threading import Barrier, Lock
from typing import TypeVar

import torch
from numba.core import config
from threadpoolctl import threadpool_limits

from .runtime import release_openmp

Part = TypeVar("Part")
Result = TypeVar("Result")

_pools: dict[int, ThreadPoolExecutor] = {}
_making, _alone = Lock(), Lock()
# Threads do not survive a fork; the child makes its own. Windows knows no forks.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pools.clear)


def threads() -> int:
    """Give the threads to use: no more than Torch and Numba are both allowed."""
    return min(torch.get_num_threads(), config.NUMBA_NUM_THREADS)  # pyright: ignore


def in_threads(
    work: Callable[[Part], Result], parts: Sequence[Part], *, with_torch: bool = False
) -> Iterator[Result]:
    """Yield the work's results in the order of the parts.

    The workers flush denormal numbers, which slow every product that they meet; the
    caller's own thread keeps its mode.

    Args:
        work: what to do with a part, in loops that hold no lock.
        parts: what to do it with.
        with_torch: whether the work calls PyTorch, whose operations then use one
            thread each.
    """
    pool = _pool(threads())
    release_openmp()
    with _torch_alone() if with_torch else nullcontext():
        yield from pool.map(work, parts)


def share(work: Callable[[Part], object], parts: Iterable[Part]) -> None:
    """Do the work with every part, a worker that is free taking the next one.

    As `in_threads`, for short work without results: a worker is asked once and not
    once a part, a tenth of a millisecond less.
    """
    left, taking = iter(parts), Lock()

    def some(_: int) -> None:
        while True:
            with taking:
                part = next(left, left)
            if part is left:
                return
            work(part)  # pyright: ignore

    list(in_threads(some, range(threads())))


@contextmanager
def using_threads(count: int | None) -> Iterator[None]:
    """Have PyTorch, the BLAS of NumPy and SciPy and compiled loops use some threads.

    Args:
        count: how many; None leaves them as they are.

    Example:
        >>> with using_threads(1):
        ...     threads()
        1
    """
    if count is None:
        yield
        return
    allowed = torch.get_num_threads()
    with threadpool_limits(limits=count):
        torch.set_num_threads(count)
        try:
            yield
        finally:
            torch.set_num_threads(allowed)


@contextmanager
def one_thread() -> Iterator[None]:
    """Have PyTorch, the BLAS of NumPy and SciPy and compiled loops use one thread.

    Their sums are split by threads, so that the last digits of a result depend on how
    many there are. What must be the same everywhere is made within this.

    Example:
        >>> with one_thread():
        ...     threads()
        1
    """
    with using_threads(1):
        yield


@contextmanager
def _torch_alone() -> Iterator[None]:
    with _alone:
        allowed = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(allowed)


def _pool(count: int) -> ThreadPoolExecutor:
    """Give the pool of so many workers, all of them running."""
    with _making:
        if count not in _pools:
            places = iter(_places(count))
            pool = ThreadPoolExecutor(count, initializer=_settle, initargs=(places,))
            barrier, allowed = Barrier(count), torch.get_num_threads()
            list(pool.map(lambda _: barrier.wait(), range(count)))
            # A worker's setting of its own threads reaches the BLAS of all.
            torch.set_num_threads(allowed)
            _pools[count] = pool
        return _pools[count]


def _places(count: int) -> list[int]:
    """Give a processor for each worker, if there are as many as workers; else none.

    A system that wakes two workers on one processor leaves the other idle for up to a
    few milliseconds: a fifth of a small train step.
    """
    if not hasattr(os, "sched_getaffinity"):
        return []
    allowed = sorted(os.sched_getaffinity(0))
    return allowed if len(allowed) == count else []


def _settle(places: Iterator[int]) -> None:
    torch.set_flush_denormal(True)
    torch.set_num_threads(1)
    place = next(places, None)
    if place is not None:
        os.sched_setaffinity(0, {place})
