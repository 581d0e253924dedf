"""Batches through a model: what its recurrent layers see, and what the loss asks.

Everything goes through forward hooks and `torch.autograd.grad`. By every layer's output
the loss is differentiated with each sequence's own targets, and with those of others
(`dealing`).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, final

import torch
from torch import Tensor, nn

from ..cells import Cell
from ..unroll.recurrence import watching
from .batches import Batch, called, is_called, judged
from .dealing import (
    averages,
    check_apart,
    check_proportional,
    dealt,
    differing,
    found_targets,
    leaves_marks,
    linear,
    shifts,
    sums_up,
)
from .items import Items
from .losses import Loss, value_of
from .pieces import found_in_time
from .quiet import Kept, quiet, random_state, set_random_state
from .refusal import WRONG, UnsupportedModelError, first_line, remedy
from .replay import Trace, Track, checked, cut, replay, tracks_of
from .step_tap import StepTap
from .taps import (
    Asked,
    Seen,
    Tap,
    averaged,
    check_called,
    check_inputs,
    differentiated,
    same,
)
from .targets_part import even
from .trees import Place, copied, placed, shapes

Lengths = Callable[[Batch], Tensor]
ASKED = 16  # items on which targets are found out
FEW_DEALINGS = 10**12  # outputs of a size that allows no more than the fewest dealings


@final
@dataclass
class Recorder:
    """A model under taps.

    Attributes:
        model: any module with recurrent layers.
        taps: on its recurrent modules.
        loss: of outputs and targets: a mean or sum over the sequences of a batch, or a
            value each.
        lengths: gives the steps of each sequence of a batch; None where all are as
            long as their tensor, or packed.
        tracks: the recurrences of each module that was called.
        items: of the batches, once `ask` has found them.
        targets: the places of the targets in a batch, likewise.
        linear: whether the mean of targets stands for all of them, likewise.
        fixed: the number of items of a batch, where model or loss take no other.
    """

    model: nn.Module
    taps: list[Tap]
    loss: Loss
    lengths: Lengths | None = None
    tracks: dict[str, list[Track]] = field(default_factory=dict)
    items: Items = field(default_factory=lambda: Items({}))
    targets: set[Place] = field(default_factory=set)
    linear: bool = False
    fixed: int | None = None
    _inside: bool = False
    _random: Any = None
    _kept: Kept | None = None
    _summed: bool = False

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Put the taps on, and the model into a state that leaves no trace."""
        with ExitStack() as stack:
            stack.enter_context(quiet(self.model))
            # A run without taps must not bring their hooks back: some cut gradients.
            without = Kept(self.model, parameters=False)
            stack.callback(setattr, self, "_kept", without)
            for tap in self.taps:
                for handle in tap.attach():
                    stack.callback(handle.remove)
            self._kept = Kept(self.model, parameters=False)
            yield

    def _watch(
        self, cell: Cell, x: Tensor, state: Tensor | None, states: Tensor
    ) -> Tensor:
        for tap in self.taps:
            if isinstance(tap, StepTap) and tap.module is cell:
                return tap.unrolled(x, state, states)
        return states

    def run(self, batch: Batch) -> Any:
        """Return the model's outputs of a batch; the taps see it.

        Every run begins with what the model kept on itself when it was attached to.

        Raises:
            ValueError: if the model cannot take the batch.
        """
        for tap in self.taps:
            tap.clear()
        self._repeat()
        if self._kept is not None:
            self._kept.put_back()
        args, kwargs = called(self.model, copied(batch))
        try:
            with watching(self._watch):
                outputs = self.model(*args, **kwargs)
        except UnsupportedModelError:
            raise
        except WRONG as error:
            raise UnsupportedModelError(
                f"the model cannot take inputs of shape {shapes(kwargs or args)} "
                f"({first_line(error)}); {remedy(error)}"
            ) from error
        check_inputs(self.taps)
        return outputs

    def _repeat(self) -> None:
        """Let whatever a model draws at random be the same in every run."""
        if self._random is None:
            self._random = random_state()
        set_random_state(self._random)

    def axis(self, batch: Batch, axes: Sequence[int]) -> int:
        """Find the axis of the items of a batch, which may be one alone.

        Args:
            batch: inputs, then targets.
            axes: along which items may lie.

        Raises:
            ValueError: if a layer's sequences are not those of the items.
        """
        return max(self._items(batch, axes).axes.values())

    def _items(self, batch: Batch, axes: Sequence[int]) -> Items:
        with self._learning():
            self.run(batch)
            check_called(self.taps)
            return found_in_time(self.taps, batch, self._seen, axes)

    def ask(
        self, batch: Batch, axes: Sequence[int], targets: set[Place] | None = None
    ) -> None:
        """Find out, on a first batch, what its items and its targets are.

        Args:
            batch: inputs, then targets.
            axes: along which items may lie.
            targets: their places, where the user names them.

        Raises:
            ValueError: if a layer's sequences are not those of the items, no targets
                are found, or the loss mixes sequences.
        """
        self.items = self._items(batch, axes)
        some = self._some(batch)
        self.place(some)
        inputs = self._inputs(some)
        self.targets = found_targets(some, self.items, self._deltas, targets, inputs)
        marks = leaves_marks(
            lambda: partial(self.losses, self.run(some)), some, self.items, self.targets
        )
        given = any(is_called(self.model, batch, p) for p in self.targets)
        self._inside = marks or given
        made = None if self._inside else self.run(some)  # whatever the targets are
        deltas = partial(self._deltas, outputs=made)
        check_apart(some, self.items, deltas, self.targets)
        check_proportional(partial(deltas, some))
        self.linear = linear(some, self.items, deltas, self.targets)

    def _learning(self) -> Any:
        """Run without a graph, unless a tap has to learn how calls hang together."""
        return torch.set_grad_enabled(any(tap.learns for tap in self.taps))

    def _some(self, batch: Batch) -> Batch:
        """Return a few items, or all where model or loss take no other number.

        Learn on the way whether a loss is a sum over sequences, and not their mean:
        with every item given twice a sum leaves each one's gradient as it is.
        """
        count = self.items.count(batch)
        order = differing(batch, self.items)[:ASKED]
        some = batch if self.items.ranked else self.items.take(batch, order)
        try:
            self._summed = sums_up(self._raw_size, some, self.items)
        except UnsupportedModelError:
            self.losses(self.run(batch), batch)  # what cannot be at all is said here
            self.fixed = count
            return batch
        self.fixed = count if self.items.ranked else None
        return some

    def _seen(self, batch: Batch) -> dict[str, Seen]:
        """Return what every layer sees of a batch."""
        with torch.no_grad():
            self.run(batch)
        return {tap.path: seen for tap in self.taps if (seen := tap.seen()) is not None}

    def place(self, batch: Batch) -> None:
        """Find the places of a batch's sequences, where a model sorts them."""
        self.items = self.items.placed_in(batch, self._seen)

    def _inputs(self, batch: Batch) -> set[Place]:
        """Return the places whose dealing to other items moves what a layer sees."""
        base, found = self._seen(batch), set()
        for place, _ in placed(batch):
            if place not in self.items.axes:
                continue
            try:
                now = self._seen(dealt(batch, self.items, {place}, 1))
            except UnsupportedModelError:  # such as lengths that shall fall
                found.add(place)
                continue
            if any(not same(seen, now[path]) for path, seen in base.items()):
                found.add(place)
        return found

    def _deltas(self, batch: Batch, outputs: Any = None, share: float = 1) -> Tensor:
        """Return the gradient of a loss by all layers' states, one row per item."""
        made = self.run(batch) if outputs is None else outputs
        asked = self._ask(share * self.losses(made, batch), outputs is not None)
        count, rows = self.items.count(batch), []
        for tap, one in zip(self.taps, asked, strict=True):
            if one is not None:
                order = self.items.order(tap.path, count, len(one.output))
                parts = [one.output.flatten(1)]
                if one.final is not None:
                    parts.append(one.final.movedim(2, 0).flatten(1))
                flat = torch.cat(parts, dim=1)
                rows.append(flat[order.to(flat.device)].reshape(count, -1).double())
        return torch.cat(rows, dim=1)

    def _raw_size(self, batch: Batch) -> float:
        value = self._value(self.run(batch), batch)
        asked = self._ask(value.sum() if value.ndim else value, False)
        both = [values for one in asked if one for values in (one.output, one.final)]
        return float(sum(v.double().square().sum() for v in both if v is not None))

    def _value(self, outputs: Any, batch: Batch) -> Tensor:
        return value_of(self.loss, outputs, judged(copied(batch)))

    def losses(self, outputs: Any, batch: Batch) -> Tensor:
        """Return the sum over a batch of each sequence's own loss.

        Raises:
            ValueError: if the loss cannot take outputs and targets, is no number, or
                not finite.
        """
        value, count = self._value(outputs, batch), self.items.count(batch)
        mean = value.mean() if value.ndim else value
        return value if self._summed and not value.ndim else mean * count

    def record(self, batch: Batch) -> tuple[dict[str, list[Trace]], list[int]]:
        """Run a batch and replay every layer with its gradients.

        Args:
            batch: inputs, then targets.

        Returns:
            Traces by layer, each with the loss's gradient and that with the targets of
            others: their mean, or one for each of the shifts that come second.

        Raises:
            ValueError: if the loss does not depend on any recurrent layer.
        """
        count = self.items.count(batch)
        self.place(batch)
        found = self.traces(batch, self._questions(batch, count, apart=False))
        if all(even(one.asked[0][:, None]) for own in found.values() for one in own):
            return found, []  # the loss looks at the same steps of all sequences
        moves = shifts(count, FEW_DEALINGS)
        return self.traces(batch, self._questions(batch, count, apart=True)), moves

    def _questions(
        self, batch: Batch, count: int, *, apart: bool
    ) -> list[list[Asked | None]]:
        """Return the loss's gradients with own targets, and with those of others."""
        outputs = self.run(batch)
        size = sum(t.numel() for _, t in placed(outputs) if isinstance(t, Tensor))
        every = (tap.seen() for tap in self.taps)  # where outputs are an object
        size = size or sum(seen.output.numel() for seen in every if seen is not None)
        few = apart or self._inside
        moves = shifts(count, FEW_DEALINGS if few else size)
        if self.linear and not apart:
            others = [averages(batch, self.items, self.targets)]
        else:
            others = [dealt(batch, self.items, self.targets, k) for k in moves]
        total = self.losses(outputs, batch)
        if self._inside:
            own = self._ask(total, False)
            asked = [self._ask(self.losses(self.run(o), o), False) for o in others]
            self.run(batch)  # what the taps have seen is what is replayed
        else:
            own = self._ask(total, True)
            wanted = [self.losses(outputs, other) for other in others]
            if not apart and wanted:
                wanted = [torch.stack(wanted).mean()]
            asked = [self._ask(value, True) for value in wanted]
        if not apart and len(asked) > 1:
            asked = [averaged(asked)]
        return [own, *asked]

    def _ask(self, of: Tensor, again: bool) -> list[Asked | None]:
        edges = [edge for tap in self.taps for edge in tap.edges()]
        found, asked = iter(differentiated(of, edges, again)), []
        for tap in self.taps:
            own = [next(found) for _ in tap.edges()]
            asked.append(tap.asked(own) if tap.seen() is not None else None)
        return asked

    def traces(
        self, batch: Batch, questions: list[list[Asked | None]]
    ) -> dict[str, list[Trace]]:
        """Replay all layers; give by module path a trace a recurrence."""
        given = None if self.lengths is None else checked(self.lengths(batch))
        found = {}
        for place, tap in enumerate(self.taps):
            seen = tap.seen()
            if seen is None:
                continue
            if tap.path not in self.tracks:
                self.tracks[tap.path] = tracks_of(tap, seen)
            tracks = self.tracks[tap.path]
            own = [a for q in questions if (a := q[place]) is not None]
            if given is not None and not seen.packed:
                seen, own = cut(tap.path, tracks, seen, own, given)
            found[tap.path] = replay(tap, tracks, seen, own)
        return found
