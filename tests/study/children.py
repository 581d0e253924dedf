"""Processes that work at a study and may be killed at any moment."""

import multiprocessing
import multiprocessing.forkserver
import random
import resource
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from learnability.study import Settings, Store, run_study
from tests.study.small import Watcher, small_settings

# The server has loaded everything; a child is at work within milliseconds.
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.study.children", "tests.study.warm"])
KILLED = ["GRU", "DiagGate"]
"""Cells of the studies that are killed: those whose loops the server has loaded."""


def load_ahead() -> None:
    """Let the server load while something else is done."""
    multiprocessing.forkserver.ensure_running()


def grid(cells: list[str], seeds: list[int], epochs: int = 4) -> Settings:
    """Give a small study of some cells and seeds."""
    small = small_settings()
    chosen = [a for a in small.architectures if a.cell in cells]
    return small.changed(
        architectures=[a.model_dump(mode="json") for a in chosen],
        seeds=seeds,
        recipe={"epochs": epochs},
    )


def work(folder: str, settings: Settings, limit: int | None = None) -> None:
    """Do a study, with a checkpoint after every step; exit 3 says a sentence."""
    torch.set_num_threads(1)
    if limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        run_study(settings, Store(folder), Watcher(), every=0.0)
    except ValueError as error:
        Path(folder, "said").write_text(str(error))
        sys.exit(3)


def child(folder: str, settings: Settings, limit: int | None = None):
    """Start a process that does a study."""
    started = CONTEXT.Process(target=work, args=(folder, settings, limit))
    started.start()
    return started


def killed(
    folder: str,
    settings: Settings,
    *,
    kills: int,
    seed: int,
    longest: float,
    finished: Callable[[], None] | None = None,
) -> Iterator[float]:
    """Do a study in processes killed at random moments, then one left alone.

    Args:
        folder: of the study.
        settings: of the study.
        kills: how many processes to kill.
        seed: of the moments.
        longest: seconds that a killed process lives at most; most live far shorter,
            so that every stage is met.
        finished: called where a process was done before its kill, to begin anew;
            an error unless given.

    Yields:
        Seconds that each killed process had lived.
    """
    moments = random.Random(seed)
    done = 0
    while done < kills:
        alive = 0.02 + longest * moments.random() ** 3
        process = child(folder, settings)
        process.join(alive)
        if process.exitcode == 0 and finished is not None:
            finished()
            continue
        if process.exitcode is not None:
            raise AssertionError(f"ended with {process.exitcode} after {done} kills")
        process.kill()
        process.join()
        done += 1
        yield alive
    process = child(folder, settings)
    process.join()
    assert process.exitcode == 0
