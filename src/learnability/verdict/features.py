"""Features of one step of the input: linear, products, random Fourier, the user's."""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float, Num

from .observed import FEWEST_SHARING, Observed, names_of_codes, one_hot

Expand = Callable[[np.ndarray], np.ndarray]
Features = str | Callable[[Any], Any]
WAVES = 32  # random Fourier features
SMALLEST_SHARE = 1e-9  # of the largest variance, below which a direction is no feature
FEWEST_OF_A_TOKEN = 5  # rows; what is rarer has no feature of its own
NOTHING = 1e-14  # of the variance with the profile: rounding
PART = 2**21  # numbers of one part of the features: 16 MB


class Whitened:
    """Features phi of any step, freed of the profile that all sequences share.

    ``E phi = 0`` at every step and ``E phi phi' = 1`` over all of them. Fewer than 8
    sequences have no profile: their mean over all steps is taken off.

    Args:
        data: the inputs.
        features: see `dependence`.
        seed: of the random features.

    Raises:
        ValueError: if the inputs do not vary, or the user's features are no numbers.
    """

    def __init__(self, data: Observed, features: Features, seed: int) -> None:
        self.data = data
        self.expand = _expansion(data, features, seed)
        count, total, squares = self._sums()
        profile = total / np.maximum(count, 1)[:, None]
        if len(data.inputs) < FEWEST_SHARING:
            profile[:] = total.sum(0) / count.sum()
        self.profile = profile
        left = squares - (profile.T * count) @ profile
        values, vectors = np.linalg.eigh(left / count.sum())
        kept = values > SMALLEST_SHARE * values[-1]
        if values[-1] <= NOTHING * np.diag(squares).max() / count.sum():
            raise ValueError(
                "the inputs do not vary between sequences; give inputs that do"
            )
        self.whiten = vectors[:, kept] / np.sqrt(values[kept])

    @property
    def width(self) -> int:
        """Features of a step."""
        return self.whiten.shape[1]

    def of(
        self, sequences: Any, start: int, stop: int
    ) -> Float[np.ndarray, "sequence step feature"]:
        """Return the features of some sequences from one step to another."""
        values = self.expand(self.data.inputs[sequences, start:stop])
        return (values - self.profile[start:stop]) @ self.whiten

    def _sums(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the sequences of every step, sums of phi and of phi phi'."""
        inputs, lengths = self.data.inputs, self.data.lengths
        steps = inputs.shape[1]
        width = self.expand(inputs[:1, :1]).shape[-1]
        size = max(1, PART // (steps * width))
        total, squares = np.zeros((steps, width)), np.zeros((width, width))
        for i in range(0, len(inputs), size):
            values = self.expand(inputs[i : i + size])
            values[np.arange(steps) >= lengths[i : i + size, None]] = 0
            total += values.sum(0)
            flat = values.reshape(-1, width)
            squares += flat.T @ flat
        return (lengths > np.arange(steps)[:, None]).sum(1), total, squares


def _expansion(data: Observed, features: Features, seed: int) -> Expand:
    """Return what turns inputs (sequence, step, ...) into features."""
    if callable(features):
        return lambda x: _checked(features(x), x)
    base, columns = _base(data)
    if features == "linear":
        return base
    if features == "quadratic":
        first, second = np.triu_indices(columns)
        return lambda x: _joined(base(x), lambda z: z[..., first] * z[..., second])
    if features == "fourier":
        random = np.random.default_rng(seed)
        waves = random.normal(size=(columns, WAVES)) / np.sqrt(columns)
        phases = random.uniform(0, 2 * np.pi, WAVES)
        return lambda x: _joined(base(x), lambda z: np.cos(z @ waves + phases))
    raise ValueError(
        f"features are {features!r}; choose linear, quadratic, fourier or a callable"
    )


def _base(data: Observed) -> tuple[Expand, int]:
    """Return inputs in standard deviations, or tokens as indicators; and how many."""
    values = data.inputs[np.arange(data.inputs.shape[1]) < data.lengths[:, None]]
    if data.tokens:
        names, count = names_of_codes("inputs", values)
        often = names[count * len(data.step) >= FEWEST_OF_A_TOKEN * count.sum()]
        if not len(often):
            raise ValueError(
                f"{len(names)} tokens in {len(data.step)} steps with targets are too "
                f"many; each is needed {FEWEST_OF_A_TOKEN} times: give more sequences"
            )
        return lambda x: one_hot(x, often), len(often)
    mean, deviation = values.mean(0), values.std(0)
    scale = np.where(deviation > 0, deviation, 1.0)
    return lambda x: (x - mean) / scale, values.shape[-1]


def _joined(values: np.ndarray, more: Expand) -> np.ndarray:
    return np.concatenate([values, more(values)], axis=-1)


def _checked(
    values: Any, x: Num[np.ndarray, "sequence step ..."]
) -> Float[np.ndarray, "sequence step feature"]:
    """Return the user's features, or say what is wrong with them."""
    array = np.asarray(values, dtype=float)
    if array.ndim != 3 or array.shape[:2] != x.shape[:2]:
        raise ValueError(
            f"features of inputs {x.shape} have shape {array.shape}; return "
            "(sequence, step, feature)"
        )
    if not np.isfinite(array).all():
        raise ValueError("features are not finite everywhere; return finite numbers")
    return array.copy()
