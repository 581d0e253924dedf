"""Products of two inputs of one step, freed of what the inputs themselves say."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from jaxtyping import Bool, Float

SMALLEST_SHARE = 1e-3
"""Of the largest variance; what varies less follows from the inputs themselves."""


@final
@dataclass(frozen=True)
class Products:
    """Features ``(z_i z_j - c - z'A) W`` of white inputs z, of variance 1.

    Attributes:
        many: how many of the inputs are multiplied, the first ones.
        inputs: A, by least squares; c is taken off with the mean of each step.
        whiten: W.
    """

    many: int
    inputs: Float[np.ndarray, "input product"]
    whiten: Float[np.ndarray, "product feature"]

    @property
    def width(self) -> int:
        """Return how many features there are."""
        return self.whiten.shape[1]

    def of(
        self, z: Float[np.ndarray, "*step input"]
    ) -> Float[np.ndarray, "*step feature"]:
        """Return the features of some inputs."""
        return (multiplied(z, self.many) - z @ self.inputs) @ self.whiten


def multiplied(
    z: Float[np.ndarray, "*step input"], many: int
) -> Float[np.ndarray, "*step product"]:
    """Return the products of any two of the first inputs.

    Example:
        >>> multiplied(np.array([2.0, 3.0, 5.0]), 2).tolist()
        [4.0, 6.0, 9.0]
    """
    first, second = np.triu_indices(many)
    return z[..., first] * z[..., second]


@final
@dataclass(frozen=True)
class ProductMoments:
    """Sums over steps of white inputs, then of their products.

    Attributes:
        rows: how many steps there are.
        total: of them.
        squares: of the products of any two.
        width: how many inputs there are.
        many: how many of these are multiplied.

    Example:
        >>> z = np.random.default_rng(0).normal(size=(64, 20, 2))
        >>> own = np.ones((64, 20), dtype=bool)
        >>> ProductMoments.of([(z, own)], 5).products().width
        3
        >>> ProductMoments.of([(np.sign(z), own)], 5).products().width  # squares are 1
        1
    """

    rows: float
    total: Float[np.ndarray, "input_or_product"]
    squares: Float[np.ndarray, "input_or_product input_or_product"]
    width: int
    many: int

    @classmethod
    def of(
        cls,
        parts: Iterable[tuple[Float[np.ndarray, "_ _ input"], Bool[np.ndarray, "_ _"]]],
        room: int,
    ) -> "ProductMoments":
        """Return the sums of some sequences.

        Args:
            parts: white inputs, (sequence, step, input), and which of their steps
                count, (sequence, step), of some sequences at a time.
            room: products at most.
        """
        found = None
        for z, own in parts:
            width = z.shape[-1]
            many = min(width, int((np.sqrt(8 * room + 1) - 1) / 2))
            values = np.concatenate([z[own], multiplied(z[own], many)], axis=-1)
            one = cls(len(values), values.sum(0), values.T @ values, width, many)
            found = one if found is None else found + one
        assert found is not None  # there are sequences
        return found

    def __add__(self, other: "ProductMoments") -> "ProductMoments":
        """Return the sums over the sequences of both."""
        return replace(
            self,
            rows=self.rows + other.rows,
            total=self.total + other.total,
            squares=self.squares + other.squares,
        )

    def products(self) -> Products | None:
        """Return the products that the inputs have."""
        rows, total, width = self.rows, self.total, self.width
        covariance = self.squares / rows - np.outer(total, total) / rows**2
        of_inputs, both = covariance[:width, :width], covariance[:width, width:]
        fit = np.linalg.pinv(of_inputs, hermitian=True) @ both
        size, axes = np.linalg.eigh(covariance[width:, width:] - both.T @ fit)
        kept = size > SMALLEST_SHARE * max(1.0, size[-1])
        if not kept.any():
            return None
        return Products(self.many, fit, axes[:, kept] / np.sqrt(size[kept]))
