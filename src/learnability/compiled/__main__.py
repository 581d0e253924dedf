"""Compile loops by name, or all, for a dtype, and say when each is done; see `ahead`.

A loop is compiled for the kinds of arrays that it is called with: these are the
smallest of those kinds.
"""

import sys
from collections.abc import Callable
from contextlib import suppress

import numpy as np
import torch

from ..cells import ConstGate
from . import _row_gradients as rows
from . import _scan as scan
from . import _sweep as sweep
from . import _windows as windows
from ._tile import TILE
from ._unrolling import Unrolling
from .layout import prepared


def calls(dtype: torch.dtype) -> dict[str, Callable[[], object]]:
    """Return a call of every loop: one sequence, one step, one unit, lag 0."""
    cell = ConstGate(1, 1).to(dtype)
    one = torch.zeros(1, 1, 1, dtype=dtype).numpy()
    ready = prepared(cell, one.dtype)
    layout, rec, _ = ready
    (back, _), (weight, along) = ready.transposed(), layout.direction({})
    vectors = layout.kept(layernorm=False), layout.slots(layernorm=False)
    kept, saved = (np.zeros((1, TILE, n, layout.lanes), one.dtype) for n in vectors)
    state, zero, few = one[0], np.zeros(1, np.int64), rows.places(cell, dtype)
    gradient, none = np.zeros((1, 2, few), one.dtype), np.zeros((0, 0), one.dtype)
    of_windows = (one, one, one[:0], one[:0]), windows.spans(zero)
    swept = rec, back, saved
    values, x = dict(cell.named_parameters()), torch.from_numpy(one)
    once = Unrolling(cell, values, x, x[0], None)
    return {
        "forward": lambda: once.forward(keep=True),
        "backward": lambda: once.backward(once.forward(keep=True)[1], x, want_x=True),
        "all_windows": lambda: windows.all_windows(*of_windows),
        "partials": lambda: sweep.partials(rec, state, one, kept, saved),
        "sweep_block": lambda: sweep.sweep_block(*swept, one, one, zero, zero, one),
        "carry_windows": lambda: sweep.carry_windows(
            *swept, zero, zero, zero, zero, one
        ),
        "block_gradients": lambda: rows.block_gradients(
            rec, back, one, one, saved, one, state, one, none, gradient
        ),
        "tangent": lambda: scan.tangent(rec, weight, along, one, state, True, one),
    }


if __name__ == "__main__":
    _, name, *loops = sys.argv
    made = calls(getattr(torch, name))
    with suppress(BrokenPipeError):  # who asked has ended
        for loop in loops or made:
            made[loop]()
            sys.stdout.write(f"{loop}\n")  # what `ahead` reads
            sys.stdout.flush()
