"""Which sequences of a layer belong to which item of a batch: found by asking.

Item n of a batch belongs to a sequence of a layer if changing item n moves what the
layer sees of that sequence, and of no other item's. Nothing is ever dealt, chosen or
counted along an axis that was not found to be that of the items.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, final

import torch
from jaxtyping import Bool, Int
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from .refusal import UnsupportedLayerError, UnsupportedModelError
from .taps import ROUNDING, Seen, matched
from .trees import Place, flat, length_along, placed, replaced, taken, together

ASKED = 16  # items whose sequences are found out; the others follow the same order

Layers = Mapping[str, Seen]
Run = Callable[[Any], Layers]


@final
@dataclass(frozen=True)
class Items:
    """The items of a batch.

    Attributes:
        axes: the axis of items of every leaf that has one, by place.
        turned: by layer, whether its sequences run through all items once for each of
            several parts (1 2 3 1 2 3), and not item by item (1 1 2 2 3 3); None where
            the model puts them into an order of each batch, such as by length.
        rows: by layer whose order is of each batch, the places of the sequences of the
            batch that was asked about last, item by item.
    """

    axes: Mapping[Place, int]
    turned: Mapping[str, bool | None] = field(default_factory=dict)
    rows: Mapping[str, Int[Tensor, "row"]] = field(default_factory=dict)

    def count(self, batch: Any) -> int:
        """Return the number of items of a batch.

        Raises:
            ValueError: if its entries have several.
        """
        first, *others = sorted(set(self._counts(batch)))
        if others:
            raise UnsupportedModelError(
                f"a batch holds {first} of one of its entries and {others[-1]} of "
                "another; give inputs and targets of equally many"
            )
        return first

    def _counts(self, batch: Any) -> Iterator[int]:
        for place, leaf in placed(batch):
            if place in self.axes:
                count = length_along(leaf, self.axes[place])
                if count is not None:
                    yield count

    def take(
        self, batch: Any, index: Int[Tensor, "item"], only: set[Place] | None = None
    ) -> Any:
        """Return a batch of some items, in the order of the index.

        Args:
            batch: the batch.
            index: of the items.
            only: places of the leaves that change; all that have items unless given.
        """

        def change(place: Place, leaf: Any) -> Any:
            chosen = place in self.axes and (only is None or place in only)
            return taken(leaf, index, self.axes[place]) if chosen else leaf

        return replaced(batch, change)

    def content(self, tree: Any, item: int, at: Place = ()) -> bytes:
        """Return the bytes of one item.

        Args:
            tree: a batch, or what lies in it at a place.
            item: which.
            at: the place.
        """
        index, found = torch.tensor([item]), []
        for place, leaf in placed(tree, at):
            if place in self.axes:
                found.append(_bytes(taken(leaf, index, self.axes[place])))
        return b"".join(found)

    def together(self, one: Any, other: Any) -> Any:
        """Return the items of two batches as one batch.

        None where items have other shapes, or what is not by item differs.
        """
        pairs, second = dict(placed(one)), dict(placed(other))
        if pairs.keys() != second.keys():
            return None
        found = {}
        for place, leaf in pairs.items():
            both = (leaf, second[place])
            if place not in self.axes:
                if not _equal(*both):
                    return None
                found[place] = leaf
                continue
            joined = None
            if all(isinstance(b, Tensor) for b in both):
                joined = together(both, self.axes[place])
            if joined is None:
                return None
            found[place] = joined
        return replaced(one, lambda place, _: found[place])

    def order(self, layer: str, items: int, rows: int) -> Int[Tensor, "row"]:
        """Return the places of a layer's sequences, item by item.

        Raises:
            ValueError: if the layer has no whole number of sequences for each item.
        """
        if rows % items:
            raise UnsupportedModelError(
                f"{layer} sees {rows} sequences of {items} items; give batches of "
                "which every item makes equally many"
            )
        every = torch.arange(rows)
        if items > 1 and layer in self.rows:
            return self.rows[layer]
        return every.view(-1, items).T.flatten() if self.turned.get(layer) else every

    def placed_in(self, batch: Any, run: Run) -> "Items":
        """Return the same with the places of the sequences of a batch.

        Raises:
            ValueError: if those of an item are not found.
        """
        sorted_ones = [layer for layer, turned in self.turned.items() if turned is None]
        if not sorted_ones:
            return self
        base, rows = run(batch), {}
        alone = [
            run(self.take(batch, item))
            for item in torch.arange(self.count(batch))[:, None]
        ]
        for layer in sorted_ones:
            found = matched(base[layer], [one[layer] for one in alone])
            if found is None:
                raise UnsupportedLayerError(
                    layer,
                    f"{layer} sees an item otherwise in a batch than by itself; give "
                    "sequences in the order of the items",
                )
            rows[layer] = found
        return replace(self, rows=rows)


def _equal(one: Any, other: Any) -> bool:
    if one is other:
        return True
    both = isinstance(one, Tensor) and isinstance(other, Tensor)
    return both and torch.equal(one, other)


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


def axes_along(batch: Any, axis: int) -> dict[Place, int] | None:
    """Return the axis of every leaf with as many items as the first has along one.

    A leaf of fewer axes, such as one target per sequence, has them along its first.
    """
    every = list(placed(batch))
    first = next((leaf for _, leaf in every if length_along(leaf, axis)), None)
    if first is None:
        return None
    count = length_along(first, axis)
    found = {}
    for place, leaf in every:
        wanted = (axis, 0) if axis else (0,)
        own = next((a for a in wanted if length_along(leaf, a) == count), None)
        if own is not None:
            found[place] = own
    return found


def _asked(items: Items, batch: Any, run: Run) -> Items | UnsupportedLayerError:
    """Change items and look which sequences move; return a refusal if others do."""
    some, count, base = _some(items, batch, run)
    if count == 1:
        return _single(items, base)
    partner = _partners(items, some, count)
    bits = max(1, (count - 1).bit_length())
    moved: dict[str, list[Tensor]] = {layer: [] for layer in base}
    for bit in range(2 * bits):
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
    turned = {}
    for layer, rows in moved.items():
        order = _owners(torch.stack(rows), count)
        if isinstance(order, str) and not _sorts(items, some, run, layer):
            return UnsupportedLayerError(layer, order.format(layer=layer, count=count))
        turned[layer] = None if isinstance(order, str) else order
    return Items(items.axes, turned)


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


def _bytes(leaf: Tensor | PackedSequence) -> bytes:
    values = flat(leaf).detach().cpu()
    values = values.float() if values.dtype == torch.bfloat16 else values
    return values.numpy().tobytes()


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
