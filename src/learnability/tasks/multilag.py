"""Regression on single delays of a white input: the lags are known."""

from dataclasses import dataclass
from typing import Annotated, final

import numpy as np
import torch
from jaxtyping import Float
from pydantic import BaseModel, Field, model_validator
from torch import Tensor

from ..checked import LARGEST, STRICT, Count, Several, Whole
from ..grid import checked_lags
from ..randomness import Seed, torch_generator


@dataclass(frozen=True)
class Sequences:
    """Inputs (sequence, step, input) and targets (sequence, step).

    Raises:
        ValueError: if there is none, sizes disagree, or a value is not finite.
    """

    x: Float[Tensor, "..."]
    y: Float[Tensor, "..."]

    def __post_init__(self) -> None:
        if self.x.numel() == 0:
            raise ValueError(
                f"the data are empty (shape {tuple(self.x.shape)}); give sequences"
            )
        if self.x.shape[:2] != self.y.shape:
            raise ValueError(
                f"inputs have shape {tuple(self.x.shape)} but targets "
                f"{tuple(self.y.shape)}; sequences and steps must agree"
            )
        for name, values in (("inputs", self.x), ("targets", self.y)):
            bad = ~torch.isfinite(values)
            if bad.any():
                where = tuple(int(i) for i in bad.nonzero()[0])
                raise ValueError(
                    f"the {name} hold {values[where].item()} at {where}; "
                    "remove or impute what is not finite"
                )

    def __len__(self) -> int:
        return len(self.x)

    def permuted(self, seed: Seed) -> "Sequences":
        """Return the same sequences, each with the targets of another, at random.

        Raises:
            ValueError: if there is one sequence alone.

        Example:
            >>> numbers = torch.arange(4.0)[:, None]
            >>> dealt = Sequences(numbers[..., None], numbers).permuted(seed=0)
            >>> bool((dealt.y != numbers).all())
            True
        """
        if len(self) < 2:
            raise ValueError("one sequence has no other to take targets from; give two")
        order = torch.randperm(len(self), generator=torch_generator(seed))
        order = order.to(self.y.device)
        dealt = torch.empty_like(self.y)
        dealt[order] = self.y[order.roll(1)]  # around one ring: nobody keeps its own
        return Sequences(self.x, dealt)


LOUDEST = 1e9
"""Largest noise and coefficient: a float32 holds sums of their squares."""
Coefficient = Annotated[float, Field(ge=-LOUDEST, le=LOUDEST)]


@final
class MultiLag(BaseModel):
    """``y_t = sum_k c_k u . x_{t - l_k} + noise * e_t``, x and e white and Gaussian.

    Before the first step x is zero. The direction u has unit length.

    Attributes:
        lags: ``l_k`` in steps.
        coefficients: ``c_k``, one a lag.
        noise: standard deviation of what no network can predict.
        inputs: D.
        steps: T.

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

    lags: Several[Whole]
    coefficients: Several[Coefficient]
    noise: Annotated[float, Field(ge=0, le=LOUDEST)] = 0.3
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

    def direction(self, seed: Seed) -> Float[Tensor, "input"]:
        """Draw u, uniformly among the directions of unit length."""
        u = torch.randn(self.inputs, generator=torch_generator(seed))
        return u / u.norm()

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
        for lag, c in zip(self.lags, self.coefficients, strict=True):
            y[:, lag:] += c * signal[:, :-lag]
        return Sequences(x, y)

    @property
    def ceiling(self) -> float:
        """Give the best R² over all steps, ``s/(s + noise^2)``.

        ``s = sum c^2 (T - l)/T``: with a zero history a lag is there in the last T - l
        steps only.
        """
        shares = (self.steps - np.array(self.lags)) / self.steps
        signal = float((np.array(self.coefficients) ** 2 * shares).sum())
        return signal / (signal + self.noise**2)


def learnt_shares(
    task: MultiLag,
    x: Float[Tensor, "sequence step input"],
    prediction: Float[Tensor, "sequence step"],
    direction: Float[Tensor, "input"],
) -> Float[np.ndarray, "lag"]:
    """Give ``rho_k = Cov(yhat_t, u . x_{t-l_k})/c_k``: 1 where a lag is learnt.

    The covariance is divided by the probe's second moment, so that the zero history
    before the first step does not lower it.

    Args:
        task: the task.
        x: fresh inputs.
        prediction: yhat on them.
        direction: u.
    """
    signal, centred = x @ direction, prediction - prediction.mean()
    shares = []
    for lag, c in zip(task.lags, task.coefficients, strict=True):
        past = signal[:, :-lag]
        moment = (past**2).sum()
        shares.append(float((centred[:, lag:] * past).sum() / moment) / c)
    return np.array(shares)
