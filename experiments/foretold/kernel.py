r"""How updates move what a network owes to every lag: the kernel over all lags.

``a_l = E[phi_l yhat]``, ``phi_l(t) = u . x_{t-l}``, 0 before the first step. The step
``-P g``, g the gradient of ``1/2 E (yhat - y)^2``, moves it by ``Da = K (c - beta)``,
``K_lm = s_l' P s_m``, ``s_l = E[phi_l d yhat/d theta]``, ``beta_l = a_l T/(T - l)``,
where output and targets are sums of lags and of what no lag tells.
"""

import torch
from jaxtyping import Float
from torch import Tensor, optim

from learnability.cells.closed import ClosedForm
from learnability.evidence import parameter_rates
from learnability.evidence.gradients import cell_gradients
from learnability.unroll import Network

AT_ONCE = 32  # sequences, whose gradients are carried back together


def probes(
    x: Float[Tensor, "sequence step input"],
    direction: Float[Tensor, "input"],
    lags: int,
) -> Float[Tensor, "sequence lag step"]:
    """Return ``phi_l(t) = u . x_{t-l}`` of the lags from 0 on.

    Args:
        x: inputs.
        direction: u.
        lags: how many.
    """
    signal = x @ direction
    found = signal.new_zeros(len(x), lags, x.shape[1])
    for lag in range(lags):
        found[:, lag, lag:] = signal[:, : x.shape[1] - lag]
    return found


def ordered(network: Network, x: Tensor) -> list[Tensor]:
    """Return a network's parameters in the order of its gradients' numbers.

    Args:
        network: cell and read-out.
        x: inputs of a sequence or more.
    """
    cell = network.cell
    assert isinstance(cell, ClosedForm)  # all cells of the plan are
    with torch.no_grad():
        factors = cell.factors(network.states(x[:1]), x[:1])
    norm = ("ln_weight", "ln_bias") if cell.layernorm else ()
    own = [getattr(cell, name) for name in (*norm, *factors)]
    return [*own, network.w_out, network.b_out]


def rates(
    network: Network, optimizer: optim.Optimizer, x: Tensor
) -> Float[Tensor, "parameter"]:
    """Return the diagonal of P, the optimizer's step size of every parameter.

    Args:
        network: what is trained.
        optimizer: what trains it, after a step or more.
        x: inputs of a sequence or more.
    """
    every = ordered(network, x)
    found = [parameter_rates(optimizer, p).detach().flatten() for p in every]
    return torch.cat(found).double()


@torch.no_grad()
def gradients(
    network: Network,
    x: Float[Tensor, "sequence step input"],
    phi: Float[Tensor, "sequence lag step"],
) -> Float[Tensor, "sequence lag parameter"]:
    """Return ``S_n(l) = (1/T) sum_t phi_l(t) d yhat_t/d theta`` of every sequence.

    Args:
        network: at the weights of interest; its parameters as in `ordered`.
        x: inputs.
        phi: the probes.
    """
    cell, parts = network.cell, []
    for place in torch.arange(len(x)).split(AT_ONCE):
        own, states = x[place], network.states(x[place])
        weights = phi[place] / x.shape[1]
        cotangent = states.new_zeros(*weights.shape, cell.state_size)
        cotangent[..., cell.output] = weights[..., None] * network.w_out
        by_cell = cell_gradients(cell, own, states, cotangent)
        by_output = weights @ states[..., cell.output]
        parts.append(torch.cat([by_cell, by_output, weights.sum(-1)[..., None]], -1))
    return torch.cat(parts)


def kernel(
    found: Float[Tensor, "sequence lag parameter"], p: Float[Tensor, "parameter"]
) -> Float[Tensor, "lag lag"]:
    r"""Return ``K_lm = sum_{i != j} S_i(l)' P S_j(m)/(n (n - 1))``, symmetric.

    Pairs of different sequences alone: what is noise of one sequence is in both factors
    and would add ``Cov(S(l), S(m))/n``.

    Args:
        found: ``S_n(l)``.
        p: the diagonal of P.

    Example:
        >>> found = torch.tensor([[[1.0]], [[3.0]]])
        >>> round(float(kernel(found, torch.tensor([2.0]))), 3)
        6.0
    """
    n = len(found)
    scaled = found * p.sqrt().to(found)
    total = scaled.sum(dim=0, dtype=torch.float64)
    own = torch.bmm(scaled, scaled.mT).sum(dim=0, dtype=torch.float64)
    return (total @ total.T - own) / (n * (n - 1))


def reached(
    y: Float[Tensor, "sequence step"], phi: Float[Tensor, "sequence lag step"]
) -> Float[Tensor, "lag"]:
    """Return ``beta_l = E[phi_l yhat] T/(T - l)``, what the output owes to each lag.

    Args:
        y: outputs.
        phi: the probes of the lags from 0 on.
    """
    a = torch.einsum("nlt,nt->l", phi, y - y.mean()).double() / y.numel()
    return a / within(len(a), y.shape[1])


def within(lags: int, steps: int) -> Float[Tensor, "lag"]:
    """Return the share ``(T - l)/T`` of the steps that have a lag's input.

    Args:
        lags: how many, from 0 on.
        steps: T.
    """
    return 1 - torch.arange(lags).double() / steps
