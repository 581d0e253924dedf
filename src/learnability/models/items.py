"""The items of a batch: taken, put together and told from each other.

Nothing is ever dealt, chosen or counted along an axis that was not found to be that of
the items (`owners`).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, final

import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from .refusal import UnsupportedLayerError, UnsupportedModelError
from .taps import Seen, matched
from .trees import Place, flat, length_along, placed, replaced, taken, together

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
        ranked: whether the model takes them in the order of a batch alone, such as by
            falling lengths.
    """

    axes: Mapping[Place, int]
    turned: Mapping[str, bool | None] = field(default_factory=dict)
    rows: Mapping[str, Int[Tensor, "row"]] = field(default_factory=dict)
    ranked: bool = False

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


def _bytes(leaf: Tensor | PackedSequence) -> bytes:
    values = flat(leaf).detach().cpu()
    values = values.float() if values.dtype == torch.bfloat16 else values
    return values.numpy().tobytes()
