"""Everything that is measured on one recurrence, a group of results a method."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, final

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, optim

from .. import evidence
from ..fitting import FEWEST_OF_A_LAW, Measures, needed
from ..groups import envelope_group, stable_group, time_scale_group
from ..randomness import stream
from ..transport import Envelope, Order, sampled_envelope
from ..transport.ragged import RaggedWindows
from .lags import swept
from .probe_gradients import statistics
from .probing import along, dependencies, probes, strongest
from .replay import Track
from .sample import Sample, anchors

FEWEST_WINDOWS = 8  # of the exact envelope: fewer have no standard error to speak of
FEWEST_SEQUENCES = 64  # of probe gradients, for the same reason
FEWEST_LAGS = 8  # of the detection window: fewer give no curve


@final
class Effort(BaseModel):
    """How much of the data, and how much work, the exact parts of a diagnosis take.

    Attributes:
        sequences: for exact envelopes, gradients by lag and the detection window.
        envelope: sequences for the other envelopes, about; a mean over so many is known
            to a per cent or better.
        pairs: of an input probe and an axis of the error signal that are measured
            each; where there are more, one pair stands for all.
        axes: of the error signal, at most.
        probes: axes of the inputs, at most.
        work: floating-point operations of each exact part, about; where more would be
            needed, windows, sequences and lags are thinned out, and the results say so.
        memory: bytes that the sequences of the exact parts may take, about; at least
            64 sequences are kept.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sequences: Annotated[int, Field(ge=4)] = 256
    envelope: Annotated[int, Field(ge=4)] = 2048
    pairs: Annotated[int, Field(ge=1)] = 16
    axes: Annotated[int, Field(ge=1)] = 8
    probes: Annotated[int, Field(ge=1)] = 16
    work: Annotated[float, Field(gt=0)] = 3e11
    memory: Annotated[float, Field(gt=0)] = 3e8


@final
@dataclass(frozen=True)
class Work:
    """One recurrence's sample, and a method a group of its results."""

    track: Track
    sample: Sample
    lags: list[int]
    seed: int
    measures: Measures
    effort: Effort
    progress: Callable[[str, float], None]

    def envelopes(
        self, windows: RaggedWindows, optimizer: optim.Optimizer | None
    ) -> dict[str, xr.Dataset]:
        """Give envelopes in four orders, time scales, effective envelopes."""
        sample = self.sample
        plain: dict[Order, Envelope] = {**windows.result(), "exact": self._exact(None)}
        groups = {
            "envelope": envelope_group(plain),
            "time_scales": time_scale_group(plain),
        }
        if optimizer is not None:
            matrices = self.track.conversion.rates(optimizer)
            h = sample.states[..., sample.cell.output]
            rates = evidence.unit_rates(matrices.to(h.dtype), h)
            rated = RaggedWindows(sample.cell, self.lags)
            rated.add(sample.x, sample.states, sample.lengths, rates=rates)
            found: dict[Order, Envelope] = {
                **rated.result(),
                "exact": self._exact(rates),
            }
            groups["effective"] = envelope_group(found)
        return groups

    def _exact(self, rates: Tensor | None) -> Envelope:
        cell = self.sample.cell
        self.progress("exact envelope", 0.0)
        inner = sum(getattr(cell, name).numel() for name in cell.recurrent)
        inner = max(inner, cell.state_size**2)
        affordable = self.effort.work / (2 * inner * cell.units * self.lags[-1])
        windows = min(self.measures.exact_windows, int(affordable))
        windows = max(FEWEST_WINDOWS, windows)
        few = self.sample.even and windows < self.measures.exact_windows
        # Few windows lie in few sequences: the rest need not be linearised for them.
        sample = self.sample.part(slice(0, windows)) if few else self.sample
        if rates is not None:
            rates = rates[: len(sample)]
        with torch.no_grad():
            found = sampled_envelope(
                cell,
                sample.x,
                sample.states,
                self.lags,
                windows=windows,
                seed=stream(self.seed, "windows"),
                rates=rates,
                lengths=None if sample.even else sample.lengths,
            )
        self.progress("exact envelope", 1.0)
        return found

    def evidence(self) -> xr.Dataset:
        """Give the lag-l gradient along a random direction, and its stable law."""
        self.progress("evidence", 0.0)
        sample = self.sample
        direction = evidence.random_direction(
            sample.cell, stream(self.seed, "direction")
        )
        at = anchors(sample, self.lags, self.measures.anchors)
        psi = swept(sample, direction, self.lags, at).double().cpu().numpy()
        self.progress("evidence", 0.5)
        group = law_group(self.lags, psi, self.measures, self.seed)
        self.progress("evidence", 1.0)
        return group

    def detection(
        self, direction: Tensor | None, *, most: int | None = None
    ) -> xr.Dataset:
        """Give N(l): of all pairs of probes and axes, or of one that stands for all.

        Args:
            direction: u of the probe, or None.
            most: the largest number of lags.
        """
        measures, effort, sample = self.measures, self.effort, self.sample
        chosen = probes(
            sample, inputs=effort.probes, outputs=effort.axes, direction=direction
        )
        target = dependencies(sample, chosen, self.lags)
        found, dependency = strongest(target, measures.error / 2)
        strength = found if measures.strength is None else measures.strength
        room = effort.work / self._cost()
        pairs, count = chosen.pairs, len(sample)
        lags = thinned(self.lags, most or len(self.lags))
        single = pairs > effort.pairs or pairs * len(lags) * count > room
        if single:
            chosen = along(chosen, dependency)
            count = min(count, max(FEWEST_SEQUENCES, int(room / len(lags))))
            lags = thinned(lags, max(FEWEST_LAGS, int(room / count)))
        values = statistics(
            sample.part(slice(0, count)),
            replace(chosen, signals=chosen.signals[:, :count]),
            lags,
            lambda share: self.progress("detection", share),
        )
        group = needed(lags, values, strength, self.seed, measures)
        group.attrs |= {
            "sequences": count,
            "probe": "one pair" if single else "all pairs",
            "pairs": pairs,
        }
        return group

    def _cost(self) -> float:
        """Give the operations of one row of one sequence, in both passes."""
        size = sum(p.numel() for p in self.sample.cell.parameters())
        return 8.0 * size * self.sample.x.shape[1]


def thinned(lags: Sequence[int], most: int) -> list[int]:
    """Give at most so many of some lags, the first and the last among them.

    Example:
        >>> thinned([1, 2, 3, 4, 6, 8, 12, 16], 4)
        [1, 3, 8, 16]
    """
    if len(lags) <= most:
        return list(lags)
    places = np.unique(np.linspace(0, len(lags) - 1, most).round().astype(int))
    return [lags[k] for k in places]


def law_group(
    lags: list[int],
    psi: Float[np.ndarray, "lag sequence"],
    measures: Measures,
    seed: int,
) -> xr.Dataset:
    """Fit a stable law a lag to the sequences that are long enough for it.

    A lag with too few of them has no law, and gets nan.
    """
    options = {
        "level": measures.level,
        "resamples": measures.resamples,
        "seed": stream(seed, "resamples"),
    }
    fits = np.isfinite(psi)
    if fits.all():
        return stable_group(lags, psi, **options)
    parts = []
    for lag, row, own in zip(lags, psi, fits, strict=True):
        values = row[own] if own.sum() >= FEWEST_OF_A_LAW else np.zeros(FEWEST_OF_A_LAW)
        parts.append(stable_group([lag], values[None], **options).drop_vars("psi"))
    group: xr.Dataset = xr.concat(parts, "lag", combine_attrs="override")  # pyright: ignore
    return group.assign(psi=(("lag", "sequence"), psi))
