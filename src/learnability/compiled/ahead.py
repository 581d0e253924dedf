"""Loops that a second process compiles, while this one goes on in PyTorch.

A compiler holds Python's lock, so that another thread would gain nothing. What the
process has compiled lies on disk, where Numba looks for it. It ends with this one, and
what it left the next one compiles.
"""

import atexit
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from threading import Condition, Thread
from typing import Any, Literal, final

import torch

from . import _row_gradients as rows
from . import _scan as scan
from . import _sweep as sweep
from . import _windows as windows

LOOPS: dict[str, Any] = {
    "partials": sweep.partials,
    "block_gradients": rows.block_gradients,
    "all_windows": windows.all_windows,
    "carry_windows": sweep.carry_windows,
    "tangent": scan.tangent,
    "sweep_block": sweep.sweep_block,
    "forward": scan.forward,
    "backward": scan.backward,
}
"""What a second process compiles: first what PyTorch takes longest for."""

Task = Literal[
    "unroll", "tangent", "lag_projection", "exact_gains", "row_gradients", "window_sums"
]
NEEDED: dict[Task, tuple[str, ...]] = {
    "unroll": ("forward", "backward"),
    "tangent": ("tangent",),
    "lag_projection": ("tangent", "partials", "sweep_block"),
    "exact_gains": ("partials", "carry_windows"),
    "row_gradients": ("partials", "block_gradients"),
    "window_sums": ("all_windows",),
}
"""The loops of what the engine does."""

SMALL = 2**23  # numbers in the states of a call: PyTorch is done before a compiler

_helpers: dict[str, "_Helper"] = {}
# The child of a fork has no children of its own.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_helpers.clear)


@atexit.register
def _end() -> None:
    for helper in _helpers.values():
        helper.process.terminate()


@final
class _Helper:
    """A process that compiles some loops for a dtype, and says when one is done."""

    def __init__(self, dtype: str, loops: list[str]) -> None:
        command = [sys.executable, "-m", "learnability.compiled", dtype, *loops]
        nothing = subprocess.DEVNULL
        self.process = subprocess.Popen(  # noqa: S603 - our own words
            command,
            stdin=nothing,
            stdout=subprocess.PIPE,
            stderr=nothing,
            text=True,
        )
        self.said: Any = self.process.stdout
        self.left, self.changed = set(loops), Condition()
        Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for line in self.said:
            self._done({line.strip()})
        self._done(set(self.left))  # it has ended: what it left is compiled here

    def _done(self, loops: set[str]) -> None:
        with self.changed:
            self.left -= loops
            self.changed.notify_all()

    def wait(self, loops: tuple[str, ...]) -> None:
        """Wait until loops are compiled, or will not be by this process."""
        with self.changed:
            self.changed.wait_for(lambda: self.left.isdisjoint(loops))


def compile_ahead(dtype: torch.dtype) -> bool:
    """Have another process compile the loops that this machine has never compiled.

    Returns whether one is at it.

    It is for callers that may use more than one thread. Otherwise loops are compiled
    one after the other, when they are first called.

    Args:
        dtype: float32 or float64.
    """
    name = str(dtype).removeprefix("torch.")
    never = [loop for loop in LOOPS if not _kept(LOOPS[loop])]
    if name not in _helpers and len(never) > 1 and sys.executable:
        with suppress(OSError):  # no more processes are allowed: all is compiled here
            _helpers[name] = _Helper(name, never)
    return name in _helpers and bool(_helpers[name].left)


def settle(dtype: torch.dtype, *tasks: Task) -> None:
    """Wait for the loops of some tasks, if another process is compiling them.

    Args:
        dtype: float32 or float64.
        tasks: what is about to be done.
    """
    helper = _helper(dtype)
    if helper is not None:
        helper.wait(tuple(loop for task in tasks for loop in NEEDED[task]))


def better_in_pytorch(dtype: torch.dtype, task: Task, numbers: int) -> bool:
    """Say whether loops are being compiled for longer than PyTorch takes for a task.

    Args:
        dtype: float32 or float64.
        task: what is about to be done.
        numbers: in the states of the call.
    """
    helper = _helper(dtype)
    waiting = helper is not None and not helper.left.isdisjoint(NEEDED[task])
    return waiting and numbers <= SMALL


def _helper(dtype: torch.dtype) -> "_Helper | None":
    return _helpers.get(str(dtype).removeprefix("torch."))


def _kept(loop: Any) -> bool:
    """Say whether machine code of a loop lies on disk, for some dtype.

    Where there is no place for it, another process could hand over nothing.
    """
    folder, name = loop._cache.cache_path, loop.py_func.__qualname__
    return folder is None or any(Path(folder).glob(f"*.{name}-*.nbi"))
