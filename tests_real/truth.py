"""What is true of a module, by autograd on the model itself and nothing else."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

Given = Callable[[Any], Tensor]  # of what a module gives, its output with steps


class Calls:
    """What a module takes and gives while a model runs, in its graph.

    Args:
        module: the module.
        steps_first: whether steps lie along the first axis.
        one_by_one: whether each call is one step.
    """

    def __init__(
        self, module: nn.Module, *, steps_first: bool = False, one_by_one: bool = False
    ) -> None:
        self.module, self.steps_first = module, steps_first
        self.one_by_one = one_by_one

    def of(self, model: nn.Module, x: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return the inputs of each call, and outputs (sequence, step, feature)."""
        taken, made = [], []

        def hook(_: nn.Module, args: tuple, kwargs: dict, given: Any) -> None:
            taken.append(first((args, kwargs)))
            made.append(first(given))

        handle = self.module.register_forward_hook(hook, with_kwargs=True)
        try:
            model(x)
        finally:
            handle.remove()
        return taken, self.joined(made)

    def joined(self, parts: list[Tensor]) -> Tensor:
        """Put calls together as (sequence, step, feature)."""
        if self.one_by_one:
            return torch.stack([part.reshape(-1, part.shape[-1]) for part in parts], 1)
        whole = torch.cat(parts, dim=0 if self.steps_first else 1)
        return whole.transpose(0, 1) if self.steps_first else whole


def first(tree: Any) -> Tensor:
    """Return the first tensor of numbers with more than one axis."""
    if isinstance(tree, Tensor):
        if tree.is_floating_point() and tree.ndim > 1:
            return tree
        raise LookupError
    inside = tree.values() if isinstance(tree, dict) else tree
    if not hasattr(inside, "__iter__"):
        raise LookupError
    for value in inside:
        try:
            return first(value)
        except LookupError:
            continue
    raise LookupError


def envelope(model: nn.Module, calls: Calls, x: Tensor, lags: list[int]) -> np.ndarray:
    """Return ``||d y_T / d x_{T-l}||_F``, the mean over sequences, feature by feature.

    Args:
        model: the model.
        calls: of the module.
        x: the model's inputs, sequences first.
        lags: from 0.
    """
    x = x.detach().requires_grad_(x.is_floating_point())
    taken, made = calls.of(model, x)
    square = torch.zeros(made.shape[:2])
    for k in range(made.shape[-1]):
        total = made[:, -1, k].sum()
        found = torch.autograd.grad(total, taken, retain_graph=True, allow_unused=True)
        filled = _filled(taken, found)
        square += calls.joined(filled).detach().square().sum(dim=-1)
    last = made.shape[1] - 1
    return np.array([float(square[:, last - lag].sqrt().mean()) for lag in lags])


def transport(
    cell: nn.Module,
    x: Tensor,
    lags: list[int],
    parts: Callable[[Any], list[Tensor]],
    taken: Callable[[list[Tensor]], Any],
) -> np.ndarray:
    """Return ``f(l)``, the mean over windows of ``sum_q |gain of unit q|``.

    The gain is a unit's own entry in the product of Jacobians; where a state is (h, c)
    and h is made of c in the same step, it leads from c to h.

    Args:
        cell: called with inputs and a state, which is none at first.
        x: inputs (sequence, step, input).
        lags: from 0.
        parts: gives the parts of the state of what a call gives.
        taken: gives the state that a call takes, of its parts.
    """
    state, jacobians, exits, width = None, [], [], 0
    for step in x.detach().unbind(dim=1):
        given = None
        if state is not None:
            state = [s.detach().requires_grad_() for s in state]
            given = taken(state)
        now = parts(cell(step, given))
        width = now[0].shape[-1]
        exits.append(_exit(now) if len(now) == 2 else None)
        if state is not None:
            rows = [_by(part[:, q], state) for part in now for q in range(width)]
            jacobians.append(torch.stack(rows, dim=1))
        else:
            jacobians.append(torch.zeros(len(x), len(now) * width, len(now) * width))
        state = now
    size = jacobians[0].shape[-1]
    means = []
    for lag in lags:
        gains = []
        for t in range(lag, len(jacobians)):
            product = torch.eye(size).expand(len(x), size, size)
            for s in range(t - lag + 1, t + 1):
                product = jacobians[s] @ product
            own, out = product, exits[t - lag]
            if out is not None:
                by_h = product[:, :width, :width].diagonal(dim1=1, dim2=2)
                by_c = product[:, :width, width:].diagonal(dim1=1, dim2=2)
                gains.append((by_c + by_h * out).abs().sum(dim=1))
            else:
                gains.append(own.diagonal(dim1=1, dim2=2).abs().sum(dim=1))
        means.append(float(torch.stack(gains).mean()))
    return np.array(means)


def _by(total: Tensor, state: list[Tensor]) -> Tensor:
    if not total.requires_grad:
        return torch.cat([torch.zeros_like(part) for part in state], dim=-1)
    found = torch.autograd.grad(
        total.sum(), state, retain_graph=True, allow_unused=True
    )
    return torch.cat([f.detach() for f in _filled(state, found)], dim=-1)


def _exit(parts: list[Tensor]) -> Tensor | None:
    """Return ``d h / d c`` of each unit where h is made of c, unit by unit."""
    h, c = parts
    if not (h.requires_grad and c.requires_grad) or h is c:
        return None
    (back,) = torch.autograd.grad(c.sum(), h, retain_graph=True, allow_unused=True)
    if back is not None:
        return None
    by_unit = []
    for q in range(h.shape[-1]):
        (found,) = torch.autograd.grad(
            h[:, q].sum(), c, retain_graph=True, allow_unused=True
        )
        if found is None or found[:, torch.arange(h.shape[-1]) != q].any():
            return None
        by_unit.append(found[:, q])
    return torch.stack(by_unit, dim=1)


class Detection(NamedTuple):
    """What N(l) is made of, one number per lag."""

    signal: np.ndarray
    noise: np.ndarray


def detection(
    model: nn.Module,
    calls: Calls,
    head: Tensor,
    data: tuple[Tensor, Tensor],
    direction: Tensor,
    lags: list[int],
) -> Detection:
    """Return U(l) and sigma(l), sequence by sequence and step by step.

    The model's outputs are ``head . y_t`` and its loss the mean square over steps.

    Args:
        model: the model.
        calls: of the module.
        head: weights of the read-out.
        data: inputs and targets.
        direction: u of the probe ``u . x_{t-l}``.
        lags: from 1.
    """
    x, y = data
    parameters = [p for p in calls.module.parameters() if p.requires_grad]
    with torch.no_grad():
        taken = calls.joined(calls.of(model, x)[0])
        error = 2 * (model(x) - y)
    phi = (taken - taken.mean(dim=0)) @ direction
    phi = phi / phi.square().mean().sqrt()
    rho = head.detach() * error.square().mean().sqrt()
    steps, probes, losses, means, levels = y.shape[1], [], [], [], []
    for n in range(len(x)):
        _, made = calls.of(model, x[n : n + 1])
        along = (made[0] * rho).sum(dim=-1)
        past = [torch.cat([torch.zeros(lag), phi[n, : steps - lag]]) for lag in lags]
        probes.append([_flat((p * along).mean(), parameters) for p in past])
        levels.append(torch.stack([p.mean() for p in past]))
        means.append(_flat(along.mean(), parameters))
        by_loss = (made[0] * (error[n][:, None] * head.detach()) / steps).sum()
        losses.append(_flat(by_loss, parameters))
    s = torch.stack([torch.stack(row) for row in probes]).double()
    mean = torch.stack(means).double().mean(dim=0)
    s = s - torch.stack(levels).double()[..., None] * mean
    g, n = torch.stack(losses).double(), len(x)
    signal, noise = [], []
    for k in range(len(lags)):
        own, whole = s[:, k], s[:, k].sum(dim=0)
        signal.append(float((whole @ whole - (own * own).sum()) / (n * (n - 1))))
        others = whole - own
        along = (g * others).sum(dim=1) / others.norm(dim=1)
        noise.append(float(along.std()))
    return Detection(np.array(signal), np.array(noise))


def _flat(total: Tensor, parameters: list[nn.Parameter]) -> Tensor:
    """Return the gradient of a number, complex parameters as pairs."""
    found = torch.autograd.grad(total, parameters, retain_graph=True, allow_unused=True)
    parts = _filled(parameters, found)
    real = [torch.view_as_real(p) if p.is_complex() else p for p in parts]
    return torch.cat([p.flatten() for p in real]).detach()


def _filled(by: Sequence[Tensor], found: Sequence[Tensor | None]) -> list[Tensor]:
    pairs = zip(by, found, strict=True)
    return [torch.zeros_like(b) if g is None else g for b, g in pairs]
