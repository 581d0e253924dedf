"""What arrives of a perturbation l steps ago, in four orders of exactness.

A window of l steps ``t-l+1 .. t`` carries a perturbation from ``t-l`` to ``t``. Its
gain per unit is, with leak a and correction r of each step,

* ``zero``: ``prod a``, the gates alone;
* ``first``: ``prod a (1 + sum r/a)``, the published first-order expansion;
* ``diagonal``: ``prod (a + r)``;
* ``exact``: the unit's own entry of ``M_{t,l} = J_t ... J_{t-l+1}``.

No order divides by a: ``(P, S) <- (a P, a S + r P)`` gives ``prod a`` and the
first-order sum, finite when a gate saturates.
"""

from collections.abc import Iterable, Iterator
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, finfo
from torch.func import jacrev, vmap
from torch.nn import functional

from ..cells import Cell, Steps, previous
from ..compiled import engine as compiled
from ..compiled.engine import chosen as which
from ..grid import checked_lags

Order = Literal["zero", "first", "diagonal", "exact"]
ORDERS: tuple[Order, ...] = ("zero", "first", "diagonal", "exact")


def transport(
    cell: Cell,
    x: Float[Tensor, "sequence step input"],
    states: Float[Tensor, "sequence step state"],
    lags: Iterable[int],
    *,
    order: Order,
) -> Iterator[tuple[int, Float[Tensor, "sequence window unit"]]]:
    """Yield each lag with the gain of all its windows.

    Windows lie between two recorded states: entry i holds the steps i+1 .. i+l, T - l
    entries. The gain leads from the unit that carries the past to its output: h -> h in
    leaky cells and GRUs, c -> h in the LSTM. Of a pair of units that turn about each
    other it is the size of what arrives in both.

    Args:
        cell: the recurrence.
        x: inputs.
        states: the states after each step, from a zero initial state.
        lags: from 0 to T - 1, each once.
        order: which of the four.

    Raises:
        ValueError: if a lag does not fit or the order is unknown.

    Example:
        >>> import torch
        >>> from learnability.cells import ConstGate
        >>> from learnability.unroll import unroll
        >>> cell, x = ConstGate(3, 4, s=0.5), torch.zeros(2, 9, 3)
        >>> dict(transport(cell, x, unroll(cell, x), [2], order="zero"))[2].shape
        torch.Size([2, 7, 4])
    """
    chosen = checked_lags(lags, x.shape[1], least=0)
    if order not in ORDERS:
        raise ValueError(f"order {order!r} is unknown; choose one of {ORDERS}")
    if order == "exact":
        windows = _exact_gains(cell, x, states, chosen)
    else:
        windows = per_unit_gains(cell.diagonal_jacobian(states, x), chosen, order)
    return ((lag, gain[:, 1:]) for lag, gain in windows)


def per_unit_gains(
    steps: Steps, lags: list[int], order: Order
) -> Iterator[tuple[int, Float[Tensor, "sequence window unit"]]]:
    """Yield the gains of order zero, first or diagonal.

    The windows from the zero initial state come first: entry i holds the steps
    i .. i+l-1, T - l + 1 entries.
    """
    leak, correction = steps.leak, steps.correction
    if order == "diagonal":
        leak, correction = leak + correction, torch.zeros_like(correction)
    product = torch.ones_like(functional.pad(leak, (0, 0, 1, 0)))
    tilt = torch.zeros_like(product)
    for lag in range(max(lags) + 1):
        if lag > 0:
            a, r = leak[:, : product.shape[1] - 1], correction[:, : tilt.shape[1] - 1]
            product, tilt = a * product[:, 1:], a * tilt[:, 1:] + r * product[:, 1:]
        if lag in lags:
            gain = product + tilt if order == "first" else product
            yield lag, gain if steps.exit is None else gain * _exits(steps.exit, lag)


def _exits(exit_: Tensor, lag: int) -> Tensor:
    """Return ``e_t`` at the last step of each window; zero before the first step."""
    return functional.pad(exit_, (0, 0, 1, 0))[:, lag:]


def step_jacobians(
    cell: Cell,
    state: Float[Tensor, "*batch state"],
    x: Float[Tensor, "*batch input"],
) -> Float[Tensor, "*batch state state"]:
    """Return ``J = d step(state, x) / d state``, row: new state, column: old state.

    Args:
        cell: the recurrence.
        state: states before the step.
        x: inputs of the step.
    """
    batch = state.shape[:-1]
    flat = vmap(jacrev(cell.step))(state.reshape(-1, state.shape[-1]), x.flatten(0, -2))
    return flat.detach().reshape(*batch, *flat.shape[1:])


def jacobians(
    cell: Cell,
    x: Float[Tensor, "sequence step input"],
    states: Float[Tensor, "sequence step state"],
) -> Float[Tensor, "sequence step state state"]:
    """Return the Jacobian of every step, ``J_t = d state_t / d state_{t-1}``."""
    with torch.no_grad():
        before = previous(states)
    return step_jacobians(cell, before, x)


def exact_matrices(
    jacobian: Float[Tensor, "sequence step state state"], lags: list[int]
) -> Iterator[tuple[int, Float[Tensor, "sequence window state state"]]]:
    """Yield ``M_{t,l} = J_t ... J_{t-l+1}`` of all windows, as `per_unit_gains`."""
    eye = torch.eye(jacobian.shape[-1], dtype=jacobian.dtype, device=jacobian.device)
    matrix = eye.expand(jacobian.shape[0], jacobian.shape[1] + 1, -1, -1)
    for lag in range(max(lags) + 1):
        if lag > 0:
            matrix = matrix[:, 1:] @ jacobian[:, : matrix.shape[1] - 1]
        if lag in lags:
            yield lag, matrix


def _exact_gains(
    cell: Cell, x: Tensor, states: Tensor, lags: list[int]
) -> Iterator[tuple[int, Tensor]]:
    exit_ = cell.exit_derivatives(states, x)
    source = None if exit_ is None else _exits(exit_, 0)
    for lag, matrix in exact_matrices(jacobians(cell, x, states), lags):
        at = None if source is None else source[:, : matrix.shape[1]]
        yield lag, own_entries(cell, matrix, at)


def own_entries(
    cell: Cell,
    matrix: Float[Tensor, "*batch row state"],
    exit_: Float[Tensor, "*batch carried"] | None,
) -> Float[Tensor, "*batch carried"]:
    """Return each carried unit's gain to its output.

    A nudge of the LSTM's c moves its h at once, by e: the gain of a window is
    ``M[h, c] + M[h, h] e`` with e at the source, on the diagonals.

    Args:
        cell: the recurrence.
        matrix: ``M_{t,l}``, or its rows of the output.
        exit_: the exit factor at the source state; None where c is h.
    """
    place = cell.shown_in.to(matrix.device)
    rows = matrix[..., cell.output, :]
    unit = torch.arange(cell.carried_units, device=matrix.device)[:, None]
    own = rows[..., cell.carried][..., place, unit]
    if exit_ is not None:
        own = own + rows[..., cell.output][..., place, place] * exit_[..., None]
    return own.norm(dim=-1) if place.shape[1] > 1 else own[..., 0]


def sampled_exact(
    cell: Cell,
    x: Float[Tensor, "sequence step input"],
    states: Float[Tensor, "sequence step state"],
    lags: Iterable[int],
    anchors: Int[Tensor, "pair 2"],
    reach: Int[Tensor, "pair"] | None = None,
) -> Iterator[tuple[int, Float[Tensor, "reaching unit"]]]:
    """Yield each lag with the exact gains of sampled windows.

    The output's rows of ``M_{t,l}`` are cotangents that each step pulls back, of each
    anchor only as far as they are needed.

    Args:
        cell: the recurrence.
        x: inputs.
        states: the states after each step.
        lags: lags; every anchor needs as many steps before it as it reaches back.
        anchors: pairs (sequence, step t) at which the windows end.
        reach: the longest lag of each anchor, in descending order; a lag comes with
            the anchors that reach so far. The longest of all unless given.

    Raises:
        ValueError: if an anchor lies closer to the start than its longest lag.
    """
    step = anchors[:, 1]
    chosen = checked_lags(lags, x.shape[1], least=0)
    far = torch.full_like(step, chosen[-1]) if reach is None else reach
    if bool((step < far).any()):
        first = int((step < far).nonzero()[0])
        raise ValueError(
            f"an anchor at step {int(step[first])} has no lag {int(far[first])}; "
            "sample anchors at or after the longest lag of each"
        )
    back = torch.arange(chosen[-1] + 1, device=far.device)
    left = torch.searchsorted(-far, -back, right=True).tolist()
    if which("auto", cell, x, task="exact_gains") == "compiled":
        gains = compiled.exact_gains(cell, x, anchors, far, chosen)
        both = zip(chosen, gains, strict=True)
        return ((lag, gain[: left[lag]]) for lag, gain in both if left[lag])
    return _pulled_back(cell, x, states, chosen, anchors, left)


def _pulled_back(
    cell: Cell,
    x: Tensor,
    states: Tensor,
    lags: list[int],
    anchors: Tensor,
    left: list[int],
) -> Iterator[tuple[int, Tensor]]:
    """Yield what `sampled_exact` says; left: the anchors that reach each lag."""
    sequence, step = anchors.unbind(dim=1)
    matrix = torch.eye(cell.state_size, dtype=x.dtype, device=x.device)[cell.output]
    matrix = matrix.expand(len(step), -1, -1)
    with torch.no_grad():  # of all steps: windows meet each many times
        partials = cell.local_derivatives(states, x)
    for lag in range(lags[-1] + 1):
        if not left[lag]:
            return
        matrix, here = matrix[: left[lag]], (sequence[: left[lag]], step[: left[lag]])
        if lag > 0:
            own = partials[here[0], here[1] - lag + 1]
            with torch.no_grad():
                matrix = cell.vjp(matrix, own[:, None])[0]
                # denormal numbers are slow
                matrix = functional.hardshrink(matrix, finfo(x.dtype).tiny)
        if lag in lags:
            around = _around(states, x, here[0], here[1] - lag)
            exit_ = cell.exit_derivatives(*around)
            at = None if exit_ is None else exit_[:, 1]
            yield lag, own_entries(cell, matrix, at)


def _around(
    states: Tensor, x: Tensor, sequence: Int[Tensor, "pair"], step: Int[Tensor, "pair"]
) -> tuple[Float[Tensor, "pair 2 state"], Float[Tensor, "pair 2 input"]]:
    """Return the states and inputs of one step per pair, and of the step before it."""
    around = torch.stack((step - 1, step), dim=1).clamp(min=0)
    now = states[sequence[:, None], around]
    now[step == 0, 0] = 0  # the initial state
    return now, x[sequence[:, None], around]
