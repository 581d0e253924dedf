"""Data whose dependences on past inputs are known, or measured on all of them.

A family draws sequences, and says what the targets owe to each lag: features of the
inputs at the lag, and the lags at which there is something or, for comparison, nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import final

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor
from torch.nn.functional import one_hot, pad

from learnability.tasks.recall import token_beside_noise

STEPS, INPUTS, TOKENS = 64, 4, 8
LAGS = (2, 4, 8, 16, 24, 32)
BANDS = ((1, 2), (3, 5), (6, 10), (11, 20), (21, 32))
MIDDLES = (1, 4, 8, 15, 26)
FAR_STEPS, FAR, NEAR, CUES = 96, (40, 48, 64, 80), 3, 4
LONG, SHORT = 160, 40  # steps of other lengths
DELAYS = {0: 4, 1: 12, 2: 24}  # of what is recalled, by seed

Draw = Callable[[int, torch.Generator, int, bool], tuple[Tensor, Tensor]]


@final
@dataclass(frozen=True)
class Family:
    """What models are trained on.

    Attributes:
        draw: makes so many sequences of a generator, for a seed of the task, of what is
            for training or of what is not: inputs (sequence, step, input), and targets,
            values or classes of each step or classes of each sequence.
        features: of some inputs, of each lag: (sequence, step, lag, feature).
        there: lags at which there is something, for a seed of the task.
        nothing: lags at which there is nothing.
        classes: how many there are; 0 where targets are values.
    """

    draw: Draw
    features: Callable[[Tensor, tuple[int, ...]], Tensor]
    there: Callable[[int], tuple[int, ...]]
    nothing: tuple[int, ...] = ()
    classes: int = 0


def shifted(
    values: Shaped[Tensor, "sequence step *rest"], lag: int
) -> Shaped[Tensor, "sequence step *rest"]:
    """Return the values so many steps ago, 0 before the first."""
    some = values.shape[1] - lag
    widths = (0, 0) * (values.ndim - 2) + (lag, 0)
    return pad(values[:, :some], widths)


def at_lags(x: Tensor, lags: tuple[int, ...]) -> Tensor:
    """Return the inputs themselves at every lag."""
    return torch.stack([shifted(x, lag) for lag in lags], dim=2)


def products(x: Tensor, lags: tuple[int, ...]) -> Tensor:
    """Return the product of the first two inputs at every lag."""
    return at_lags(x[..., :1] * x[..., 1:2], lags)


def direction(seed: int) -> Float[Tensor, "input"]:
    """Return the axis of the inputs on which the targets hang."""
    drawn = torch.Generator().manual_seed(100 + seed)
    u = torch.randn(INPUTS, generator=drawn)
    return u / u.norm()


def _values(
    kernel: dict[int, float],
    noise: float,
    product: bool = False,
    steps: int = STEPS,
    last: bool = False,
) -> Draw:
    """Return what draws ``y_t = sum_l k_l s_{t-l} + noise e_t``, or its last step."""

    def draw(
        count: int, drawn: torch.Generator, seed: int, training: bool
    ) -> tuple[Tensor, Tensor]:
        x = torch.randn(count, steps, INPUTS, generator=drawn)
        s = x[..., 0] * x[..., 1] if product else x @ direction(seed)
        y = sum(k * shifted(s, lag) for lag, k in kernel.items())
        y = y + noise * torch.randn(count, steps, generator=drawn)
        return x, y[:, -1] if last else y

    return draw


def _recall(
    count: int, drawn: torch.Generator, seed: int, training: bool
) -> tuple[Tensor, Tensor]:
    """Draw tokens, and at every step the token of some steps ago."""
    tokens = torch.randint(TOKENS, (count, STEPS), generator=drawn)
    return one_hot(tokens, TOKENS).float(), shifted(tokens, _delay(seed))


def _delay(seed: int) -> int:
    return DELAYS[seed % len(DELAYS)]


def _parity(
    count: int, drawn: torch.Generator, seed: int, training: bool
) -> tuple[Tensor, Tensor]:
    """Draw signs, and at every step whether those of 2 and of 5 steps ago are alike."""
    x = torch.randint(2, (count, STEPS, 1), generator=drawn) * 2.0 - 1
    return x, (pairs(x, (5,))[:, :, 0, 0] > 0).long()


def pairs(x: Tensor, lags: tuple[int, ...]) -> Tensor:
    """Return the product of a lag's sign with that of 2 steps ago."""
    return at_lags(x, lags) * shifted(x, 2)[:, :, None]


def _digits(
    count: int, drawn: torch.Generator, seed: int, training: bool
) -> tuple[Tensor, Tensor]:
    """Draw pictures of digits, row by row, and their names."""
    x, y = (_part(values, training) for values in _pictures())
    chosen = torch.randint(len(x), (count,), generator=drawn)
    return x[chosen], y[chosen]


@cache
def _pictures() -> tuple[Tensor, Tensor]:
    from sklearn import datasets  # pyright: ignore[reportMissingImports]

    pictures, names = datasets.load_digits(return_X_y=True)
    x = torch.tensor(pictures / 16, dtype=torch.float32).view(-1, 8, 8)
    return x, torch.tensor(names)


def _series(
    count: int, drawn: torch.Generator, seed: int, training: bool
) -> tuple[Tensor, Tensor]:
    """Draw stretches of the weekly carbon dioxide of Mauna Loa, and what comes next."""
    steps = _part(_carbon_dioxide(), training)
    starts = torch.randint(len(steps) - STEPS, (count,), generator=drawn)
    whole = steps[starts[:, None] + torch.arange(STEPS + 1)]
    return whole[:, :-1, None], whole[:, 1:]


@cache
def _carbon_dioxide() -> Tensor:
    """Return the changes from week to week, of variance 1."""
    from statsmodels import datasets  # pyright: ignore[reportMissingImports]

    weekly = datasets.co2.load_pandas().data["co2"]  # pyright: ignore
    change = np.diff(weekly.interpolate().to_numpy())
    return torch.tensor((change - change.mean()) / change.std(), dtype=torch.float32)


def _part(values: Tensor, training: bool) -> Tensor:
    """Return the first 60 % for training, else the others."""
    cut = int(0.6 * len(values))
    return values[:cut] if training else values[cut:]


def _cue(
    count: int, drawn: torch.Generator, seed: int, training: bool
) -> tuple[Tensor, Tensor]:
    """Draw a token at one of three far steps, under noise, and its name at the end."""
    return token_beside_noise(count, drawn, lags=FAR[1:], tokens=CUES, steps=FAR_STEPS)


def _far_steps(
    count: int, drawn: torch.Generator, lags: tuple[int, ...]
) -> Int[Tensor, "sequence"]:
    """Draw a step for each sequence, one of those so far from the last."""
    chosen = torch.randint(len(lags), (count,), generator=drawn)
    return FAR_STEPS - 1 - torch.tensor(lags)[chosen]


def _adding(
    count: int, drawn: torch.Generator, seed: int, training: bool
) -> tuple[Tensor, Tensor]:
    """Draw values, two of them marked far back, and the sum of these at the end."""
    x = torch.zeros(count, FAR_STEPS, 2)
    x[..., 0] = 2 * torch.rand(count, FAR_STEPS, generator=drawn) - 1
    for lags in (FAR[:2], FAR[2:]):
        x[torch.arange(count), _far_steps(count, drawn, lags), 1] = 1.0
    return x, x.prod(-1).sum(-1)


def _total(
    count: int, drawn: torch.Generator, seed: int, training: bool
) -> tuple[Tensor, Tensor]:
    """Draw inputs, and the sum of all of them along an axis at the end."""
    x = torch.randn(count, FAR_STEPS, INPUTS, generator=drawn)
    s = x @ direction(seed)
    return x, s.sum(1) / FAR_STEPS**0.5 + 0.1 * torch.randn(count, generator=drawn)


def _near_and_far(
    count: int, drawn: torch.Generator, seed: int, training: bool
) -> tuple[Tensor, Tensor]:
    """Draw inputs and one far cue, and their sum at the end."""
    x = torch.randn(count, FAR_STEPS, INPUTS, generator=drawn)
    cue = torch.zeros(count, FAR_STEPS, 1)
    cue[:, -1 - FAR[2], 0] = torch.randn(count, generator=drawn)
    near = x[:, -1 - NEAR] @ direction(seed)
    noise = 0.1 * torch.randn(count, generator=drawn)
    return torch.cat([x, cue], -1), 0.7 * (near + cue[:, -1 - FAR[2], 0]) + noise


def _always(*lags: int) -> Callable[[int], tuple[int, ...]]:
    return lambda seed: lags


_DELAYS: dict[int, float] = dict.fromkeys(LAGS, 0.45)
_FEW: dict[int, float] = dict.fromkeys(LAGS[:4], 0.55)
_BAND: dict[int, float] = {
    lag: 0.5 / (last - first + 1) ** 0.5
    for first, last in BANDS
    for lag in range(first, last + 1)
}
_SMOOTH: dict[int, float] = {
    lag: 0.4 * float(np.exp(-lag / 16)) for lag in range(1, 33)
}

FAMILIES = {
    "delays": Family(_values(_DELAYS, 0.3), at_lags, _always(*LAGS), (12,)),
    "noisy delays": Family(_values(_DELAYS, 1.5), at_lags, _always(*LAGS), (12,)),
    "bands": Family(_values(_BAND, 2.0), at_lags, _always(*MIDDLES), (48,)),
    "smooth kernel": Family(_values(_SMOOTH, 2.0), at_lags, _always(*MIDDLES), (48,)),
    "products": Family(
        _values(_DELAYS, 0.5, product=True), products, _always(*LAGS), (12,)
    ),
    "recall": Family(
        _recall, at_lags, lambda seed: (_delay(seed),), (36,), classes=TOKENS
    ),
    "parity": Family(_parity, pairs, _always(5), (12,), classes=2),
    "digits": Family(_digits, at_lags, _always(1, 3, 5, 7), classes=10),
    "carbon dioxide": Family(_series, at_lags, _always(1, 4, 12, 26, 52)),
    "far cue": Family(_cue, at_lags, _always(*FAR[1:]), (20,), classes=CUES),
    "adding": Family(_adding, products, _always(*FAR), (20,)),
    "sum of all": Family(_total, at_lags, _always(4, 16, *FAR[1:])),
    "near and far": Family(_near_and_far, at_lags, _always(NEAR, FAR[2]), (20,)),
    "long delays": Family(
        _values(_DELAYS, 0.3, steps=LONG), at_lags, _always(*LAGS), (12,)
    ),
    "long noisy delays": Family(
        _values(_DELAYS, 1.5, steps=LONG), at_lags, _always(*LAGS), (12,)
    ),
    "last delays": Family(
        _values(_FEW, 0.1, steps=SHORT, last=True), at_lags, _always(*_FEW), (12,)
    ),
    "last noisy delays": Family(
        _values(_FEW, 0.8, steps=SHORT, last=True), at_lags, _always(*_FEW), (12,)
    ),
}
