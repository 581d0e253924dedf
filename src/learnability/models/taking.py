"""Which sequences of the data are looked at, and which of them count as one."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from ..randomness import stream, torch_generator
from .batches import Batch, device_of, dtype_of, parts, walked, whole, windows
from .groups import Labels, in_parts, labels_of, overlapping, stretches
from .items import Items, axes_along
from .record import Recorder
from .refusal import UnsupportedModelError
from .trees import Place, moved, replaced

LOOKED_AT = 256  # whole sequences among which some with other targets are looked for
FEWEST = 8  # windows of a series: fewer tell nothing of one another
DEALT = 3  # groups, among which targets can be dealt
FEW = 8  # items of a first batch; fewer are put together with those of the next

Groups = Callable[[Batch], Any] | Sequence[Any] | np.ndarray | Tensor


class Taken(NamedTuple):
    """Sequences to look at.

    Attributes:
        parts: batches of some of them.
        samples: of each part the number of the sample that an item counts for, from 0
            on and in ascending order.
        given: how many sequences the data hold.
        counted: what a sample is.
    """

    parts: list[Batch]
    samples: list[Int[Tensor, "item"]]
    given: int
    counted: str = "sequences"


def taken(
    recorder: Recorder,
    data: Any,
    *,
    groups: Groups | None,
    window: int | None,
    sequences: int,
    targets: set[Place] | None,
    seed: int,
) -> Taken:
    """Choose sequences, and find out what their items and targets are.

    Args:
        recorder: the model under attached taps.
        data: as for `diagnose`.
        groups: likewise.
        window: likewise.
        sequences: how many to take, about: some at random of whole tensors, the first
            of a loader.
        targets: their places, where the user names them.
        seed: of the choice.
    """
    dtype, places = dtype_of(recorder.model), None
    if window is None:
        together = whole(data, dtype)
    else:
        together, places = windows(data, window, dtype)
    if places is not None and len(places) < FEWEST:
        raise UnsupportedModelError(
            f"window {window} cuts {len(places)} pieces, each from the middle of the "
            f"last, which are too few; give at least {FEWEST}: a shorter window, or a "
            "longer series"
        )
    if together is None:
        return _of_batches(recorder, data, groups, sequences, targets, seed)
    first = replaced(together, lambda _, leaf: leaf[:LOOKED_AT])
    recorder.ask(moved(first, device_of(recorder.model)), (0,), targets)
    count = recorder.items.count(together)
    chosen = torch.arange(count)
    if count > sequences:
        generator = torch_generator(stream(seed, "deal"))
        chosen = torch.randperm(count, generator=generator)[:sequences].sort().values
    labels, counted = None, "groups"
    if groups is not None:
        named = groups(together) if callable(groups) else groups
        labels = labels_of(named, count)[chosen]
    elif places is not None and window is not None:
        at = places[chosen].numpy()
        labels, counted = stretches(at * 0, at, window), f"stretches of {window} steps"
    some = recorder.items.take(together, chosen)
    return _cut(recorder, [some], count, labels, counted)


def _of_batches(
    recorder: Recorder,
    data: Any,
    groups: Groups | None,
    sequences: int,
    targets: set[Place] | None,
    seed: int,
) -> Taken:
    """Take batches until they hold enough sequences, and count the others."""
    device = device_of(recorder.model)
    given = walked(data, dtype_of(recorder.model), sequences, stream(seed, "deal"))
    first = next(given)
    axis = recorder.axis(moved(first, device), (0, 1))
    first, given = _several(first, given, axis)
    if groups is None:
        first, given = _of_shapes(first, given, axis, sequences)
    recorder.ask(moved(first, device), (axis,), targets)
    some, named, held, count = [], [], 0, 0
    for batch in chain([first], given):
        own = recorder.items.count(batch)
        if held < sequences:
            some.append(batch)
            held += own
            if callable(groups):
                named.append(np.asarray(groups(batch)))
        count += own
    labels = None
    if groups is not None:
        every = np.concatenate(named) if callable(groups) else groups
        labels = labels_of(every, held if callable(groups) else count)[:held]
    return _cut(recorder, some, count, labels, "groups")


def _several(
    first: Batch, given: Iterator[Batch], axis: int
) -> tuple[Batch, Iterator[Batch]]:
    """Return the first batch, put together with others while its items are few."""
    items = Items(axes_along(first, axis) or {})
    while items.axes and items.count(first) < FEW:
        other = next(given, None)
        if other is None:
            break
        both = items.together(first, other)
        if both is None:
            return first, chain([other], given)
        first = both
    return first, given


def _of_shapes(
    first: Batch, given: Iterator[Batch], axis: int, sequences: int
) -> tuple[Batch, Iterator[Batch]]:
    """Return batches of one shape as one, wherever they lie, if the first is small.

    So come single sequences of several lengths; the largest batches come first.

    Args:
        first: the first batch.
        given: all others.
        axis: of the items.
        sequences: how many are put together; batches behind them stay as they are.
    """
    items = Items(axes_along(first, axis) or {})
    if not items.axes or items.count(first) >= FEW:
        return first, given
    shapes: list[Batch] = []
    held, waiting = 0, chain([first], given)
    while held < sequences and (batch := next(waiting, None)) is not None:
        held += items.count(batch)
        for place, other in enumerate(shapes):
            if both := items.together(other, batch):
                shapes[place] = both
                break
        else:
            shapes.append(batch)
    shapes.sort(key=items.count, reverse=True)
    return shapes[0], chain(shapes[1:], waiting)


def _cut(
    recorder: Recorder,
    some: list[Batch],
    count: int,
    labels: Labels | None,
    counted: str,
) -> Taken:
    """Cut batches into parts, what hangs together in one of them.

    Raises:
        ValueError: if what hangs together cannot be put into one part.
    """
    items, fixed = recorder.items, recorder.fixed is not None
    together = some[0]
    for batch in some[1:]:
        together = together and items.together(together, batch)
    if labels is None and together:
        labels, counted = overlapping(together, items), "stretches without overlap"
    if labels is None:
        cut = _several_each(some if fixed else [*parts(some, items)], items)
        return Taken(cut, [torch.arange(items.count(one)) for one in cut], count)
    number = len(np.unique(labels[labels >= 0]))
    if number < DEALT:
        raise UnsupportedModelError(
            f"too few {counted}: {number}; give at least {FEWEST}: shorter windows, "
            "or more data"
        )
    if fixed or not together:
        raise UnsupportedModelError(
            f"{counted} cannot be kept together: the model needs batches of one size, "
            "or these hold sequences of several lengths; give whole tensors, and a "
            "model that takes any number of them"
        )
    found = [torch.from_numpy(own) for own in in_parts(labels)]
    numbers = [torch.from_numpy(labels)[own] for own in found]
    samples = [n.unique(return_inverse=True)[1] for n in numbers]
    return Taken([items.take(together, own) for own in found], samples, count, counted)


def _several_each(cut: list[Batch], items: Items) -> list[Batch]:
    """Leave out parts of one item, where there are others, and say so.

    No other's targets can be dealt to it, so that its signal would count as 0.
    """
    several = [one for one in cut if items.count(one) > 1]
    if several and len(several) < len(cut):
        every = sum(map(items.count, cut))
        warnings.warn(
            f"{len(cut) - len(several)} of {every} sequences share their shape with no "
            "other beside them and are left out; give batches of several, padded, with "
            "lengths=... to have them all",
            stacklevel=2,
        )
    return several or cut
