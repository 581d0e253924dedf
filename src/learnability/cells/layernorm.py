"""LayerNorm of a candidate's pre-activation, and its share of the Jacobian."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

EPS = 1e-5  # the value of the published runs, and PyTorch's default


def normalise(
    a: Float[Tensor, "*batch unit"], weight: Tensor | None, bias: Tensor | None
) -> Float[Tensor, "*batch unit"]:
    """Return ``LN(a) = weight * (a - mean a) / sqrt(var a + eps) + bias``.

    Without a weight it is the identity.
    """
    if weight is None:
        return a
    return functional.layer_norm(a, a.shape[-1:], weight, bias, EPS)


def own_derivative(
    a: Float[Tensor, "*batch unit"],
    weight: Tensor | None,
    diagonal: Tensor,
    columns: Callable[[Tensor], Tensor],
) -> Float[Tensor, "*batch unit"]:
    """Return the derivative of each unit's ``LN(a)`` by its own past state.

    With ``A = da/dh``: ``k_q = weight_q/std (A_qq - mean_i A_iq - xhat_q mean_i(xhat_i
    A_iq))``, and ``A_qq`` without LayerNorm.

    Args:
        a: the pre-activation.
        weight: LayerNorm's gain, or None.
        diagonal: ``A_qq``; (unit,) or like ``a``.
        columns: the map ``y -> sum_i y_i A_iq``, over the last axis of ``y``.
    """
    if weight is None:
        return diagonal.expand_as(a)
    units = a.shape[-1]
    variance, mean = torch.var_mean(a, dim=-1, keepdim=True, correction=0)
    std = torch.sqrt(variance + EPS)
    xhat = (a - mean) / std
    flat, tilted = columns(a.new_ones(units)), columns(xhat)
    return weight / std * (diagonal - flat / units - xhat * tilted / units)


def scaled_slopes(
    a: Float[Tensor, "*batch unit"], weight: Tensor | None, slope: Tensor
) -> list[Tensor]:
    """Return what `normalise_vjp` needs: ``slope weight/std`` and xhat, or slope alone.

    Args:
        a: the pre-activation.
        weight: LayerNorm's gain, or None.
        slope: the derivative of the next state by ``LN(a)``, unit by unit.
    """
    if weight is None:
        return [slope]
    variance, mean = torch.var_mean(a, dim=-1, keepdim=True, correction=0)
    scale = torch.rsqrt(variance + EPS)
    return [slope * weight * scale, (a - mean) * scale]


def normalise_vjp(
    y: Float[Tensor, "*batch unit"], xhat: list[Tensor]
) -> Float[Tensor, "*batch unit"]:
    """Return the cotangent of ``a``: ``y - mean y - xhat mean(xhat y)``.

    Args:
        y: the cotangent of ``LN(a)`` times ``weight/std``.
        xhat: the normalised pre-activation; nothing without LayerNorm.
    """
    if not xhat:
        return y
    (normal,) = xhat
    tilt = (y * normal).mean(dim=-1, keepdim=True)
    return torch.addcmul(y - y.mean(dim=-1, keepdim=True), normal, tilt, value=-1)
