"""Fit a network to sequences; return its weights and history, print nothing."""

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Annotated, Literal, final

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn, optim
from torch.nn import functional

from .randomness import Seed, torch_generator
from .tasks import Sequences
from .unroll import Network

# A training loss this many times the targets' power has left every useful region.
DIVERGED = 1e4


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

    model_config = ConfigDict(frozen=True, extra="forbid")

    optimizer: Literal["adamw", "sgd", "momentum", "rmsprop"] = "adamw"
    rate: Annotated[float, Field(gt=0)] = 1e-3
    schedule: Literal["constant", "cosine"] = "constant"
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    epochs: Annotated[int, Field(ge=1)] = 100
    batch: Annotated[int, Field(ge=1)] = 64
    final_batch: Annotated[int, Field(ge=1)] | None = None
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


@dataclass(frozen=True)
class Checkpoint:
    """Weights and optimizer after an epoch.

    Attributes:
        epoch: 0-based.
        validation: mean square error on the validation sequences.
        weights: the network's state dict.
        optimizer: the optimizer's state dict.
    """

    epoch: int
    validation: float
    weights: dict[str, Tensor]
    optimizer: dict


@dataclass(frozen=True)
class Training:
    """What training did.

    Attributes:
        history: by epoch: ``train`` and ``validation`` mean square error, ``rate``,
            ``batch``, ``clipped`` (share of steps whose gradient was clipped).
        best: the checkpoint of the lowest validation error.
        last: the checkpoint after the last epoch that ended finite.
        optimizer: the optimizer, in the state after training.
        outcome: a sentence; says so if training diverged.
        diverged: whether it did.
    """

    history: dict[str, list[float]]
    best: Checkpoint
    last: Checkpoint
    optimizer: optim.Optimizer
    outcome: str
    diverged: bool

    def restore(self, network: Network, checkpoint: Checkpoint) -> None:
        """Put network and optimizer back to a checkpoint."""
        network.load_state_dict(checkpoint.weights)
        self.optimizer.load_state_dict(copy.deepcopy(checkpoint.optimizer))


def mean_square_error(network: Network, data: Sequences) -> float:
    """Give the mean square error over all steps of all sequences."""
    with torch.no_grad():
        return float(functional.mse_loss(network(data.x), data.y))


def r_squared(network: Network, data: Sequences) -> float:
    """Give ``R^2 = 1 - MSE/Var(y)``."""
    return 1 - mean_square_error(network, data) / float(data.y.var(correction=0))


def train(
    network: Network,
    data: Sequences,
    validation: Sequences,
    recipe: Recipe,
    *,
    seed: Seed,
    progress: Callable[[int, float], None] | None = None,
) -> Training:
    """Train a network in place on ``1/2 (yhat - y)^2``, averaged over a batch.

    Args:
        network: what to train; left with the last weights.
        data: what to train on.
        validation: what chooses the best epoch.
        recipe: how.
        seed: NumPy-style seed of the order of the sequences.
        progress: called with the epochs done and the validation error after each.

    Returns:
        History, best and last checkpoint; a diverged run is an outcome, not an error.

    Raises:
        ValueError: if a batch is larger than the data.
    """
    largest = recipe.final_batch or recipe.batch
    if largest > len(data):
        raise ValueError(
            f"a batch of {largest} does not fit into {len(data)} sequences; "
            "make the batch smaller"
        )
    run = _Run(network, make_optimizer(recipe, network.parameters()), recipe)
    generator = torch_generator(seed)
    ceiling = DIVERGED * max(float(data.y.pow(2).mean()), 1e-30)
    run.keep(-1, mean_square_error(network, validation))
    for epoch in range(recipe.epochs):
        loss = run.epoch(epoch, data, generator)
        error = mean_square_error(network, validation)
        if not (loss < ceiling and error < ceiling):  # nan fails both
            return run.result(
                f"training diverged in epoch {epoch + 1} of {recipe.epochs} "
                f"(training loss {loss:.3g}); lower the rate {recipe.rate:g}",
                diverged=True,
            )
        run.history["validation"].append(error)
        run.keep(epoch, error)
        if progress is not None:
            progress(epoch + 1, error)
    best = run.best.epoch + 1
    return run.result(f"trained {recipe.epochs} epochs, best in epoch {best}")


@dataclass
class _Run:
    """The moving parts of one training."""

    network: Network
    optimizer: optim.Optimizer
    recipe: Recipe
    history: dict[str, list[float]] = field(
        default_factory=lambda: {
            name: [] for name in ("train", "validation", "rate", "batch", "clipped")
        }
    )
    checkpoints: dict[str, Checkpoint] = field(default_factory=dict)

    @property
    def best(self) -> Checkpoint:
        return self.checkpoints["best"]

    def epoch(self, epoch: int, data: Sequences, generator: torch.Generator) -> float:
        """Pass once over the data in a new order; give the mean square error."""
        size = self.recipe.batch_at(epoch)
        order = torch.randperm(len(data), generator=generator).to(data.x.device)
        batches = order.split(size)
        total, clipped, rate = 0.0, 0, self.recipe.rate
        for place, batch in enumerate(batches):
            rate = self.recipe.rate_at(
                (epoch + place / len(batches)) / self.recipe.epochs
            )
            loss, cut = self.step(data.x[batch], data.y[batch], rate)
            total += loss * len(batch)
            clipped += cut
        values = (total / len(data), rate, size, clipped / len(batches))
        for name, value in zip(
            ("train", "rate", "batch", "clipped"), values, strict=True
        ):
            self.history[name].append(value)
        return total / len(data)

    def step(self, x: Tensor, y: Tensor, rate: float) -> tuple[float, bool]:
        """Make one step; give the mean square error and whether it was clipped."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad()
        loss = functional.mse_loss(self.network(x), y)
        (0.5 * loss).backward()
        clipped = False
        if self.recipe.clip is not None:
            norm = nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip)
            clipped = bool(norm > self.recipe.clip)
        self.optimizer.step()
        return float(loss.detach()), clipped

    def keep(self, epoch: int, error: float) -> None:
        """Keep this epoch as the last, and as the best if it is."""
        last = Checkpoint(
            epoch=epoch,
            validation=error,
            weights={k: v.clone() for k, v in self.network.state_dict().items()},
            optimizer=copy.deepcopy(self.optimizer.state_dict()),
        )
        self.checkpoints["last"] = last
        if "best" not in self.checkpoints or error < self.best.validation:
            self.checkpoints["best"] = last

    def result(self, outcome: str, *, diverged: bool = False) -> Training:
        return Training(
            history=self.history,
            best=self.best,
            last=self.checkpoints["last"],
            optimizer=self.optimizer,
            outcome=outcome,
            diverged=diverged,
        )
