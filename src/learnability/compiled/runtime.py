"""Machine code kept on disk, threads that run it, and what a process may do for them.

Numba finds what it has kept by a function's file, name and line, and takes it for fresh
while that one file is what it was: after a change in a module that a loop calls, the
old machine code would run on. Here names say from what sources it was made.

Threads are made once and kept, like those of any BLAS: a new one costs more than a
short loop. They belong to this package; nothing of the caller's process changes unless
`tune_process` asks for it.
"""

import ctypes
import os
import platform
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from hashlib import sha256
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from threading import Barrier, Lock
from typing import Any, TypeVar

import psutil
import torch
from numba import njit
from numba.core import config
from threadpoolctl import ThreadpoolController, threadpool_limits

# Seconds during which what others do is looked at.
LOOK = 0.05
# Of the hash in a name.
DIGITS = 12
# Whose modules loops are made from: a change in any of them makes all anew.
FOLDERS = ("compiled", "cells")


def kernel(function: Callable) -> Any:
    """Compile a loop that Python calls, and keep its machine code on disk.

    It is kept where Numba keeps it: beside the source, or in the user's cache where
    that is read-only. What was made of the same loop from other sources is deleted.

    Args:
        function: the loop, whose name gets the hash of all that loops are made from.
    """
    module, name = function.__module__, function.__qualname__
    made_from = _made_from()
    function.__qualname__ += f"_{made_from}"
    try:
        made = njit(cache=True, nogil=True)(function)
    except RuntimeError as error:  # Numba finds no folder that can be written to
        warnings.warn(
            f"compiled loops cannot be kept and are compiled at each start ({error}); "
            "set NUMBA_CACHE_DIR to a folder that can be written to",
            stacklevel=2,
        )
        return njit(nogil=True)(function)
    loop: Any = made  # Numba keeps the place to itself
    _sweep(Path(loop._cache.cache_path), f"{module.split('.')[-1]}.{name}_", made_from)
    return made


def _sweep(folder: Path, start: str, made_from: str) -> None:
    """Delete what was compiled from other sources; another process may be faster."""
    stale = re.compile(rf"{re.escape(start)}(?!{made_from})[0-9a-f]{{{DIGITS}}}-")
    for file in folder.glob(f"{start}*"):
        if stale.match(file.name):
            with suppress(OSError):
                file.unlink()


def source_hash(root: Traversable) -> str:
    """Return a hash of every source that loops are made from.

    Args:
        root: the package's folder.
    """
    whole = sha256()
    for folder in FOLDERS:
        for file in sorted(root.joinpath(folder).iterdir(), key=lambda f: f.name):
            if file.name.endswith(".py"):
                whole.update(sha256(f"{folder}/{file.name}".encode()).digest())
                whole.update(sha256(file.read_bytes()).digest())
    return whole.hexdigest()[:DIGITS]


@cache
def _made_from() -> str:
    return source_hash(resources.files("learnability"))


Part = TypeVar("Part")
Result = TypeVar("Result")

# malloc.h of glibc: names of parameters, and the largest that it takes for the second.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
KEPT, LARGEST_KEPT = 512 << 20, 32 << 20
SOFT = 1  # OpenMP 5.0, omp_pause_resource_t: what was set stays set

_pools: dict[tuple[int, bool], ThreadPoolExecutor] = {}
_making = Lock()
# Threads do not survive a fork; the child makes its own. Windows knows no forks.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pools.clear)
_tuned = False


def tune_process() -> None:
    """Let compiled loops have this process to themselves, until it ends.

    A train step on two cores gets up to a third faster. What changes:

    * the C library keeps up to 512 MB of freed arrays for the next ones, where it is
      glibc (``mallopt``): page faults cost a fifth of a train step;
    * PyTorch's OpenMP workers are let go before compiled loops start
      (``omp_pause_resource_all``): they wait for some milliseconds after each operation
      in a busy loop, which takes a core from any other thread;
    * each of this package's worker threads keeps to one processor (its affinity) if
      there are as many as workers: a system that wakes two on one processor leaves the
      other idle for some milliseconds.

    The command line and the processes of a study do so; a call of the library never
    does. How many threads there are is up to ``OMP_NUM_THREADS``,
    ``torch.set_num_threads`` and `using_threads`.

    Source: mallopt(3); OpenMP 5.0, section 3.2.44.
    """
    global _tuned
    _tuned = True
    _keep_freed_memory()


@cache
def _keep_freed_memory() -> None:
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(M_TRIM_THRESHOLD, KEPT)
        libc.mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT)


@cache
def _openmp() -> tuple[ctypes.CDLL, ...]:
    found = ThreadpoolController().select(user_api="openmp").lib_controllers
    libraries = (library.dynlib for library in found)
    return tuple(lib for lib in libraries if hasattr(lib, "omp_pause_resource_all"))


def release_openmp() -> None:
    """Let the caller's idle OpenMP workers go; to make them anew costs 0.1 ms."""
    for library in _openmp():
        library.omp_pause_resource_all(SOFT)


def threads() -> int:
    """Return the threads to use: no more than Torch and Numba are both allowed."""
    return min(torch.get_num_threads(), config.NUMBA_NUM_THREADS)  # pyright: ignore


def in_threads(
    work: Callable[[Part], Result], parts: Sequence[Part]
) -> Iterator[Result]:
    """Yield the work's results in the order of the parts.

    The workers flush denormal numbers, which slow every product that they meet; the
    caller's own thread keeps its mode.

    Args:
        work: what to do with a part, in loops that hold no lock and call no PyTorch.
        parts: what to do it with.
    """
    pool = _pool(threads(), _tuned)
    if _tuned:
        release_openmp()
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

    Sums are split by threads, so that the last digits of a result depend on how many
    there are: what must be the same everywhere is made with one.

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
def beside_others() -> Iterator[None]:
    """Have this thread's OpenMP use no more processors than other programs leave free.

    Threads of one product wait for each other in a busy loop: beside busy programs two
    of them take four to five times as long as alone, and one takes 1.5 to 2 times as
    long. Other threads of the process are left alone, and how many are allowed
    otherwise is the upper bound. NumPy's products have one thread: those of verdicts
    are small, and 1.2 times as slow with two on an idle machine.
    """
    allowed = torch.get_num_threads()
    free = _free_processors() if allowed > 1 else 1
    limits = {"blas": 1}
    if free < allowed:
        limits["openmp"] = max(1, free)
    with threadpool_limits(limits):
        yield


def _free_processors() -> int:
    """Return how many processors nobody used for a moment."""
    return round((os.cpu_count() or 1) * (1 - psutil.cpu_percent(LOOK) / 100))


def _pool(count: int, tuned: bool) -> ThreadPoolExecutor:
    """Return the pool of so many workers, all of them running."""
    with _making:
        if (count, tuned) not in _pools:
            places = iter(_places(count) if tuned else [])
            pool = ThreadPoolExecutor(count, initializer=_settle, initargs=(places,))
            barrier = Barrier(count)
            list(pool.map(lambda _: barrier.wait(), range(count)))
            _pools[count, tuned] = pool
        return _pools[count, tuned]


def _places(count: int) -> list[int]:
    """Return a processor for each worker, if there are as many as workers; or none."""
    if not hasattr(os, "sched_getaffinity"):
        return []
    allowed = sorted(os.sched_getaffinity(0))
    return allowed if len(allowed) == count else []


def _settle(places: Iterator[int]) -> None:
    torch.set_flush_denormal(True)  # of this thread alone
    place = next(places, None)
    if place is not None:
        os.sched_setaffinity(0, {place})
