"""Sequences of inputs and targets: the record that all of the library takes."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from ..randomness import Seed, torch_generator


@dataclass(frozen=True)
class Sequences:
    """Inputs (sequence, step, input) and targets.

    Targets are values (sequence, step), or names as whole numbers: of every step, or of
    every sequence (sequence,).

    Raises:
        ValueError: if there is none, sizes disagree, or a value is not finite.
    """

    x: Float[Tensor, "..."]
    y: Shaped[Tensor, "..."]

    def __post_init__(self) -> None:
        if self.x.numel() == 0:
            raise ValueError(
                f"the data are empty (shape {tuple(self.x.shape)}); give sequences"
            )
        named = self.y.ndim == 1 and not self.y.is_floating_point()
        if self.x.shape[: 1 if named else 2] != self.y.shape:
            raise ValueError(
                f"inputs have shape {tuple(self.x.shape)} but targets "
                f"{tuple(self.y.shape)}; sequences and steps must agree"
            )
        for name, values in (("inputs", self.x), ("targets", self.y)):
            bad = ~torch.isfinite(values)
            if bad.any():
                where = tuple(int(i) for i in bad.nonzero()[0])
                raise ValueError(
                    f"the {name} hold {values[where].item()} at {where}; "
                    "remove or impute what is not finite"
                )

    def __len__(self) -> int:
        return len(self.x)

    def to(self, device: torch.device | str) -> "Sequences":
        """Return the same sequences on a device; they themselves if they lie there.

        Args:
            device: such as "cuda".
        """
        x, y = self.x.to(device), self.y.to(device)
        return self if x is self.x and y is self.y else Sequences(x, y)

    def permuted(self, seed: Seed) -> "Sequences":
        """Return the same sequences, each with the targets of another, at random.

        Raises:
            ValueError: if there is one sequence alone.

        Example:
            >>> numbers = torch.arange(4.0)[:, None]
            >>> dealt = Sequences(numbers[..., None], numbers).permuted(seed=0)
            >>> bool((dealt.y != numbers).all())
            True
        """
        if len(self) < 2:
            raise ValueError("one sequence has no other to take targets from; give two")
        order = torch.randperm(len(self), generator=torch_generator(seed))
        order = order.to(self.y.device)
        dealt = torch.empty_like(self.y)
        dealt[order] = self.y[order.roll(1)]  # around one ring: nobody keeps its own
        return Sequences(self.x, dealt)
