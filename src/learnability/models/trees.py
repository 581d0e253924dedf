"""Tensors inside tuples, lists, dictionaries and records, as loaders and models use."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import fields, is_dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import (
    PackedSequence,
    pack_padded_sequence,
    pad_packed_sequence,
)

Place = tuple[Any, ...]  # keys and places that lead from a tree's root to a leaf


def children(tree: Any) -> list[tuple[Any, Any]]:
    """Return the key and the value of everything that a tree holds directly.

    A packed sequence is a leaf.
    """
    if isinstance(tree, PackedSequence):
        return []
    if isinstance(tree, Mapping):
        return list(tree.items())
    if isinstance(tree, tuple | list):
        return list(enumerate(tree))
    if is_dataclass(tree) and not isinstance(tree, type):
        return [(f.name, getattr(tree, f.name)) for f in fields(tree)]
    return []


def placed(tree: Any, at: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Yield the tensors and packed sequences of a tree with their places.

    Example:
        >>> import torch
        >>> [place for place, _ in placed((torch.ones(2), {"a": [torch.ones(1), 3]}))]
        [(0,), (1, 'a', 0)]
    """
    if isinstance(tree, Tensor | PackedSequence):
        yield at, tree
    for key, value in children(tree):
        yield from placed(value, (*at, key))


def replaced(tree: Any, change: Callable[[Place, Any], Any], at: Place = ()) -> Any:
    """Return the same tree with every tensor and packed sequence changed.

    Args:
        tree: the tree.
        change: gives the new leaf, from place and leaf.
        at: the place of the tree itself.
    """
    if isinstance(tree, Tensor | PackedSequence):
        return change(at, tree)
    values = {key: replaced(value, change, (*at, key)) for key, value in children(tree)}
    if not values:
        return tree
    if isinstance(tree, tuple | list):
        new = list(values.values())
        return type(tree)(*new) if hasattr(tree, "_fields") else type(tree)(new)
    return remade(tree, values)


def remade(tree: Any, values: Mapping[Any, Any]) -> Any:
    """Return a dictionary, mapping or record of the same type with other values.

    Args:
        tree: a subclass of dict may be made in any way, as a defaultdict is.
        values: of all its keys or fields.
    """
    if is_dataclass(tree) and all(f.init for f in fields(tree)):
        return replace(tree, **values)  # pyright: ignore[reportArgumentType]
    if isinstance(tree, Mapping) and not isinstance(tree, dict):
        return type(tree)(values)  # pyright: ignore[reportCallIssue]
    new = copy(tree)
    for key, value in values.items():
        if isinstance(new, dict):
            new[key] = value
        else:
            object.__setattr__(new, key, value)
    return new


def leaves(tree: Any) -> Iterator[Tensor]:
    """Yield the floating-point tensors of a tree, such as a state.

    Example:
        >>> import torch
        >>> len(list(leaves((torch.ones(2), {"a": [torch.ones(1), 3]}))))
        2
    """
    return (leaf for _, leaf in placed(tree) if _floats(leaf))


def mapped(tree: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Return the same tree with every floating-point tensor changed."""
    return replaced(tree, lambda _, leaf: change(leaf) if _floats(leaf) else leaf)


def _floats(leaf: Any) -> bool:
    return isinstance(leaf, Tensor) and leaf.is_floating_point()


def shapes(tree: Any) -> str:
    """Return the shapes in a tree, for a sentence."""
    if isinstance(tree, Tensor):
        return str(tuple(tree.shape))
    if isinstance(tree, Mapping):
        return ", ".join(f"{k} {shapes(v)}" for k, v in tree.items())
    if isinstance(tree, tuple | list) and not isinstance(tree, PackedSequence):
        return ", ".join(shapes(value) for value in tree)
    return type(tree).__name__


def moved(tree: Any, device: torch.device) -> Any:
    """Return the same tree on another device, integers and masks too."""
    return replaced(tree, lambda _, leaf: leaf.to(device))


def length_along(leaf: Tensor | PackedSequence, axis: int) -> int | None:
    """Return how many items a leaf holds along an axis; None if it has not that axis.

    Those of a packed sequence are its sequences, whatever the axis.
    """
    if isinstance(leaf, PackedSequence):
        return int(leaf.batch_sizes[0])
    return leaf.shape[axis] if leaf.ndim > axis else None


def flat(leaf: Tensor | PackedSequence) -> Tensor:
    """Return the values of a leaf, those of a packed sequence without its order."""
    return leaf.data if isinstance(leaf, PackedSequence) else leaf


def taken(
    leaf: Tensor | PackedSequence, index: Tensor, axis: int
) -> Tensor | PackedSequence:
    """Return some items of a leaf, in the order of the index."""
    if isinstance(leaf, Tensor):
        return leaf.index_select(axis, index.to(leaf.device))
    padded, lengths = pad_packed_sequence(leaf, batch_first=True)
    chosen = padded[index.to(padded.device)], lengths[index]
    return pack_padded_sequence(*chosen, batch_first=True, enforce_sorted=False)


def together(leaves_: Sequence[Tensor], axis: int) -> Tensor | None:
    """Return tensors one behind the other; None where their other axes differ."""
    shapes_ = {(*t.shape[:axis], *t.shape[axis + 1 :]) for t in leaves_}
    return torch.cat(list(leaves_), dim=axis) if len(shapes_) == 1 else None


def copied(tree: Any) -> Any:
    """Return the same tree with a copy of every tensor, of one that recurs one copy."""
    made: dict[int, Any] = {}

    def own(_: Place, leaf: Any) -> Any:
        if id(leaf) not in made:
            packed = isinstance(leaf, PackedSequence)
            same = PackedSequence(leaf.data.clone(), *leaf[1:]) if packed else None
            made[id(leaf)] = leaf.clone() if same is None else same
        return made[id(leaf)]

    return replaced(tree, own)
