"""Which sequences of a layer belong to which item of a batch: found by asking.

Item n of a batch belongs to a sequence of a layer if changing item n moves what the
layer sees of that sequence, and of no other item's.
"""

from collections.abc import Iterable
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from .items import Items, Layers, Run, axes_along
from .refusal import UnsupportedLayerError, UnsupportedModelError
from .taps import ROUNDING, Seen

ASKED = 16  # items whose sequences are found out; the others follow the same order


def found_items(batch: Any, run: Run, axes: Iterable[int]) -> Items:
    """Find the axis of items, and whose sequences are whose, by changing items.

    Args:
        batch: inputs and targets.
        run: gives what every layer sees of a batch.
        axes: along which items may lie, the likeliest first.

    Raises:
        ValueError: if the sequences of a layer are not those of the items along any of
            the axes.
    """
    refusals = []
    for axis in axes:
        of_leaves = axes_along(batch, axis)
        if of_leaves is None:
            continue
        items = Items(of_leaves)
        found = _asked(items, batch, run)
        if isinstance(found, Items):
            return found
        refusals.append(found)
    if not refusals:
        raise UnsupportedModelError("the batch holds no tensor with items")
    raise refusals[0]


def _asked(items: Items, batch: Any, run: Run) -> Items | UnsupportedLayerError:
    """Change items and look which sequences move; return a refusal if others do."""
    some, count, base = _some(items, batch, run)
    if count == 1:
        return _single(items, base)
    ranked = False
    try:
        moved = _changed(items, some, run, base, _partners(items, some, count))
    except UnsupportedModelError:
        following, ranked = torch.arange(1, count + 1).clamp(max=count - 1), True
        moved = _changed(items, some, run, base, following)
    if isinstance(moved, UnsupportedLayerError):
        return moved
    turned = {}
    for layer, rows in moved.items():
        order = _owners(torch.stack(rows), count)
        if isinstance(order, str) and not _sorts(items, some, run, layer):
            return UnsupportedLayerError(layer, order.format(layer=layer, count=count))
        turned[layer] = None if isinstance(order, str) else order
    return Items(items.axes, turned, ranked=ranked)


def _changed(
    items: Items, some: Any, run: Run, base: Layers, partner: Int[Tensor, "item"]
) -> dict[str, list[Tensor]] | UnsupportedLayerError:
    """Return which sequences of each layer move, where half of the items change.

    Args:
        items: the items of a batch.
        some: a batch.
        run: gives what every layer sees of one.
        base: what they see of this one.
        partner: of each item, which stands in its place.
    """
    count, moved = len(partner), {layer: [] for layer in base}
    for bit in range(2 * max(1, (count - 1).bit_length())):
        chosen = ((torch.arange(count) >> (bit // 2)) & 1) == (bit % 2 == 0)
        index = torch.where(chosen, partner, torch.arange(count))
        now = run(items.take(some, index))
        for layer, seen in base.items():
            if layer not in now:
                return UnsupportedLayerError(
                    layer,
                    f"{layer} is called with some items and not with others; name "
                    "layers that every batch goes through, layers=[...]",
                )
            moved[layer].append(_moved(seen, now[layer]))
    return moved


def _sorts(items: Items, batch: Any, run: Run, layer: str) -> bool:
    """Tell whether a layer sees the items one by one, in an order of each batch."""
    try:
        Items(items.axes, {layer: None}).placed_in(batch, run)
    except (UnsupportedModelError, KeyError):
        return False
    return True


def _some(items: Items, batch: Any, run: Run) -> tuple[Any, int, Layers]:
    """Return some items, how many, and what every layer sees of them.

    They are all where the model takes no other number.
    """
    every = items.count(batch)
    if every <= ASKED:
        return batch, every, run(batch)
    some = items.take(batch, torch.arange(ASKED))
    try:
        return some, ASKED, run(some)
    except UnsupportedModelError:
        return batch, every, run(batch)


def _single(items: Items, base: Layers) -> Items | UnsupportedLayerError:
    for layer, seen in base.items():
        if len(seen.x) > 1:
            return UnsupportedLayerError(
                layer,
                f"a batch of one item gives {layer} {len(seen.x)} sequences; give "
                "batches of several items, sequences first",
            )
    return items


def _partners(items: Items, batch: Any, count: int) -> Int[Tensor, "item"]:
    """Return for each item the next one that differs from it."""
    keys = [items.content(batch, item) for item in range(count)]
    partner = torch.arange(count)
    for item in range(count):
        others = ((item + step) % count for step in range(1, count))
        partner[item] = next((o for o in others if keys[o] != keys[item]), item)
    return partner


def _moved(one: Seen, two: Seen) -> Bool[Tensor, "row"]:
    """Return which sequences of a layer are not what they were.

    Of a module whose equation is not known what it gives must stay, too: sequences
    could pass something to each other.
    """
    if len(one.x) != len(two.x) or not one.output.numel():
        return torch.ones(len(one.x), dtype=torch.bool)
    steps = min(one.x.shape[1], two.x.shape[1])
    same = (one.x[:, :steps] == two.x[:, :steps]).flatten(1).all(dim=1).cpu()
    lengths = one.lengths.cpu() == two.lengths.cpu()
    if one.whole:
        apart = (one.output[:, :steps] - two.output[:, :steps]).abs().flatten(1)
        size = one.output.abs().max().clamp(min=1e-30)
        same &= (apart.amax(dim=1) <= ROUNDING * size).cpu()
    return ~(same & lengths)


def _owners(moved: Bool[Tensor, "pass row"], count: int) -> bool | str:
    """Return how the sequences of a layer follow the items; a sentence if they do not.

    Args:
        moved: pass 2b changed the items whose bit b is 1, pass 2b + 1 the others.
        count: of items.
    """
    on, off = moved[0::2], moved[1::2]
    known = (on | off).all(dim=0)  # an item that no other differs from says nothing
    rows = moved.shape[1]
    if rows == 1:
        return (
            "{layer} sees one sequence, and the first axis of the batch counts "
            "{count}, its steps perhaps; let the model take several sequences, that "
            "axis first, or call it for each, torch.stack([model(one) for one in x]) "
            "in a module of your own, with a loss that is the mean over sequences"
        )
    if (on & off).any() or rows % count:
        return (
            "a sequence of {layer} changes with several of {count} items of the batch; "
            "put sequences first (batch_first=True, or transpose the data), or give a "
            "loader of batches whose first axis is that of the sequences; a model that "
            "mixes them (statistics of a batch, routing) cannot be diagnosed there"
        )
    owner = (on.long() << torch.arange(len(on))[:, None]).sum(dim=0)
    by_item = torch.arange(count).repeat_interleave(rows // count)
    by_part = torch.arange(count).repeat(rows // count)
    for turned, expected in ((False, by_item), (True, by_part)):
        if (owner == expected)[known].all():
            return turned
    return (
        "the sequences of {layer} are not in the order of the {count} items of the "
        "batch; give sequences in the order of the items"
    )
