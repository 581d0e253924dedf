"""Everything that is measured on one recurrence, one method per group of results."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from typing import final

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float
from torch import Tensor, optim

from .. import evidence
from ..detection.dependence import strongest
from ..evidence.inputs import shifted
from ..evidence.probe import ProbeStatistics, probe_gradients, summed_up
from ..evidence.rates import NoRates
from ..evidence.sample import Sample, anchors, joined
from ..grid import thinned
from ..models.probing import along, dependencies, probes
from ..models.reading import Layer, Progress, silent
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
from ..transport.lyapunov import leading_exponents
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
        cell, layer, windows = self.layer.track.cell, self.layer, self._windows()
        sums = {name: Windows(cell, self.lags) for name in kinds}
        exact, done = ExactWindows(cell, windows, len(kinds)), 0
        for sample in layer.parts():
            items = done + sample.item
            given = sample.x, sample.states
            rates = [_rates(sample, matrices) for matrices in kinds.values()]
            exact.add(*given, rates=rates, clusters=items)
            for own, one in zip(sums.values(), rates, strict=True):
                own.add(*given, sample.lengths, rates=one, clusters=items)
            done += len(sample)
            self.progress("envelope", 0.99 * done / len(layer))
        return {
            name: {**sums[name].result(), "exact": exact.result(kind)}
            for kind, name in enumerate(kinds)
        }

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
        cell, found, done = self.layer.track.cell, [], 0
        direction = evidence.random_direction(cell, stream(self.seed, "direction"))
        for sample in self.layer.parts():
            at = anchors(sample, self.lags, self.options.anchors)
            psi = evidence.own_lag_projection(sample, direction, self.lags, at)
            known = sample.by_item((~psi.isnan()).T.double())
            total = sample.by_item(psi.nan_to_num().T.double())
            mean = total / torch.where(known > 0, known, torch.nan)
            found.append(mean.T.cpu().numpy())
            done += len(sample)
            self.progress("evidence", done / len(self.layer))
        return np.concatenate(found, axis=1)

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

        def weights(sample: Sample, place: slice, some: slice) -> Tensor:
            signals = chosen.signals(sample)
            past = [shifted(signals[probe], lag) for lag, probe, _ in rows[some]]
            looks = sample.looks / sample.count[:, None]
            return torch.stack(past, dim=1) * looks[:, None]

        kinds = [axis for _, _, axis in rows]
        found = probe_gradients(layer.parts, len(layer), weights, chosen.axes, kinds)
        return summed_up(
            found,
            lags,
            target,
            [0, *self.lags],
            chosen.left,
            lambda share: self.progress("detection", share),
        )

    def _cost(self) -> float:
        """Return the operations of one row of one sequence, in both passes."""
        size = sum(p.numel() for p in self.layer.track.cell.parameters())
        return 8.0 * size * int(self.layer.lengths.max())


def _rates(sample: Sample, matrices: Tensor | None) -> Tensor | None:
    if matrices is None:
        return None
    h = sample.states[..., sample.cell.output]
    return evidence.unit_rates(matrices.to(h.dtype), h)


def exponent_group(samples: Iterable[Sample], count: int) -> xr.Dataset:
    """Return the leading exponents of a recurrence over (place,).

    Only sequences at least as long as the median count, cut to its length.

    Args:
        samples: the sequences, some at a time.
        count: how many exponents.
    """
    whole = joined(samples)
    length = int(whole.lengths.median())
    chosen = (whole.lengths >= length).nonzero()[:SEQUENCES, 0]
    part = whole.rows(chosen)
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
