"""Regression on bands of lags: single delays, blurred delays, smooth kernels."""

import itertools
from typing import Annotated, TypedDict, Unpack, final

import numpy as np
import torch
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor

from ..grid import checked_lags
from ..randomness import Seed, torch_generator
from .sequences import Sequences


@final
class Band(BaseModel):
    """Some lags that the target holds together, as one dependency.

    Attributes:
        lags: in steps.
        weights: one a lag; their squares add up to 1.
        coefficient: c, the strength of the dependency.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    lags: tuple[int, ...]
    weights: tuple[float, ...]
    coefficient: Annotated[float, Field(gt=0)]

    @model_validator(mode="after")
    def _consistent(self) -> "Band":
        if len(self.lags) != len(self.weights):
            raise ValueError(
                f"{len(self.lags)} lags but {len(self.weights)} weights; give one a lag"
            )
        size = sum(w**2 for w in self.weights)
        if abs(size - 1) > 1e-6:
            raise ValueError(
                f"the squares of a band's weights add up to {size:g}; scale them to 1"
            )
        return self

    @property
    def centre(self) -> float:
        """Return the mean lag, weighted by the squares of the weights."""
        return sum(lag * w**2 for lag, w in self.pairs)

    @property
    def pairs(self) -> list[tuple[int, float]]:
        """Return every lag with its weight."""
        return list(zip(self.lags, self.weights, strict=True))


def make_band(lags: range, profile: list[float], coefficient: float) -> Band:
    """Return the band of a profile of any size over some lags."""
    size = sum(w**2 for w in profile) ** 0.5
    weights = tuple(w / size for w in profile)
    return Band(lags=tuple(lags), weights=weights, coefficient=coefficient)


@final
class Bands(BaseModel):
    """``y_t = sum_k c_k phi_k(t) + noise * e_t``, a feature ``phi_k`` a band.

    ``phi_k(t) = sum_j w_kj u . x_{t - l_kj}`` has variance 1 once its longest lag has
    passed; x and e are white and Gaussian, and x is zero before the first step.

    Attributes:
        bands: with increasing centres.
        noise: standard deviation of what no network can predict.
        inputs: their number, D.
        steps: their number, T.

    Raises:
        ValueError: if a lag does not fit or is in two bands, or centres do not
            increase.

    Example:
        >>> task = sharp((2, 4), coefficient=0.5, noise=0.3, inputs=3, steps=8)
        >>> task.draw(5, seed=0, direction=task.direction(seed=1)).y.shape
        torch.Size([5, 8])
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    bands: Annotated[tuple[Band, ...], Field(min_length=1)]
    noise: Annotated[float, Field(ge=0)] = 0.3
    inputs: Annotated[int, Field(ge=1)] = 4
    steps: Annotated[int, Field(ge=2)] = 48

    @model_validator(mode="after")
    def _consistent(self) -> "Bands":
        checked_lags([lag for band in self.bands for lag in band.lags], self.steps)
        if (np.diff(self.centres) <= 0).any():
            raise ValueError("the centres of the bands do not increase; sort the bands")
        return self

    @property
    def centres(self) -> Float[np.ndarray, "band"]:
        """Return the mean lag of every band, in steps."""
        return np.array([band.centre for band in self.bands])

    @property
    def coefficients(self) -> Float[np.ndarray, "band"]:
        """Return the strength c of every band."""
        return np.array([band.coefficient for band in self.bands])

    @property
    def moments(self) -> Float[np.ndarray, "band"]:
        """Return ``E[(1/T) sum_t phi_k(t)^2]``, below 1 for the zero history."""
        steps, every = self.steps, (band.pairs for band in self.bands)
        shares = ([w**2 * (steps - lag) / steps for lag, w in own] for own in every)
        return np.array([sum(share) for share in shares])

    @property
    def ceiling(self) -> float:
        """Return the best R² over all steps."""
        signal = float((self.coefficients**2 * self.moments).sum())
        return signal / (signal + self.noise**2)

    def direction(self, seed: Seed) -> Float[Tensor, "input"]:
        """Draw u, uniformly among the directions of unit length."""
        u = torch.randn(self.inputs, generator=torch_generator(seed))
        return u / u.norm()

    def features(
        self, x: Float[Tensor, "sequence step input"], direction: Float[Tensor, "input"]
    ) -> Float[Tensor, "band sequence step"]:
        """Return ``phi_k(t)`` of every band."""
        signal = x @ direction
        found = torch.zeros(len(self.bands), *signal.shape, dtype=x.dtype)
        for feature, band in zip(found, self.bands, strict=True):
            for lag, w in band.pairs:
                feature[:, lag:] += w * signal[:, :-lag]
        return found

    def draw(
        self, sequences: int, *, seed: Seed, direction: Float[Tensor, "input"]
    ) -> Sequences:
        """Draw sequences of inputs and targets, float32 on the CPU.

        Args:
            sequences: N.
            seed: NumPy-style seed.
            direction: u.

        Raises:
            ValueError: if N is below 1.
        """
        if sequences < 1:
            raise ValueError(f"{sequences} sequences were asked for; draw at least 1")
        generator = torch_generator(seed)
        x = torch.randn(sequences, self.steps, self.inputs, generator=generator)
        y = self.noise * torch.randn(sequences, self.steps, generator=generator)
        signal = x @ direction
        for band in self.bands:
            for lag, w in band.pairs:
                y[:, lag:] += band.coefficient * w * signal[:, :-lag]
        return Sequences(x, y)

    def learnt_shares(
        self,
        x: Float[Tensor, "sequence step input"],
        prediction: Float[Tensor, "sequence step"],
        direction: Float[Tensor, "input"],
    ) -> Float[np.ndarray, "band"]:
        """Return ``Cov(yhat_t, phi_k(t))/(c_k E phi_k^2)``: 1 where a band is learnt.

        Args:
            x: fresh inputs.
            prediction: yhat on them.
            direction: u.
        """
        features = self.features(x, direction)
        centred = prediction - prediction.mean()
        product = (features * centred).mean(dim=(1, 2))
        moment = (features**2).mean(dim=(1, 2))
        return (product / moment).double().numpy() / self.coefficients


class Sizes(TypedDict):
    """What every task needs besides its bands; see `Bands`."""

    noise: float
    inputs: int
    steps: int


def sharp(
    lags: tuple[int, ...], *, coefficient: float, **sizes: Unpack[Sizes]
) -> Bands:
    """Return single delays of one strength.

    Args:
        lags: in steps.
        coefficient: c of each.
        sizes: see `Sizes`.
    """
    bands = (make_band(range(lag, lag + 1), [1.0], coefficient) for lag in lags)
    return Bands(bands=tuple(bands), **sizes)


def blurred(
    edges: tuple[int, ...], *, coefficient: float, **sizes: Unpack[Sizes]
) -> Bands:
    """Return bands of equal weights, from each edge to the lag before the next one.

    Args:
        edges: first lags of the bands, and the lag after the last band.
        coefficient: c of each.
        sizes: see `Sizes`.

    Example:
        >>> blurred((1, 2, 5), coefficient=1, noise=0, inputs=1, steps=9).bands[1].lags
        (2, 3, 4)
    """
    spans = [range(a, b) for a, b in itertools.pairwise(edges)]
    bands = (make_band(s, [1.0] * len(s), coefficient) for s in spans)
    return Bands(bands=tuple(bands), **sizes)


def smooth(
    edges: tuple[int, ...], *, scale: float, size: float, **sizes: Unpack[Sizes]
) -> Bands:
    """Return the kernel ``exp(-l/scale)`` over all lags, cut into bands at the edges.

    The cut says what counts as one dependency, and changes nothing in the targets.

    Args:
        edges: first lags of the bands, and the lag after the last band.
        scale: in steps.
        size: root of the kernel's sum of squares.
        sizes: see `Sizes`.
    """
    lags = np.arange(edges[0], edges[-1])
    kernel = np.exp(-lags / scale)
    kernel *= size / np.sqrt((kernel**2).sum())
    bands = []
    for a, b in itertools.pairwise(edges):
        own = kernel[a - edges[0] : b - edges[0]]
        c = float(np.sqrt((own**2).sum()))
        bands.append(make_band(range(a, b), own.tolist(), c))
    return Bands(bands=tuple(bands), **sizes)
