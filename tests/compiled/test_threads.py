"""Threads of compiled loops, and a caller's process that stays as it was."""

import platform
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from learnability.compiled import runtime

UNCHANGED = """
import ctypes, os, sys, threading
import torch
torch.set_num_threads(2)
import learnability as lw
from learnability.compiled import runtime as threads

def settings():
    place = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    return torch.get_num_threads(), place, dict(os.environ)

def changed(*_):
    raise AssertionError("something of the process was to be changed")

before = settings()
threads._keep_freed_memory = threads.release_openmp = changed
workers = []
def settled(places, settle=threads._settle):
    settle(places)
    workers.append(settings()[1])
threads._settle = settled
set_threads, asked = torch.set_num_threads, []
torch.set_num_threads = lambda count: (asked.append(count), set_threads(count))

network = lw.Network(lw.GRU(2, 8))
x = torch.randn(24, 20, 2, generator=torch.Generator().manual_seed(0))
network(x).square().mean().backward()
network.zero_grad()
lw.diagnose(network, (x, x[..., 0]), "mse", [1, 2, 4])
assert settings() == before, (settings(), before)
assert not asked, asked
assert workers and all(place == before[1] for place in workers), workers
"""

PLACED = """
import os
from threading import Barrier
import torch
from learnability.compiled import runtime as threads, tune_process

allowed = sorted(os.sched_getaffinity(0))
tune_process()
for spare in (0, 1):
    wanted = max(1, len(allowed) - spare)
    torch.set_num_threads(wanted)
    if threads.threads() == wanted:
        barrier = Barrier(wanted)
        def place(_):
            barrier.wait()
            return sorted(os.sched_getaffinity(0))
        found = sorted(threads.in_threads(place, range(wanted)))
        each = [[one] for one in allowed]
        assert found == (each if wanted == len(allowed) else [allowed] * wanted), found
    assert sorted(os.sched_getaffinity(0)) == allowed, "the caller was moved"
"""

KEPT = """
import resource, torch
from learnability.compiled import tune_process
tune_process()
def work():
    a = [torch.ones(5_000_000) for _ in range(5)]  # 100 MB, each below the largest kept
    return sum(float(x[0]) for x in a)
work(), work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work()
faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
# One array of the five may still go back; without a word to the library four do.
assert faults < 0.3 * 100_000_000 / resource.getpagesize(), faults
"""

RELEASED = """
import os, torch
from learnability.compiled.runtime import release_openmp, using_threads

def running():
    return set(os.listdir("/proc/self/task"))

x = torch.arange(2.0**21)
with using_threads(2):
    first, before = x.sum(), running()
    assert x.sum() == first
    assert running() <= before, "workers are kept while nobody lets them go"
    release_openmp()
    assert x.sum() == first
    assert running() - before, "the idle workers were used again"
"""
LINUX = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="Linux with glibc is what is tuned"
)


def run(code: str) -> None:
    """Run a program of its own, in which all that it asserts has to hold."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_call_of_the_library_changes_nothing_of_the_process():
    run(UNCHANGED)


@LINUX
def test_workers_of_a_tuned_process_have_a_processor_each():
    """Fewer workers than processors go where the system sends them."""
    run(PLACED)


@LINUX
def test_idle_workers_are_let_go_and_a_tuned_process_keeps_freed_memory():
    run(RELEASED + KEPT)  # in this order: the second tunes the process


@pytest.mark.parametrize(("busy", "wanted"), [(0.0, 2), (100.0, 1)])
def test_beside_busy_programs_a_thread_takes_what_they_leave(busy, wanted, monkeypatch):
    monkeypatch.setattr(runtime.psutil, "cpu_percent", lambda seconds: busy)
    monkeypatch.setattr(runtime.os, "cpu_count", lambda: 2)
    torch.set_num_threads(2)
    try:
        with runtime.beside_others(), ThreadPoolExecutor(1) as other:
            assert torch.get_num_threads() == wanted
            assert other.submit(torch.get_num_threads).result() == 2
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
