"""One training: what is predicted after its warm-up, and what is learnt."""

import copy
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from learnability.detection.samples import SamplesNeeded, needed_by_gradients
from learnability.randomness import Seed, stream
from learnability.tasks import Bands, Sequences
from learnability.training import Training, train
from learnability.unroll import Network

from ..networks import feature_statistics
from .published import SETTINGS, published_needs
from .reach import output_sensitivity
from .settings import RunSettings

Record = dict[str, Any]
"""Plain numbers, strings and lists: what a run leaves behind."""

LAST_TENTH = 0.9
"""A best epoch beyond this share of all epochs says that steps were the limit."""
ANCHORS = 6


@dataclass(frozen=True)
class RunData:
    """The sequences of a run, each set from a stream of its own."""

    task: Bands
    direction: Tensor
    training: Sequences
    validation: Sequences
    probed: Sequences
    fresh: Sequences
    batches: Seed

    @classmethod
    def draw(cls, run: RunSettings) -> "RunData":
        task, seed = run.family.task, run.seed
        direction = task.direction(stream(seed, "task direction"))
        sets = {
            name: task.draw(count, seed=stream(seed, name), direction=direction)
            for name, count in (
                ("training", run.samples),
                ("validation", run.validation),
                ("probed", run.probed),
                ("fresh", run.fresh),
            )
        }
        return cls(task, direction, batches=stream(seed, "batches"), **sets)

    def shares(self, network: Network) -> list[float]:
        """Give the learnt share of every band, on fresh data."""
        with torch.no_grad():
            prediction = network(self.fresh.x)
        found = self.task.learnt_shares(self.fresh.x, prediction, self.direction)
        return found.tolist()


def run_one(run: RunSettings) -> Record:
    """Train one network and measure what predicts its learnt lags.

    Args:
        run: its settings.

    Returns:
        ``centre``, ``coefficient`` (band); ``start`` and ``warm`` (learnt ``share``,
        output reach ``f``, probe strength ``s``, ``memory`` of the state and 1/N(l) of
        detection with its ends, at the start and after the warm-up), ``half`` (learnt
        share after half the warm-up) and ``end`` (as ``warm``, at the best weights,
        with 1/N(l) of both published settings); ``limited``, whether steps and not
        samples were the limit; ``outcome``, a sentence; the settings.
    """
    data = RunData.draw(run)
    network = untrained(run, data)
    start = _predictors(network, data)
    recipe = run.recipe
    warm = _Warm(warm_up_epochs(run), network, data)
    training = train(
        network,
        data.training,
        data.validation,
        recipe,
        seed=data.batches,
        progress=warm.look,
    )
    training.restore(network, training.best)
    end = _predictors(network, data) | _published(network, data, run.seed)
    return {
        "settings": run.model_dump(mode="json"),
        "centre": data.task.centres.tolist(),
        "coefficient": data.task.coefficients.tolist(),
        "start": start,
        # A run that diverged before its warm-up ended has nothing to predict from.
        "warm": warm.seen or start,
        "half": warm.half or start["share"],
        "end": end,
        "limited": steps_were_the_limit(training, recipe.epochs),
        "diverged": training.diverged,
        "outcome": training.outcome,
    }


def untrained(run: RunSettings, data: RunData) -> Network:
    """Give the network of a run at its first weights."""
    cell = run.architecture.build(data.task.inputs, stream(run.seed, "weights"))
    return Network(cell, seed=stream(run.seed, "read-out"))


def warm_up_epochs(run: RunSettings) -> int:
    """Give the number of epochs after which a run's predictions are made."""
    return max(1, round(run.warm_up * run.recipe.epochs))


def steps_were_the_limit(training: Training, epochs: int) -> bool:
    """Tell whether the best epoch lies in the last tenth: more steps would have helped.

    Args:
        training: what training did.
        epochs: how many it was to last.
    """
    return training.best.epoch + 1 > LAST_TENTH * epochs


@dataclass
class _Warm:
    """Looks at the network when half of its warm-up is over, and when all is."""

    epoch: int
    network: Network
    data: RunData
    seen: Record = field(default_factory=dict)
    half: list[float] = field(default_factory=list)

    def look(self, epochs: int, error: float) -> None:
        del error
        if epochs == self.epoch // 2:
            self.half = self.data.shares(self.network)
        if epochs == self.epoch:
            self.seen = _predictors(copy.deepcopy(self.network), self.data)


def _predictors(network: Network, data: RunData) -> Record:
    """Give learnt share, output reach, probe strength and detection of every band."""
    task, probed = data.task, data.probed
    features = task.features(probed.x, data.direction)
    found = feature_statistics(network, probed, features)
    need = needed_by_gradients(*found.parts, effect_size=1.0)
    information = task.coefficients**2
    return {
        "share": data.shares(network),
        "f": _reach(network, probed, task).tolist(),
        "s": np.sqrt(np.maximum(need.signal, 0.0)).tolist(),
        "memory": _memory(network, probed, features).tolist(),
        **_inverse(need, information),
    }


def _inverse(need: SamplesNeeded, information: Float[np.ndarray, "band"]) -> Record:
    """Give 1/N(l) for each band's own strength; 0 where N(l) has no end."""
    names = {"rate": "needed", "rate_upper": "lower", "rate_lower": "upper"}
    return {
        name: (information / getattr(need, source)).tolist()
        for name, source in names.items()
    }


def _reach(
    network: Network, probed: Sequences, task: Bands
) -> Float[np.ndarray, "band"]:
    """Give f of every band: the root of the mean square over its lags."""
    lags, anchors = anchors_of(task)
    f = output_sensitivity(network, probed.x[:64], lags, anchors=anchors)
    return over_bands(task, lags, f)


def anchors_of(task: Bands) -> tuple[list[int], list[int]]:
    """Give all lags of a task's bands, and the steps at which the output is seen."""
    lags = sorted({lag for band in task.bands for lag in band.lags})
    steps = np.linspace(lags[-1], task.steps - 1, ANCHORS).astype(int)
    return lags, np.unique(steps).tolist()


def over_bands(
    task: Bands, lags: list[int], values: Float[np.ndarray, "lag"]
) -> Float[np.ndarray, "band"]:
    """Give the root of the sum of (weight value)^2 over the lags of every band."""
    at = dict(zip(lags, values, strict=True))
    squares = [
        sum((w * at[lag]) ** 2 for lag, w in zip(b.lags, b.weights, strict=True))
        for b in task.bands
    ]
    return np.sqrt(squares)


def _memory(
    network: Network, probed: Sequences, features: Tensor
) -> Float[np.ndarray, "band"]:
    """Give the share of each feature that a linear read-out of the state could give.

    ``R_k^2`` of the regression of ``phi_k(t)`` on ``(h_t, 1)``, freed of what as many
    regressors of no use would give.

    Source: Jaeger 2001 (memory capacity).
    """
    with torch.no_grad():
        h = network.states(probed.x)[..., network.cell.output].flatten(0, 1).double()
    wanted = features.flatten(1).double().T
    h, wanted = h - h.mean(dim=0), wanted - wanted.mean(dim=0)
    # By singular values: units that agree are no reason to stop.
    fitted = h @ torch.linalg.lstsq(h, wanted, driver="gelsd").solution
    rest = ((wanted - fitted) ** 2).sum(dim=0) / (wanted**2).sum(dim=0)
    rows, units = h.shape
    return (1 - rest * (rows - 1) / (rows - units - 1)).numpy()


def _published(network: Network, data: RunData, seed: int) -> Record:
    """Give 1/N(l) of both published settings at the centres of the bands."""
    lags = [round(centre) for centre in data.task.centres]
    direction = stream(seed, "published direction")
    found = {
        name: 1 / published_needs(network, data.probed, lags, s, seed=direction)
        for name, s in SETTINGS.items()
    }
    return {"published": {name: rate.tolist() for name, rate in found.items()}}
