"""Calls that begin anew: of other sequences, or of later steps of the same ones."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from .items import Items, Run
from .owners import found_items
from .taps import Tap
from .trees import Place, replaced


def found_in_time(
    taps: Sequence[Tap], batch: Any, run: Run, axes: Iterable[int]
) -> Items:
    """Find the items of a batch, with pieces of a sequence behind one another.

    Args:
        taps: that the run sees layers by.
        batch: inputs and targets.
        run: gives what every layer sees of a batch.
        axes: along which items may lie, the likeliest first.

    Raises:
        ValueError: as `found_items`, or if a recurrence whose equation is known begins
            anew within a sequence.
    """
    axes = tuple(axes)
    items = found_items(batch, run, axes)
    begun_anew = [tap for tap in taps if len(tap.pieces) > 1]
    later = [tap for tap in begun_anew if _is_in_time(tap, batch, items, run)]
    for tap in later:
        tap.put_in_time()
    return found_items(batch, run, axes) if later else items


def _is_in_time(tap: Tap, batch: Any, items: Items, run: Run) -> bool:
    """Tell whether what a layer sees are pieces of the steps of a batch, in order.

    Items are changed in the second half of the last piece: no other piece sees anything
    of that, behind a short convolution either. Every second step, or the other side of
    a pair, would.
    """
    before, pieces = run(batch)[tap.path].x, tap.pieces
    steps = sum(pieces)
    changed = _changed_from(batch, items, steps - (pieces[-1] + 1) // 2, steps)
    if changed is None:
        return False
    after, rows = run(changed)[tap.path].x, len(before) // len(pieces)
    same = (before == after).flatten(1).all(1)
    return bool(same[:-rows].all() and not same[-rows:].all())


def _changed_from(batch: Any, items: Items, step: int, steps: int) -> Any:
    """Return a batch with other items' values from a step on; None without steps."""
    places: list[Place] = []

    def change(place: Place, leaf: Any) -> Any:
        axis = items.axes.get(place)
        if not isinstance(leaf, Tensor) or leaf.ndim < 2 or axis is None:
            return leaf
        if leaf.shape[1 - axis] != steps:
            return leaf
        places.append(place)
        halves = (step, steps - step)
        early, late = leaf.split(halves, 1 - axis)[0], leaf.roll(1, axis)
        return torch.cat([early, late.split(halves, 1 - axis)[1]], 1 - axis)

    changed = replaced(batch, change)
    return changed if places else None
