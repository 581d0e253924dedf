"""What is trained in the third round, stated before any of it was."""

import itertools

import numpy as np

from learnability.study.run import Architecture
from learnability.tasks import Bands, blurred, sharp
from learnability.tasks.bands import Band, make_band

from ..calibration.settings import Family, RunSettings

STEPS, INPUTS, UNITS = 48, 4, 24
SAMPLES, SEEDS = (64, 256), (4, 5)
LOOKS = (20, 40)  # updates: 2.5 and 5 % of 800
LAGS = 41  # of the kernel, from 0 on
AVERAGED = 10  # updates whose weights are averaged
PACE_LAG, PACE_STRENGTH, PACE_SAMPLES, PACE_SEED = 8, 0.8, 256, 9
EDGES = (1, 3, 6, 9, 13, 18, 24, 32)

CELLS = {
    "GRU": Architecture(cell="GRU", units=UNITS, gate=0.1),
    "LSTM": Architecture(cell="LSTM", units=UNITS, gate=0.8),
    "DiagGate": Architecture(cell="DiagGate", units=UNITS, gate=0.1),
    # With the start of torch.nn.GRU.
    "GRU uniform": Architecture(
        cell="GRU", units=UNITS, layernorm=False, init="uniform", gate=0.5
    ),
}


def families() -> tuple[Family, ...]:
    """Return the tasks: none of them was in an earlier round or looked at."""
    delays = (1, 3, 5, 7, 10, 14, 20)
    lags = np.arange(1, 32)
    every = {
        "other delays": sharp(delays, coefficient=0.35, **_level(0.3)),
        "other delays, noisy": sharp(delays, coefficient=0.35, **_level(1.0)),
        "wide bands": blurred(
            (1, 3, 6, 10, 15, 21, 28), coefficient=0.4, **_level(0.8)
        ),
        "ringing": _shaped(
            np.exp(-lags / 12) * np.cos(2 * np.pi * lags / 14), _level(0.8)
        ),
        "hump": _shaped(np.exp(-((lags - 12) ** 2) / 98), _level(0.8)),
        "delays on a kernel": Bands(
            bands=(
                *_cut(np.exp(-lags / 4), (1, 2, 4, 7), 0.8),
                *_single((12, 20), 0.4),
            ),
            **_level(0.4),
        ),
    }
    return tuple(Family(name=name, task=task) for name, task in every.items())


def _level(noise: float) -> dict:
    return {"noise": noise, "inputs": INPUTS, "steps": STEPS}


def _single(lags: tuple[int, ...], coefficient: float) -> list[Band]:
    return [make_band(range(lag, lag + 1), [1.0], coefficient) for lag in lags]


def _cut(kernel: np.ndarray, edges: tuple[int, ...], size: float) -> list[Band]:
    """Return a kernel over the lags from 1 on as bands between edges.

    Args:
        kernel: of any size.
        edges: first lags of the bands, and the lag after the last one.
        size: root of the sum of its squares.
    """
    own = kernel[: edges[-1] - 1]
    own = own * size / np.sqrt((own**2).sum())
    parts = [(range(a, b), own[a - 1 : b - 1]) for a, b in itertools.pairwise(edges)]
    return [
        make_band(span, part.tolist(), float(np.sqrt((part**2).sum())))
        for span, part in parts
    ]


def _shaped(kernel: np.ndarray, level: dict) -> Bands:
    return Bands(bands=tuple(_cut(kernel, EDGES, 1.0)), **level)


def plan() -> list[RunSettings]:
    """Return all trainings, both seeds of one after the other.

    Every round has each family at each N once, with another cell than before.

    Example:
        >>> len(plan()), len({run.identity() for run in plan()})
        (96, 96)
    """
    labels = list(CELLS)
    return [
        _run(family, labels[(turn + i + j) % len(labels)], n, seed)
        for turn in range(len(labels))
        for i, n in enumerate(SAMPLES)
        for j, family in enumerate(families())
        for seed in SEEDS
    ]


def paces() -> list[RunSettings]:
    """Return the trainings on a single delay, one for each cell."""
    task = sharp((PACE_LAG,), coefficient=PACE_STRENGTH, **_level(0.3))
    family = Family(name="single delay", task=task)
    return [_run(family, label, PACE_SAMPLES, PACE_SEED) for label in CELLS]


def _run(family: Family, label: str, samples: int, seed: int) -> RunSettings:
    return RunSettings(
        family=family,
        label=label,
        architecture=CELLS[label],
        samples=samples,
        seed=seed,
    )
