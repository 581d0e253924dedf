"""Warm-up: how long states and outputs remember that they began wrongly.

A model runs on sequences as they are, on sequences whose first half is that of another
one, and on their second halves alone. How far apart the runs are in the second half is
told in units of the distance between two sequences.
"""

from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float, Int
from torch import Tensor

from ..models.batches import Batch, device_of
from ..models.items import Items
from ..models.reading import Reading
from ..models.refusal import UnsupportedModelError
from ..models.trees import Place, moved, placed, replaced
from ..verdict.regression import explained
from ..verdict.rules import Z

BATCHES = 2  # on which it is measured
OUTPUT = "output"  # the model's own, beside the layers by name
ENDS = ("value", "lower", "upper")
SEVERAL = (
    "sequences have several lengths, or other steps than the model's inputs, so that "
    "none begins as another does"
)

Runs = dict[str, Float[Tensor, "sequence step feature"]]
Change = Callable[[Tensor, int, int], Tensor]
Sums = dict[tuple[str, str], list[np.ndarray]]


def warm_up(reading: Reading) -> dict[str, xr.DataArray]:
    """Return distances step by step after a wrong start, by layer, and of the output.

    ``other`` began as another sequence, ``zero`` with the second half. Empty where
    sequences have several lengths; without ``zero`` where the model takes no halves.

    Args:
        reading: the model on its data.

    Returns:
        Distances over (start, end, step): the value and the ends of its interval.
    """
    sums: Sums = {}
    lengths: set[int] = set()
    with reading.recorder.attached(), torch.no_grad():
        for batch, numbers in islice(reading.numbered(), BATCHES):
            whole = _given(reading, batch)
            lengths |= {values.shape[1] for values in whole.values()}
            if len(lengths) != 1:
                return {}
            (steps,) = lengths
            for kind, change in {"other": _spliced, "zero": _cut}.items():
                given = _wrongly_started(reading, batch, steps, change)
                for name in whole.keys() & given.keys():
                    rows = _squares(whole[name], given[name])
                    own = sums.setdefault((name, kind), [])
                    own.append(by_sample(rows, numbers))
    return {name: _distances(sums, name) for name, _ in sums}


def _distances(sums: Sums, name: str) -> xr.DataArray:
    """Return the distances of one layer, or of the output."""
    kinds = {
        kind: np.concatenate(rows) for (n, kind), rows in sums.items() if n == name
    }
    rows = []
    for apart, scale in (v.swapaxes(0, 1) for v in kinds.values()):
        share, error = explained(apart, scale)  # a share of the squares is left
        ends = np.stack([1 - share, *(1 - share + z * error for z in (-Z, Z))])
        rows.append(np.sqrt(np.maximum(ends, 0)))
    coords = {"start": list(kinds), "end": list(ENDS)}
    return xr.DataArray(np.stack(rows), coords, ("start", "end", "step"))


def by_sample(
    values: Float[np.ndarray, "row *rest"], numbers: Int[Tensor, "item"]
) -> Float[np.ndarray, "sample *rest"]:
    """Return the sums of values over the rows of each sample.

    Args:
        values: of the items, once for each call of the layer.
        numbers: the sample of each item.
    """
    calls = len(values) // len(numbers)
    own = (numbers - numbers[0]).repeat(calls).numpy()
    found = np.zeros((int(own.max()) + 1, *values.shape[1:]))
    np.add.at(found, own, values)
    return found


def warm_up_group(found: Mapping[str, xr.DataArray], layer: str) -> xr.Dataset:
    """Return the group ``warm_up`` of a layer: its states and the model's output.

    Args:
        found: of `warm_up`.
        layer: its name.
    """
    names = {"states": layer, "output": OUTPUT}
    parts = {what: found[name] for what, name in names.items() if name in found}
    title = "distance after a wrong start, in that of two sequences"
    return xr.Dataset(parts).assign_attrs(title=title, notes="" if parts else SEVERAL)


def _given(reading: Reading, batch: Batch) -> Runs:
    """Return the states of all forward layers and the output, where it has steps."""
    recorder = reading.recorder
    batch = moved(batch, device_of(reading.model))
    recorder.place(batch)
    output, rows = recorder.run(batch), recorder.items.rows
    found = {
        track.name: trace.states[rows[path]] if path in rows else trace.states
        for path, traces in recorder.traces(batch, []).items()
        for track, trace in zip(recorder.tracks[path], traces, strict=True)
        if not track.backward
    }
    steps = next((values.shape[1] for values in found.values()), 0)
    values = by_step(output, steps, recorder.items, batch)
    return found if values is None else found | {OUTPUT: values.detach().cpu().float()}


def by_step(
    output: Any, steps: int, items: Items, batch: Batch
) -> Float[Tensor, "sequence step feature"] | None:
    """Return what a model gives at every step, None if it gives nothing such.

    Args:
        output: what it gave, items along the axis of those of the batch, or first.
        steps: of a layer's sequences.
        items: where a batch has its items.
        batch: what it took.
    """
    leaves = [leaf for _, leaf in placed(output) if isinstance(leaf, Tensor)]
    turned = (steps, items.count(batch))
    if 1 in items.axes.values():
        own = next((leaf for leaf in leaves if leaf.shape[:2] == turned), None)
        if own is not None:
            return own.transpose(0, 1).reshape(*turned[::-1], -1)
    own = next((leaf for leaf in leaves if leaf.shape[1:2] == (steps,)), None)
    return None if own is None else own.reshape(*own.shape[:2], -1)


def _wrongly_started(
    reading: Reading, batch: Batch, steps: int, change: Change
) -> Runs:
    """Return the second halves of what a model gives after a wrong start."""
    recorder, half = reading.recorder, steps // 2
    axes, inputs = recorder.items.axes, set()

    def changed(place: Place, leaf: Any) -> Any:
        along = 1 - axes.get(place, 2)
        if not isinstance(leaf, Tensor) or along not in range(leaf.ndim):
            return leaf
        if leaf.shape[along] != steps:
            return leaf
        inputs.add(place)
        return change(leaf, along, half)

    wrong = replaced(batch, changed)
    if not inputs - recorder.targets:
        return {}
    try:
        found = _given(reading, wrong)
    except UnsupportedModelError:  # the model takes sequences of one length alone
        return {}
    return {name: values[:, half - steps :] for name, values in found.items()}


def _spliced(leaf: Tensor, along: int, half: int) -> Tensor:
    """Return sequences that begin as others do."""
    begin = leaf.roll(1, 1 - along).narrow(along, 0, half)
    return torch.cat([begin, leaf.narrow(along, half, leaf.shape[along] - half)], along)


def _cut(leaf: Tensor, along: int, half: int) -> Tensor:
    """Return the second halves."""
    return leaf.narrow(along, half, leaf.shape[along] - half)


def _squares(right: Tensor, wrong: Tensor) -> Float[np.ndarray, "sequence 2 step"]:
    """Return squared distances to the wrong run, and to another sequence."""
    right = right[:, -wrong.shape[1] :]
    others = wrong, right.roll(1, 0)
    found = [(right - one).double().square().sum(dim=2) for one in others]
    return torch.stack(found, dim=1).numpy()
