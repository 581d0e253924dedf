"""Processes that work at a study and may be killed at any moment."""

import multiprocessing
import multiprocessing.forkserver
import os
import random
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import torch

from learnability.study import Settings, Store, run_study
from learnability.study.store import part_of
from tests.study.small import Watcher, small_settings

# The server has loaded everything; a child is at work within milliseconds.
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.study.children", "tests.study.warm"])
KILLED = ["GRU", "DiagGate"]
"""Cells of the studies that are killed: those whose loops the server has loaded."""
CHANGES = {"open", "os.mkdir", "os.remove", "os.rename"}


def load_ahead() -> None:
    """Let the server load while something else is done."""
    multiprocessing.forkserver.ensure_running()


def grid(cells: list[str], seeds: list[int], epochs: int = 4) -> Settings:
    """Give a small study of some cells and seeds."""
    return part_of(small_settings(), cells, None).changed(
        seeds=seeds,
        recipe={"epochs": epochs},
    )


def watch_files(folder: str, tell: Callable[[int], None]) -> None:
    """Be told of every change of files below a folder before it is made, from 1.

    Between two of them nothing changes on the disk but the content of new files.
    """
    numbers = count(1)

    def hear(event: str, arguments: tuple) -> None:
        if event not in CHANGES or not str(arguments[0]).startswith(folder):
            return
        if event != "open" or arguments[2] & (os.O_WRONLY | os.O_RDWR):
            tell(next(numbers))

    sys.addaudithook(hear)


def work(
    folder: str,
    settings: Settings,
    *,
    limit: int | None = None,
    last: int | None = None,
) -> None:
    """Do a study, with a checkpoint after every step; exit 3 says a sentence.

    Args:
        folder: of the study.
        settings: of the study.
        limit: bytes that a file may have.
        last: change of a file at which to be killed.
    """

    def die(number: int) -> None:
        if number == last:
            os.kill(os.getpid(), signal.SIGKILL)

    torch.set_num_threads(1)
    watch_files(folder, die)
    if limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        run_study(settings, Store(folder), Watcher(), every=0.0)
    except ValueError as error:
        Path(folder, "said").write_text(str(error))
        sys.exit(3)


def child(folder: str, settings: Settings, **how: int):
    """Start a process that does a study; `work` says how."""
    started = CONTEXT.Process(target=work, args=(folder, settings), kwargs=how)
    started.start()
    return started


def killed(
    folder: str,
    settings: Settings,
    *,
    kills: int,
    seed: int,
    latest: int,
    finished: Callable[[], None] | None = None,
) -> Iterator[int]:
    """Do a study in processes killed at random moments, then one left alone.

    Args:
        folder: of the study.
        settings: of the study.
        kills: how many processes to kill.
        seed: of the moments.
        latest: change of a file that a killed process lives to see at most; most
            live far shorter, so that every stage is met.
        finished: called where a process was done before its kill, to begin anew;
            an error unless given.

    Yields:
        Change of a file at which each process was killed.
    """
    moments = random.Random(seed)
    done = 0
    while done < kills:
        last = 1 + int(latest * moments.random() ** 3)
        process = child(folder, settings, last=last)
        process.join()
        if process.exitcode == 0 and finished is not None:
            finished()
            continue
        if process.exitcode != -signal.SIGKILL:
            raise AssertionError(f"ended with {process.exitcode} after {done} kills")
        done += 1
        yield last
    process = child(folder, settings)
    process.join()
    assert process.exitcode == 0
