"""Warm-up: how long states and outputs remember that they began wrongly.

A model runs on sequences as they are, on sequences whose first half is that of another
one, and on their second halves alone. How far apart the runs are in the second half is
told in units of the distance between two sequences.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float
from torch import Tensor

from ..models.batches import Batch, device_of
from ..models.reading import Reading
from ..models.refusal import Refusal
from ..models.trees import Place, moved, placed, replaced

BATCHES = 2  # on which it is measured
OUTPUT = "output"  # the model's own, beside the layers by name

Runs = dict[str, Float[Tensor, "sequence step feature"]]
Change = Callable[[Tensor, int, int], Tensor]


def warm_up(reading: Reading) -> dict[str, xr.Dataset]:
    """Return distances step by step after a wrong start, by layer, and of the output.

    ``other`` began as another sequence, ``zero`` with the second half. Empty where
    sequences have several lengths; without ``zero`` where the model takes no halves.

    Args:
        reading: the model on its data.
    """
    sums: dict[tuple[str, str], list[np.ndarray]] = {}
    with reading.recorder.attached(), torch.no_grad():
        for batch in reading.batches[:BATCHES]:
            whole = _given(reading, batch)
            lengths = {values.shape[1] for values in whole.values()}
            if len(lengths) != 1:
                return {}
            (steps,) = lengths
            for kind, change in {"other": _spliced, "zero": _cut}.items():
                given = _wrongly_started(reading, batch, steps, change)
                for name in whole.keys() & given.keys():
                    rows = _squares(whole[name], given[name])
                    sums.setdefault((name, kind), []).append(rows)
    found: dict[str, xr.Dataset] = {}
    for (name, kind), rows in sums.items():
        apart, scale = np.sum(rows, axis=0)
        distance = np.sqrt(apart / np.where(scale > 0, scale, np.nan))
        found[name] = found.get(name, xr.Dataset()).assign({kind: ("step", distance)})
    return found


def warm_up_groups(reading: Reading, layer: str) -> dict[str, xr.Dataset]:
    """Return the group ``warm_up`` of a layer: its states and the model's output.

    Args:
        reading: the model on its data.
        layer: its name.
    """
    found = warm_up(reading)
    parts = [
        one.rename({kind: f"{what}_{kind}" for kind in one.data_vars})
        for what, name in (("states", layer), ("output", OUTPUT))
        if (one := found.get(name)) is not None
    ]
    title = "distance after a wrong start, in that of two sequences"
    group = xr.merge(parts).assign_attrs(title=title)
    return {"warm_up": group} if parts else {}


def _given(reading: Reading, batch: Batch) -> Runs:
    """Return the states of all forward layers and the output, where it has steps."""
    recorder = reading.recorder
    output = recorder.run(moved(batch, device_of(reading.model)))
    found = {
        track.name: trace.states
        for path, traces in recorder.traces(batch, []).items()
        for track, trace in zip(recorder.tracks[path], traces, strict=True)
        if not track.backward
    }
    steps = next((values.shape[1] for values in found.values()), 0)
    for _, leaf in placed(output):
        if isinstance(leaf, Tensor) and leaf.shape[1:2] == (steps,):
            values = leaf.detach().cpu().float()
            return found | {OUTPUT: values.reshape(*leaf.shape[:2], -1)}
    return found


def _wrongly_started(
    reading: Reading, batch: Batch, steps: int, change: Change
) -> Runs:
    """Return the second halves of what a model gives after a wrong start."""
    axes, half = reading.recorder.items.axes, steps // 2

    def changed(place: Place, leaf: Any) -> Any:
        along = 1 - axes.get(place, 2)
        if not isinstance(leaf, Tensor) or along not in range(leaf.ndim):
            return leaf
        return change(leaf, along, half) if leaf.shape[along] == steps else leaf

    try:
        found = _given(reading, replaced(batch, changed))
    except Refusal:  # the model takes sequences of one length alone
        return {}
    return {name: values[:, half - steps :] for name, values in found.items()}


def _spliced(leaf: Tensor, along: int, half: int) -> Tensor:
    """Return sequences that begin as others do."""
    begin = leaf.roll(1, 1 - along).narrow(along, 0, half)
    return torch.cat([begin, leaf.narrow(along, half, leaf.shape[along] - half)], along)


def _cut(leaf: Tensor, along: int, half: int) -> Tensor:
    """Return the second halves."""
    return leaf.narrow(along, half, leaf.shape[along] - half)


def _squares(right: Tensor, wrong: Tensor) -> Float[np.ndarray, "2 step"]:
    """Return squared distances to the wrong run, and between two sequences."""
    right = right[:, -wrong.shape[1] :]
    apart = (right - wrong).double().square().sum(dim=(0, 2))
    scale = (right - right.roll(1, 0)).double().square().sum(dim=(0, 2))
    return torch.stack([apart, scale]).numpy()
