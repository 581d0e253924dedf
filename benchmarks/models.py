"""The time and memory that diagnosing a large model takes.

Run it alone: ``python -m benchmarks.models``.
"""

import sys
import time

import torch
from torch import Tensor, nn
from torch.nn import functional

import learnability as lw
from learnability.grid import spread_lags

from .harness import high_water

SEQUENCES, STEPS, UNITS, INPUTS, LAGS = 2_000, 256, 256, 16, 64


class Forecaster(nn.Module):
    """Two layers of LSTM with a linear head."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.LSTM(INPUTS, UNITS, num_layers=2, batch_first=True)
        self.head = nn.Linear(UNITS, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.rnn(x)[0])


def data(sequences: int) -> tuple[Tensor, Tensor]:
    """Draw sequences of the multi-lag task."""
    task = lw.MultiLag(
        lags=(8, 32, 96), coefficients=(0.6, 0.5, 0.4), inputs=INPUTS, steps=STEPS
    )
    drawn = task.draw(sequences, seed=1, direction=task.direction(seed=0))
    return drawn.x, drawn.y[..., None]


def lags() -> list[int]:
    """Give 64 lags up to 192, evenly spread in logarithm as far as they can be."""
    count = LAGS
    while len(found := spread_lags(STEPS - 64, count)) < LAGS:
        count += 1
    return found


def peak() -> float:
    """Give the most memory that this process has held so far, in GiB."""
    return high_water() / 2**20


def main(sequences: int = SEQUENCES) -> None:
    """Diagnose, and print the seconds of every stage and the peak of memory."""
    generator = torch.Generator().manual_seed(0)
    model = Forecaster()
    with torch.no_grad():
        for p in model.parameters():
            p.uniform_(-1 / 16, 1 / 16, generator=generator)
    given, began = data(sequences), time.perf_counter()
    last: dict[str, float] = {}

    def progress(stage: str, share: float) -> None:
        if share >= 1 and stage not in last:
            last[stage] = time.perf_counter() - began
            print(f"{last[stage]:7.1f} s {peak():5.2f} GiB  {stage}", flush=True)

    found = lw.diagnose(
        model, given, functional.mse_loss, lags(), seed=0, progress=progress
    )
    seconds = time.perf_counter() - began
    print(f"{seconds:7.1f} s in all, {peak():.2f} GiB, {len(lags())} lags")
    for name, one in found.items():
        group = one.group("detection")
        windows = one.group("envelope").sel(order="exact")
        every = one.group("envelope").sel(order="diagonal")
        known = [float((w["error"] / w["mean"]).median()) for w in (windows, every)]
        print(
            f"{name}: N(l) at {group['lag'].size} lags on {group.attrs['sequences']} "
            f"sequences; exact envelope known to {known[0]:.1%} (median), order "
            f"diagonal, on {one.tree.attrs['measured']} sequences, to {known[1]:.2%}"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else SEQUENCES)
