"""A diagnosis in processes: two against one, memory, and what 1,000 would do.

``python -m benchmarks.shards`` prints, of an LSTM on sequences of normal numbers, each
process with one thread:

* the seconds and the CPU seconds of one process and of two, by turns, the parent's CPU
  seconds and those of the busiest process, and the ratios of both;
* the largest resident memory of the parent and of the processes (``--memory N``
  sequences);
* by simulation, for ``--simulated N`` processes: the bytes that each pass hands out and
  brings home, and the seconds that merging so many takes, from the results of one.
"""

import argparse
import multiprocessing
import os
import pickle
import resource
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from functools import partial
from itertools import count
from typing import Any

import psutil
import torch
from torch import nn

import learnability as lw
from learnability.compiled.engine import using_threads, warm_up

ROUNDS = 2
UNITS, INPUTS = 24, 3


class Model(nn.Module):
    """An LSTM with a read-out of one number a step."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(INPUTS, UNITS, batch_first=True)
        self.out = nn.Linear(UNITS, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return a number a step."""
        return self.out(self.lstm(x)[0])[..., 0]


def diagnosed(
    executor: Executor | None, sequences: int, steps: int, work: float
) -> lw.Diagnosis:
    """Diagnose the model on sequences whose targets hang on 3 steps before."""
    g = torch.Generator().manual_seed(0)
    x = torch.randn(sequences, steps, INPUTS, generator=g)
    y = x[..., 0].roll(3, 1) + 0.1 * torch.randn(sequences, steps, generator=g)
    options = lw.DiagnosisOptions(sequences=sequences, work=work)
    torch.manual_seed(0)
    return lw.diagnose(Model(), (x, y), "mse", options=options, executor=executor)


def spent(seconds: float = 0.0) -> tuple[int, float, int]:
    """Return a process, its CPU seconds and the most bytes that were resident."""
    time.sleep(seconds)  # so that each process is asked
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return os.getpid(), time.process_time(), largest


def pool(processes: int) -> ProcessPoolExecutor:
    """Return processes that have loaded all and done a diagnosis."""
    fresh = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(processes, mp_context=fresh)
    asked = [executor.submit(warm_up) for _ in range(2 * processes)]
    for future in asked:
        future.result()
    diagnosed(executor, 256, 20, 1e9)
    return executor


def used(executor: Executor | None, processes: int) -> dict[int, tuple[float, int]]:
    """Return CPU seconds and largest memory by process; 0 is this one."""
    found = {0: spent()[1:]}
    if executor is not None:
        asked = [executor.submit(spent, 0.3) for _ in range(4 * processes)]
        found |= {pid: rest for pid, *rest in (f.result() for f in asked)}
    return found


def measured(
    executor: Executor | None, processes: int, work: Callable[[], Any]
) -> dict[str, float]:
    """Return the seconds of some work, in all and by process."""
    before, started = used(executor, processes), time.perf_counter()
    work()
    seconds = time.perf_counter() - started
    after = used(executor, processes)
    cpu = {pid: after[pid][0] - before.get(pid, (0.0, 0))[0] for pid in after}
    busiest = max([own for pid, own in cpu.items() if pid], default=0.0)
    each = [f"{own:.1f}" for pid, own in cpu.items() if pid]
    print(
        f"  {seconds:.1f} s; CPU: parent {cpu[0]:.1f} s, processes {', '.join(each)} s",
        flush=True,
    )
    memory = {pid: rest[1] for pid, rest in after.items()}
    largest = max([own for pid, own in memory.items() if pid], default=0)
    return {
        "seconds": seconds,
        "parent": cpu[0],
        "busiest": busiest,
        "path": cpu[0] + busiest,
        "parent MB": memory[0] / 1e6,
        "process MB": largest / 1e6,
    }


def against(sequences: int, steps: int, work: float, rounds: int) -> None:
    """Print what one process and two take, by turns."""
    pools = {processes: pool(processes) for processes in (1, 2)}
    taken: dict[int, list[dict[str, float]]] = defaultdict(list)
    for _ in range(rounds):
        for processes, executor in pools.items():
            print(f"{processes} processes, {sequences} x {steps}:")
            job = partial(diagnosed, executor, sequences, steps, work)
            taken[processes].append(measured(executor, processes, job))
    print("without an executor, one thread:")
    measured(None, 1, partial(diagnosed, None, sequences, steps, work))
    for name in ("seconds", "path", "busiest"):
        one, two = (min(row[name] for row in taken[k]) for k in (1, 2))
        print(
            f"{name}: 1 process {one:.1f} s, 2 processes {two:.1f} s, {one / two:.2f}"
        )
    for executor in pools.values():
        executor.shutdown()


def memory(sequences: int, steps: int, work: float) -> None:
    """Print the largest memory with two processes."""
    own, executor = psutil.Process().memory_info().rss / 1e6, pool(2)
    print(f"{sequences} x {steps}; the parent begins with {own:.0f} MB:")
    job = partial(diagnosed, executor, sequences, steps, work)
    found = measured(executor, 2, job)
    executor.shutdown()
    print({name: round(value) for name, value in found.items() if "MB" in name})


class Counted(Executor):
    """Does what is asked at once, as one of many processes; notes what travels."""

    def __init__(self, processes: int) -> None:
        self._max_workers, self._turn = processes, count()
        self.told: dict[str, list[int]] = defaultdict(list)
        self.made: dict[str, list[bytes]] = defaultdict(list)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future:
        """Do it."""
        future: Future[Any] = Future()
        place, made = f"process {next(self._turn) % self._max_workers}", fn(*args)[1]
        name = named(pickle.loads(args[-1]))  # noqa: S301
        self.told[name].append(sum(len(a) for a in args if isinstance(a, bytes)))
        self.made[name].append(made)
        future.set_result((place, made))
        return future


def named(work: Any) -> str:
    """Return the name of the innermost work."""
    inside = getattr(work, "work", None) or getattr(work, "func", None)
    if inside is None:
        own = getattr(work, "__self__", None)
        owner = (
            "" if own is None else f"{getattr(own, '__name__', type(own).__name__)}."
        )
        return owner + getattr(work, "__name__", type(work).__name__)
    return named(inside)


def merged(made: list[bytes], times: int) -> float:
    """Return the seconds in which so many results are read and added up."""
    total, started = None, time.process_time()
    for k in range(times):
        one = pickle.loads(made[k % len(made)])  # noqa: S301
        total = one if total is None else together(total, one)
    return time.process_time() - started


def together(total: Any, one: Any) -> Any:
    """Return a sum where there is one, and else what there is."""
    if isinstance(total, dict):
        return total
    if type(total) in (tuple, list):
        return [together(a, b) for a, b in zip(total, one, strict=False)]
    if hasattr(total, "shape") and getattr(total, "shape", 0) != one.shape:
        return total  # rows of sequences are put together at the end
    return total + one if hasattr(total, "__add__") else total


def simulated(processes: int, steps: int, work: float) -> None:
    """Print what travels and the time of merging for many processes."""
    few = 4 * 64  # shards of one batch each stand for all
    executor = Counted(processes)
    with using_threads(1):
        diagnosed(executor, few, steps, work)
        print(
            f"{processes} processes; of a shard of 64 sequences, and for all of them:"
        )
        for name, made in executor.made.items():
            passes = len(made) // (few // 64)
            out = sum(executor.told[name]) / len(made) / 1e6
            home = sum(map(len, made)) / len(made) / 1e6
            seconds = merged(made, processes)
            print(
                f"  {name:24} {passes:3} passes, each {out:7.3f} MB out, "
                f"{home:7.3f} MB home, merged in {seconds:7.3f} s of CPU",
                flush=True,
            )


def main() -> None:
    """Measure what is asked for, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shards")
    parser.add_argument("--sequences", type=int, default=1024)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--work", type=float, default=1e12)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--memory", type=int, metavar="N")
    parser.add_argument("--simulated", type=int, metavar="N")
    words = parser.parse_args()
    torch.set_num_threads(1)
    if words.memory:
        memory(words.memory, words.steps, words.work)
    if words.simulated:
        simulated(words.simulated, words.steps, words.work)
    if not (words.memory or words.simulated):
        against(words.sequences, words.steps, words.work, words.rounds)


if __name__ == "__main__":
    main()
