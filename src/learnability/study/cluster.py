"""Runs on a Dask cluster, behind the interface of `concurrent.futures`."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

from ..compiled.engine import tune_process
from .executors import (
    Part,
    Pool,
    Result,
    checked_threads,
    checked_workers,
    shared_threads,
)

LOCAL = "local:"
UNLIMITED = 2**31
"""Runs handed to the scheduler at once: all, as workers may join later."""
START = 10.0
"""Seconds to wait for a scheduler."""
SCHEMES = ("tcp", "tls", "ws", "wss")


def dask_pool(address: str, threads: int | None = None) -> Pool:
    """Give the pool of a Dask cluster.

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

    A client that meets nobody would say so at length when the process ends.
    """
    scheme, mark, place = address.rpartition("://")
    host, _, port = place.rpartition(":")
    known = not mark or scheme in SCHEMES
    if not (known and host and port.isdecimal() and 0 < int(port) < 2**16):
        raise ValueError(f"{address!r} is no address; give tcp://HOST:PORT or local:N")
    try:
        with ThreadPoolExecutor(1) as apart:  # where no other loop runs
            found = apart.submit(asyncio.run, _asked(address)).result()
    # What is no scheduler may answer anything, such as the size of a huge message.
    except (OSError, MemoryError, ValueError, TypeError) as error:
        raise ValueError(_nobody(address, error)) from error
    if found.get("type") != "Scheduler":
        raise ValueError(f"{address} is no scheduler's address; give that of one")


async def _asked(address: str) -> dict[str, Any]:
    return await asyncio.wait_for(_identity(address), START)


async def _identity(address: str) -> dict[str, Any]:
    from distributed import Security
    from distributed.comm.core import connect

    arguments = Security().get_connection_args("client")
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
def _opened(distributed: Any, options: dict[str, Any]) -> Iterator[Executor]:
    """Connect to a scheduler, or start one, and give its executor.

    Raises:
        ValueError: if no scheduler answers.
    """
    try:
        client = distributed.Client(timeout=START, **options)
    except OSError as error:
        place = options.get("address", "this machine")
        raise ValueError(_nobody(place, error)) from error
    with client, client.get_executor(pure=False) as executor:
        yield executor
