"""Recurrences: a train step against the reference, against PyTorch's layers, and more.

Sizes are ``batch-units``; 512 steps of 16 inputs, float32.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from learnability.cells import CELLS, Cell, TorchGRU
from learnability.compiled.layout import compiles
from learnability.unroll import Engine, Network, reference, tangent, warm_up

from .harness import Row, Work, faster, peak, product_rate, seconds

STEPS, INPUTS = 512, 16
SIZES = ((64, 64), (64, 128), (512, 128))
# The speed-ups promised over the reference engine, by size; DiagGate's are higher.
ASKED = {"DiagGate": (9, 4, 2)} | dict.fromkeys(
    ("ConstGate", "SharedGate", "GRU", "LSTM"), (7, 3.5, 1.8)
)
KINDS: dict[str, type[Cell]] = {
    name: cell for name, cell in CELLS.items() if compiles(cell(2, 2))
} | {"TorchGRU": TorchGRU}


def inputs(batch: int, steps: int = STEPS) -> Tensor:
    """Give the same inputs each time."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(batch, steps, INPUTS, generator=generator)


def data(batch: int, steps: int = STEPS) -> tuple[Tensor, Tensor]:
    """Give inputs, and as targets a tensor of its own like those of any task."""
    x = inputs(batch, steps)
    return x, x[..., 0].contiguous()


class Layer(nn.Module):
    """A layer of PyTorch with the read-out of a `Network`."""

    def __init__(self, kind: type[nn.GRU | nn.LSTM], units: int) -> None:
        super().__init__()
        self.layer = kind(INPUTS, units, batch_first=True)
        self.read = nn.Linear(units, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.read(self.layer(x)[0])[..., 0]


def step(network: nn.Module, x: Tensor, y: Tensor) -> None:
    """Do one forward and backward pass of the mean square error to all parameters."""
    network.zero_grad()
    functional.mse_loss(network(x), y).backward()


def make_step(
    kind: str,
    batch: int,
    units: int,
    engine: Engine,
    *,
    steps: int = STEPS,
    layernorm: bool = True,
) -> Work:
    """Give one train step as a piece of work."""
    warm_up()
    cell = KINDS[kind](INPUTS, units, layernorm=layernorm)
    return partial(step, Network(cell, engine=engine), *data(batch, steps))


def train(name: str, kind: str, batch: int, units: int, asked: float) -> Row:
    """Measure a train step against the reference engine."""
    ours = make_step(kind, batch, units, "compiled")
    theirs = make_step(kind, batch, units, "reference")
    return faster(name, ours, theirs, 9 if batch == 64 else 3, asked)


def layer(name: str, kind: str, units: int, asked: float) -> Row:
    """Measure a train step without LayerNorm against PyTorch's layer."""
    ours = make_step(kind, 64, units, "compiled", layernorm=False)
    theirs = Layer({"TorchGRU": nn.GRU, "LSTM": nn.LSTM}[kind], units)
    return faster(name, ours, partial(step, theirs, *data(64)), 15, asked)


def along(name: str, kind: str, units: int) -> Row:
    """Measure a tangent against forward-mode differentiation of the reference."""
    warm_up()
    cell, x = KINDS[kind](INPUTS, units, layernorm=True), inputs(64)
    direction = {n: torch.ones_like(p) for n, p in cell.named_parameters()}
    ours = partial(tangent, cell, x, direction, engine="compiled")
    return faster(name, ours, partial(reference.tangent, cell, x, direction), 5, 8)


def rate(name: str, kind: str, batch: int, units: int) -> Row:
    """Measure the products of a train step against the machine's large product."""
    work = make_step(kind, batch, units, "compiled")
    count = len(KINDS[kind].recurrent)
    # Forward and the weights' gradient see inputs and bias too, the way back does not.
    depth = 2 * (units + INPUTS + 1) + units
    flops = 2 * batch * STEPS * count * units * depth / 1e9
    work()
    pairs = [(flops / seconds(work), product_rate()) for _ in range(7)]
    ratio = statistics.median(a / b for a, b in pairs)
    ours, theirs = (statistics.median(side) for side in zip(*pairs, strict=True))
    return Row(name, ratio, ours, theirs, "GFLOP/s")


def memory(name: str, kind: str, batch: int, units: int) -> Row:
    """Measure the peak memory of a train step against the reference engine."""
    ours, theirs = (
        peak(make_step, kind, batch, units, engine)
        for engine in ("compiled", "reference")
    )
    return Row(name, theirs / ours, ours, theirs, "MB")


def growth(name: str, sizes: list[tuple[int, int, int]], by: int) -> Row:
    """Fit the exponent of a DiagGate step's time against one of batch, steps, units.

    The two sides are the times at the smallest and the largest size.
    """
    works = [
        make_step("DiagGate", batch, units, "compiled", steps=steps)
        for batch, steps, units in sizes
    ]
    for work in works:
        work()
    times = np.median([[seconds(work) for work in works] for _ in range(5)], axis=0)
    exponent = np.polyfit(np.log([size[by] for size in sizes]), np.log(times), 1)[0]
    return Row(name, float(exponent), 1000 * times[0], 1000 * times[-1], "ms")


def rows() -> dict[str, Callable[[], Row]]:
    """Give every measurement by name."""
    found: dict[str, Callable[..., Row]] = {}
    for kind, bounds in ASKED.items():
        for (batch, units), asked in zip(SIZES, bounds, strict=True):
            name = f"train-{kind}-{batch}-{units}"
            found[name] = partial(train, name, kind, batch, units, asked)
    for kind in ("TorchGRU", "LSTM"):
        for units, asked in ((64, 2), (128, 1.2)):
            name = f"layer-{kind}-64-{units}"
            found[name] = partial(layer, name, kind, units, asked)
    for kind in ("DiagGate", "GRU"):
        name = f"tangent-{kind}-64-64"
        found[name] = partial(along, name, kind, 64)
    for kind, (batch, units) in (("DiagGate", SIZES[0]), ("GRU", SIZES[1])):
        name = f"rate-{kind}-{batch}-{units}"
        found[name] = partial(rate, name, kind, batch, units)
    name = "memory-DiagGate-512-128"
    found[name] = partial(memory, name, "DiagGate", 512, 128)
    ranges = {
        "batch": [(b, 128, 64) for b in (32, 64, 128, 256, 512)],
        "steps": [(64, t, 64) for t in (64, 128, 256, 512, 1024)],
        "units": [(64, 128, h) for h in (32, 64, 128, 256)],
    }
    for by, (what, sizes) in enumerate(ranges.items()):
        found[f"growth-{what}"] = partial(growth, f"growth-{what}", sizes, by)
    return found
