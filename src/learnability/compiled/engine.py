"""The one door to compiled loops: all that they are given is checked here.

Whoever calls asks `chosen` first which engine is to run; what is not compiled runs in
PyTorch, with the same numbers.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from threading import Timer
from typing import Any, SupportsIndex

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..cells import Cell, ConstGate, Steps
from ..cells.base import Inputs, State, States, Units
from ..grid import checked_lags
from . import _row_gradients as rows
from . import _scan as scan
from . import _sweep as sweep
from . import _windows as windows
from ._unrolling import Unrolling, backward_bytes
from ._windows import Sums
from .ahead import NEEDED, better_in_pytorch, compile_ahead, settle
from .checks import (
    Engine,
    check_direction,
    check_shape,
    check_sweep,
    chosen,
    kinds,
    plain,
    refusal,
)
from .runtime import (
    beside_others,
    in_threads,
    threads,
    tune_process,
    using_threads,
)

__all__ = [
    "Engine",
    "Sums",
    "Unrolling",
    "backward_bytes",
    "beside_others",
    "check_direction",
    "check_sweep",
    "chosen",
    "compile_ahead",
    "exact_gains",
    "in_threads",
    "lag_projection",
    "plain",
    "ready",
    "row_gradients",
    "sums_windows",
    "tangent",
    "threads",
    "tune_process",
    "using_threads",
    "warm_up",
    "window_sums",
]


def unrolling(
    cell: Cell,
    values: Mapping[str, Tensor],
    x: Inputs,
    state: State | None,
    read: Float[Tensor, "unit"] | None = None,
) -> Unrolling:
    """Return a cell with given parameters on a batch, ready to go through time.

    Args:
        cell: the recurrence.
        values: its parameters by name.
        x: inputs.
        state: the state before the first step; zero unless given.
        read: the weight of a linear read-out, if outputs are wanted in place of states.

    Raises:
        ValueError: if a shape, dtype or device is not for loops.
    """
    chosen("compiled", cell, x, state, read)
    check_direction(cell, values)
    if read is not None:
        check_shape("the read-out", read, (cell.units,))
    start = x.new_zeros(len(x), cell.state_size) if state is None else state
    return Unrolling(cell, values, x, start, read)


def tangent(
    cell: Cell,
    x: Inputs,
    direction: Mapping[str, Tensor],
    state: State | None = None,
    *,
    carry: bool = True,
) -> States:
    """Return the derivative of every state along a direction of the parameters.

    Args:
        cell: the recurrence.
        x: inputs.
        direction: by parameter name; what is not named stands still.
        state: the state before the first step; zero unless given.
        carry: whether through the states before, or at a fixed state before.

    Raises:
        ValueError: if a shape, dtype or device is not for loops.
    """
    check_direction(cell, direction)
    along = unrolling(cell, dict(cell.named_parameters()), x, state)
    settle(x.dtype, "tangent")
    return along.tangent(direction, carry=carry)


def lag_projection(
    cell: Cell,
    x: Inputs,
    delta: States,
    source: States,
    lags: Iterable[int],
    anchors: Iterable[SupportsIndex],
) -> Float[Tensor, "lag sequence anchor"]:
    """Return ``psi_t(l) = lambda_{t,l} . source_{t-l}``; see `evidence.lag_projection`.

    Args:
        cell: the recurrence.
        x: inputs, from a zero initial state.
        delta: the loss's derivative by each state at a fixed past.
        source: what the cotangents meet at the source step.
        lags: lags in steps.
        anchors: the steps t at which the loss is looked at.

    Raises:
        ValueError: if a lag, an anchor, a shape, dtype or device does not fit.
    """
    _check_loops(cell, x, delta, source)
    grid = checked_lags(lags, x.shape[1], least=0)
    at = check_sweep(cell, x, anchors, grid[-1], delta=delta, source=source)
    settle(x.dtype, "lag_projection")
    return sweep.lag_projection(cell, x, delta, source, grid, at)


def exact_gains(
    cell: Cell,
    x: Inputs,
    ends: Int[Tensor, "window 2"],
    reach: Int[Tensor, "window"],
    lags: Iterable[int],
) -> Float[Tensor, "lag window unit"]:
    """Return the exact gains of windows; see `transport.sampled_exact`.

    Args:
        cell: the recurrence.
        x: inputs, from a zero initial state.
        ends: sequence and last step of each window.
        reach: the longest lag of each window, in descending order.
        lags: lags in steps.

    Raises:
        ValueError: if a window, a lag, a shape, dtype or device does not fit.
    """
    _check_loops(cell, x)
    grid = checked_lags(lags, x.shape[1], least=0)
    check_shape("the ends of windows", ends, (len(reach), 2))
    sequence, step = ends.numpy().T
    far = reach.numpy()
    inside = (sequence >= 0) & (sequence < len(x)) & (step < x.shape[1])
    if not (inside & (step >= far) & (far >= 0)).all() or (np.diff(far) > 0).any():
        raise ValueError(
            f"windows must lie inside {len(x)} sequences of {x.shape[1]} steps, in "
            "descending order of their reach; sample them anew"
        )
    if len(far) and far[0] > grid[-1]:
        raise ValueError(
            f"a window reaches back {far[0]} steps and the longest lag is {grid[-1]}; "
            "end its reach there"
        )
    settle(x.dtype, "exact_gains")
    return sweep.exact_gains(cell, x, sequence, step, far, grid)


def row_gradients(
    cell: Cell,
    x: Inputs,
    weight: Float[Tensor, "sequence row step"],
    axes: Float[Tensor, "row state"],
    delta: States,
    mean: Float[Tensor, "row place"] | None = None,
) -> Float[Tensor, "sequence row_and_loss place"]:
    """Return each sequence's gradient of every row, then that of its own loss.

    ``lambda_t = J_{t+1}^T lambda_{t+1} + cotangent_t`` meets each step's immediate
    derivatives. The cotangents of row r are ``weight[n, r, t] axes[r]``, those of the
    loss delta. The compiled twin of `evidence.gradients.cell_gradients`, in
    another order of the parameters and with zeros between them: squares and products
    are the same.

    Args:
        cell: the recurrence.
        x: inputs, from a zero initial state.
        weight: of each row at every step.
        axes: the direction in the state of each row.
        delta: the loss's derivative by every state, at a fixed future of the states.
        mean: taken off each row's gradient as often as its weights add up to.

    Returns:
        The gradients, one place a parameter, some places always 0.

    Raises:
        ValueError: if a shape, dtype or device does not fit.
    """
    check_sweep(cell, x, (), 0, delta=delta)
    count = axes.shape[0]
    check_shape("the weight of rows", weight, (len(x), count, x.shape[1]))
    check_shape("the axes of rows", axes, (count, cell.state_size))
    given = (weight, axes, delta) if mean is None else (weight, axes, delta, mean)
    _check_loops(cell, x, *given)
    if mean is not None:
        places = rows.places(cell, x.dtype)
        check_shape("the mean gradient of rows", mean, (count, places))
    settle(x.dtype, "row_gradients")
    return rows.row_gradients(cell, x, weight, axes, delta, mean)


def sums_windows(leak: Units, *others: Tensor | None) -> bool:
    """Say whether `window_sums` is to read these tensors."""
    plain = kinds(t for t in (leak, *others) if t is not None) is None
    return plain and not better_in_pytorch(leak.dtype, "window_sums", leak.numel())


def window_sums(
    parts: Sequence[tuple[Steps, Units | None]], lags: Sequence[int]
) -> list[Sums]:
    """Return the sums over all windows of some sequences, of each part.

    Args:
        parts: factors of all steps of some sequences, and base rates or None.
        lags: lags in steps, from 0, ascending.

    Raises:
        ValueError: if a shape, dtype or device does not fit, or a lag.
    """
    for steps, rates in parts:
        named = {**vars(steps), "rates": rates}
        given = {name: value for name, value in named.items() if value is not None}
        for name, value in given.items():
            check_shape(f"the {name}", value, tuple(steps.leak.shape))
        _check_kinds(given.values())
        checked_lags(lags, steps.leak.shape[1], least=0)
    for dtype in {steps.leak.dtype for steps, _ in parts}:
        settle(dtype, "window_sums")
    grid = windows.spans(np.array(lags))
    return list(in_threads(lambda part: windows.sums(*part, grid), parts))


def _check_loops(cell: Cell, x: Tensor, *others: Tensor) -> None:
    chosen("compiled", cell, x)
    _check_kinds([x, *others])


def _check_kinds(tensors: Iterable[Tensor]) -> None:
    reason = kinds(tensors)
    if reason is not None:
        raise ValueError(refusal(reason))


def ready(dtype: torch.dtype = torch.float32) -> bool:
    """Say whether the loops for a dtype are compiled and loaded."""
    bits = torch.finfo(dtype).bits
    kernels: tuple[Any, ...] = (scan.forward, scan.backward, scan.tangent)
    return all(
        any(signature[1].dtype.bitwidth == bits for signature in kernel.signatures)
        for kernel in kernels
    )


def warm_up(
    dtype: torch.dtype = torch.float32,
    *,
    on_wait: Callable[[str], None] | None = None,
    patience: float = 1.0,
) -> None:
    """Load the compiled loops for a dtype, or compile them if that never happened.

    Compiling takes 15 to 30 seconds, once for all cells, in two processes where two
    threads are allowed; the result is kept on disk.

    Args:
        dtype: float32 or float64.
        on_wait: called with a sentence that says what one is waiting for, from
            another thread, if it takes longer than `patience`.
        patience: in seconds.

    Example:
        >>> warm_up(torch.float32)
        >>> ready(torch.float32)
        True
    """
    if ready(dtype):
        return
    sentence = f"compiling the time loops for {dtype}, once on this machine (20 s)"
    timer = Timer(patience, on_wait or (lambda _: None), args=(sentence,))
    timer.start()
    try:
        if threads() > 1:
            compile_ahead(dtype)
        cell, x = ConstGate(1, 1).to(dtype), torch.zeros(1, 1, 1, dtype=dtype)
        once = unrolling(cell, dict(cell.named_parameters()), x, None)
        states, parts = once.forward(keep=True)
        once.backward(parts, states, want_x=True)
        settle(dtype, *NEEDED)
        once.tangent({}, carry=True)
    finally:
        timer.cancel()
