"""Tensors inside tuples, lists and dictionaries, as models give them."""

from collections.abc import Callable, Iterator
from copy import copy as shallow
from typing import Any

import torch
from torch import Tensor


def leaves(tree: Any) -> Iterator[Tensor]:
    """Yield the floating-point tensors of a tree, always in the same order.

    Example:
        >>> import torch
        >>> len(list(leaves((torch.ones(2), {"a": [torch.ones(1), 3]}))))
        2
    """
    if isinstance(tree, Tensor):
        if tree.is_floating_point():
            yield tree
    elif isinstance(tree, dict):
        for value in tree.values():
            yield from leaves(value)
    elif isinstance(tree, tuple | list):
        for value in tree:
            yield from leaves(value)


def mapped(tree: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Give the same tree with every floating-point tensor changed."""
    if isinstance(tree, Tensor):
        return change(tree) if tree.is_floating_point() else tree
    if isinstance(tree, dict):
        return {key: mapped(value, change) for key, value in tree.items()}
    if isinstance(tree, tuple | list):
        values = [mapped(value, change) for value in tree]
        return type(tree)(*values) if hasattr(tree, "_fields") else type(tree)(values)
    return tree


def shapes(tree: Any) -> str:
    """Give the shapes in a tree, for a sentence."""
    if isinstance(tree, Tensor):
        return str(tuple(tree.shape))
    if isinstance(tree, dict):
        return ", ".join(f"{k} {shapes(v)}" for k, v in tree.items())
    if isinstance(tree, tuple | list):
        return ", ".join(shapes(value) for value in tree)
    return type(tree).__name__


def moved(tree: Any, device: torch.device) -> Any:
    """Give the same tree on another device, integers and masks too."""
    if isinstance(tree, Tensor):
        return tree.to(device)
    if isinstance(tree, dict):
        return {key: moved(value, device) for key, value in tree.items()}
    if isinstance(tree, tuple | list):
        values = [moved(value, device) for value in tree]
        return type(tree)(*values) if hasattr(tree, "_fields") else type(tree)(values)
    return tree


def copied(tree: Any) -> Any:
    """Return the same tree with a copy of every tensor, of one that recurs one copy."""
    made: dict[int, Tensor] = {}

    def copy(value: Any) -> Any:
        if isinstance(value, Tensor):
            if id(value) not in made:
                made[id(value)] = value.clone()
            return made[id(value)]
        if isinstance(value, dict):
            same = shallow(value)  # of a dictionary's own kind
            same.update((key, copy(part)) for key, part in value.items())
            return same
        if isinstance(value, tuple | list):
            parts = [copy(part) for part in value]
            named = hasattr(value, "_fields")
            return type(value)(*parts) if named else type(value)(parts)
        return value

    return copy(tree)
