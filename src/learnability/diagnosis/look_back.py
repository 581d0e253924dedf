"""The group ``look_back``: how far back what a model gives hangs on what it takes.

Through all layers and the head: ``||d yhat_t / d x_{t-l}||`` by automatic
differentiation, as a share of its largest value over lags.
"""

from typing import Any

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float
from torch import Tensor

from ..models.batches import Batch, device_of
from ..models.quiet import quiet
from ..models.reading import Reading
from ..models.sensitivity import Norms
from ..models.trees import Place, moved, placed, replaced
from ..verdict.rules import Z
from .warm_up import BATCHES, ENDS, by_sample, by_step

ANCHORS = 4  # steps t, in the last quarter
WHOLE_NUMBERS = "the model's inputs are whole numbers and have no derivative"
OTHER_STEPS = "the model's inputs have other steps than the layer's longest sequences"
NO_OUTPUT = "the model gives no tensor of a sequence each"


def look_back(reading: Reading, steps: int, seed: int) -> xr.Dataset:
    """Return how what a model gives hangs on its inputs at each lag.

    Args:
        reading: the model on its data.
        steps: of its sequences.
        seed: of random directions of the outputs.

    Returns:
        ``sensitivity``, of the largest one, over (end, lag): the value and the ends of
        its interval. Empty, and ``notes`` says why, where there is none.
    """
    rows = []
    for batch, numbers in reading.numbered():
        found = _norms(reading, batch, steps, seed)
        if not isinstance(found, str):
            rows.append(by_sample(found, numbers))
        elif found != OTHER_STEPS:
            return xr.Dataset(attrs={"notes": found})
        if len(rows) == BATCHES:
            break
    if not rows:
        return xr.Dataset(attrs={"notes": OTHER_STEPS})
    title = "||d yhat_t / d x_{t-l}||, a share of the largest"
    values = xr.DataArray(
        _shares(np.concatenate(rows)), {"end": [*ENDS]}, ("end", "lag")
    )
    return xr.Dataset({"sensitivity": values}, attrs={"title": title, "notes": ""})


def _norms(
    reading: Reading, batch: Batch, steps: int, seed: int
) -> Float[np.ndarray, "item lag"] | str:
    """Return the sum of norms over some steps t of each item, or why there are none."""
    recorder = reading.recorder
    leaves: dict[Place, Tensor] = {}
    axes = {p: axis for p, axis in recorder.items.axes.items() if axis in (0, 1)}

    def freed(place: Place, leaf: Any) -> Any:
        if place in recorder.targets or not _has_steps(leaf, axes.get(place), steps):
            return leaf
        return leaves.setdefault(place, leaf.detach().clone().requires_grad_())

    def joined(parts: list[Tensor]) -> Float[Tensor, "item step feature"]:
        moved_ = [p.movedim(axes[k], 0) for k, p in zip(leaves, parts, strict=True)]
        return torch.cat([p.reshape(*p.shape[:2], -1) for p in moved_], dim=-1)

    with quiet(reading.model), torch.enable_grad():
        given = replaced(moved(batch, device_of(reading.model)), freed)
        if not leaves:
            inputs = (v for p, v in placed(batch) if p not in recorder.targets)
            floats = any(
                isinstance(v, Tensor) and v.is_floating_point() for v in inputs
            )
            return OTHER_STEPS if floats else WHOLE_NUMBERS
        outputs = recorder.run(given)
        values = by_step(outputs, steps, recorder.items, batch)
        first = int(0.75 * steps)
        if values is None:
            values, first = _at_the_end(outputs, recorder.items.count(batch), steps)
        if values is None or not values.requires_grad:
            return NO_OUTPUT
        anchors = sorted({*np.linspace(first, steps - 1, ANCHORS).astype(int).tolist()})
        lengths = torch.full((len(values),), steps)
        norms = Norms(values, [*leaves.values()], joined, seed)
        return norms.by_lag(anchors, range(anchors[0] + 1), lengths)[0]


def _has_steps(leaf: Any, axis: int | None, steps: int) -> bool:
    """Return whether a leaf is an input of every step that has a derivative."""
    known = isinstance(leaf, Tensor) and leaf.ndim > 1 and leaf.is_floating_point()
    return known and axis is not None and leaf.shape[1 - axis] == steps


def _at_the_end(
    outputs: Any, count: int, steps: int
) -> tuple[Float[Tensor, "item step feature"] | None, int]:
    """Return what a model gives of a whole sequence, as if it were at every step."""
    for _, leaf in placed(outputs):
        if isinstance(leaf, Tensor) and leaf.ndim and len(leaf) == count:
            return leaf.reshape(count, 1, -1).expand(-1, steps, -1), steps - 1
    return None, steps - 1


def _shares(norms: Float[np.ndarray, "sample lag"]) -> Float[np.ndarray, "end lag"]:
    """Return the mean norms, of their largest, and the ends of their intervals."""
    mean, count = norms.mean(0), len(norms)
    peak = int(mean.argmax())
    share = mean / mean[peak] if mean[peak] > 0 else np.full_like(mean, np.nan)
    apart = norms - share * norms[:, [peak]]
    error = np.sqrt((apart**2).sum(0) / (count * max(count - 1, 1))) / mean[peak]
    return np.stack([share, share - Z * error, share + Z * error])
