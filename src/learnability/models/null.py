"""The second question about a batch: what do the targets alone ask for?"""

from collections.abc import Callable
from typing import Any, final

import torch
from torch import Tensor

from .record import Batch, Recorder
from .refusal import Refusal
from .trees import leaves, mapped


@final
class Null:
    """The loss's gradient at constant outputs, centred: the targets and nothing else.

    For squared loss it is ``ybar - y`` up to a factor, for cross-entropy the shares of
    the classes minus the target's.

    Args:
        recorder: the model and its loss.
    """

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.found: list[list[Tensor | None]] = []
        self.constant: list[Tensor] | None = None

    def add(self, batch: Batch) -> None:
        """Take a batch in; the recorder has run it last then."""
        with torch.no_grad():
            outputs = self.recorder.run(batch)
        self.recorder.check_called()
        if self.constant is None:
            self.constant = [self._mean(z) for z in leaves(outputs)]
        self.found.append(self._gradient(outputs, batch, self.constant))

    def _axes(self, z: Tensor) -> list[int]:
        """Give the axes of sequences and steps, known by their lengths."""
        seen = [s for tap in self.recorder.taps if (s := tap.seen()) is not None]
        sizes = {size for s in seen for size in s.x.shape[:2]}
        return [d for d, size in enumerate(z.shape) if size in sizes]

    def _mean(self, z: Tensor) -> Tensor:
        axes = self._axes(z)
        return z.mean(dim=axes, keepdim=True) if axes else z

    def _gradient(
        self, outputs: Any, batch: Batch, constant: list[Tensor]
    ) -> list[Tensor | None]:
        """Give the gradient of a batch's losses at the constant outputs."""
        values = iter(constant)
        flat: list[Tensor] = []

        def put(z: Tensor) -> Tensor:
            value = next(values)
            if value.ndim != z.ndim:
                raise Refusal("the model's outputs change their form between batches")
            flat.append(value.expand_as(z).clone().requires_grad_())
            return flat[-1]

        total = self.recorder.losses(mapped(outputs, put), batch)
        if not total.requires_grad:
            return [None] * len(flat)
        return list(torch.autograd.grad(total, flat, allow_unused=True))

    def centre(self) -> None:
        """Take off the mean over all places at which the loss looks, of all batches."""
        for k in range(len(self.found[0])):
            rows = [row[k] for row in self.found]
            whole = [g for g in rows if g is not None]
            if not whole:
                continue
            axes = self._axes(whole[-1])
            total = sum(g.sum(dim=axes, keepdim=True) if axes else g for g in whole)
            there = sum(
                (g != 0).sum(dim=axes, keepdim=True) if axes else (g != 0)
                for g in whole
            )
            mean = total / there.clamp(min=1)  # pyright: ignore
            for row, g in zip(self.found, rows, strict=True):
                if g is not None:
                    row[k] = torch.where(g != 0, g - mean, 0.0)

    def of(self, place: int) -> Callable[[Any], list[Tensor | None]]:
        """Give the second question about one of the batches."""
        return lambda outputs: self.found[place]
