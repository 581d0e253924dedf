"""Two workers against one, on a slice of `standard --scale 0.1`, by turns.

``python -m benchmarks.workers`` prints the seconds of each side and the ratios. Workers
are started and have done a run before the clock starts. One worker alone gets all cores
as threads; what two workers gain over a worker with the threads that each of them has
is the other ratio.
"""

import multiprocessing
import statistics
import tempfile
import time
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import nullcontext
from pathlib import Path

from learnability.study import load_settings
from learnability.study.pool import Pool, execute_in
from learnability.study.settings import Settings
from learnability.study.store import part_of
from learnability.study.sweep import Request, execute

ROUNDS = 2
CELLS, SEEDS = ("GRU",), [1, 2, 3, 4]  # all runs alike: no worker waits at the end
SIDES = {"1 worker, 1 thread": (1, 1), "1 worker, 2 threads": (1, 2)}
SIDES["2 workers, 1 thread each"] = (2, 1)


def slice_of_standard(seeds: list[int]) -> Settings:
    """Give `standard --scale 0.1` with two cells, one optimizer and some seeds."""
    whole = load_settings("standard").scaled(0.1)
    part = part_of(whole, list(CELLS), None)
    return part.changed(further_optimizers=[], seeds=seeds)


def seconds(executor: Executor, workers: int, threads: int, seeds: list[int]) -> float:
    """Give the seconds of a new study in workers that are there already."""
    settings = slice_of_standard(seeds)
    with tempfile.TemporaryDirectory() as folder:
        study = str(Path(folder) / "study")
        runs = {settings.label(run): run for run in settings.runs()}
        requests = {
            name: Request(study, name, run, 0.1, threads=threads)
            for name, run in runs.items()
        }
        pool = Pool(lambda: nullcontext(executor), workers)
        started = time.perf_counter()
        list(execute_in(pool, execute, requests, print))
        return time.perf_counter() - started


def main() -> None:
    """Measure all sides by turns and print medians and ratios."""
    fresh = multiprocessing.get_context("spawn")
    taken: dict[str, list[float]] = {side: [] for side in SIDES}
    # A pool of its own a side: a side's threads are not another's.
    pools = {s: ProcessPoolExecutor(n, mp_context=fresh) for s, (n, _) in SIDES.items()}
    for side, (workers, threads) in SIDES.items():
        seconds(pools[side], workers, threads, list(range(11, 11 + workers)))
    for _ in range(ROUNDS):
        for side, (workers, threads) in SIDES.items():
            taken[side].append(seconds(pools[side], workers, threads, SEEDS))
            print(f"{side}: {taken[side][-1]:.2f} s", flush=True)
    for pool in pools.values():
        pool.shutdown()
    middle = {side: statistics.median(values) for side, values in taken.items()}
    two = middle.pop("2 workers, 1 thread each")
    for side, value in middle.items():
        print(f"2 workers against {side}: {value / two:.2f}")


if __name__ == "__main__":
    main()
