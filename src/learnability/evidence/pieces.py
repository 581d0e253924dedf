"""Work with sequences in pieces: all in one here, or many wherever they lie.

Whatever is a sum over sequences, or a row for each, is made piece by piece: `Over`
hands a work every piece and gives what it made of each, in their order. Who asks does
not know whether pieces lie in this process.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar, final

from .sample import Sample

Parts = Callable[[], Iterable[Sample]]
"""A piece: gives its samples, some at a time."""
Over = Callable[..., Iterator[Any]]
"""Yields what a work makes of each piece. It takes the work, which is called with the
piece's parts, and any number of iterables, of which each piece's work is given its own.
Where pieces lie in other processes, works and arguments are pickled."""
Made = TypeVar("Made")
PROCESS_BYTES = 256 * 2**20  # that a worker holds of what pieces needed, at most


def in_one(parts: Parts) -> Over:
    """Return what does work with all sequences in one piece.

    Args:
        parts: gives them, some at a time.

    Example:
        >>> over = in_one(lambda: [])
        >>> list(over(lambda parts, more: len(parts()) + more, [5]))
        [5]
    """

    def over(work: Callable[..., Made], *own: Iterable[Any]) -> Iterator[Made]:
        yield work(parts, *(next(iter(each)) for each in own))

    return over


def first_of(parts: Parts, count: int) -> Parts:
    """Return the first samples of some sequences.

    Args:
        parts: gives the sequences, some at a time.
        count: how many samples to take.
    """

    def some() -> Iterator[Sample]:
        left = count
        for sample in parts():
            yield sample.part(slice(0, left)) if len(sample) > left else sample
            left -= len(sample)
            if left <= 0:
                return

    return some


@final
class Memo:
    """What is costly to make again, of one kind at a time and within some bytes.

    One that is pickled comes out as that of the process where it does: what a piece
    needed stays there for the next work with it.

    Args:
        most: bytes that may be held.
    """

    def __init__(self, most: float) -> None:
        self._most = most
        self._kind: object = None
        self._held: dict[int, Any] = {}
        self._bytes = 0.0

    def __reduce__(self) -> tuple[Callable[[], "Memo"], tuple[()]]:
        return _of_process, ()

    def of(
        self,
        kind: object,
        number: int,
        make: Callable[[], Made],
        size: Callable[[Made], float],
    ) -> Made:
        """Return a thing, made now unless it is held.

        Args:
            kind: what it is; things of any other are let go.
            number: of the thing among those of its kind.
            make: makes it.
            size: gives the bytes that it takes.
        """
        if kind != self._kind:
            self._kind, self._held, self._bytes = kind, {}, 0.0
        if number in self._held:
            return self._held[number]
        made = make()
        if self._bytes + size(made) <= self._most:
            self._held[number] = made
            self._bytes += size(made)
        return made


def _of_process() -> Memo:
    return _PROCESS


_PROCESS = Memo(PROCESS_BYTES)
