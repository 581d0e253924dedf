"""The composition: a model and sequences go in, a `Diagnosis` comes out."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from os import PathLike
from typing import Annotated, final

import numpy as np
import pandas as pd
import torch
import xarray as xr
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, optim

from . import evidence
from .detection.gradient import measured_strength, requirement
from .detection.heavy_noise import heavy_requirement, noise_law
from .detection.window import window as detection_window
from .grid import checked_lags
from .groups import (
    detection_group,
    envelope_group,
    stable_group,
    time_scale_group,
)
from .randomness import stream
from .storage import load_tree, save_tree
from .tasks import Sequences
from .transport import Envelope, Order, envelopes, sampled_envelope
from .unroll import Network

Probability = Annotated[float, Field(gt=0, lt=1)]
Progress = Callable[[str, float], None]


@final
class Measures(BaseModel):
    """What a diagnosis measures, and how finely.

    Attributes:
        exact_windows: windows sampled for the exact envelope.
        anchors: steps of each sequence from which the gradient is split by lag.
        error: size of the detection test.
        miss: probability with which the test may miss a dependency.
        level: confidence of all intervals.
        strength: c, the strength of the dependency to detect; None takes that of the
            strongest dependency which the targets surely hold.
        resamples: bootstrap resamples of the sequences for the stable law.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    exact_windows: Annotated[int, Field(ge=2)] = 256
    anchors: Annotated[int, Field(ge=1)] = 8
    error: Probability = 0.05
    miss: Probability = 0.05
    level: Probability = 0.95
    strength: Annotated[float, Field(gt=0)] | None = None
    resamples: Annotated[int, Field(ge=20)] = 200


@final
@dataclass(frozen=True)
class Diagnosis:
    """How far back a network can learn, with everything it was computed from.

    Attributes:
        tree: an `xarray.DataTree` with the groups ``envelope`` and ``effective``
            (with base rates, if an optimizer was given), ``time_scales``,
            ``evidence`` and ``detection``; units, versions and settings are
            attributes.
    """

    tree: xr.DataTree

    @property
    def version(self) -> str:
        """Give the version of the library that made it."""
        return str(self.tree.attrs["learnability"])

    def group(self, name: str) -> xr.Dataset:
        """Give one group of the results."""
        return self.tree.children[name].to_dataset()

    def summary(self) -> pd.DataFrame:
        """Give a row a lag: envelope, tail index, samples needed, with intervals."""
        f = self.group("envelope").sel(order="exact")
        law, need = self.group("evidence"), self.group("detection")
        if need["lag"].size != law["lag"].size:  # measured at some of the lags only
            need = need.reindex(lag=law["lag"])
        columns = {
            "envelope": f["normalised"],
            "envelope_error": f["error"] / f["origin"],
            "alpha": law["alpha"],
            "alpha_lower": law["alpha_lower"],
            "alpha_upper": law["alpha_upper"],
            "samples_needed": need["needed"],
            "samples_lower": need["lower"],
            "samples_upper": need["upper"],
            "resolved": need["resolved"],
        }
        index = pd.Index(need["lag"].values, name="lag")
        return pd.DataFrame({k: v.values for k, v in columns.items()}, index=index)

    def window(self, budgets: Iterable[float]) -> pd.DataFrame:
        """Give the detection window H_N of each budget of sequences.

        Args:
            budgets: N, numbers of sequences.

        Returns:
            A row a budget: ``window`` (contiguous from the shortest lag, in steps) with
            the ends of its interval, ``maximal`` (the longest lag detected),
            ``censored`` (the window reaches the last lag of the grid: it lies there or
            beyond).

        Raises:
            ValueError: if a budget is not above 0.
        """
        need = self.group("detection")
        found = detection_window(
            need["lag"].values,
            need["needed"].values,
            list(budgets),
            lower=need["lower"].values,
            upper=need["upper"].values,
        )
        columns = {
            "window": found.contiguous,
            "lower": found.lower,
            "upper": found.upper,
            "maximal": found.maximal,
            "censored": found.censored,
        }
        return pd.DataFrame(columns, index=pd.Index(found.budgets, name="budget"))

    def save(self, path: str | PathLike[str]) -> None:
        """Write everything to one NetCDF-4 file; it appears whole or not at all."""
        save_tree(self.tree, path)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> "Diagnosis":
        """Read what `save` wrote.

        Raises:
            ValueError: if the file cannot be read, is truncated or holds no diagnosis.
        """
        tree = load_tree(path)
        missing = {"envelope", "time_scales", "evidence", "detection"} - set(tree)
        if missing:
            raise ValueError(
                f"{path} holds no diagnosis (no group {sorted(missing)[0]!r})"
            )
        return cls(tree)


def diagnose_network(
    network: Network,
    data: Sequences,
    lags: Iterable[int],
    *,
    seed: int,
    direction: Float[Tensor, "input"] | None = None,
    optimizer: optim.Optimizer | None = None,
    measures: Measures | None = None,
    progress: Progress | None = None,
) -> Diagnosis:
    """Measure envelopes, time scales, the gradient's evidence and the window.

    Args:
        network: a cell with its read-out, at the weights of interest.
        data: sequences that the network was not trained on.
        lags: lags in steps, from 1 to T - 1.
        seed: of the sampled windows, directions and resamples.
        direction: u of the probe ``u . x_{t-l}``; None averages over all directions of
            the whitened inputs.
        optimizer: what trained the network, for its base rates.
        measures: how finely to measure; the default of `Measures` unless given.
        progress: called with the name of a stage and the share of it that is done.

    Raises:
        ValueError: if a lag does not fit, there are fewer than 50 sequences, or the
            network's weights are not finite.

    Example:
        >>> import learnability as lw
        >>> task = lw.MultiLag(lags=(2,), coefficients=(0.6,), inputs=2, steps=12)
        >>> data = task.draw(64, seed=0, direction=task.direction(seed=1))
        >>> network = lw.Network(lw.GRU(2, 4))
        >>> lw.diagnose_network(network, data, [1, 2, 4], seed=0).window([100]).shape
        (1, 5)
    """
    chosen = checked_lags(lags, data.x.shape[1])
    for name, value in network.state_dict().items():
        if not torch.isfinite(value).all():
            raise ValueError(f"the weights {name} are not finite; retrain the network")
    measures = Measures() if measures is None else measures
    work = Work(network, data, chosen, seed, measures, progress or silent)
    groups = work.envelopes(optimizer)
    groups["evidence"] = fitted_evidence(work.psi(), chosen, seed, measures)
    groups["detection"] = fitted_detection(work.probe(direction), seed, measures)
    root = xr.Dataset(attrs=work.attributes())
    return Diagnosis(xr.DataTree.from_dict({"/": root, **groups}))


def silent(stage: str, share: float) -> None:
    """Take notice of a stage and say nothing."""
    del stage, share


@dataclass(frozen=True)
class Work:
    """The inputs of a diagnosis, and a method for all that has to be measured."""

    network: Network
    data: Sequences
    lags: list[int]
    seed: int
    measures: Measures
    progress: Progress

    @cached_property
    def states(self) -> Tensor:
        with torch.no_grad():
            return self.network.states(self.data.x)

    def attributes(self) -> dict[str, str | int]:
        cell = self.network.cell
        sequences, steps, inputs = self.data.x.shape
        return {
            "title": "learnability diagnosis",
            "learnability": version("learnability"),
            "torch": str(torch.__version__),
            "cell": type(cell).__name__,
            "layernorm": int(cell.layernorm),
            "units": cell.units,
            "inputs": inputs,
            "sequences": sequences,
            "steps": steps,
            "seed": self.seed,
            "measures": self.measures.model_dump_json(),
        }

    def envelopes(self, optimizer: optim.Optimizer | None) -> dict[str, xr.Dataset]:
        states = self.states
        plain = self._by_order(states, None, "envelope")
        groups = {
            "envelope": envelope_group(plain),
            "time_scales": time_scale_group(plain),
        }
        if optimizer is not None:
            rates = evidence.base_rates(optimizer, self.network.cell, states)
            weighted = self._by_order(states, rates, "effective envelope")
            groups["effective"] = envelope_group(weighted)
        return groups

    def _by_order(
        self, states: Tensor, rates: Tensor | None, stage: str
    ) -> dict[Order, Envelope]:
        cell, x = self.network.cell, self.data.x
        self.progress(stage, 0.0)
        with torch.no_grad():
            found = envelopes(cell, x, states, self.lags, rates=rates)
            self.progress(stage, 0.5)
            exact = sampled_envelope(
                cell,
                x,
                states,
                self.lags,
                windows=self.measures.exact_windows,
                seed=stream(self.seed, "windows"),
                rates=rates,
            )
        self.progress(stage, 1.0)
        return {**found, "exact": exact}

    def psi(self) -> Float[np.ndarray, "lag sequence"]:
        """Measure the lag-l part of the gradient along a direction, by sequence."""
        self.progress("evidence", 0.0)
        cell, x, states = self.network.cell, self.data.x, self.states
        with torch.no_grad():
            delta = self.network.error_signal(states, self.data.y)
        direction = evidence.random_direction(cell, stream(self.seed, "direction"))
        last = x.shape[1] - 1
        at = np.unique(np.linspace(self.lags[-1], last, self.measures.anchors).round())
        psi = evidence.sequence_means(
            evidence.evidence(
                cell,
                x,
                states,
                delta,
                direction,
                self.lags,
                anchors=[int(t) for t in at],
            )
        )
        self.progress("evidence", 1.0)
        return psi.double().cpu().numpy()

    def probe(self, direction: Tensor | None) -> evidence.ProbeStatistics:
        """Measure the probe gradients of all lags."""
        return evidence.probe_statistics(
            self.network,
            self.data,
            self.lags,
            direction=direction,
            progress=lambda share: self.progress("detection", share),
        )


def fitted_evidence(
    psi: Float[np.ndarray, "lag sequence"],
    lags: list[int],
    seed: int,
    measures: Measures,
) -> xr.Dataset:
    """Fit a stable law a lag to the evidence of all sequences."""
    return stable_group(
        lags,
        psi,
        level=measures.level,
        resamples=measures.resamples,
        seed=stream(seed, "resamples"),
    )


def fitted_detection(
    statistics: evidence.ProbeStatistics, seed: int, measures: Measures
) -> xr.Dataset:
    """Give what each lag needs to be detected, from the probe gradients."""
    strength = measures.strength
    if strength is None:
        strength = measured_strength(statistics.target, error=measures.error / 2)
    need = requirement(
        statistics.square,
        statistics.dot,
        statistics.projection,
        statistics.tilt,
        strength=strength,
        error=measures.error,
        miss=measures.miss,
        level=measures.level,
    )
    law = noise_law(
        statistics.projection, level=measures.level, seed=stream(seed, "noise law")
    )
    need = heavy_requirement(
        need,
        law,
        statistics.square,
        statistics.dot,
        error=measures.error,
        miss=measures.miss,
        level=measures.level,
    )
    return detection_group(statistics.lags.tolist(), need)
