"""What a study trains on a task of either kind, and what is told of it in the end."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float

from ..randomness import stream
from ..tasks import Cued, MultiLag, Recall, Sequences, Task, learnt_shares
from ..training import Training, predicted, r_squared
from ..unroll import Classifier, Model, Network
from .run import RunData, RunSettings

# What a record holds beside what it says of each lag of the task.
HISTORY, ATTRIBUTES = "history", "attributes"


class Learnt(NamedTuple):
    """What a network has learnt of a task.

    Attributes:
        by_lag: one value per lag of the task, the learnt share among them.
        attributes: in all.
    """

    by_lag: dict[str, Float[np.ndarray, "lag"]]
    attributes: Mapping[str, float | str]


def new_network(run: RunSettings) -> Model:
    """Return the network of a run with its first weights.

    Args:
        run: its settings.
    """
    task = run.task
    cell = run.architecture.build(task.inputs, stream(run.seed, "weights"))
    seed = stream(run.seed, "read-out")
    if isinstance(task, Recall):
        return Classifier(cell, task.tokens, seed=seed)
    return Network(cell, seed=seed)


def learnt(
    task: Task, network: Model, fresh: Sequences, direction: torch.Tensor | None
) -> Learnt:
    """Return what a network has learnt of a task, on fresh sequences.

    Args:
        task: the task.
        network: at its best weights.
        fresh: sequences of the task.
        direction: the task's direction, if it has one.
    """
    outputs = predicted(network, fresh.x)
    match task, fresh, network, direction:
        case Recall(), Cued(), _, _:
            by_lag, facts = task.measured(fresh, outputs)
            return Learnt(by_lag, {**facts, "error": task.objective.error})
        case MultiLag(), _, Network(), torch.Tensor():
            shares = learnt_shares(task, fresh.x, outputs, direction)
            fit = {"r2": r_squared(network, fresh), "ceiling": task.ceiling}
            return Learnt({"learnt_share": shares}, fit)
        case _:
            raise TypeError(f"{type(network).__name__} was not trained on this task")


def record_of(
    run: RunSettings, network: Model, data: RunData, training: Training, device: str
) -> dict[str, Any]:
    """Return what is to be known of a training, as plain values.

    Args:
        run: its settings.
        network: at its best weights.
        data: of the run.
        training: what it did.
        device: where it was trained.
    """
    found = learnt(run.task, network, data.validation, data.direction)
    ended = len(training.history["validation"])
    return {
        HISTORY: {name: v[:ended] for name, v in training.history.items()},
        **{name: values.tolist() for name, values in found.by_lag.items()},
        ATTRIBUTES: {
            "outcome": training.outcome,
            "diverged": int(training.diverged),
            "best_epoch": training.best.epoch + 1,
            **found.attributes,
            "device": device,
        },
    }


def training_group(run: RunSettings, record: dict[str, Any]) -> xr.Dataset:
    """Return the record of a training as labelled arrays.

    Args:
        run: its settings.
        record: of `record_of`.
    """
    by_lag = {n: v for n, v in record.items() if n not in (HISTORY, ATTRIBUTES)}
    return xr.Dataset(
        {n: ("epoch", np.array(v)) for n, v in record[HISTORY].items()}
        | {n: ("task_lag", np.array(v)) for n, v in by_lag.items()},
        coords={"task_lag": list(run.task.lags)},
        attrs=record[ATTRIBUTES],
    )
