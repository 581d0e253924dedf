"""Everything that is measured on one recurrence, one method per group of results."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from itertools import product
from operator import add
from typing import final

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float
from torch import Tensor, optim

from .. import evidence
from ..detection.dependence import strongest
from ..evidence.inputs import shifted
from ..evidence.lag_gradients import Direction
from ..evidence.pieces import Parts
from ..evidence.probe import ProbeStatistics, probe_gradients, summed_up
from ..evidence.rates import NoRates
from ..evidence.sample import Sample, anchors, joined
from ..grid import thinned
from ..models.layer import Layer, Progress, silent
from ..models.probing import Probes, along, dependencies, probes
from ..randomness import stream
from ..transport import (
    Envelope,
    ExactWindows,
    Order,
    SampledWindows,
    Windows,
    carried_steps,
    sampled_windows,
)
from ..transport.envelope import EnvelopeSums
from ..transport.lyapunov import leading_exponents
from ..transport.windows import COMPILED
from .groups import envelope_group, time_scale_group
from .options import DiagnosisOptions

FEWEST_WINDOWS = 8  # of the exact envelope: fewer have no standard error to speak of
FEWEST_SEQUENCES = 64  # of probe gradients, for the same reason
FEWEST_LAGS = 8  # of the detection window: fewer give no curve
SEQUENCES = 16  # that they are averaged over, at most
BURN = 0.25  # of the steps, until the directions have turned into the leading ones


@final
@dataclass(frozen=True)
class Measurement:
    """One recurrence of a model, and a method for each thing that is measured of it.

    Attributes:
        layer: the recurrence on its sequences.
        lags: lags in steps, ascending.
        seed: of sampled windows and directions.
        options: how finely to measure, with how much work.
        progress: called with the name of a stage and the share of it that is done.
    """

    layer: Layer
    lags: list[int]
    seed: int
    options: DiagnosisOptions
    progress: Progress = silent

    def envelopes(self, optimizer: optim.Optimizer | None) -> dict[str, xr.Dataset]:
        """Return envelopes in four orders, time scales, effective envelopes.

        Of an optimizer without rates there are no effective ones, and the attribute
        ``effective_undefined`` says why.
        """
        kinds: dict[str, Tensor | None] = {"envelope": None}
        attrs = {}
        if optimizer is not None:
            conversion = self.layer.track.conversion
            assert conversion is not None  # else there is no cell to measure
            try:
                kinds["effective"] = conversion.rates(optimizer)
            except NoRates as reason:
                attrs = {"effective_undefined": str(reason)}
        self.progress("envelope", 0.0)
        found = self._in_all_orders(kinds)
        self.progress("envelope", 1.0)
        groups = {
            name: envelope_group(orders).assign_attrs(attrs)
            for name, orders in found.items()
        }
        return {**groups, "time_scales": time_scale_group(found["envelope"])}

    def _in_all_orders(
        self, kinds: dict[str, Tensor | None]
    ) -> dict[str, dict[Order, Envelope]]:
        windows, made = self._windows(), _Envelopes(self.lags, [*kinds.values()])
        own = [windows.of(rows.start, rows.stop) for rows in self.layer.rows]
        found = self.layer.over(made, own, tell=self._tell("envelope", 0.99))
        every = [reduce(add, sums) for sums in zip(*found, strict=True)]
        exact, *others = (sums.envelopes(self.lags) for sums in every)
        return {
            name: {**dict(zip(COMPILED, of_kind, strict=True)), "exact": whole}
            for name, of_kind, whole in zip(kinds, others, exact, strict=True)
        }

    def _tell(self, stage: str, whole: float = 1.0) -> Callable[[float], None]:
        return lambda share: self.progress(stage, whole * share)

    def _windows(self) -> SampledWindows:
        """Return the windows of the exact envelope, as many as can be afforded."""
        cell, lengths = self.layer.track.cell, self.layer.lengths
        wanted = self.options.exact_windows
        steps = carried_steps(lengths, self.lags, wanted) / wanted  # of a window
        affordable = self.options.work / (2 * cell.pull_cost * cell.units * steps)
        windows = max(min(FEWEST_WINDOWS, wanted), min(wanted, int(affordable)))
        seed = stream(self.seed, "windows")
        return sampled_windows(lengths, self.lags, windows=windows, seed=seed)

    def psi(self) -> Float[np.ndarray, "lag sequence"]:
        """Return the lag-l gradient along a random direction, by sequence."""
        self.progress("evidence", 0.0)
        cell = self.layer.track.cell
        direction = evidence.random_direction(cell, stream(self.seed, "direction"))
        made = _Psi(self.lags, direction, self.options.anchors)
        found = self.layer.over(made, tell=self._tell("evidence"))
        return np.concatenate(list(found), axis=1)

    def gradients(
        self, direction: Tensor | None = None, *, most: int | None = None
    ) -> ProbeStatistics:
        """Return what N(l) needs: of all pairs of probes and axes, or of one for all.

        Args:
            direction: u of the probe, or None.
            most: the largest number of lags.
        """
        options, layer = self.options, self.layer
        self.progress("detection", 0.0)
        chosen = probes(
            layer, inputs=options.probes, outputs=options.axes, direction=direction
        )
        target = dependencies(layer, chosen, [0, *self.lags])
        room = options.work / self._cost()
        lags = thinned(self.lags, most or len(self.lags))
        if chosen.pairs > options.pairs or chosen.pairs * len(lags) * len(layer) > room:
            half = self.options.significance / 2
            chosen = along(chosen, strongest(target[1:], half)[1])
            count = max(FEWEST_SEQUENCES, int(room / len(lags)))
            layer = layer.first(count)
            lags = thinned(lags, max(FEWEST_LAGS, int(room / len(layer))))
        rows = list(product(lags, range(len(chosen.inputs)), range(len(chosen.axes))))
        found = probe_gradients(
            layer.parts,
            len(layer),
            _Weights(chosen, rows),
            chosen.axes,
            [axis for _, _, axis in rows],
            over=layer.over,
            processes=layer.processes,
        )
        return summed_up(
            found,
            lags,
            target,
            [0, *self.lags],
            chosen.left,
            self._tell("detection"),
        )

    def _cost(self) -> float:
        """Return the operations of one row of one sequence, in both passes."""
        size = sum(p.numel() for p in self.layer.track.cell.parameters())
        return 8.0 * size * int(self.layer.lengths.max())


@final
@dataclass(frozen=True)
class _Envelopes:
    """Makes the sums of all envelopes over a piece.

    Attributes:
        lags: lags in steps.
        kinds: step sizes of the recurrent weights of each kind, or None.
    """

    lags: list[int]
    kinds: list[Tensor | None]

    def __call__(self, parts: Parts, windows: SampledWindows) -> list[EnvelopeSums]:
        """Return those of the exact order for all kinds, then the others of each."""
        done, cell = 0, next(iter(parts())).cell
        sums = [Windows(cell, self.lags) for _ in self.kinds]
        exact = ExactWindows(cell, windows, len(self.kinds))
        for sample in parts():
            items, given = done + sample.item, (sample.x, sample.states)
            rates = [_rates(sample, matrices) for matrices in self.kinds]
            exact.add(*given, rates=rates, clusters=items)
            for own, one in zip(sums, rates, strict=True):
                own.add(*given, sample.lengths, rates=one, clusters=items)
            done += len(sample)
        return [exact.sums(), *(own.sums() for own in sums)]


@final
@dataclass(frozen=True)
class _Psi:
    """Makes the lag-l gradient of a piece's samples along a direction.

    Attributes:
        lags: lags in steps.
        direction: of the cell's parameters.
        most: anchors of a sequence, at most.
    """

    lags: list[int]
    direction: Direction
    most: int

    def __call__(self, parts: Parts) -> Float[np.ndarray, "lag sequence"]:
        """Return those of one piece."""
        found = []
        for sample in parts():
            at = anchors(sample, self.lags, self.most)
            psi = evidence.own_lag_projection(sample, self.direction, self.lags, at)
            known = sample.by_item((~psi.isnan()).T.double())
            total = sample.by_item(psi.nan_to_num().T.double())
            mean = total / torch.where(known > 0, known, torch.nan)
            found.append(mean.T.cpu().numpy())
        return np.concatenate(found, axis=1)


@final
@dataclass(frozen=True)
class _Weights:
    """Gives ``phi_l(t)/m`` of the rows (lag, probe, axis); see `probe_gradients`."""

    chosen: Probes
    rows: list[tuple[int, int, int]]

    def __call__(
        self, sample: Sample, place: slice, some: slice
    ) -> Float[Tensor, "sequence row step"]:
        """Return those of some rows for some sequences."""
        signals = self.chosen.signals(sample)
        past = [shifted(signals[probe], lag) for lag, probe, _ in self.rows[some]]
        return torch.stack(past, dim=1) * sample.shares[:, None]


def _rates(sample: Sample, matrices: Tensor | None) -> Tensor | None:
    if matrices is None:
        return None
    h = sample.states[..., sample.cell.output]
    return evidence.unit_rates(matrices.to(h.dtype), h)


def exponent_group(layer: Layer, count: int) -> xr.Dataset:
    """Return the leading exponents of a recurrence over (place,).

    Only the first sequences at least as long as the median count, cut to its length.

    Args:
        layer: the recurrence on its sequences.
        count: how many exponents.
    """
    length, rows, left = int(layer.lengths.median()), [], SEQUENCES
    for sample in layer.parts():
        chosen = (sample.lengths >= length).nonzero()[:left, 0]
        if len(chosen):
            rows.append(sample.rows(chosen))
        left -= len(chosen)
        if not left:
            break
    part = joined(rows)
    x, states = part.x[:, :length], part.states[:, :length]
    count = min(count, part.cell.state_size)
    found = leading_exponents(part.cell, x, states, count, burn=int(BURN * length))
    return xr.Dataset(
        {
            "exponent": ("place", found.values, {"units": "1/step"}),
            "error": ("place", found.error, {"units": "1/step"}),
        },
        coords={"place": np.arange(1, count + 1)},
        attrs={"title": "leading Lyapunov exponents, natural logarithm per step"},
    )
