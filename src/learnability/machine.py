"""What this machine has: memory, its container's included, devices and processors."""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch
from threadpoolctl import threadpool_limits

try:
    import resource
except ImportError:  # Windows
    resource = None


def machine_bytes() -> float:
    """Return the bytes of memory that this process may use.

    The least of what the machine has, what its container may take (control groups of
    Linux, version 1 or 2) and what ``ulimit -v`` allows; infinite where the system says
    none of them.
    """
    return min([math.inf, *_physical(), *container_limits(), *_allowed()])


def checked_device(device: torch.device | str) -> torch.device:
    """Return a device of this machine on which numbers are computed.

    Args:
        device: such as "cpu" or "cuda:1".

    Raises:
        ValueError: if it is not there, or computes no numbers ("meta").

    Example:
        >>> checked_device("cpu")
        device(type='cpu')
    """
    try:
        torch.zeros(1, device=device).item()
        return torch.device(device)
    except (RuntimeError, AssertionError, ImportError) as error:
        raise ValueError(
            f"device {str(device)!r} cannot be used ({str(error).splitlines()[0]}); "
            "give one that is there, such as 'cpu'"
        ) from error


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Have the linear algebra of NumPy and SciPy use one thread meanwhile.

    Threads of one decomposition wait for each other in a busy loop. Beside busy
    programs the eigenvectors of 64 x 64 numbers take 14 ms with two and 0.6 ms with
    one, an inverse by its Cholesky factor 130 ms and 0.2 ms.
    """
    with threadpool_limits(1, "blas"):
        yield


def _physical() -> Iterator[float]:
    names = ("SC_PAGE_SIZE", "SC_PHYS_PAGES")
    if set(names) <= set(getattr(os, "sysconf_names", ())):
        size, pages = map(os.sysconf, names)
        yield float(size * pages)


def _allowed() -> Iterator[float]:
    if resource is not None:
        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit != resource.RLIM_INFINITY:
            yield float(limit)


def container_limits(root: Path = Path("/")) -> Iterator[float]:
    """Yield the bytes that each control group around this process may take.

    Args:
        root: of the file system.

    Source: control-group-v2, memory.max; cgroup-v1, memory.limit_in_bytes (kernel.org).
    """
    listed = root / "proc/self/cgroup"
    if not listed.exists():
        return
    for line in listed.read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        top, name = root / "sys/fs/cgroup", "memory.max"
        if "memory" in controllers.split(","):
            top, name = top / "memory", "memory.limit_in_bytes"
        elif controllers:
            continue
        inner = top / path.lstrip("/")
        for folder in (inner, *inner.parents):
            if folder.is_relative_to(top):
                yield from _limit(folder / name)


def _limit(file: Path) -> Iterator[float]:
    """Yield the number in a file; a group may be without, or lie out of sight."""
    with suppress(OSError):
        text = file.read_text().strip()
        if text.isdecimal():
            yield float(text)
