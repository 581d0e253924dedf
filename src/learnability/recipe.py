"""How to train: one frozen record, and the optimizer that it names."""

import math
from collections.abc import Iterator
from typing import Annotated, Literal, final

from pydantic import BaseModel, Field, model_validator
from torch import nn, optim

from .checked import STRICT, Count

OptimizerName = Literal["adamw", "sgd", "momentum", "rmsprop"]


@final
class Recipe(BaseModel):
    """How to train.

    Attributes:
        optimizer: which of the four.
        rate: learning rate.
        schedule: constant, or cosine from the rate to 0 over all steps.
        weight_decay: of AdamW decoupled, otherwise added to the gradient.
        momentum: of the optimizer ``momentum``.
        epochs: passes over the data.
        batch: sequences in a batch.
        final_batch: sequences in a batch of the last epoch; between first and last it
            grows by a constant factor an epoch. None keeps it constant.
        clip: largest norm of the gradient; None does not clip.
    """

    model_config = STRICT

    optimizer: OptimizerName = "adamw"
    rate: Annotated[float, Field(gt=0)] = 1e-3
    schedule: Literal["constant", "cosine"] = "constant"
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    epochs: Count = 100
    batch: Count = 64
    final_batch: Count | None = None
    clip: Annotated[float, Field(gt=0)] | None = 1.0

    @model_validator(mode="after")
    def _growing(self) -> "Recipe":
        if self.final_batch is not None and self.final_batch < self.batch:
            raise ValueError(
                f"final_batch is {self.final_batch}, below batch {self.batch}; "
                "batches stay or grow"
            )
        return self

    def batch_at(self, epoch: int) -> int:
        """Give the size of a batch in an epoch (0-based)."""
        if self.final_batch is None or self.epochs == 1:
            return self.batch
        growth = (self.final_batch / self.batch) ** (epoch / (self.epochs - 1))
        return round(self.batch * growth)

    def rate_at(self, progress: float) -> float:
        """Give the learning rate after a share of all steps (0 to 1)."""
        if self.schedule == "constant":
            return self.rate
        return self.rate * 0.5 * (1 + math.cos(math.pi * progress))


def make_optimizer(
    recipe: Recipe, parameters: Iterator[nn.Parameter]
) -> optim.Optimizer:
    """Give the optimizer of a recipe."""
    decay = recipe.weight_decay
    match recipe.optimizer:
        case "adamw":
            return optim.AdamW(parameters, lr=recipe.rate, weight_decay=decay)
        case "sgd":
            return optim.SGD(parameters, lr=recipe.rate, weight_decay=decay)
        case "momentum":
            return optim.SGD(
                parameters,
                lr=recipe.rate,
                momentum=recipe.momentum,
                weight_decay=decay,
            )
        case "rmsprop":
            return optim.RMSprop(parameters, lr=recipe.rate, weight_decay=decay)
