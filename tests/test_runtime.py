"""Libraries around the loops: workers let go, memory kept."""

import os
import platform
import resource
import subprocess
import sys
from pathlib import Path
from threading import Barrier

import pytest
import torch

from learnability.runtime import release_openmp
from learnability.workers import in_threads, threads, using_threads

FAULTS = """
import resource, sys, torch
import learnability.unroll  # as in a study, whose libraries shape the heap
from learnability.runtime import keep_freed_memory
if sys.argv[1] == "kept":
    keep_freed_memory()
def work():
    a = [torch.ones(5_000_000) for _ in range(5)]  # 100 MB, each below the largest kept
    return sum(float(x[0]) for x in a)
work(), work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's /proc")
def test_idle_openmp_workers_are_let_go_and_come_back():
    if not torch.backends.openmp.is_available():
        pytest.skip("PyTorch runs no OpenMP workers here")
    x = torch.arange(2.0**21)
    with using_threads(2):
        first, before = x.sum(), running()
        assert x.sum() == first
        assert running() <= before, "workers are kept while nobody lets them go"
        release_openmp()
        assert x.sum() == first
        assert running() - before, "the idle workers were used again"


def running() -> set[str]:
    """Give the threads of this process."""
    return {path.name for path in Path("/proc/self/task").iterdir()}


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux")
@pytest.mark.parametrize("spare", [0, 1])
def test_each_worker_has_its_processor_where_there_is_one(spare):
    """Fewer workers than processors go where the system sends them."""
    allowed = os.sched_getaffinity(0)
    before = torch.get_num_threads()
    torch.set_num_threads(max(1, len(allowed) - spare))
    try:
        if threads() != len(allowed) - spare:
            pytest.skip("needs more processors, or Numba is held to fewer threads")
        barrier = Barrier(threads())

        def place(_: int) -> set[int]:
            barrier.wait()
            return os.sched_getaffinity(0)

        found = list(in_threads(place, range(barrier.parties)))
    finally:
        torch.set_num_threads(before)
    each = [{one} for one in sorted(allowed)]
    assert sorted(found, key=sorted) == (
        each if spare == 0 else [allowed] * barrier.parties
    )
    assert os.sched_getaffinity(0) == allowed, "the caller was moved"


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is taught")
def test_freed_memory_is_kept():
    def faults(how):
        words = [sys.executable, "-c", FAULTS, how]
        return int(subprocess.run(words, capture_output=True, check=True).stdout)

    pages = 100_000_000 / resource.getpagesize()
    # One array of the five may still go back; without a word to the library four do.
    assert faults("kept") < 0.3 * pages
