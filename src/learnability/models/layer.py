"""One recurrence on some sequences, here or in pieces in other processes."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import Any, final

import torch
from jaxtyping import Int
from torch import Tensor

from ..evidence.pieces import Parts, first_of, in_one
from ..evidence.sample import Sample
from .replay import Track
from .shards import Pieces, Tell

Progress = Callable[[str, float], None]


def silent(stage: str, share: float) -> None:
    """Take notice of a stage and say nothing."""
    del stage, share


def unheard(share: float) -> None:
    """Take notice of a share and say nothing."""
    del share


@final
@dataclass(frozen=True)
class Layer:
    """One recurrence of a model on some sequences.

    Attributes:
        track: the recurrence.
        lengths: steps of each sequence.
        item: the number of the sample that each sequence counts for.
        parts: gives the sequences with what the loss asks of them, some at a time.
        pieces: the same in other processes, if they read them, too.
    """

    track: Track
    lengths: Int[Tensor, "sequence"]
    item: Int[Tensor, "sequence"]
    parts: Parts
    pieces: Pieces | None = None

    def __len__(self) -> int:
        return int(self.item[-1]) + 1

    def first(self, count: int) -> "Layer":
        """Return the layer on the first items alone."""
        if count >= len(self):
            return self

        own, parts = self.item < count, first_of(self.parts, count)
        lengths, item = self.lengths[own], self.item[own]
        pieces = self.pieces and self.pieces.first(count)
        return replace(self, lengths=lengths, item=item, parts=parts, pieces=pieces)

    def over(
        self, work: Callable[..., Any], *own: Iterable[Any], tell: Tell = unheard
    ) -> Iterator[Any]:
        """Yield what a work makes of each piece of the sequences; see `Over`.

        Args:
            work: called with a piece's parts and its own of each argument.
            own: an argument for each piece.
            tell: called with the share that is done.
        """
        if self.pieces is not None:
            return self.pieces.over(work, own, tell)

        def parts() -> Iterator[Sample]:
            done = 0
            for sample in self.parts():
                yield sample
                done += len(sample)
                tell(done / len(self))

        return in_one(parts)(work, *own)

    @property
    def processes(self) -> int:
        """Return how many processes share the sequences, 1 if that is not known."""
        return 1 if self.pieces is None else self.pieces.split.workers.count or 1

    @property
    def counts(self) -> list[int]:
        """Return how many samples each piece has."""
        return [len(self)] if self.pieces is None else self.pieces.counts

    @property
    def rows(self) -> list[slice]:
        """Return the places of the sequences of each piece."""
        items = torch.tensor(list(accumulate(self.counts, initial=0)))
        ends = torch.searchsorted(self.item, items).tolist()
        return [slice(*both) for both in pairwise(ends)]
