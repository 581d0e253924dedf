"""A seam for those who want to see what a cell of this package is unrolled over."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import Tensor

from ..cells import Cell

Watcher = Callable[[Cell, Tensor, Tensor | None, Tensor], Tensor]

_watchers: list[Watcher] = []


@contextmanager
def watching(watcher: Watcher) -> Iterator[None]:
    """Show every unrolling to ``watcher(cell, x, state, states)`` meanwhile.

    Args:
        watcher: gives the states that the caller of `unroll` gets.
    """
    _watchers.append(watcher)
    try:
        yield
    finally:
        _watchers.remove(watcher)


def watched() -> bool:
    """Say whether someone watches."""
    return bool(_watchers)


def shown(cell: Cell, x: Tensor, state: Tensor | None, states: Tensor) -> Tensor:
    """Give the states, seen by whoever watches."""
    for watcher in _watchers:
        states = watcher(cell, x, state, states)
    return states
