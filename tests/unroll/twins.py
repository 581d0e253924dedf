"""One unrolling by both engines: states, outputs, gradients and tangents, by name."""

import copy

import torch
from torch import Tensor

from learnability.cells import Cell
from learnability.unroll import outputs, reference, tangent, unroll

# Largest error in units of the largest value: rounding that a few steps can enlarge.
TOLERANCE = {torch.float32: 2e-5, torch.float64: 1e-10}


def draw(*shape: int, seed: int, dtype: torch.dtype) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)


def everything(cell: Cell, x: Tensor, state: Tensor, weights: Tensor, engine: str):
    """Give the states, the tangent, and the gradients of ``sum weights * states``."""
    x, state = x.detach().requires_grad_(), state.detach().requires_grad_()
    named = {"x": x, "state": state} | dict(cell.named_parameters())
    states = unroll(cell, x, state, engine=engine)
    gradients = torch.autograd.grad((weights * states).sum(), list(named.values()))
    along = {
        name: draw(*p.shape, seed=n, dtype=p.dtype)
        for n, (name, p) in enumerate(cell.named_parameters())
    }
    found = dict(zip(named, gradients, strict=True))
    total = tangent(cell, x.detach(), along, state.detach(), engine=engine)
    read = read_out(cell, x, weights, engine)
    return found | read | {"states": states.detach(), "tangent": total}


def read_out(cell: Cell, x: Tensor, weights: Tensor, engine: str) -> dict[str, Tensor]:
    """Give the outputs of a read-out and the gradients of ``sum weights * outputs``."""
    weight = draw(cell.units, seed=9, dtype=x.dtype).requires_grad_()
    named = {"x": x, "weight": weight} | dict(cell.named_parameters())
    seen = outputs(cell, x, weight, engine=engine)
    gradients = torch.autograd.grad(
        (weights[..., 0] * seen).sum(), list(named.values())
    )
    read = {f"read-out, {n}": g for n, g in zip(named, gradients, strict=True)}
    return read | {"outputs": seen.detach()}


def agree(cell: Cell, x: Tensor, state: Tensor, weights: Tensor) -> None:
    """Hold the compiled engine to the reference in float64."""
    dtype = x.dtype
    compiled = everything(cell, x, state, weights, "compiled")
    twin = copy.deepcopy(cell).double()
    exact = everything(twin, x.double(), state.double(), weights.double(), "reference")
    whole = max(value.abs().max() for value in exact.values())
    for name, expected in exact.items():
        assert compiled[name].dtype == dtype
        assert compiled[name].shape == expected.shape
        error = (compiled[name] - expected).abs().max()
        # A part that cancels (LayerNorm over two units is a sign) has no scale itself;
        # a closed gate is 2e-38 in float32 and not exp(-200).
        scale = max(expected.abs().max(), 0.1 * whole, 1e-30)
        assert error <= TOLERANCE[dtype] * scale, (name, error, scale)


__all__ = ["TOLERANCE", "agree", "draw", "everything", "reference"]
