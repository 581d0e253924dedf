"""How what a module gives at a step hangs on what it took earlier, or later."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float, Int
from torch import Tensor

from ..transport.clusters import RatioSums
from .taps import filled

COTANGENTS = 8  # random directions of the outputs, of which norms are made
TRIED = 4, 512  # sequences and steps from which it is tried how far the past reaches
AHEAD = 1e3  # roundings of the largest derivative: Fourier transforms leak as much
SHARP = 1e-20  # of the largest derivative: a past that ends below it has faded away


class Reach(NamedTuple):
    """How far the inputs that a step hangs on lie from it.

    Attributes:
        past: the longest lag at which any step hangs on an input.
        ahead: whether any step hangs on a later input.
        sharp: whether the past ends, and has not faded away.
        steps: of the sequences that were looked at.
    """

    past: int = 0
    ahead: bool = False
    sharp: bool = False
    steps: int = 0


@final
@dataclass(frozen=True)
class Norms:
    """``||d y_t / d x_s||_F`` of a module's outputs and inputs, by autograd.

    With directions v that are orthogonal the sum of ``||v . dy_t/dx_s||^2`` over all
    of them is the square of the norm; one backward pass gives one of them for all s.

    Attributes:
        outputs: y in its graph.
        inputs: x of each call, in the graph.
        joined: puts what belongs to the calls together as (sequence, step, feature).
        seed: of v.
        begun: states that the first call began with, likewise.
    """

    outputs: Float[Tensor, "sequence step feature"]
    inputs: list[Tensor]
    joined: Callable[[list[Tensor]], Tensor]
    seed: int
    begun: Sequence[Tensor] = ()

    def _pulled(
        self, t: int, count: int, by: Sequence[Tensor], generator: torch.Generator
    ) -> Iterator[list[Tensor]]:
        """Yield ``v . dy_t`` by some leaves, of `count` directions v or all there are.

        They are orthogonal to each other and as long as ``E ||v . a||^2 = ||a||^2``
        over all of them asks for: of as many as there are outputs the sum is exact.
        """
        rows, width = len(self.outputs), self.outputs.shape[-1]
        drawn = torch.randn(rows, width, min(count, width), generator=generator)
        v = torch.linalg.qr(drawn).Q * (width / drawn.shape[2]) ** 0.5
        for along in v.to(self.outputs).unbind(dim=-1):
            total = (self.outputs[:, t] * along).sum()
            grads = torch.autograd.grad(total, by, retain_graph=True, allow_unused=True)
            yield filled(grads, by)

    def _squares(
        self, t: int, count: int, generator: torch.Generator
    ) -> Float[np.ndarray, "sequence step"]:
        found = [
            self.joined(parts).double().square().sum(dim=-1).cpu()
            for parts in self._pulled(t, count, self.inputs, generator)
        ]
        return np.asarray(torch.stack(found).sum(dim=0))

    def of_start(
        self, lags: Sequence[int], lengths: Int[Tensor, "_"]
    ) -> Float[np.ndarray, "lag"]:
        """Return ``||d y_{l-1} / d s||_F``, the mean over sequences: s is the start.

        Args:
            lags: steps since the start, from 1.
            lengths: steps of each sequence.
        """
        generator = torch.Generator().manual_seed(self.seed)
        count, norms = len(self.outputs), []
        for lag in lags:
            own = lengths >= lag
            if not own.any():
                norms.append(np.nan)
                continue
            total = torch.zeros(count, dtype=torch.float64)
            for parts in self._pulled(lag - 1, COTANGENTS, self.begun, generator):
                for found in parts:
                    rows = found if len(found) == count else found.transpose(0, 1)
                    total += rows.double().square().flatten(1).sum(dim=1).cpu()
            norms.append(float(total[own].sqrt().mean()))
        return np.array(norms)

    def by_lag(
        self, anchors: Sequence[int], lags: Sequence[int], lengths: Int[Tensor, "_"]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return sums of norms over anchors, and how many there are.

        Args:
            anchors: steps t.
            lags: in steps, from 0.
            lengths: steps of each sequence.

        Returns:
            Both (sequence, lag).
        """
        generator = torch.Generator().manual_seed(self.seed)
        sums, number = np.zeros((2, len(self.outputs), len(lags)))
        for t in anchors:
            own = (lengths > t).numpy()
            if not own.any():
                continue  # the steps of other batches may be more
            norm = np.sqrt(self._squares(t, COTANGENTS, generator)) * own[:, None]
            for place, lag in enumerate(lags):
                if lag <= t:
                    sums[:, place] += norm[:, t - lag]
                    number[:, place] += own
        return sums, number

    def reach(self, known: Reach | None = None) -> Reach:
        """Return how far any step of a few sequences reaches: all steps are tried.

        Args:
            known: of other sequences, which stands where these are no longer.
        """
        generator = torch.Generator().manual_seed(self.seed)
        steps = self.outputs.shape[1]
        if known is not None and known.steps >= steps:
            return known
        tried = torch.randperm(steps, generator=generator)[: TRIED[1]]
        past, ahead, last, largest = 0, 0.0, 0.0, 0.0
        for t in tried.tolist():
            square = self._squares(t, 1, generator)[: TRIED[0]].max(axis=0)
            hangs = np.flatnonzero(square)
            if not hangs.size:
                continue
            ahead = max(ahead, float(square[t + 1 :].max(initial=0.0)))
            largest = max(largest, float(square.max()))
            if t - hangs[0] >= past:
                past, last = int(t - hangs[0]), float(square[hangs[0]])
        rounding = AHEAD * torch.finfo(self.outputs.dtype).eps
        looks_ahead = ahead > rounding**2 * largest
        return Reach(past, looks_ahead, last > SHARP**2 * largest, steps)


def sensitivity_group(
    lags: list[int],
    found: tuple[Float[np.ndarray, "lag"], RatioSums] | None,
    reach: Reach,
    longest: int,
    start: Float[np.ndarray, "later"] | None = None,
) -> xr.Dataset:
    """Return the envelope of a module's outputs by its inputs, over (order, lag).

    Args:
        lags: in steps, from 1.
        found: the mean norm at lag 0 and at these, and its sums by sample; None where
            inputs cannot be differentiated by.
        reach: how far outputs hang on inputs.
        longest: the longest lag that there is.
        start: what arrives of the start so many steps later, if there is one.
    """
    none = np.full(len(lags), np.nan)
    names = ("mean", "error", "log_error", "normalised", "clusters")
    values, origin = dict.fromkeys(names, none), np.nan
    if found is not None:
        mean, ratio = found
        origin = float(mean[0])
        every = ratio.error(0), ratio.log_error(0), mean / origin, ratio.clusters
        values = dict(zip(names, (v[1:] for v in (mean, *every)), strict=True))
    data = {
        name: xr.DataArray(v[None], dims=("order", "lag")) for name, v in values.items()
    }
    data["origin"] = xr.DataArray([origin], dims="order")
    if start is not None:
        title = "||d y_{l-1} / d s||: what l steps later arrives of the start"
        data["start"] = xr.DataArray(start, dims="lag", attrs={"long_name": title})
    coords = {
        "order": ["sensitivity"],
        "lag": xr.DataArray(lags, dims="lag", attrs={"units": "steps"}),
    }
    attrs = {
        "title": "||d y_t / d x_{t-l}||: what a module gives by what it takes",
        "looks_ahead": int(reach.ahead),
    }
    if found is None:
        attrs["undefined"] = (
            "its inputs are whole numbers and have no derivative; name the module "
            "behind the embedding"
        )
    elif reach.sharp and reach.past < longest:
        attrs["past_ends"] = reach.past
    return xr.Dataset(data, coords=coords, attrs=attrs)
