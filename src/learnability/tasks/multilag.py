"""Regression on single delays: the task of the published programme."""

from typing import Annotated, Literal, final

import numpy as np
from jaxtyping import Float
from pydantic import BaseModel, Field, model_validator
from torch import Tensor

from ..checked import LARGEST, STRICT, Count, Several, Whole
from ..grid import checked_lags
from ..randomness import Seed
from .bands import Band, Bands, Sizes
from .objective import SQUARE, Objective
from .sequences import Sequences

# Largest noise and coefficient: a float32 holds sums of their squares.
LARGEST_COEFFICIENT = 1e9
Coefficient = Annotated[float, Field(ge=-LARGEST_COEFFICIENT, le=LARGEST_COEFFICIENT)]


@final
class MultiLag(BaseModel):
    """``y_t = sum_k c_k u . x_{t - l_k} + noise * e_t``, x and e white and Gaussian.

    Attributes:
        kind: "multi-lag"; no dump holds it, as files of before do not.
        lags: ``l_k`` in steps.
        coefficients: ``c_k``, one a lag.
        noise: standard deviation of what no network can predict.
        inputs: their number, D.
        steps: their number, T.

    Raises:
        ValueError: if a lag is below 1, not below T or repeated, a coefficient is 0,
            or the numbers of lags and coefficients differ.

    Example:
        >>> task = MultiLag(lags=(2, 4), coefficients=(0.6, 0.4), inputs=3, steps=8)
        >>> task.draw(5, seed=0, direction=task.direction(seed=1)).x.shape
        torch.Size([5, 8, 3])

    Source: Livi 2025, experiments (arXiv 2512.05790).
    """

    model_config = STRICT

    kind: Annotated[Literal["multi-lag"], Field(exclude=True, repr=False)] = "multi-lag"
    lags: Several[Whole]
    coefficients: Several[Coefficient]
    noise: Annotated[float, Field(ge=0, le=LARGEST_COEFFICIENT)] = 0.3
    inputs: Count = 16
    steps: Annotated[Whole, Field(ge=2, le=LARGEST)] = 512

    @model_validator(mode="after")
    def _consistent(self) -> "MultiLag":
        checked_lags(self.lags, self.steps)
        if len(self.lags) != len(self.coefficients):
            raise ValueError(
                f"{len(self.lags)} task lags but {len(self.coefficients)} "
                "coefficients; give one coefficient a lag"
            )
        for lag, c in zip(self.lags, self.coefficients, strict=True):
            if c == 0:
                raise ValueError(
                    f"the coefficient of task lag {lag} is 0; leave the lag out or "
                    "give it another"
                )
        return self

    @property
    def bands(self) -> Bands:
        """Return the same task as bands of one lag each, ascending."""
        pairs = sorted(zip(self.lags, self.coefficients, strict=True))
        bands = tuple(
            Band(lags=(lag,), weights=(float(np.sign(c)),), coefficient=abs(c))
            for lag, c in pairs
        )
        return Bands(bands=bands, **self.model_dump(include=set(Sizes.__annotations__)))

    def direction(self, seed: Seed) -> Float[Tensor, "input"]:
        """Draw u, uniformly among the directions of unit length."""
        return self.bands.direction(seed)

    def draw(
        self, sequences: int, *, seed: Seed, direction: Float[Tensor, "input"]
    ) -> Sequences:
        """Draw sequences; see `Bands.draw`."""
        return self.bands.draw(sequences, seed=seed, direction=direction)

    @property
    def ceiling(self) -> float:
        """Return the best R² over all steps; see `Bands.ceiling`."""
        return self.bands.ceiling

    @property
    def objective(self) -> Objective:
        """Return what a training makes small: half the square error."""
        return SQUARE


def power_law_lags(
    count: int, *, exponent: float, shortest: int, longest: int, seed: Seed
) -> tuple[int, ...]:
    """Return distinct lags that are drawn from a power law, ascending.

    ``P(l) ~ l^-(exponent + 1)`` for whole l from shortest to longest; one after the
    other is drawn among those that are left.

    Args:
        count: of lags.
        exponent: of the tail, ``P(lag > l) ~ l^-exponent`` far from both ends; above 0.
        shortest: lag in steps, at least 1.
        longest: lag in steps.
        seed: NumPy-style seed.

    Raises:
        ValueError: if there are fewer lags than are to be drawn, or the exponent is
            not positive.

    Example:
        >>> power_law_lags(4, exponent=0.6, shortest=4, longest=128, seed=0)
        (4, 6, 14, 39)

    Source: after the task of Livi 2026 (arXiv 2606.29519).
    """
    lags = np.arange(max(shortest, 1), longest + 1)
    if not 1 <= count <= len(lags):
        raise ValueError(
            f"{count} lags cannot be drawn from {shortest} to {longest} steps; draw at "
            "least 1, and no more than there are"
        )
    if not exponent > 0:
        raise ValueError(f"the exponent is {exponent:g}; give one above 0")
    weights = lags ** -(exponent + 1.0)
    rng = np.random.default_rng(seed)
    drawn = rng.choice(lags, count, replace=False, p=weights / weights.sum())
    return tuple(sorted(drawn.tolist()))


def learnt_shares(
    task: MultiLag,
    x: Float[Tensor, "sequence step input"],
    prediction: Float[Tensor, "sequence step"],
    direction: Float[Tensor, "input"],
) -> Float[np.ndarray, "lag"]:
    """Return ``rho_k = Cov(yhat_t, u . x_{t-l_k})/c_k``: 1 where a lag is learnt.

    See `Bands.learnt_shares`.

    Args:
        task: the task.
        x: fresh inputs.
        prediction: yhat on them.
        direction: u.
    """
    shares = task.bands.learnt_shares(x, prediction, direction)
    return shares[np.argsort(np.argsort(task.lags))]
