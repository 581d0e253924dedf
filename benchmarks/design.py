"""Whether designed gate biases enlarge the window that training realises.

Run it alone: ``python -m benchmarks.design [SEEDS]``. The targets hold what lies
far back only: the means over lags 48 to 95 and 96 to 159, each with strength 0.6.
"""

import sys

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

import learnability as lw
from learnability.tasks import bands

INPUTS, UNITS, STEPS, SEQUENCES, BATCH, UPDATES = 2, 32, 256, 1024, 32, 300
EDGES, STRENGTH, HORIZON = (48, 96, 160), 0.6, 160
TASK = bands.blurred(EDGES, coefficient=STRENGTH, noise=0.3, inputs=INPUTS, steps=STEPS)


class Forecaster(nn.Module):
    """A recurrent layer, drawn from a seed as PyTorch draws it, with a linear head."""

    def __init__(self, kind: str, seed: int) -> None:
        super().__init__()
        self.rnn = getattr(nn, kind)(INPUTS, UNITS, batch_first=True)
        self.head = nn.Linear(UNITS, 1)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for p in self.parameters():
                p.uniform_(-(UNITS**-0.5), UNITS**-0.5, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.rnn(x)[0])[..., 0]


def shares(kind: str, seed: int, *, designed: bool) -> np.ndarray:
    """Train; give the learnt share ``Cov(yhat, phi_k)/c_k`` of each band."""
    direction = TASK.direction(seed=0)
    data = TASK.draw(SEQUENCES, seed=1, direction=direction)
    fresh = TASK.draw(256, seed=2, direction=direction)
    model, generator = Forecaster(kind, seed), torch.Generator().manual_seed(seed)
    if designed:
        lw.design.gate_bias(HORIZON, UNITS, SEQUENCES).apply(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(UPDATES):
        chosen = torch.randint(SEQUENCES, (BATCH,), generator=generator)
        optimizer.zero_grad()
        functional.mse_loss(model(data.x[chosen]), data.y[chosen]).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    with torch.no_grad():
        read = TASK.features(fresh.x, direction) * model(fresh.x)
    return read.mean(dim=(1, 2)).numpy() / STRENGTH / TASK.moments


def realised(found: np.ndarray) -> int:
    """Give the last lag of the bands that are learnt, contiguous from the first."""
    learnt = int(np.cumprod(found >= 0.5).sum())
    return EDGES[learnt] - 1 if learnt else 0


def main(seeds: int = 3, kinds: tuple[str, ...] = ("LSTM", "GRU")) -> None:
    """Print the learnt shares of both starts, with their error over seeds."""
    for kind in kinds:
        for designed in (False, True):
            rows = [shares(kind, seed, designed=designed) for seed in range(seeds)]
            found = np.stack(rows)
            error = found.std(axis=0, ddof=1) / seeds**0.5
            told = ", ".join(
                f"{a:.2f} +- {b:.2f}"
                for a, b in zip(found.mean(axis=0), error, strict=True)
            )
            name = "designed" if designed else "ordinary"
            windows = [realised(row) for row in rows]
            print(f"{kind:5} {name}: shares {told}; windows {windows}", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
