"""One run: an architecture is trained on the task and diagnosed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
import xarray as xr

from ..diagnosis import Diagnosis, diagnose_network
from ..randomness import stream
from ..tasks import Sequences, learnt_shares
from ..training import Training, r_squared, train
from ..unroll import Network
from .settings import Architecture, Settings

Progress = Callable[[str, float], None]


@final
@dataclass(frozen=True)
class Run:
    """What one architecture did.

    Attributes:
        diagnosis: at the best weights; its tree also has the group ``training``.
        weights: the best weights by name.
    """

    diagnosis: Diagnosis
    weights: dict[str, torch.Tensor]


@dataclass(frozen=True)
class StudyData:
    """The sequences of a study, the same for all of its architectures."""

    direction: torch.Tensor
    training: Sequences
    validation: Sequences
    diagnosis: Sequences


def draw_data(settings: Settings) -> StudyData:
    """Draw all sequences, each set from a stream of its own."""
    task, seed = settings.task, settings.seed
    direction = task.direction(stream(seed, "task direction"))
    sets = {
        purpose: task.draw(count, seed=stream(seed, purpose), direction=direction)
        for purpose, count in (
            ("training", settings.training_sequences),
            ("validation", settings.validation_sequences),
            ("diagnosis", settings.diagnosis_sequences),
        )
    }
    return StudyData(direction, **sets)


def run_settings(settings: Settings, architecture: Architecture) -> Settings:
    """Give the settings of one run: the study's, with its architecture alone."""
    return settings.model_copy(update={"architectures": (architecture,)})


def run_architecture(
    settings: Settings,
    architecture: Architecture,
    data: StudyData,
    *,
    progress: Progress,
) -> Run:
    """Train and diagnose one architecture of a study.

    Every random stream depends on the study's seed and on its purpose only, so that
    neither other architectures nor their order change a number.

    Args:
        settings: the study.
        architecture: one of its architectures.
        data: the study's sequences.
        progress: called with the name of a stage and the share of it that is done.
    """
    seed, recipe = settings.seed, settings.recipe
    cell = architecture.build(settings.task.inputs, stream(seed, "weights"))
    network = Network(cell, seed=stream(seed, "read-out"))
    training = train(
        network,
        data.training,
        data.validation,
        recipe,
        seed=stream(seed, "batches"),
        progress=lambda epochs, _: progress("training", epochs / recipe.epochs),
    )
    training.restore(network, training.best)
    diagnosis = diagnose_network(
        network,
        data.diagnosis,
        settings.lags,
        seed=seed,
        direction=data.direction,
        optimizer=training.optimizer if training.best.epoch >= 0 else None,
        measures=settings.measures,
        progress=progress,
    )
    group = _training_group(settings, network, data, training)
    tree = diagnosis.tree.assign({"training": xr.DataTree(group)})
    own = run_settings(settings, architecture)
    tree.attrs |= {"settings": own.to_toml(), "identity": own.identity()}
    return Run(Diagnosis(tree), training.best.weights)


def _training_group(
    settings: Settings, network: Network, data: StudyData, training: Training
) -> xr.Dataset:
    task, fresh = settings.task, data.validation
    with torch.no_grad():
        shares = learnt_shares(task, fresh.x, network(fresh.x), data.direction)
    history = {
        name: ("epoch", np.array(values[: len(training.history["validation"])]))
        for name, values in training.history.items()
    }
    group = xr.Dataset(
        {**history, "learnt_share": ("task_lag", shares)},
        coords={"task_lag": list(task.lags)},
    )
    group.attrs = {
        "outcome": training.outcome,
        "diverged": int(training.diverged),
        "best_epoch": training.best.epoch + 1,
        "r2": r_squared(network, fresh),
        "ceiling": task.ceiling,
    }
    return group
