"""Losses: by name, of shapes that are the same, or anything that gives a number."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from .refusal import WRONG, UnsupportedModelError, first_line
from .trees import shapes

Loss = Callable[[Any, Any], Tensor]


def mean_square(outputs: Any, targets: Tensor) -> Tensor:
    """Give the mean square error, shapes the same or apart by an axis of one."""
    z = first(outputs)
    y = targets.to(z.dtype)
    if z.ndim == y.ndim + 1 and z.shape[-1] == 1:
        z = z[..., 0]
    elif y.ndim == z.ndim + 1 and y.shape[-1] == 1:
        y = y[..., 0]
    if z.shape != y.shape:
        raise ValueError(f"outputs {tuple(z.shape)}, targets {tuple(y.shape)}")
    return functional.mse_loss(z, y)


def cross_entropy(outputs: Any, targets: Tensor) -> Tensor:
    """Give the cross-entropy of classes; the last axis of the outputs is theirs."""
    z = first(outputs)
    if targets.is_floating_point() or targets.shape != z.shape[:-1]:
        raise ValueError(
            f"outputs {tuple(z.shape)}, targets {tuple(targets.shape)} of "
            f"{targets.dtype}, not whole-numbered classes of all but the last axis"
        )
    return functional.cross_entropy(z.flatten(0, -2), targets.flatten())


LOSSES: dict[str, Callable[[Any, Tensor], Tensor]] = {
    "mse": mean_square,
    "ce": cross_entropy,
}


def named(loss: Any) -> Callable[[Any, Any], Tensor]:
    """Return a loss by its name, or the callable that it is.

    Raises:
        ValueError: if it is neither.
    """
    if isinstance(loss, str) and loss in LOSSES:
        return LOSSES[loss]
    if not callable(loss):
        raise UnsupportedModelError(
            f"the loss is {loss!r}; give 'mse', 'ce' or a callable"
        )
    return loss  # pyright: ignore[reportReturnType]


def first(outputs: Any) -> Tensor:
    """Give the first tensor of what a model gave, such as a layer's output."""
    while isinstance(outputs, tuple | list) and outputs:
        outputs = outputs[0]
    if not isinstance(outputs, Tensor):
        raise TypeError(f"the model gave a {type(outputs).__name__}, not a tensor")
    return outputs


def value_of(loss: Loss, outputs: Any, targets: Any) -> Tensor:
    """Return a loss of outputs and targets.

    Raises:
        ValueError: if it cannot take them, is no number, or not finite.
    """
    try:
        value = loss(outputs, targets)
    except WRONG as error:
        raise UnsupportedModelError(
            f"the loss cannot take outputs of shape {shapes(outputs)} and targets "
            f"of shape {shapes(targets)} ({first_line(error)}); make them match"
        ) from error
    if not isinstance(value, Tensor):
        raise UnsupportedModelError(
            f"the loss gave a {type(value).__name__}; it must give a tensor"
        )
    if not torch.isfinite(value).all():
        raise UnsupportedModelError(
            "the loss is not finite, with its own targets or with those of other "
            "sequences; look for NaN or infinity in weights and data, and fill targets "
            "that a mask leaves out, y.nan_to_num()"
        )
    return value
