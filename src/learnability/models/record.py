"""Batches through a model: what its recurrent layers see, and what the loss asks.

Everything goes through forward hooks and `torch.autograd.grad`. Three gradients are
taken by every layer's output: that of the loss; and, for the dependency that the
targets hold, that of the model's outputs along the loss's gradient at constant
outputs, from which all but the targets is gone.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, final

import torch
from torch import Tensor, nn

from ..cells import Cell
from ..unroll.watching import watching
from .quiet import quiet
from .refusal import Refusal
from .replay import Trace, Track, replay, tracks_of
from .taps import Asked, StepTap, Tap
from .trees import leaves, shapes

Batch = Sequence[Any]
Loss = Callable[[Any, Any], Tensor]
Lengths = Callable[[Batch], Tensor]
# What goes wrong inside other people's code when shapes or types do not fit.
WRONG = (RuntimeError, TypeError, ValueError, IndexError, KeyError, AttributeError)


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
    """

    model: nn.Module
    taps: list[Tap]
    loss: Loss
    lengths: Lengths | None = None
    tracks: dict[str, list[Track]] = field(default_factory=dict)
    _summed: bool | None = None

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Put the taps on, and the model into a state that leaves no trace."""
        with ExitStack() as stack:
            stack.enter_context(quiet(self.model))
            for tap in self.taps:
                for handle in tap.attach():
                    stack.callback(handle.remove)
            yield

    def _watch(
        self, cell: Cell, x: Tensor, state: Tensor | None, states: Tensor
    ) -> Tensor:
        for tap in self.taps:
            if isinstance(tap, StepTap) and tap.module is cell:
                return tap.unrolled(x, state, states)
        return states

    def run(self, batch: Batch) -> Any:
        """Give the model's outputs of a batch; the taps see it.

        Raises:
            ValueError: if the model cannot take the batch.
        """
        for tap in self.taps:
            tap.clear()
        inputs = batch[:-1]
        try:
            with watching(self._watch):
                outputs = self.model(*inputs)
        except Refusal:
            raise
        except WRONG as error:
            raise Refusal(
                f"the model cannot take inputs of shape {shapes(inputs)} "
                f"({first_line(error)}); give batches (inputs, ..., targets) that fit"
            ) from error
        self._check_inputs()
        return outputs

    def _check_inputs(self) -> None:
        for tap in self.taps:
            seen = tap.seen()
            if seen is not None and not torch.isfinite(seen.x).all():
                raise Refusal(
                    f"the inputs of {tap.path} are not finite; remove or impute NaN "
                    "and infinity in the data"
                )

    def check_called(self) -> None:
        """Refuse a model whose recurrent layers were never called."""
        if all(tap.seen() is None for tap in self.taps):
            names = ", ".join(tap.path for tap in self.taps)
            raise Refusal(
                f"the model's forward pass never called {names}; call the module "
                "itself, not its weights, or unroll it with learnability.unroll"
            )

    def losses(self, outputs: Any, batch: Batch) -> Tensor:
        """Give the sum over a batch of each sequence's own loss.

        Raises:
            ValueError: if the loss cannot take outputs and targets, is no number, or
                not finite.
        """
        value = self._loss(outputs, batch[-1])
        count = self.count()
        if value.ndim > 0:
            return value.sum() * (count / value.numel())
        if self._summed is None:
            self._summed = sums_up(self._loss, outputs, batch[-1], value)
        return value if self._summed else value * count

    def count(self) -> int:
        """Give the number of sequences of the batch that was run last."""
        seen = next(s for tap in self.taps if (s := tap.seen()) is not None)
        return len(seen.x)

    def _loss(self, outputs: Any, targets: Any) -> Tensor:
        try:
            value = self.loss(outputs, targets)
        except WRONG as error:
            raise Refusal(
                f"the loss cannot take outputs of shape {shapes(outputs)} and targets "
                f"of shape {shapes(targets)} ({first_line(error)}); make them match"
            ) from error
        if not isinstance(value, Tensor):
            raise Refusal(
                f"the loss gave a {type(value).__name__}; it must give a tensor"
            )
        if not torch.isfinite(value).all():
            raise Refusal(
                "the loss is not finite; look for NaN or infinity in weights and data"
            )
        return value

    def record(
        self, batch: Batch, target: Callable[[Any], list[Tensor | None]] | None = None
    ) -> dict[str, list[Trace]]:
        """Run a batch and replay every layer with its gradients.

        Args:
            batch: inputs, then targets.
            target: gives, from the outputs, the cotangents of a second question.

        Raises:
            ValueError: if the loss does not depend on any recurrent layer.
        """
        outputs = self.run(batch)
        total = self.losses(outputs, batch)
        questions = [self._ask(total, target is not None)]
        if target is not None:
            questions.append(self._pull(outputs, target(outputs)))
        return self.traces(batch, questions)

    def _ask(self, total: Tensor, again: bool) -> list[Asked | None]:
        if not total.requires_grad:
            raise Refusal(
                "the loss does not depend on any recurrent layer; check that the "
                "model's forward pass neither detaches nor runs without gradients"
            )
        return self._gradients([total], [None], again)

    def _pull(self, outputs: Any, by: list[Tensor | None]) -> list[Asked | None]:
        pairs = [
            (z, g)
            for z, g in zip(leaves(outputs), by, strict=True)
            if g is not None and z.requires_grad
        ]
        return self._gradients([z for z, _ in pairs], [g for _, g in pairs], False)

    def _gradients(
        self, of: list[Tensor], by: list[Tensor | None], again: bool
    ) -> list[Asked | None]:
        edges = [edge for tap in self.taps for edge in tap.edges()]
        live = [edge for edge in edges if edge is not None]
        found = iter(
            torch.autograd.grad(
                of, live, grad_outputs=by, retain_graph=again, allow_unused=True
            )
            if of
            else [None] * len(live)
        )
        asked = []
        for tap in self.taps:
            own = [None if edge is None else next(found) for edge in tap.edges()]
            asked.append(tap.asked(own) if tap.seen() is not None else None)
        return asked

    def traces(
        self, batch: Batch, questions: list[list[Asked | None]]
    ) -> dict[str, list[Trace]]:
        """Replay all layers; give by module path a trace a recurrence."""
        given = None if self.lengths is None else self._lengths(batch)
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
                seen = cut(tap.path, tracks, seen, own, given)
            found[tap.path] = replay(tap, tracks, seen, own)
        return found

    def _lengths(self, batch: Batch) -> Tensor:
        assert self.lengths is not None
        given = torch.as_tensor(self.lengths(batch)).long().cpu()
        if given.ndim != 1 or not (given > 0).all():
            raise Refusal(
                f"the lengths of a batch have shape {tuple(given.shape)}; give one "
                "number above 0 a sequence"
            )
        return given


def cut(
    path: str, tracks: list[Track], seen: Any, asked: list[Asked], lengths: Tensor
) -> Any:
    """Give what a layer saw, with the lengths that it did not know itself.

    Raises:
        ValueError: if the lengths do not fit, the layer runs backward over padding, or
            the loss looks at steps after a sequence's end.
    """
    steps = seen.x.shape[1]
    if len(lengths) != len(seen.x) or int(lengths.max()) > steps:
        raise Refusal(
            f"{len(lengths)} lengths up to {int(lengths.max())} do not fit the inputs "
            f"of {path}, {len(seen.x)} sequences of {steps} steps; give each its own"
        )
    if bool((lengths < steps).any()) and any(track.backward for track in tracks):
        raise Refusal(
            f"the backward direction of {path} begins in the padding; pack the "
            "sequences with torch.nn.utils.rnn.pack_padded_sequence"
        )
    after = torch.arange(steps) >= lengths[:, None]
    for question in asked:
        looked = (question.output.cpu() != 0).any(dim=-1) & after
        if looked.any():
            n = int(looked.any(dim=1).nonzero()[0])
            raise Refusal(
                f"the loss looks at steps of {path} after the end of sequence {n} "
                f"({int(lengths[n])} steps); mask its padding"
            )
    return replace(seen, lengths=lengths)


def sums_up(
    loss: Loss, outputs: Any, targets: Any, whole: Tensor, tolerance: float = 1e-3
) -> bool:
    """Tell whether a loss is the sum over sequences, not their mean.

    The first sequence and the others are asked apart. Where outputs or targets cannot
    be split so, it counts as a mean.
    """
    count = len(targets) if isinstance(targets, Tensor) and targets.ndim else 0
    if not isinstance(outputs, Tensor) or count < 2 or len(outputs) != count:
        return False
    with torch.no_grad():
        try:
            first = loss(outputs[:1], targets[:1])
            others = loss(outputs[1:], targets[1:])
        except WRONG:
            return False
        summed = (first + others - whole).abs()
        mean = ((first + (count - 1) * others) / count - whole).abs()
    return bool(summed < mean) and bool(summed <= tolerance * whole.abs())


def first_line(error: BaseException) -> str:
    """Give the first line of an error's words."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
