"""How the state follows the parameters along one direction w."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..cells import Cell, previous
from ..cells.base import WORKING_BYTES, split
from ..compiled.engine import check_direction
from ..randomness import Seed, torch_generator

Direction = dict[str, Tensor]


def parameters(module: nn.Module) -> dict[str, Tensor]:
    """Return the trained parameters by name, detached."""
    return {name: p.detach() for name, p in module.named_parameters()}


def random_direction(module: nn.Module, seed: Seed) -> Direction:
    """Draw a direction of unit length in parameter space, uniformly.

    Args:
        module: whose parameters the direction spans.
        seed: NumPy-style seed.
    """
    generator = torch_generator(seed)
    draw = {
        name: torch.randn(p.shape, generator=generator, dtype=p.dtype).to(p.device)
        for name, p in parameters(module).items()
    }
    length = torch.cat([d.flatten() for d in draw.values()]).norm()
    return {name: d / length for name, d in draw.items()}


def immediate_sensitivity(
    cell: Cell,
    x: Float[Tensor, "sequence step input"],
    states: Float[Tensor, "sequence step state"],
    direction: Direction,
) -> Float[Tensor, "sequence step state"]:
    """Return ``b_k[w]``, the derivative of state_k along w at a fixed state_{k-1}.

    It is made for some sequences at a time: PyTorch holds a dozen arrays of their size.

    Args:
        cell: the recurrence.
        x: inputs.
        states: the states after each step, from a zero initial state.
        direction: w by parameter name; what is not named is 0.

    Raises:
        ValueError: if the direction is none of the cell's parameters.
    """
    check_direction(cell, direction)
    at = parameters(cell)
    along = {n: direction.get(n, torch.zeros_like(p)) for n, p in at.items()}
    found = torch.empty_like(states)
    for part in split(cell, x, max_bytes=WORKING_BYTES):
        before = previous(states[part]).detach()
        found[part] = cell.parameter_jvp(before, x[part], at, along).detach()
    return found
