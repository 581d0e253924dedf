"""Trainings whose time scales are taken now and then, one file each."""

import json
from collections.abc import Callable, Iterable, Iterator
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from learnability.cells import Cell, DiagGate
from learnability.checked import digest
from learnability.compiled import using_threads
from learnability.randomness import stream
from learnability.recipe import GradientNoise, Recipe
from learnability.storage import replace_file
from learnability.tasks import MultiLag, power_law_lags
from learnability.training import r_squared, train
from learnability.transport import Windows, time_scales
from learnability.unroll import Network, unroll

from ..provenance import commit

# A quarter of the published lengths: 1280 steps, lags to 640, scales at lags 64 to 384,
# and a gate that starts at 0.005.
STEPS, INPUTS, GATE = 320, 8, 0.02
LAGS = np.unique(np.geomspace(16, 96, 16).astype(int))
FIXED = {8: 0.6, 16: 0.5, 32: 0.4, 48: 0.32, 64: 0.26}  # coefficients by lag
DRAWN = {"exponent": 0.6, "shortest": 2, "longest": 160}
FALLING = tuple(0.6 * 0.85**k for k in range(16))  # coefficients of lags drawn
SEQUENCES = 128
EPOCHS = 200
TAKEN = (0, 25, 50, 100, 200)  # epochs done when time scales are taken
NOISE = GradientNoise(alpha=1.5, scale=0.2)


class Condition(NamedTuple):
    """What sets a group of trainings apart.

    Attributes:
        heavy: whether lags are drawn from a power law.
        noise: on the gradients.
        clip: largest norm of a gradient.
    """

    heavy: bool = False
    noise: GradientNoise | None = None
    clip: float | None = None


CONDITIONS = {
    "plain": Condition(),
    "noise": Condition(noise=NOISE),
    "noise, clipped": Condition(noise=NOISE, clip=0.05),
    "heavy lags": Condition(heavy=True),
}


class Training(NamedTuple):
    """One training: its condition, units and seed."""

    condition: str
    units: int
    seed: int


def plan(units: Iterable[int], seeds: Iterable[int]) -> list[Training]:
    """Return the trainings of all conditions, the first seed's before the second's."""
    every = product(dict.fromkeys(seeds), dict.fromkeys(units), CONDITIONS)
    return [Training(name, count, seed) for seed, count, name in every]


def run(
    trainings: list[Training],
    folder: Path,
    tell: Callable[[float], None] | None = None,
) -> None:
    """Make all trainings that a folder does not hold yet.

    Args:
        trainings: to be made.
        folder: where they are kept, one file each.
        tell: called with the share of them that is done.
    """
    for done, one in enumerate(trainings):
        path = place(folder, one)
        if not path.exists():
            with using_threads(1):
                record = trained(one) | {"commit": commit()}
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, json.dumps(record).encode())
        if tell is not None:
            tell((done + 1) / len(trainings))


def place(folder: Path, one: Training) -> Path:
    """Return where a training is kept, by the hash of all that decides its numbers."""
    deciding = {
        "training": one,
        "task": task_of(one).model_dump(mode="json"),
        "recipe": recipe_of(one).model_dump(mode="json"),
        "others": [SEQUENCES, GATE, TAKEN, LAGS.tolist()],
    }
    name = one.condition.replace(", ", "-").replace(" ", "-")
    return folder / f"{name}-{one.units}-{one.seed}-{digest(deciding)[:8]}.json"


def kept(folder: Path, trainings: Iterable[Training]) -> Iterator[dict[str, Any]]:
    """Yield the records of those trainings that are there."""
    for path in (place(folder, one) for one in trainings):
        if path.exists():
            yield json.loads(path.read_text())


def task_of(one: Training) -> MultiLag:
    """Return the task of a training; lags that are drawn are drawn by its seed."""
    lags = FIXED
    if CONDITIONS[one.condition].heavy:
        drawn = power_law_lags(
            len(FALLING), **DRAWN, seed=stream(one.seed, "task lags")
        )
        lags = dict(zip(drawn, FALLING, strict=True))
    return MultiLag(
        lags=tuple(lags),
        coefficients=tuple(lags.values()),
        noise=0.3,
        inputs=INPUTS,
        steps=STEPS,
    )


def recipe_of(one: Training) -> Recipe:
    """Return how to train."""
    condition = CONDITIONS[one.condition]
    return Recipe(
        optimizer="sgd",
        learning_rate=0.5,
        epochs=EPOCHS,
        batch_size=32,
        clip=condition.clip,
        noise=condition.noise,
    )


def trained(one: Training) -> dict[str, Any]:
    """Train, and take the time scales of all units now and then.

    Args:
        one: which training.

    Returns:
        The training, its lags, outcome, whether it diverged, the share of clipped steps
        by epoch, R² and the best that can be, and by number of epochs done the time
        scale of every unit in steps.
    """
    task, seed = task_of(one), one.seed
    direction = task.direction(stream(seed, "task direction"))
    data, validation = (
        task.draw(SEQUENCES, seed=stream(seed, purpose), direction=direction)
        for purpose in ("training", "validation")
    )
    start = {"layernorm": False, "seed": stream(seed, "weights")}
    cell = DiagGate(INPUTS, one.units, s0=GATE, **start)
    network = Network(cell, seed=stream(seed, "read-out"))
    scales = {0: unit_scales(cell, data.x).tolist()}

    def take(done: int, error: float) -> None:
        del error
        if done in TAKEN:
            scales[done] = unit_scales(cell, data.x).tolist()

    found = train(
        network,
        data,
        validation,
        recipe_of(one),
        seed=stream(seed, "batches"),
        progress=take,
    )
    found.restore(network, found.last)
    return {
        "training": one._asdict(),
        "lags": list(task.lags),
        "outcome": found.outcome,
        "diverged": found.diverged,
        "clipped": found.history["clipped"],
        "r2": r_squared(network, validation),
        "ceiling": task.ceiling,
        "scales": scales,
    }


def unit_scales(
    cell: Cell, x: Float[Tensor, "sequence step input"]
) -> Float[np.ndarray, "unit"]:
    """Return the time scale of every unit, ``tau_q = -1/slope``.

    The slope is that of the least-squares line through ``E log |mu_{t,l}[q]|`` at lags
    l of 16 to 96 steps. The mean is over sequences and windows, mu is what order
    first lets arrive of a perturbation l steps ago. No floor is put under ``|mu|``: a
    lag at which it underflows is left out. A unit that does not decay has an infinite
    scale, one that is gone at once nan.

    Args:
        cell: the recurrence.
        x: inputs.

    Source: Livi 2026 (arXiv 2606.29519), which puts a floor of 1e-30 under ``|mu|``.
    """
    windows = Windows(cell, LAGS.tolist())
    with torch.no_grad():
        windows.add(x, unroll(cell, x))
    return time_scales(LAGS, windows.result()["first"].unit_typical)
