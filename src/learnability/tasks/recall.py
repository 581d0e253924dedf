"""A token far back in a sequence, to be named at its end."""

import math
from dataclasses import dataclass
from typing import Annotated, Literal, final

import numpy as np
import torch
from jaxtyping import Float, Int
from pydantic import BaseModel, Field, model_validator
from torch import Tensor
from torch.nn.functional import cross_entropy

from ..checked import LARGEST, STRICT, Several, Whole
from ..grid import checked_lags
from ..randomness import Seed, torch_generator
from .objective import NAMING, Objective
from .sequences import Sequences

# Largest noise: a float32 holds its square.
LARGEST_NOISE = 1e9


def cues(
    count: int,
    drawn: torch.Generator,
    *,
    lags: tuple[int, ...],
    tokens: int,
    steps: int,
) -> tuple[
    Float[Tensor, "sequence step token"],
    Int[Tensor, "sequence"],
    Int[Tensor, "sequence"],
]:
    """Return sequences that are zero but for one token, which it is, and its lag.

    ``x_{T-1-l} = e_k``, token k and lag l uniform among theirs.

    Args:
        count: of sequences.
        drawn: what draws them.
        lags: how far from the last step the token may lie.
        tokens: their number, K.
        steps: their number, T.
    """
    token = torch.randint(tokens, (count,), generator=drawn)
    lag = torch.tensor(lags)[torch.randint(len(lags), (count,), generator=drawn)]
    x = torch.zeros(count, steps, tokens)
    x[torch.arange(count), steps - 1 - lag, token] = 1.0
    return x, token, lag


def token_beside_noise(
    count: int,
    drawn: torch.Generator,
    *,
    lags: tuple[int, ...],
    tokens: int,
    steps: int,
) -> tuple[Float[Tensor, "sequence step input"], Int[Tensor, "sequence"]]:
    """Return `cues` with noise of .3 on a further input, and which token it is.

    It takes what `cues` takes.
    """
    x, token, _ = cues(count, drawn, lags=lags, tokens=tokens, steps=steps)
    noise = 0.3 * torch.randn(count, steps, 1, generator=drawn)
    return torch.cat([x, noise], dim=-1), token


@final
@dataclass(frozen=True)
class Cued(Sequences):
    """Sequences with a token each, by name, and how far back it stands.

    Attributes:
        lag: from the token to the last step.
    """

    lag: Int[Tensor, "sequence"]


@final
class Recall(BaseModel):
    """``y = k`` of ``x_t = e_k [t = T - 1 - l] + noise * e_t``, e white and Gaussian.

    One of K tokens, one-hot, stands l steps before the end under noise on every input
    and at every step; it is to be named at the end. Token and lag are uniform among
    theirs, and nothing says which lag it is.

    Attributes:
        kind: "recall".
        lags: at which the token may stand, in steps.
        tokens: their number, K; as many inputs are there.
        noise: standard deviation of the noise, in units of the token.
        steps: their number, T.

    Raises:
        ValueError: if a lag is below 1, not below T or repeated, or there are fewer
            than two tokens.

    Example:
        >>> task = Recall(lags=(2, 4), tokens=3, steps=8)
        >>> data = task.draw(5, seed=0)
        >>> data.x.shape, data.y.shape
        (torch.Size([5, 8, 3]), torch.Size([5]))
    """

    model_config = STRICT

    kind: Literal["recall"] = "recall"
    lags: Several[Whole]
    tokens: Annotated[Whole, Field(ge=2, le=LARGEST)] = 4
    noise: Annotated[float, Field(ge=0, le=LARGEST_NOISE)] = 0.25
    steps: Annotated[Whole, Field(ge=2, le=LARGEST)] = 512

    @model_validator(mode="after")
    def _consistent(self) -> "Recall":
        checked_lags(self.lags, self.steps)
        return self

    @property
    def inputs(self) -> int:
        """Return the number of inputs, one per token."""
        return self.tokens

    @property
    def chance(self) -> float:
        """Return the share that a guess names right, 1/K."""
        return 1 / self.tokens

    @property
    def objective(self) -> Objective:
        """Return what a training makes small: the cross-entropy."""
        return NAMING

    def direction(self, seed: Seed) -> None:
        """Return None: names hang on all inputs, and on no direction among them."""
        del seed

    def draw(self, sequences: int, *, seed: Seed, direction: None = None) -> Cued:
        """Draw sequences of inputs and names, on the CPU.

        Args:
            sequences: N.
            seed: NumPy-style seed.
            direction: of other tasks.

        Raises:
            ValueError: if N is below 1.
        """
        del direction
        if sequences < 1:
            raise ValueError(f"{sequences} sequences were asked for; draw at least 1")
        drawn = torch_generator(seed)
        x, token, lag = cues(
            sequences, drawn, lags=self.lags, tokens=self.tokens, steps=self.steps
        )
        x += self.noise * torch.randn(x.shape, generator=drawn)
        return Cued(x, token, lag)

    def posterior(
        self, x: Float[Tensor, "sequence step token"]
    ) -> Float[Tensor, "sequence token"]:
        """Return ``log p(k | x)``: what who knows the task can tell, and no more.

        ``p(k | x) ~ sum_l exp(x_{T-1-l, k} / noise^2)``, as the densities of the noise
        around the tokens differ by that alone; without noise the token itself.

        Args:
            x: inputs.
        """
        places = [self.steps - 1 - lag for lag in self.lags]
        seen = x[:, places].double()
        if self.noise == 0:
            return seen.amax(dim=1).log()
        return (seen / self.noise**2).logsumexp(dim=1).log_softmax(dim=-1)

    def measured(
        self, data: Cued, outputs: Float[Tensor, "sequence token"]
    ) -> tuple[dict[str, Float[np.ndarray, "lag"]], dict[str, float]]:
        """Return what a network has learnt of each lag, and in all.

        Args:
            data: fresh sequences.
            outputs: logits for them.

        Returns:
            One value per lag of ``accuracy``, the share that is named right (nan where
            no sequence has the lag), and ``learnt_share``, of what lies above a guess
            (0) up to the ceiling (1); in all the ``accuracy``, its ``ceiling`` for who
            knows the task, the ``chance`` of a guess, and the ``floor`` of the error.
        """
        best = self.posterior(data.x)
        right, ceiling = (
            (logits.argmax(dim=-1) == data.y).double() for logits in (outputs, best)
        )
        told = np.array([float(right[data.lag == lag].mean()) for lag in self.lags])
        most = float(ceiling.mean())
        room = most - self.chance if most > self.chance else math.nan
        by_lag = {"learnt_share": (told - self.chance) / room, "accuracy": told}
        return by_lag, {
            "accuracy": float(right.mean()),
            "ceiling": most,
            "chance": self.chance,
            "floor": float(cross_entropy(best, data.y)),
        }
