"""Much work at once, behind the interface of `concurrent.futures`: processes, Dask."""

import asyncio
import multiprocessing
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent import futures
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar, final

import torch

from ..compiled.engine import tune_process
from ..machine import machine_bytes
from .cost import WORKER_BYTES

GONE = (
    "the scheduler is gone, and what was in work with it; start one and run the same "
    "command again: what is done is kept"
)
LOCAL = "local:"
MOST_THREADS = 1024  # a hundred thousand of them kill the process
# Runs handed to a scheduler at once: all, as workers may join later.
UNLIMITED = 2**31
# Seconds to futures.wait for a scheduler.
START = 10.0
SCHEMES = ("tcp", "tls", "ws", "wss")
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
        workers: how many processes work; None where others may join.
        deaths: what a part's future raises if its worker died.
    """

    make: Callable[[], AbstractContextManager[futures.Executor]]
    at_once: int
    threads: int | None = None
    call: Callable[[Callable[[Any], Any], Any], Any] = called
    workers: int | None = None
    deaths: tuple[type[Exception], ...] = (BrokenProcessPool,)


def processes(workers: int, threads: int | None = None) -> Pool:
    """Return a pool of processes on this machine.

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
        make=lambda: futures.ProcessPoolExecutor(
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
        ValueError: if there are none, or so many that OpenMP crashes.
    """
    if threads < 1:
        raise ValueError(f"{threads} threads can do nothing; give at least 1")
    if threads > MOST_THREADS:
        raise ValueError(f"{threads} threads are too many; give at most {MOST_THREADS}")
    return threads


def checked_workers(workers: int) -> int:
    """Return a number of processes, or say why so many cannot work here.

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
    pool: Pool, work: Callable[[Part], Result], parts: Mapping[str, Part], tell: Tell
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
    executor: futures.Executor,
    work: Callable[[Part], Result],
    left: dict[str, Part],
    pool: Pool,
) -> Generator[Result, None, dict[str, Part]]:
    """Take parts off what is left and yield results; return those that were lost."""
    working: dict[futures.Future[Result], tuple[str, Part]] = {}
    lost: dict[str, Part] = {}
    try:
        while left or working:
            if not lost:
                lost |= _hand_over(executor, work, left, working, pool)
            if not working:
                return lost
            done, _ = futures.wait(working, return_when=futures.FIRST_COMPLETED)
            for future in done:
                name, part = working.pop(future)
                try:
                    result = future.result()
                except pool.deaths:
                    lost[name] = part
                except futures.CancelledError as error:
                    raise ValueError(GONE) from error
                else:
                    yield result
    finally:
        for future in working:
            future.cancel()
    return lost


def _hand_over(
    executor: futures.Executor,
    work: Callable[[Part], Result],
    left: dict[str, Part],
    working: dict[futures.Future[Result], tuple[str, Part]],
    pool: Pool,
) -> dict[str, Part]:
    """Submit parts while there is room; return the one that met a broken pool."""
    while left and len(working) < pool.at_once:
        name = next(iter(left))
        part = left.pop(name)
        try:
            working[executor.submit(pool.call, work, part)] = name, part
        except pool.deaths:
            return {name: part}
    return {}


def dask_pool(address: str, threads: int | None = None) -> Pool:
    """Return the pool of a Dask cluster.

    Args:
        address: of a scheduler, such as ``tcp://10.0.0.1:8786``, or ``local:N`` for a
            scheduler and N worker processes on this machine.
        threads: of each run; unless given what its worker has, and of ``local:N`` an
            equal share of PyTorch's threads here.

    Raises:
        ValueError: if Dask is not installed, the address is none or no scheduler
            answers there, or there are no threads.
    """
    distributed = _distributed()
    deaths = (distributed.KilledWorker,)
    if not address.startswith(LOCAL):
        _check(address)
        make = partial(_opened, distributed, {"address": address})
        own = None if threads is None else checked_threads(threads)
        return Pool(make, UNLIMITED, own, on_worker, deaths=deaths)
    workers = _count(address)
    options = {"n_workers": workers, "threads_per_worker": 1, "processes": True}
    options |= {"dashboard_address": None}
    shared = shared_threads(workers, threads)
    make = partial(_opened, distributed, options)
    return Pool(make, UNLIMITED, shared, on_worker, workers, deaths)


def _check(address: str) -> None:
    """Ask who is there, before anything else is done.

    A client that meets something else waits forever, or for exabytes of memory.
    """
    scheme, mark, place = address.rpartition("://")
    host, _, port = place.rpartition(":")
    known = not mark or scheme in SCHEMES
    if not (known and host and port.isdecimal() and 0 < int(port) < 2**16):
        raise ValueError(f"{address!r} is no address; give tcp://HOST:PORT or local:N")
    try:
        with futures.ThreadPoolExecutor(1) as apart:  # where no other loop runs
            found = apart.submit(asyncio.run, _identity(address)).result()
    # What is no scheduler may answer anything, such as the size of a huge message.
    except (OSError, MemoryError, ValueError, TypeError) as error:
        raise ValueError(_nobody(address, error)) from error
    if found.get("type") != "Scheduler":
        raise ValueError(f"{address} is no scheduler's address; give that of one")


async def _identity(address: str) -> dict[str, Any]:
    from distributed import Security
    from distributed.comm.core import connect

    arguments = Security().get_connection_args("client")
    async with asyncio.timeout(START):
        channel = await connect(address, timeout=START, **arguments)
        try:
            await channel.write({"op": "identity", "reply": True})
            return dict(await channel.read())
        finally:
            channel.abort()


def _nobody(address: str, error: Exception) -> str:
    why = str(error) or f"not within {START:g} s"
    return (
        f"no Dask scheduler answers at {address} ({why}); start one with "
        "`dask scheduler`, or use local:2"
    )


def on_worker(work: Callable[[Part], Result], part: Part) -> Result:
    """Do the work with a part on a Dask worker.

    Results are written as in any other process: xarray would otherwise take a lock of
    the cluster for every file, though the run's own lock is held.

    Args:
        work: what to do.
        part: what to do it with.
    """
    from dask import config

    _stop_profile()
    tune_process()
    with config.set(scheduler="synchronous"):
        return work(part)


def _stop_profile() -> None:
    """Stop this worker's statistical profile.

    It holds on to the frames of what runs, and so keeps objects of HDF5 open a little
    longer at random, by which HDF5 lays out a file: equal results, other bytes.
    """
    worker = _distributed().get_worker()
    profile = worker.periodic_callbacks.get("profile")
    if profile is not None:
        worker.loop.add_callback(profile.stop)


def _distributed() -> Any:
    try:
        import distributed
    except ImportError as error:
        raise ValueError(
            "Dask is not installed; install it with pip install 'learnability[cluster]'"
        ) from error
    return distributed


def _count(address: str) -> int:
    number = address.removeprefix(LOCAL)
    if not number.isdecimal() or int(number) < 1:
        raise ValueError(f"{address!r} names no number of workers; give local:2")
    return checked_workers(int(number))


@contextmanager
def _opened(distributed: Any, options: dict[str, Any]) -> Iterator[futures.Executor]:
    """Connect to a scheduler, or start one, and yield its executor."""
    try:
        client = distributed.Client(timeout=START, **options)
    except OSError as error:
        place = options.get("address", "this machine")
        raise ValueError(_nobody(place, error)) from error
    with client, client.get_executor(pure=False) as executor:
        yield executor
