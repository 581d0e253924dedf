"""The group ``verdict`` of a layer: what each lag's verdict rests on."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial, reduce
from itertools import accumulate
from operator import add
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
import xarray as xr
from jaxtyping import Float
from torch import Tensor

from ..evidence.pieces import Parts
from ..evidence.sample import Sample
from ..models.layer import Layer, silent
from ..models.probing import Probes, probes, target_axes
from ..models.quiet import quiet
from ..models.reading import Reading
from ..verdict.facts import facts
from ..verdict.lag_sums import MOST, LagSums, Part, lag_sums
from ..verdict.moments import LARGEST
from ..verdict.products import ProductMoments, Products
from .judging import FRACTION, HeldOut
from .measure import Measurement
from .modules import ModuleMeasurement

FEWEST = 64  # sequences that are looked at, whatever the work
MOVES = 8  # operations that it takes as long as to put a number in its place
LARGEST_WITH_PRODUCTS = 1024
"""Coefficients that products of inputs may bring a regression to."""
ROWS = 4  # that each coefficient wants at least, if it is to be of a product
PARTS = 4  # of the work, for training and held-out data before and after a step

MEANINGS = {
    "start": "f(l)/f(0) at the start of the training",
    "strength": "dependence of the targets on the lag given all others",
    "smallest": "strength that would have been found",
    "found": "whether the dependence was told from nothing",
    "together": "whether that of all lags together was",
    "others": "whether that of all lags that were not found one by one was",
    "kept": "R^2 of the state for what was new at the lag",
    "kept_error": "its standard error",
    "share": "learnt share, on held-out data",
    "share_lower": "lower end of its interval at 95 %",
    "share_upper": "upper end of its interval at 95 %",
    "gain": "change of the learnt share towards 1 by the optimizer's next step",
    "gain_error": "its standard error",
}


class Looked(NamedTuple):
    """What all layers are looked at with.

    Attributes:
        chosen: probes of the inputs and axes of the targets' part, of length 1: what
            the loss asks along each counts as much as the loss asks for it. Along axes
            of the whole error, each scaled to 1, what little is left where the outputs
            are right already would outweigh the rest.
        products: of the probes; None where there is no room for any.
        longest: L.
        work: floating-point operations of one pass, about.
    """

    chosen: Probes
    products: Products | None
    longest: int
    work: float

    @property
    def linear(self) -> int:
        """Return how many features are no products."""
        return len(self.chosen.inputs)

    def sums(self, layer: Layer, *, states: bool, most: int = MOST) -> LagSums:
        """Return the sums of both parts of the error signal, and of the states.

        Args:
            layer: on some data.
            states: whether to look at its states.
            most: clusters at most.
        """
        width = self.linear + (self.products.width if self.products else 0)
        size, steps = (self.longest + 1) * width, int(layer.lengths.max())
        # Lags follow from each other but at the first and the last of the rows.
        one = 4 * size**2 + 2 * steps * size * (width + MOVES)
        some = layer.first(max(FEWEST, int(self.work / one)))

        def over(work: Callable[..., Any]) -> Iterator[Any]:
            counts = some.counts
            befores = accumulate(counts, initial=0)
            return some.over(_OfParts(self, states, work), befores, counts)

        parts = partial(self.parts, some.parts, 0, states)
        return lag_sums(parts, self.longest, len(some), most, over)

    def parts(self, parts: Parts, before: int, states: bool) -> Iterator[Part]:
        """Yield the features and columns of some sequences.

        Args:
            parts: gives the sequences.
            before: samples before them.
            states: whether to look at states.
        """
        for sample in parts():
            yield self._part(sample, before, states)
            before += len(sample)

    def _part(self, sample: Sample, before: int, states: bool) -> Part:
        axes = self.chosen.axes.double()
        asked = sample.by_step(sample.target).double() @ axes.T
        given = sample.by_step(sample.delta - sample.target).double() @ axes.T
        columns = [asked, given, *[sample.states.double()] * states]
        phi = signals(self.chosen, sample)
        if self.products:
            phi = torch.cat([phi, torch.from_numpy(self.products.of(phi.numpy()))], -1)
        arrays = (phi, torch.cat(columns, dim=-1), sample.own, sample.looks)
        numbers = (values.cpu().numpy() for values in arrays)
        return Part(*numbers, cluster=before + sample.item.numpy())


class _OfParts(NamedTuple):
    """Work with the features and columns of a piece; see `lag_sums`."""

    looked: Looked
    states: bool
    work: Callable[..., Any]

    def __call__(self, parts: Parts, before: int, count: int) -> Any:
        """Return what is made of one piece."""
        some = partial(self.looked.parts, parts, before, self.states)
        return self.work(some, before, count)


def verdict_group(
    one: Measurement | ModuleMeasurement,
    reading: Reading,
    held_out: HeldOut,
    direction: Tensor | None = None,
) -> xr.Dataset:
    """Return what verdicts rest on, over lag, lag 0 first.

    All is nan, and ``notes`` says why, where there are too few sequences or so many
    lags that no regression takes them together.

    Args:
        one: the layer on the training data.
        reading: the model on them.
        held_out: the same model on others.
        direction: u of the probe, or None.
    """
    lags, notes = [0, *one.lags], []
    one.progress("verdict", 0.0)
    descent = held_out.descent(reading)
    attrs = {} if isinstance(descent, str) else descent.attributes()
    notes += [descent] if isinstance(descent, str) else []
    attrs["heldout"] = int(held_out.given)
    notes += [] if held_out.given else ["measured on training data"]
    try:
        table = _facts(one, reading, held_out, direction)
    except ValueError as error:
        table = pd.DataFrame(np.nan, pd.Index(lags), list(MEANINGS))
        notes.append(str(error))
    one.progress("verdict", 1.0)
    data = {
        name: ("lag", table[name].to_numpy(float), {"long_name": meaning})
        for name, meaning in MEANINGS.items()
    }
    axis = xr.DataArray(lags, dims="lag", attrs={"units": "steps"})
    return xr.Dataset(data, {"lag": axis}, {**attrs, "notes": "; ".join(notes)})


def _facts(
    one: Measurement | ModuleMeasurement,
    reading: Reading,
    held_out: HeldOut,
    direction: Tensor | None,
) -> pd.DataFrame:
    """Measure one layer on training data, held-out data, and these after a step."""
    name, lags = one.layer.track.name, [0, *one.lags]
    looked = _looked(one, direction)
    held = held_out.layer(reading, name)
    train = looked.sums(one.layer, states=held is None)
    other = None if held is None else looked.sums(held, states=True)

    def after(most: int) -> LagSums:
        with held_out.after(reading) as layers:
            return looked.sums(layers[name], states=False, most=most)

    stepped = None
    if other is not None and not isinstance(held_out.descent(reading), str):
        stepped = partial(after, len(other.xx))  # the same clusters, for what changes
    axes = len(looked.chosen.axes)
    table = facts(train, other, stepped, lags, axes, FRACTION, looked.linear)
    return table.assign(start=_start(one, reading, held_out).reindex(lags))


def _start(
    one: Measurement | ModuleMeasurement, reading: Reading, held_out: HeldOut
) -> pd.Series:
    """Return f(l)/f(0) at the start of the training, nan where that is not given."""
    if held_out.start is None:
        return pd.Series(np.nan, one.lags)
    with held_out.began(reading) as began:
        found = {layer.track.name: layer for layer in began.layers()}
        layer = found[one.layer.track.name]
        changes: dict[str, Any] = {"layer": layer, "progress": silent}
        if isinstance(one, ModuleMeasurement):
            changes["reading"] = began
        with quiet(began.model):
            envelope = replace(one, **changes).envelopes(None)["envelope"]
    return pd.Series(envelope["normalised"].values[-1], envelope["lag"].values)


def signals(chosen: Probes, sample: Sample) -> Float[Tensor, "sequence step probe"]:
    """Return the probes of some sequences."""
    return chosen.signals(sample).double().movedim(0, -1).cpu()


def _looked(one: Measurement | ModuleMeasurement, direction: Tensor | None) -> Looked:
    """Choose probes, their products and axes, as many as one regression takes."""
    options, longest, layer = one.options, one.lags[-1], one.layer
    chosen = probes(
        layer, inputs=options.probes, outputs=options.axes, direction=direction
    )
    room = LARGEST // (longest + 1)
    inputs = chosen.inputs.first(max(1, min(room, options.pairs)))
    chosen = replace(chosen, inputs=inputs, axes=target_axes(layer, options.axes))
    rows = sum(layer.over(partial(_rows, longest)))
    room = min(LARGEST_WITH_PRODUCTS, rows // ROWS) // (longest + 1) - len(inputs)
    made = None
    if room >= 1:
        moments = layer.over(partial(_product_moments, chosen, room))
        made = reduce(add, moments).products()
    return Looked(chosen, made, longest, options.work / PARTS)


def _rows(longest: int, parts: Parts) -> int:
    """Return at how many steps that have all lags before them the loss looks."""
    return sum(int(sample.looks[:, longest:].sum()) for sample in parts())


def _product_moments(chosen: Probes, room: int, parts: Parts) -> ProductMoments:
    """Return the moments of a piece's probes and of their products."""
    samples = ((signals(chosen, s).numpy(), s.own.numpy()) for s in parts())
    return ProductMoments.of(samples, room)
