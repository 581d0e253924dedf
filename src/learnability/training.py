"""Fit a network to sequences; return its weights and history, print nothing."""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn, optim

from .cells.base import split
from .randomness import Seed, torch_generator
from .recipe import Recipe, make_optimizer
from .tasks import SQUARE, Objective, Sequences
from .unroll import Model, Network

# An error so many times that of who knows nothing has left every useful region.
DIVERGED = 1e4


@dataclass(frozen=True)
class Checkpoint:
    """Weights and optimizer after an epoch.

    Attributes:
        epoch: 0-based.
        validation: error on the validation sequences.
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
        history: by epoch that ended finite: ``train`` and ``validation``, the
            objective's error; ``rate``, ``batch``, ``clipped`` (share of steps whose
            gradient was clipped).
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

    def restore(self, network: Model, checkpoint: Checkpoint) -> None:
        """Put network and optimizer back to a checkpoint."""
        network.load_state_dict(checkpoint.weights)
        self.optimizer.load_state_dict(copy.deepcopy(checkpoint.optimizer))


@dataclass(frozen=True)
class Snapshot:
    """All that a training at work needs to go on, bit for bit.

    Attributes:
        epoch: the one at work, 0-based.
        place: batches of it that are done.
        total: sum of the errors of its sequences so far.
        clipped: its batches so far whose gradient was clipped.
        order: state of the generator before it drew the epoch's order.
        now: weights and optimizer as they are.
        best: the checkpoint of the lowest validation error.
        last: the checkpoint after the last epoch that ended.
        history: of the epochs that ended.
    """

    epoch: int
    place: int
    total: float
    clipped: int
    order: Tensor
    now: Checkpoint
    best: Checkpoint
    last: Checkpoint
    history: dict[str, list[float]]

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> "Snapshot":
        """Return the snapshot of which `dataclasses.asdict` made a record.

        Args:
            record: nested dicts.
        """
        points = {n: Checkpoint(**record[n]) for n in ("now", "best", "last")}
        return cls(**{**record, **points})


Save = Callable[[Callable[[], Snapshot]], None]
"""Called after every step with what takes a snapshot; taking one costs a copy."""


def mean_error(network: Model, data: Sequences, objective: Objective) -> float:
    """Return the error over all targets of all sequences."""
    return float(objective.mean(predicted(network, data.x), data.y))


def mean_square_error(network: Network, data: Sequences) -> float:
    """Return the mean square error over all steps of all sequences."""
    return mean_error(network, data, SQUARE)


def predicted(
    network: Model, x: Float[Tensor, "sequence step input"]
) -> Float[Tensor, "sequence output"]:
    """Return the outputs for sequences of any number, without gradients."""
    with torch.no_grad():
        return torch.cat([network(x[part]) for part in split(network.cell, x)])


def r_squared(network: Network, data: Sequences) -> float:
    """Return ``R^2 = 1 - MSE/Var(y)``, nan where the targets are constant."""
    variance = float(data.y.var(correction=0))
    return 1 - mean_square_error(network, data) / variance if variance else math.nan


def train(
    network: Model,
    data: Sequences,
    validation: Sequences,
    recipe: Recipe,
    *,
    seed: Seed,
    objective: Objective = SQUARE,
    progress: Callable[[int, float], None] | None = None,
    start: Snapshot | None = None,
    save: Save | None = None,
) -> Training:
    """Train a network in place on a loss averaged over a batch.

    A training that goes on from a snapshot ends with the same bits as one that was
    left alone.

    Args:
        network: what to train; left with the last weights.
        data: what to train on.
        validation: what chooses the best epoch.
        recipe: how.
        seed: NumPy-style seed of the order of the sequences.
        objective: what is made small: ``1/2 (yhat - y)^2`` unless given, or that of the
            task.
        progress: called with the epochs done and the validation error after each.
        start: where an interrupted training goes on, of the same data and recipe.
        save: may take a `Snapshot` after every step.

    Returns:
        History, best and last checkpoint; a diverged run is an outcome, not an error.

    Raises:
        ValueError: if a batch is larger than the data.
    """
    largest = recipe.largest_batch
    if largest > len(data):
        raise ValueError(
            f"a batch of {largest} does not fit into {len(data)} sequences; "
            "make the batch smaller"
        )
    run = _Run(
        network,
        make_optimizer(recipe, network.parameters()),
        recipe,
        torch_generator(seed),
        objective,
        save,
    )
    ceiling = DIVERGED * max(objective.scale(data.y), 1e-30)
    if start is None:
        run.keep(-1, mean_error(network, validation, objective))
    else:
        run.resume(start)
    for epoch in range(run.now.epoch, recipe.epochs):
        row = run.epoch(data)
        loss, error = row["train"], mean_error(network, validation, objective)
        if not (loss < ceiling and error < ceiling):  # nan fails both
            return run.result(
                f"training diverged in epoch {epoch + 1} of {recipe.epochs} "
                f"(training loss {loss:.3g}); lower the learning rate "
                f"{recipe.learning_rate:g}",
                diverged=True,
            )
        run.end_epoch({**row, "validation": error})
        if progress is not None:
            progress(epoch + 1, error)
    best = run.best.epoch + 1
    return run.result(f"trained {recipe.epochs} epochs, best in epoch {best}")


@dataclass
class _Progress:
    """Where a training is: an epoch, and what its batches added up to so far."""

    order: Tensor
    epoch: int = 0
    place: int = 0
    total: float = 0.0
    clipped: int = 0


@dataclass
class _Run:
    """The moving parts of one training."""

    network: Model
    optimizer: optim.Optimizer
    recipe: Recipe
    generator: torch.Generator
    objective: Objective
    save: Save | None
    history: dict[str, list[float]] = field(
        default_factory=lambda: {
            name: [] for name in ("train", "validation", "rate", "batch", "clipped")
        }
    )
    checkpoints: dict[str, Checkpoint] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.now = _Progress(self.generator.get_state())

    @property
    def best(self) -> Checkpoint:
        return self.checkpoints["best"]

    def resume(self, start: Snapshot) -> None:
        """Go on where a snapshot was taken."""
        self.network.load_state_dict(start.now.weights)
        self.optimizer.load_state_dict(copy.deepcopy(start.now.optimizer))
        self.generator.set_state(start.order)
        self.checkpoints = {"best": start.best, "last": start.last}
        self.history = {name: list(values) for name, values in start.history.items()}
        self.now = _Progress(
            start.order, start.epoch, start.place, start.total, start.clipped
        )

    def snapshot(self) -> Snapshot:
        last = self.checkpoints["last"]
        return Snapshot(
            **vars(self.now),
            now=self.checkpoint(self.now.epoch, last.validation),
            best=self.best,
            last=last,
            history={name: list(values) for name, values in self.history.items()},
        )

    def epoch(self, data: Sequences) -> dict[str, float]:
        """Pass over what is left of the data in a new order; give the epoch's numbers.

        They are ``train``, ``rate``, ``batch`` and ``clipped``.
        """
        now = self.now
        size = self.recipe.batch_at(now.epoch)
        order = torch.randperm(len(data), generator=self.generator).to(data.x.device)
        batches, key = order.split(size), self.noise_key()

        def rate(place: int) -> float:
            part = place / len(batches)
            return self.recipe.rate_at((now.epoch + part) / self.recipe.epochs)

        for batch in batches[now.place :]:
            given = data.x[batch], data.y[batch], rate(now.place)
            error, cut = self.step(*given, (key, now.place))
            now.total += error * len(batch)
            now.clipped += cut
            now.place += 1
            if self.save is not None:
                self.save(self.snapshot)
        return {
            "train": now.total / len(data),
            "rate": rate(len(batches) - 1),
            "batch": size,
            "clipped": now.clipped / len(batches),
        }

    def end_epoch(self, row: dict[str, float]) -> None:
        """Take down the epoch's numbers and begin the next one."""
        for name, values in self.history.items():
            values.append(row[name])
        self.keep(self.now.epoch, row["validation"])
        self.now = _Progress(self.generator.get_state(), self.now.epoch + 1)

    def noise_key(self) -> int:
        """Draw what fixes an epoch's noise; without noise nothing is drawn."""
        if self.recipe.noise is None:
            return 0
        return int(torch.randint(2**63 - 1, (), generator=self.generator))

    def step(
        self, x: Tensor, y: Tensor, rate: float, seed: tuple[int, int]
    ) -> tuple[float, bool]:
        """Make one step; give the error and whether the gradient was clipped.

        The seed is that of the noise.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad()
        error = self.objective.mean(self.network(x), y)
        (self.objective.factor * error).backward()
        if self.recipe.noise is not None:
            self.recipe.noise.add_to(self.network.parameters(), seed)
        clipped = False
        if self.recipe.clip is not None:
            norm = nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip)
            clipped = bool(norm > self.recipe.clip)
        self.optimizer.step()
        return float(error.detach()), clipped

    def checkpoint(self, epoch: int, error: float) -> Checkpoint:
        return Checkpoint(
            epoch=epoch,
            validation=error,
            weights={k: v.clone() for k, v in self.network.state_dict().items()},
            optimizer=copy.deepcopy(self.optimizer.state_dict()),
        )

    def keep(self, epoch: int, error: float) -> None:
        """Keep this epoch as the last, and as the best if it is."""
        last = self.checkpoint(epoch, error)
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
