"""The same model on the same data with two starts: what stops it, and what mends it.

An `nn.LSTM` has to name a token that it saw 100, 150 or 200 steps before the end of a
sequence. Nothing else is there to learn, and nothing nearer.
"""

from copy import deepcopy
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from .design import gate_bias
from .diagnosis import diagnose
from .diagnosis.result import Diagnosis
from .tasks.recall import token_beside_noise

STEPS, LAGS, TOKENS, UNITS = 220, (100, 150, 200), 4, 32
SEQUENCES, FRESH, DIAGNOSED = 1024, 512, (1, 50, *LAGS)
UPDATES, BATCH, RATE, CLIP = 600, 32, 5e-3, 1.0
STARTS = ("ordinary start", "gates for 200 steps")
SEEDS = (0, 1, 2)


class Namer(nn.Module):
    """An LSTM that names a token at the end of a sequence."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(TOKENS + 1, UNITS, batch_first=True)
        self.head = nn.Linear(UNITS, TOKENS)

    def forward(
        self, x: Float[Tensor, "sequence step input"]
    ) -> Float[Tensor, "sequence token"]:
        """Return logits of the tokens."""
        return self.head(self.lstm(x)[0][:, -1])


class Outcome(NamedTuple):
    """What came of one training.

    Attributes:
        seed: of weights and batches.
        start: which of the two.
        accuracy: share of fresh sequences whose token is named.
        found: the diagnosis.
    """

    seed: int
    start: str
    accuracy: float
    found: Diagnosis


def draw(
    count: int, *, seed: int, lags: tuple[int, ...] = LAGS, steps: int = STEPS
) -> tuple[Float[Tensor, "sequence step input"], Int[Tensor, "sequence"]]:
    """Return sequences with one token far back, under noise, and which it was.

    Args:
        count: of sequences.
        seed: of the generator.
        lags: how far from the last step the token may lie.
        steps: of a sequence.

    Example:
        >>> x, token = draw(8, seed=0)
        >>> x.shape, token.shape
        (torch.Size([8, 220, 5]), torch.Size([8]))
    """
    drawn = torch.Generator().manual_seed(seed)
    return token_beside_noise(count, drawn, lags=lags, tokens=TOKENS, steps=steps)


def model(*, seed: int) -> Namer:
    """Return a model at PyTorch's ordinary start, uniform in 1/sqrt(H).

    Args:
        seed: of its weights.
    """
    made, drawn = Namer(), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weights in made.parameters():
            weights.uniform_(-(UNITS**-0.5), UNITS**-0.5, generator=drawn)
    return made


def trained(
    net: Namer, data: tuple[Tensor, Tensor], *, seed: int, updates: int = UPDATES
) -> torch.optim.Optimizer:
    """Train a model in place and return its optimizer.

    Args:
        net: at its start.
        data: inputs and tokens.
        seed: of the batches.
        updates: how many.
    """
    optimizer = torch.optim.Adam(net.parameters(), RATE)
    batches = torch.Generator().manual_seed(seed)
    for _ in range(updates):
        some = torch.randint(len(data[0]), (BATCH,), generator=batches)
        optimizer.zero_grad()
        cross_entropy(net(data[0][some]), data[1][some]).backward()
        nn.utils.clip_grad_norm_(net.parameters(), CLIP)
        optimizer.step()
    return optimizer


def outcome(start: str, seed: int, updates: int = UPDATES) -> Outcome:
    """Train from one of the two starts, and diagnose what came of it.

    Args:
        start: one of `STARTS`.
        seed: of weights and batches.
        updates: of the training.
    """
    data, fresh = draw(SEQUENCES, seed=1), draw(FRESH, seed=2)
    net = model(seed=seed)
    if start != STARTS[0]:
        bias = gate_bias(max(LAGS), units=UNITS, n_sequences=SEQUENCES)
        bias.apply(net.lstm)
    begun = deepcopy(net.state_dict())
    optimizer = trained(net, data, seed=seed, updates=updates)
    with torch.no_grad():
        named = net(fresh[0]).argmax(-1) == fresh[1]
    found = diagnose(
        net,
        data,
        cross_entropy,
        DIAGNOSED,
        heldout=fresh,
        optimizer=optimizer,
        start=begun,
    )
    return Outcome(seed, start, float(named.float().mean()), found)
