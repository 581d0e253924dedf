"""Loops that a second process compiles, while this one compiles the first of them.

A compiler holds Python's lock, so that another thread would gain nothing. What the
process has compiled lies on disk, where Numba looks for it.
"""

import atexit
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any, final

import torch

from . import _row_gradients as rows
from . import _scan as scan
from . import _sweep as sweep
from . import _windows as windows

LOOPS: dict[str, Any] = {
    "all_windows": windows.all_windows,
    "partials": sweep.partials,
    "sweep_block": sweep.sweep_block,
    "carry_windows": sweep.carry_windows,
    "block_gradients": rows.block_gradients,
    "tangent": scan.tangent,
}
"""What a second process compiles, in the order in which a diagnosis asks for it."""

_helpers: dict[str, "_Helper"] = {}
# The child of a fork has no children of its own.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_helpers.clear)


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
        self.left, self.reading = set(loops), Lock()
        atexit.register(self.end)

    def wait(self, loop: str) -> None:
        """Wait until a loop is compiled, or will not be by this process."""
        with self.reading:
            while loop in self.left:
                said = self.said.readline()
                self.left.discard(said.strip())
                if not said:  # it has ended: what it left is compiled here
                    self.left.clear()

    def end(self) -> None:
        """End the process, whatever it is at."""
        self.process.terminate()
        self.process.wait()
        self.said.close()


def compile_ahead(dtype: torch.dtype) -> None:
    """Have another process compile the loops that this machine has never compiled.

    It is for callers that may use more than one thread. Otherwise loops are compiled
    one after the other, when they are first called.

    Args:
        dtype: float32 or float64.
    """
    name = str(dtype).removeprefix("torch.")
    never = [loop for loop in LOOPS if not _kept(LOOPS[loop])]
    if name in _helpers or len(never) < 2 or not sys.executable:
        return
    with suppress(OSError):  # no more processes are allowed: all is compiled here
        _helpers[name] = _Helper(name, never)


def settle(dtype: torch.dtype, *loops: str) -> None:
    """Wait for loops that another process is compiling.

    Args:
        dtype: float32 or float64.
        loops: names of `LOOPS`.
    """
    helper = _helpers.get(str(dtype).removeprefix("torch."))
    if helper is not None:
        for loop in loops:
            helper.wait(loop)


def _kept(loop: Any) -> bool:
    """Say whether machine code of a loop lies on disk, for some dtype.

    Where there is no place for it, another process could hand over nothing.
    """
    folder, name = loop._cache.cache_path, loop.py_func.__qualname__
    return folder is None or any(Path(folder).glob(f"*.{name}-*.nbi"))
