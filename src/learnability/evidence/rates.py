"""Base rates of an optimizer: the step size that each unit really gets."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn, optim

KNOWN = (optim.Adam, optim.RMSprop)  # AdamW is an Adam; SGD keeps no second moment


class NoRates(ValueError):
    """One sentence that says why an optimizer tells no step sizes."""


def parameter_rates(optimizer: optim.Optimizer, parameter: Tensor) -> Tensor:
    """Return the step size of every entry of one parameter, from the optimizer's state.

    SGD and momentum: ``lr``; Adam, AdamW: ``lr/(sqrt(vhat) + eps)``, ``vhat =
    v/(1 - beta2^k)`` (AMSGrad: its maximum); RMSProp: ``lr/(sqrt(v) + eps)``, centred
    if it is. Momentum's long-run gain ``1/(1 - beta)`` is left out, as published, that
    of SGD and that of RMSprop.

    Args:
        optimizer: `torch.optim` SGD, Adam, AdamW or RMSprop.
        parameter: one of its parameters; found by identity, never by shape.

    Raises:
        NoRates: a ValueError, if the optimizer does not train the parameter, has made
            no step yet, is of another kind, or maximizes.
    """
    group = next(
        (g for g in optimizer.param_groups if any(p is parameter for p in g["params"])),
        None,
    )
    if group is None:
        raise NoRates("the optimizer does not train this parameter; pass its own")
    if group.get("maximize", False):
        raise NoRates(
            "the optimizer maximizes, and base rates are of descent; let it minimize "
            "the negative loss"
        )
    rate = float(group["lr"])
    if isinstance(optimizer, optim.SGD):
        return torch.full_like(parameter, rate)
    if not isinstance(optimizer, KNOWN):
        name = type(optimizer).__name__
        raise NoRates(f"no base rate is known for {name}; use SGD, Adam(W) or RMSprop")
    state = optimizer.state.get(parameter)
    if not state:
        raise NoRates("the optimizer has made no step yet; train first")
    return rate / (_second_moment(optimizer, group, state).sqrt() + group["eps"])


def gradient_size(optimizer: optim.Optimizer, parameters: list[nn.Parameter]) -> float:
    """Return the length of the gradients that an optimizer was given, about.

    The root of their mean square where it keeps one, clipped gradients where a training
    clips them; infinite for SGD.

    Args:
        optimizer: as of `parameter_rates`.
        parameters: what it trains.
    """
    if isinstance(optimizer, optim.SGD):
        return math.inf
    groups = {id(p): g for g in optimizer.param_groups for p in g["params"]}
    total = sum(
        float(_second_moment(optimizer, groups[id(p)], optimizer.state[p]).sum())
        for p in parameters
    )
    return total**0.5


def _second_moment(optimizer: optim.Optimizer, group: dict, state: dict) -> Tensor:
    if isinstance(optimizer, optim.Adam):
        kind = "max_exp_avg_sq" if group["amsgrad"] else "exp_avg_sq"
        return state[kind] / (1 - group["betas"][1] ** float(state["step"]))
    if group["centered"]:
        return (state["square_avg"] - state["grad_avg"] ** 2).clamp(min=0)
    return state["square_avg"]


def unit_rates(
    matrices: Float[Tensor, "matrix unit unit"], h: Float[Tensor, "*batch unit"]
) -> Float[Tensor, "*batch unit"]:
    """Return ``Lambda[q]``, the step sizes of recurrent matrices, reduced to a unit.

    ``Lambda[q] = sum_j lambda[q, j] h_j^2 / sum_j h_j^2`` at the source step, the row
    mean where h = 0, averaged over the recurrent matrices.

    Args:
        matrices: the step size of every recurrent weight.
        h: outputs at the source step.
    """
    weight = h**2
    total = weight.sum(dim=-1, keepdim=True)
    share = torch.where(total > 0, weight / total, 1 / h.shape[-1])
    return (share @ matrices.mean(dim=0).T).detach()
