"""Runs on a Dask cluster, behind the interface of `concurrent.futures`."""

import os
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from functools import partial
from typing import Any

from .execute import Outcome, Request, execute
from .executors import Pool

LOCAL = "local:"
UNLIMITED = 2**31
"""Runs handed to the scheduler at once: all, as workers may join later."""
START = 30
"""Seconds to wait for a scheduler."""


def dask_pool(address: str) -> Pool:
    """Give the pool of a Dask cluster.

    Args:
        address: of a scheduler, such as ``tcp://10.0.0.1:8786``, or ``local:N`` for a
            scheduler and N worker processes on this machine, which share its cores.

    Raises:
        ValueError: if Dask is not installed or the address is none.
    """
    distributed = _distributed()
    if not address.startswith(LOCAL):
        if ":" not in address:
            raise ValueError(
                f"{address!r} is no address; give tcp://HOST:PORT or local:N"
            )
        options = {"address": address}
        return Pool(lambda: _opened(distributed, options), UNLIMITED, None, on_worker)
    workers = _count(address)
    options = {"n_workers": workers, "threads_per_worker": 1, "processes": True}
    options |= {"dashboard_address": None}
    cores = len(os.sched_getaffinity(0))
    threads = max(1, cores // workers)
    make = partial(_opened, distributed, options)
    return Pool(make, UNLIMITED, threads, on_worker, workers)


def on_worker(request: Request) -> Outcome:
    """Execute a request on a Dask worker.

    Results are written as in any other process: xarray would otherwise take a lock of
    the cluster for every file, though the run's own lock is held.

    Args:
        request: what to do.
    """
    from dask import config

    with config.set(scheduler="synchronous"):
        return execute(request)


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
    return int(number)


@contextmanager
def _opened(distributed: Any, options: dict[str, Any]) -> Iterator[Executor]:
    """Connect to a scheduler, or start one, and give its executor.

    Raises:
        ValueError: if no scheduler answers.
    """
    try:
        client = distributed.Client(timeout=START, **options)
    except OSError as error:
        raise ValueError(
            f"no Dask scheduler answers at {options.get('address', 'this machine')} "
            f"({error}); start one with `dask scheduler`"
        ) from error
    with client, client.get_executor(pure=False) as executor:
        yield executor
