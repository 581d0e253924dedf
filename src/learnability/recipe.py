"""How to train: one frozen record, and the optimizer that it names."""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any, Literal, final

import numpy as np
import torch
from pydantic import (
    BaseModel,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)
from torch import nn, optim

from .checked import STRICT, Count, Positive, in_any_case
from .stable import sample

OPTIMIZERS = ("adamw", "sgd", "momentum", "rmsprop")
OptimizerName = Annotated[
    Literal["adamw", "sgd", "momentum", "rmsprop"], in_any_case(OPTIMIZERS)
]


@final
class GradientNoise(BaseModel):
    """Symmetric alpha-stable noise on the gradient of every step.

    ``g <- g + scale * rms(g) * xi`` of each weight, ``E exp(i u xi) = exp(-|u|^alpha)``
    independently for its numbers. A recipe's clip comes after it.

    Attributes:
        alpha: tail index, 0.5 to 2; at 2 the noise is Gaussian, of variance 2.
        scale: of the noise, in root mean squares of the weight's gradient.

    Example:
        >>> recipe = Recipe(optimizer="sgd", noise=GradientNoise(alpha=1.5), clip=None)
        >>> recipe.noise
        GradientNoise(alpha=1.5, scale=1.0)
    """

    model_config = STRICT

    alpha: Annotated[float, Field(ge=0.5, le=2)] = 1.5
    scale: Positive = 1.0

    def add_to(self, parameters: Iterable[nn.Parameter], seed: Sequence[int]) -> None:
        """Add noise to the gradients that there are.

        Args:
            parameters: with gradients; changed in place.
            seed: whole numbers, at least 0, which fix the noise.
        """
        rng = np.random.default_rng(seed)
        for weight in parameters:
            if weight.grad is not None:
                xi = sample(self.alpha, tuple(weight.shape), seed=rng)
                size = self.scale * weight.grad.square().mean().sqrt()
                weight.grad += size * torch.as_tensor(xi).to(weight.grad)


@final
class Recipe(BaseModel):
    """How to train.

    Attributes:
        optimizer: which of the four.
        learning_rate: at the first step.
        schedule: constant, or cosine from the learning rate to 0 over all steps.
        weight_decay: of AdamW decoupled, otherwise added to the gradient.
        momentum: of the optimizer ``momentum``.
        epochs: passes over the data.
        batch_size: sequences in a batch.
        final_batch_size: sequences in a batch of the last epoch; between first and last
            it grows by a constant factor an epoch. None keeps it constant.
        clip: largest norm of the gradient; None does not clip.
        noise: on the gradients, before they are clipped; None adds none, and no dump
            holds it, as files of before do not.
    """

    model_config = STRICT

    optimizer: OptimizerName = "adamw"
    learning_rate: Positive = 1e-3
    schedule: Literal["constant", "cosine"] = "constant"
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    epochs: Count = 100
    batch_size: Count = 64
    final_batch_size: Count | None = None
    clip: Positive | None = 1.0
    noise: GradientNoise | None = None

    @model_serializer(mode="wrap")
    def _without_no_noise(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields = dump(self)
        if self.noise is None:
            fields.pop("noise", None)
        return fields

    @model_validator(mode="after")
    def _growing(self) -> "Recipe":
        if (
            self.final_batch_size is not None
            and self.final_batch_size < self.batch_size
        ):
            raise ValueError(
                f"final_batch_size is {self.final_batch_size}, below batch_size "
                f"{self.batch_size}; batches stay or grow"
            )
        return self

    @property
    def largest_batch(self) -> int:
        """Return the size of a batch of the last epoch, than which none is larger."""
        return self.final_batch_size or self.batch_size

    def batch_at(self, epoch: int) -> int:
        """Return the size of a batch in an epoch (0-based)."""
        if self.final_batch_size is None or self.epochs == 1:
            return self.batch_size
        growth = (self.final_batch_size / self.batch_size) ** (
            epoch / (self.epochs - 1)
        )
        return round(self.batch_size * growth)

    def rate_at(self, progress: float) -> float:
        """Return the learning rate after a share of all steps (0 to 1)."""
        if self.schedule == "constant":
            return self.learning_rate
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))


def make_optimizer(
    recipe: Recipe, parameters: Iterator[nn.Parameter]
) -> optim.Optimizer:
    """Return the optimizer of a recipe."""
    rate, decay = recipe.learning_rate, recipe.weight_decay
    match recipe.optimizer:
        case "adamw":
            return optim.AdamW(parameters, lr=rate, weight_decay=decay)
        case "sgd":
            return optim.SGD(parameters, lr=rate, weight_decay=decay)
        case "momentum":
            return optim.SGD(
                parameters,
                lr=rate,
                momentum=recipe.momentum,
                weight_decay=decay,
            )
        case "rmsprop":
            return optim.RMSprop(parameters, lr=rate, weight_decay=decay)
