"""What `lw.Monitor` adds to a training, by turns with and without it.

Run it alone: ``python -m benchmarks.monitor [ROUNDS]``.
"""

import sys
import time

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

import learnability as lw

STEPS, UNITS, INPUTS, LENGTH, BATCH = 600, 64, 4, 64, 64


class Layer(nn.Module):
    """One recurrent layer, PyTorch's or this package's, with a linear head."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        own = kind == "DiagGate"
        self.rnn = (
            lw.DiagGate(INPUTS, UNITS, seed=0)
            if own
            else getattr(nn, kind)(INPUTS, UNITS, batch_first=True)
        )
        self.own, self.head = own, nn.Linear(UNITS, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(lw.unroll(self.rnn, x) if self.own else self.rnn(x)[0])


def train(kind: str, *, monitored: bool) -> tuple[float, lw.Monitor | None]:
    """Train for some steps; give the seconds, the monitor's own included."""
    task = lw.MultiLag(
        lags=(2, 8, 24), coefficients=(0.6, 0.5, 0.4), inputs=INPUTS, steps=LENGTH
    )
    data = task.draw(1024, seed=1, direction=task.direction(seed=0))
    x, y = data.x, data.y[..., None]
    model, generator = Layer(kind), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in model.parameters():
            p.uniform_(-0.125, 0.125, generator=generator)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    began, monitor = time.perf_counter(), None
    if monitored:
        lags = [1, 2, 4, 8, 12, 16, 24, 32]
        monitor = lw.Monitor(model, (x, y), functional.mse_loss, lags, steps=STEPS)
    for step in range(STEPS):
        chosen = torch.randint(len(x), (BATCH,), generator=generator)
        optimizer.zero_grad()
        functional.mse_loss(model(x[chosen]), y[chosen]).backward()
        optimizer.step()
        if monitor is not None:
            monitor(step)
    return time.perf_counter() - began, monitor


def main(rounds: int = 3) -> None:
    """Print the median seconds of both sides and what the monitor adds."""
    for kind in ("GRU", "LSTM", "DiagGate"):
        train(kind, monitored=True)  # compiles
        with_, without, own = [], [], []
        for turn in range(2 * rounds):
            monitored = (turn + turn // 2) % 2 == 0
            seconds, monitor = train(kind, monitored=monitored)
            (with_ if monitored else without).append(seconds)
            if monitor is not None:
                own.append((monitor.overhead, len(monitor.snapshots)))
        a, b = np.median(with_), np.median(without)
        told = np.median([share for share, _ in own])
        print(
            f"{kind:8} {STEPS} steps: {a:.2f} s against {b:.2f} s, {a / b - 1:+.1%}; "
            f"{own[-1][1]} measurements, {told:.1%} by its own clock",
            flush=True,
        )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
