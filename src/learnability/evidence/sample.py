"""What one recurrence did on some sequences, and what the loss asks of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from typing import final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor
from torch.nn import functional

from ..cells import Cell


@final
@dataclass(frozen=True)
class Sample:
    """One recurrence on some sequences, with what the loss asks of it.

    Attributes:
        known: the recurrence; None where nothing is known of a module but what it
            takes and gives, which is its state then.
        x: inputs; zero after a sequence's end.
        states: the states after each step.
        lengths: steps of each sequence.
        delta: each sequence's loss by the state, at a fixed future of the states.
        target: what the targets alone ask of the state.
        looks: the steps at which the loss looks.
        read_out: where the model is a linear read-out of one output, its weights by
            the state.
        item: the number of the sample that each sequence counts for, from 0 on and in
            ascending order: sequences that hang together are one. Each is one of its
            own unless given.
    """

    known: Cell | None
    x: Float[Tensor, "sequence step input"]
    states: Float[Tensor, "sequence step state"]
    lengths: Int[Tensor, "sequence"]
    delta: Float[Tensor, "sequence step state"]
    target: Float[Tensor, "sequence step state"]
    looks: Bool[Tensor, "sequence step"]
    item: Int[Tensor, "sequence"]
    read_out: Float[Tensor, "state"] | None = None

    def __len__(self) -> int:
        return int(self.item[-1]) + 1

    @property
    def cell(self) -> Cell:
        """Return the recurrence.

        Raises:
            ValueError: if it is not known.
        """
        if self.known is None:
            raise ValueError("nothing is known of this module but inputs and outputs")
        return self.known

    @property
    def nbytes(self) -> int:
        """The bytes that it holds."""
        return sum(v.nbytes for v in (self.x, self.states, self.delta, self.target))

    @cached_property
    def own(self) -> Bool[Tensor, "sequence step"]:
        """Return the steps that belong to a sequence."""
        return torch.arange(self.x.shape[1]) < self.lengths[:, None]

    @cached_property
    def count(self) -> Int[Tensor, "sequence"]:
        """The number of steps of a sequence's item at which the loss looks, or 1."""
        return self.by_item(self.looks.sum(dim=1)).clamp(min=1)[self.item]

    @cached_property
    def shares(self) -> Float[Tensor, "sequence step"]:
        """The share of each step in its item's loss: alike where the loss looks."""
        return self.looks / self.count[:, None].to(self.states.dtype)

    @cached_property
    def single(self) -> bool:
        """Whether every sequence is an item of its own."""
        return len(self) == len(self.x)

    def by_item(self, values: Shaped[Tensor, "sequence *rest"]) -> Tensor:
        """Return the sums of values over the sequences of each item."""
        if self.single:
            return values
        total = values.new_zeros(len(self), *values.shape[1:])
        return total.index_add(0, self.item, values)

    def by_step(
        self, values: Float[Tensor, "sequence step state"]
    ) -> Float[Tensor, "sequence step state"]:
        """Return a loss's derivative as that of each step's loss.

        A sequence's loss is the mean over the steps at which it looks.
        """
        return values * self.count[:, None, None]

    def part(self, chosen: slice) -> "Sample":
        """Return some of the items."""
        start, stop, _ = chosen.indices(len(self))
        first, last = torch.searchsorted(self.item, torch.tensor([start, stop]))
        found = self.rows(slice(int(first), int(last)))
        return replace(found, item=found.item - start)

    def rows(self, chosen: slice | Int[Tensor, "chosen"]) -> "Sample":
        """Return some of the sequences."""
        names = ("x", "states", "lengths", "delta", "target", "looks", "item")
        return replace(self, **{name: getattr(self, name)[chosen] for name in names})


def joined(samples: Iterable[Sample], count: int | None = None) -> Sample:
    """Return samples one behind the other, the first of them if so many are enough.

    Args:
        samples: of one recurrence.
        count: how many samples to take; all unless given.
    """
    parts = list(islice(samples, count))
    steps = max(part.x.shape[1] for part in parts)

    def padded(values: Tensor) -> Tensor:
        flat = (0,) * (2 * (values.ndim - 2))
        return functional.pad(values, (*flat, 0, steps - values.shape[1]))

    names = ("x", "states", "delta", "target", "looks")
    whole = {n: torch.cat([padded(getattr(p, n)) for p in parts]) for n in names}
    lengths = torch.cat([part.lengths for part in parts])
    starts = torch.tensor([0, *map(len, parts[:-1])]).cumsum(0)
    item = torch.cat([p.item + k for p, k in zip(parts, starts, strict=True)])
    return replace(parts[0], lengths=lengths, item=item, **whole)


def anchors(
    sample: Sample, lags: Sequence[int], most: int
) -> Int[np.ndarray, "sequence anchor"]:
    """Return the steps at which the gradient is split by lag: where the loss looks.

    They are spread evenly over those looking steps that have all lags before them, or
    over all looking steps of a sequence where none has.

    Args:
        sample: the sequences.
        lags: lags in steps, ascending.
        most: the largest number of anchors of a sequence.

    Returns:
        Steps, -1 where a sequence has fewer anchors than another.
    """
    found = np.full((len(sample.x), most), -1)
    kept: dict[bytes, np.ndarray] = {}
    for n, row in enumerate(sample.looks.cpu().numpy()):
        key = row.tobytes()
        if key not in kept:
            kept[key] = _spread(np.flatnonzero(row), lags[-1], most)
        found[n, : len(kept[key])] = kept[key]
    return found


def _spread(looking: np.ndarray, longest: int, most: int) -> np.ndarray:
    late = looking[looking >= longest]
    chosen = late if late.size else looking
    if not chosen.size:
        return chosen
    wanted = np.unique(np.linspace(chosen[0], chosen[-1], most).round())
    nearest = np.abs(chosen[:, None] - wanted).argmin(axis=0)
    return np.unique(chosen[nearest])
