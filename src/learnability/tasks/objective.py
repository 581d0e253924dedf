"""What a training makes small: the square error of values, or that of names."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

from torch import Tensor
from torch.nn import functional

Loss = Callable[[Tensor, Tensor], Tensor]


@final
@dataclass(frozen=True)
class Objective:
    """A loss, and the error that its history holds.

    Attributes:
        error: what the error is called.
        each: the loss of outputs and targets, one value per target.
        mean: the error, over all targets.
        factor: of the mean error, which makes it the mean loss.
        scale: about the error of outputs that know nothing of some targets.
    """

    error: str
    each: Loss
    mean: Loss
    factor: float
    scale: Callable[[Tensor], float]


def _half_squares(outputs: Tensor, targets: Tensor) -> Tensor:
    return 0.5 * (outputs - targets) ** 2


def _surprises(outputs: Tensor, targets: Tensor) -> Tensor:
    return functional.cross_entropy(outputs, targets, reduction="none")


def _power(targets: Tensor) -> float:
    return float(targets.pow(2).mean())


def _nat(targets: Tensor) -> float:
    """Return 1: a guess among K names errs by log K nats."""
    del targets
    return 1.0


SQUARE = Objective(
    "mean square error", _half_squares, functional.mse_loss, factor=0.5, scale=_power
)
"""``1/2 (yhat - y)^2``; histories hold the mean of ``(yhat - y)^2``."""
NAMING = Objective(
    "cross-entropy in nats",
    _surprises,
    functional.cross_entropy,
    factor=1.0,
    scale=_nat,
)
"""``-log p(y)`` of logits along the last axis."""
