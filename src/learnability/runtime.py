"""What the libraries around the compiled loops do to them, and how to stop it."""

import ctypes
import platform
from functools import cache

from threadpoolctl import ThreadpoolController

# malloc.h of glibc: names of parameters, and the largest that it takes for the second.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
KEPT, LARGEST_KEPT = 512 << 20, 32 << 20
SOFT = 1  # OpenMP 5.0, omp_pause_resource_t: what was set stays set


@cache
def _openmp() -> tuple[ctypes.CDLL, ...]:
    found = ThreadpoolController().select(user_api="openmp").lib_controllers
    libraries = (library.dynlib for library in found)
    return tuple(lib for lib in libraries if hasattr(lib, "omp_pause_resource_all"))


def release_openmp() -> None:
    """Let the caller's idle OpenMP workers go; the next operation makes new ones.

    PyTorch's workers wait for some milliseconds after each operation in a busy loop,
    which takes a core from any other thread: a third of a small train step. To make
    them anew costs 0.1 ms. Without OpenMP this does nothing.

    Source: OpenMP 5.0, section 3.2.44, omp_pause_resource_all.
    """
    for library in _openmp():
        library.omp_pause_resource_all(SOFT)


@cache
def keep_freed_memory() -> None:
    """Have the C library keep up to 512 MB of freed arrays for the next ones.

    glibc hands large freed arrays back to the kernel, whose page faults then cost a
    train step a fifth of its time. Arrays above 32 MB go back in any case. With
    another C library this does nothing.

    Source: mallopt(3).
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(M_TRIM_THRESHOLD, KEPT)
        libc.mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT)
