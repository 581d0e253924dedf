"""The group ``truncation`` of a layer: how far each length bends its gradient."""

from collections.abc import Iterable

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float

from ..evidence.sample import Sample
from ..evidence.truncated import random_anchors, weighted_gradients
from ..models.layer import Layer
from ..models.quiet import quiet
from ..models.reading import Reading
from ..models.split import sketch
from ..randomness import stream
from ..verdict.lag_sums import MOST
from ..verdict.lengths import kept_weight, lengths_for
from ..verdict.truncation import COLUMNS, bias_table, resolved
from .judging import HeldOut
from .measure import Measurement
from .modules import ModuleMeasurement

SEQUENCES = 256  # whose gradients are split by lag, at most
FEWEST = 32  # likewise, whatever the work
ANCHORS = 4  # steps of each, from which it is split
ENDS = 2  # of a stretch of lags, each with cotangents of its own
PART_BYTES = 2**26  # of the cotangents of some sequences
PRESENT, START = "the present weights", "the start of the training"
NO_LAG = "no lag was found in the data: no length follows from them"
NO_EQUATION = "the gradient of a module without a known equation is not split by lag"
UNRESOLVED = (
    "the gradient is not told from nothing, as of a network that has learnt; give "
    "start=... to measure it at the weights that the training began with"
)


def truncation_group(
    one: Measurement | ModuleMeasurement,
    reading: Reading,
    held_out: HeldOut,
    verdict: xr.Dataset,
) -> xr.Dataset:
    """Return by how much each length of truncated backpropagation bends the gradient.

    It is that of the layer's own weights by its own recurrence; where it is not told
    from nothing, that of the start of the training, if it is given.

    Args:
        one: the layer on the training data.
        reading: the model on them.
        held_out: what else is given.
        verdict: which lags were found.
    """
    alone = verdict["found"] == 1
    together = (verdict["others"] == 1) & (verdict["strength"] > 0)
    lags = verdict["lag"].values[(alone | together).values]
    if isinstance(one, ModuleMeasurement):
        return _none(NO_EQUATION)
    lengths = lengths_for(lags.tolist())
    if not lengths:
        return _none(NO_LAG)
    with quiet(reading.model):  # a user's own cell steps meanwhile
        sums, at = _sums(one, one.layer, lengths), PRESENT
    if not resolved(sums[:, 0]) and held_out.start is not None:
        with held_out.began(reading) as began, quiet(reading.model):
            (layer,) = (
                layer
                for layer in began.layers()
                if layer.track.name == one.layer.track.name
            )
            sums, at = _sums(one, layer, lengths), START
    if not resolved(sums[:, 0]):
        return _none(UNRESOLVED)
    table = bias_table(sums, lengths).to_xarray()
    title = "bias of the gradient by truncated backpropagation, of its length"
    return table.assign_attrs(title=title, at=at, notes="")


def _none(reason: str) -> xr.Dataset:
    none = xr.Dataset({name: (("use", "K"), np.zeros((0, 0))) for name in COLUMNS})
    return none.assign_attrs(notes=reason)


def _sums(
    one: Measurement, layer: Layer, lengths: list[int]
) -> Float[np.ndarray, "cluster row place"]:
    """Return sums over clusters of the gradient and of what each length loses."""
    steps, cell = int(layer.lengths.max()), layer.track.cell
    lags = np.arange(float(steps))
    uses = [(1, k) for k in lengths], [(k, k) for k in lengths]
    lost = [1 - kept_weight(lags, k1, k2) for use in uses for k1, k2 in use]
    weights = np.stack([np.ones(steps), *lost])
    size = sum(p.numel() for p in cell.parameters())
    work = ANCHORS * steps * 4 * (size + len(weights) * cell.state_size)
    some = layer.first(int(np.clip(one.options.work / work, FEWEST, SEQUENCES)))
    room = 4 * steps * cell.state_size * ENDS
    short = sketch(size)
    clusters, before, found = min(len(some), MOST), 0, None
    for sample in _pieces(some.parts(), max(1, PART_BYTES // room)):
        seed = stream(one.seed, f"truncation {before}")
        anchors = random_anchors(sample, ANCHORS, seed)
        own = (before + torch.arange(len(sample))) * clusters // len(some)
        first, last = int(own[0]), int(own[-1]) + 1
        rows = weighted_gradients(sample, weights, anchors, own - first, short)
        if found is None:
            found = torch.zeros(clusters, *rows.shape[1:], dtype=torch.float64)
        found[first:last] += rows.cpu()
        before += len(sample)
    assert found is not None  # a layer has sequences
    return found.numpy()


def _pieces(parts: Iterable[Sample], count: int) -> Iterable[Sample]:
    for sample in parts:
        for start in range(0, len(sample), count):
            yield sample.part(slice(start, start + count))
