"""One row, one measurement: two pieces of work by turns in one process."""

from __future__ import annotations

import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path

import torch

Work = Callable[[], object]


@dataclass(frozen=True)
class Row:
    """One measurement.

    Attributes:
        name: as ``--only`` takes it.
        ratio: what is asked to reach a bound; the median over pairs.
        ours: the median of this package's side, in `unit`.
        theirs: the median of the other side.
        unit: ms, GFLOP/s, MB.
        asked: the least ratio that the project promises, or None.
    """

    name: str
    ratio: float
    ours: float
    theirs: float
    unit: str
    asked: float | None = None


def seconds(work: Work) -> float:
    """Give the time of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def faster(name: str, ours: Work, theirs: Work, pairs: int, asked: float) -> Row:
    """Measure how often our work fits into the time of theirs."""
    ours(), theirs()
    times = [(seconds(ours), seconds(theirs)) for _ in range(pairs)]
    ratio = statistics.median(b / a for a, b in times)
    a, b = (1000 * statistics.median(side) for side in zip(*times, strict=True))
    return Row(name, ratio, a, b, "ms", asked)


def product_rate(size: int = 2048) -> float:
    """Give the GFLOP/s of one large float32 product, best of five."""
    a, b = torch.ones(2, size, size).unbind()
    a @ b
    return 2 * size**3 / 1e9 / min(seconds(lambda: a @ b) for _ in range(5))


def peak(make: Callable[..., Work], *arguments: object) -> float:
    """Give the peak memory in MB of a process that does the work made, less that of
    one that makes it only.
    """
    context = get_context("spawn")
    peaks = []
    for times in (0, 1):
        here, there = context.Pipe()
        child = context.Process(target=_peak, args=(there, times, make, arguments))
        child.start()
        peaks.append(here.recv())
        child.join()
    return (peaks[1] - peaks[0]) / 1024


def _peak(pipe, times: int, make: Callable[..., Work], arguments: tuple) -> None:
    work = make(*arguments)
    for _ in range(times):
        work()
    pipe.send(high_water())


def high_water() -> float:
    """Give the peak memory of this process in kB.

    On Linux from the memory map: what getrusage says also counts the process that
    this one was made from.
    """
    status = Path("/proc/self/status")
    if not status.exists():  # macOS counts bytes
        unit = 1024 if sys.platform == "darwin" else 1
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    (line,) = (x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
    return float(line.split()[1])


def machine() -> dict[str, object]:
    """Say where and with what versions the rows were measured."""
    cpu = Path("/proc/cpuinfo")
    lines = cpu.read_text().splitlines() if cpu.exists() else []
    models = {x.split(":")[1].strip() for x in lines if x.startswith("model name")}
    packages = ("learnability", "torch", "numba", "numpy", "scipy")
    return {
        "cpu": ", ".join(sorted(models)) or platform.processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "system": platform.platform(),
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
    }
