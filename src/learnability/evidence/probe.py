"""Probe gradients: would a dependency at lag l show in the gradient?

Probe ``phi_l(t) = u . x_{t-l}`` of unit variance; ``S_n(l) = (1/T) sum_t phi_l(t)
d yhat_t / d theta`` is what a dependency of unit strength adds to the gradient of
sequence n, ``G_n`` the gradient of its loss (docs/windows.md). Both passes stream
over sequences: no array of sequences x parameters is ever stored whole.
"""

from collections.abc import Callable, Iterable, Iterator, Sized
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..grid import checked_lags
from ..tasks import Sequences
from ..transport.engine import Engine
from ..unroll import Network
from .lag_gradients import compiled_sweep
from .probe_sweep import Found, Sweep
from .sequence_gradients import sequence_gradients
from .spread import Spread

CHUNK_BYTES = 128 * 2**20  # of gradients held at once; beyond it speed gains nothing


@dataclass(frozen=True)
class ProbeStatistics:
    """What the detection window needs of the probe gradients, per sequence.

    The sequences are split into two halves, the even and the odd ones.

    Attributes:
        lags: lags in steps; (lag,).
        square: ``||S_n||^2``, mean over directions; (lag, sequence).
        dot: ``S_n . S``, S the sum over sequences, mean over directions; likewise.
        projection: ``G_n . s/||s||``, s from the other half; (lag, direction,
            sequence).
        tilt: what leaving a sequence out adds to the other half's squared deviations,
            by turning the direction it is projected on; likewise.
        target: ``mean_t phi_l(t) (y_t - ybar)``, the dependency that the targets of a
            sequence show; (lag, direction, sequence).
    """

    lags: Int[np.ndarray, "lag"]
    square: Float[np.ndarray, "lag sequence"]
    dot: Float[np.ndarray, "lag sequence"]
    projection: Float[np.ndarray, "lag direction sequence"]
    tilt: Float[np.ndarray, "lag direction sequence"]
    target: Float[np.ndarray, "lag direction sequence"]


def whitened(
    x: Float[Tensor, "sequence step input"],
) -> Float[Tensor, "sequence step axis"]:
    """Give inputs of mean 0 and covariance I, by the principal axes of x.

    Axes without variance are left out.
    """
    flat = x.reshape(-1, x.shape[-1])
    centred = flat - flat.mean(dim=0)
    _, size, axes = torch.linalg.svd(centred, full_matrices=False)
    kept = size > size.max() * max(flat.shape) * torch.finfo(x.dtype).eps
    scale = (flat.shape[0] ** 0.5) / size[kept]
    return (centred @ axes[kept].T * scale).reshape(*x.shape[:2], -1)


def probe_signals(
    x: Float[Tensor, "sequence step input"],
    direction: Float[Tensor, "input"] | None = None,
) -> Float[Tensor, "direction sequence step"]:
    """Give ``u . x_t`` of mean 0 and variance 1 for the directions to probe.

    Args:
        x: inputs.
        direction: u; None probes every axis of the whitened inputs.

    Raises:
        ValueError: if the inputs do not vary along the direction.
    """
    if direction is None:
        return whitened(x).movedim(-1, 0)
    signal = x @ direction.to(x)
    signal = signal - signal.mean()
    size = signal.std(correction=0)
    if not size > 0:
        raise ValueError("the inputs do not vary along the direction; probe another")
    return (signal / size)[None]


def shifted(
    signal: Float[Tensor, "*batch step"], lag: int
) -> Float[Tensor, "*batch step"]:
    """Give the signal ``lag`` steps ago, zero before the first step."""
    return torch.nn.functional.pad(signal, (lag, 0))[..., : signal.shape[-1]]


def probe_statistics(
    network: Network,
    data: Sequences,
    lags: Iterable[int],
    *,
    direction: Float[Tensor, "input"] | None = None,
    progress: Callable[[float], None] | None = None,
    engine: Engine = "auto",
) -> ProbeStatistics:
    """Measure the probe gradients of all lags in two passes over the sequences.

    Args:
        network: the network, at the weights of interest.
        data: inputs and targets.
        lags: lags in steps, from 1.
        direction: u of the probe; None averages over the axes of the whitened inputs.
        progress: called with the share of the work that is done.
        engine: ``compiled`` is for this package's cells on a CPU; ``auto`` takes it
            where it can, ``reference`` is PyTorch anywhere.

    Raises:
        ValueError: if a lag does not fit, there are fewer than 4 sequences, or the
            engine is unknown or cannot do this.
    """
    chosen = checked_lags(lags, data.x.shape[1])
    if len(data) < 4:
        raise ValueError(f"{len(data)} sequences are too few to split; give at least 4")
    signals = probe_signals(data.x, direction)
    walk = _Walk(network, data, signals, chosen, progress)
    square, dot, projection, tilt = walk.statistics(engine)
    shape = (len(chosen), len(signals), len(data))
    return ProbeStatistics(
        lags=np.array(chosen),
        square=square.reshape(shape).mean(axis=1),
        dot=dot.reshape(shape).mean(axis=1),
        projection=projection.reshape(shape),
        tilt=tilt.reshape(shape),
        target=_targets(data, signals, chosen),
    )


def feature_statistics(
    network: Network,
    data: Sequences,
    features: Float[Tensor, "feature sequence step"],
    *,
    engine: Engine = "auto",
) -> ProbeStatistics:
    """Measure the probe gradients of any features of the past, in two passes.

    Args:
        network: the network, at the weights of interest.
        data: inputs and targets.
        features: ``phi_k(t)``, each in place of ``u . x_{t-l}``.
        engine: see `probe_statistics`.

    Returns:
        The statistics, a row a feature in place of a lag.

    Raises:
        ValueError: as `probe_statistics`.
    """
    if len(data) < 4:
        raise ValueError(f"{len(data)} sequences are too few to split; give at least 4")
    found = _Walk(network, data, features, [0], None).statistics(engine)
    square, dot, projection, tilt = found
    return ProbeStatistics(
        lags=np.arange(len(features)),
        square=square,
        dot=dot,
        projection=projection[:, None],
        tilt=tilt[:, None],
        target=_targets(data, features, [0]).swapaxes(0, 1),
    )


@dataclass(frozen=True)
class _Walk:
    """A pass over the sequences, a chunk at a time."""

    network: Network
    data: Sequences
    signals: Tensor
    lags: list[int]
    progress: Callable[[float], None] | None

    @property
    def rows(self) -> int:
        return len(self.lags) * len(self.signals)

    def statistics(self, engine: Engine) -> Found:
        """Give squares, products and projections, a row a (lag, direction)."""
        if not compiled_sweep(engine, self.network.cell, self.data.x):
            sums, square = _sums(self)
            return Found(square, *_products(self, sums))
        count = range(len(self.signals))
        probes = [(direction, lag) for lag in self.lags for direction in count]
        signals = self.signals
        return Sweep(self.network, self.data, signals, probes, self.progress).found()

    def chunks(self, passed: int) -> Iterator[tuple[slice, Tensor]]:
        """Yield sequences and the gradients of their probes, (lag, direction)."""
        for part in self._parts(self.rows):
            past = [shifted(self.signals[:, part], lag) for lag in self.lags]
            weight = torch.cat(past).movedim(0, 1) / self.data.x.shape[1]
            found = self._gradients(part, weight)
            found -= weight.sum(dim=-1, keepdim=True).double() * self.mean
            yield part, found
            if self.progress is not None:
                self.progress((passed + part.stop / len(self.data)) / 2)

    def losses(self) -> Iterator[tuple[slice, Tensor]]:
        """Yield sequences and the gradients of their losses."""
        for part in self._parts(1):
            with torch.no_grad():
                error = self.network(self.data.x[part]) - self.data.y[part]
            weight = error[:, None] / error.shape[1]
            yield part, self._gradients(part, weight)[:, 0]

    def _parts(self, rows: int) -> Iterator[slice]:
        size = sum(p.numel() for p in self.network.parameters())
        row = (size + 8 * self.data.x.shape[1] * self.network.cell.units) * 4
        chunk = max(1, int(CHUNK_BYTES // (row * rows)))
        for start in range(0, len(self.data), chunk):
            yield slice(start, min(start + chunk, len(self.data)))

    def _gradients(self, part: slice, weight: Tensor) -> Tensor:
        x = self.data.x[part]
        with torch.no_grad():
            states = self.network.states(x)
        return sequence_gradients(self.network, x, states, weight).double()

    @cached_property
    def mean(self) -> Float[Tensor, "parameter"]:
        """Give ``E d yhat_t/d theta``, which is taken off every probed gradient."""
        total = None
        for x in self.data.x.split(64):
            with torch.no_grad():
                states = self.network.states(x)
            weight = x.new_full((len(x), 1, x.shape[1]), 1 / x.shape[1])
            found = sequence_gradients(self.network, x, states, weight)[:, 0].double()
            total = found.sum(dim=0) + (0 if total is None else total)
        assert total is not None  # data are never empty
        return total / len(self.data)


@runtime_checkable
class Chunks(Protocol):
    """A walk over sequences, twice, that makes their gradients a chunk at a time."""

    @property
    def rows(self) -> int:
        """Give the number of probes."""
        ...

    @property
    def data(self) -> Sized:
        """Give the sequences."""
        ...

    def chunks(self, passed: int) -> Iterator[tuple[slice, Tensor]]:
        """Yield sequences and the gradients of their probes, a row each."""
        ...

    def losses(self) -> Iterator[tuple[slice, Tensor]]:
        """Yield sequences and the gradients of their losses."""
        ...


def _halves(part: slice) -> tuple[slice, slice]:
    """Give the even and the odd sequences of a chunk, as places in it."""
    odd = part.start % 2
    return slice(odd, None, 2), slice(1 - odd, None, 2)


def _sums(walk: Chunks) -> tuple[Tensor, np.ndarray]:
    """Give the sum of S_n over each half, and ``||S_n||^2``."""
    sums, square = None, np.empty((walk.rows, len(walk.data)))
    for part, probes in walk.chunks(0):
        halves = torch.stack([probes[h].sum(dim=0) for h in _halves(part)])
        sums = halves if sums is None else sums + halves
        square[:, part] = (probes**2).sum(dim=-1).T.cpu().numpy()
    assert sums is not None  # data are never empty
    return sums, square


def _products(walk: Chunks, sums: Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give ``S_n . S``, ``G_n . s/||s||`` with s from the other half, and its tilt."""
    spread = Spread.along(sums.movedim(1, 0).cpu().numpy())
    for part, loss in walk.losses():
        spread.add(np.arange(part.start, part.stop), loss.cpu().numpy())
    across = torch.from_numpy(spread.across()).to(sums)
    dot = np.empty((walk.rows, len(walk.data)))
    tilted = np.empty_like(dot)
    whole = sums.sum(dim=0)
    for part, probes in walk.chunks(1):
        dot[:, part] = torch.einsum("nrp,rp->rn", probes, whole).cpu().numpy()
        for half, own in enumerate(_halves(part)):
            inner = torch.einsum("nrp,rp->rn", probes[own], across[:, 1 - half])
            tilted[:, part][:, own] = inner.cpu().numpy()
    return dot, spread.projection(len(walk.data)), spread.tilt(tilted)


def _targets(
    data: Sequences, signals: Tensor, lags: list[int]
) -> Float[np.ndarray, "lag direction sequence"]:
    centred = data.y - data.y.mean()
    rows = [
        (shifted(signals, lag) * centred).sum(dim=-1) / (data.x.shape[1] - lag)
        for lag in lags
    ]
    return torch.stack(rows).double().cpu().numpy()
