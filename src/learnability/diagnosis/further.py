"""What further updates of the weights do to the training and to the held-out loss."""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from itertools import chain, islice, repeat

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn, optim

from ..evidence.rates import gradient_size
from ..models.batches import device_of
from ..models.quiet import quiet
from ..models.reading import Reading
from ..models.trees import moved
from ..verdict.rules import UPDATES
from ..verdict.step import Fall, fall

BATCH = 32  # sequences of an update, about
GROUPS = 32  # of sequences whose losses are compared, about
ENOUGH = 256  # such sequences


@contextmanager
def changed(tensors: list[Tensor], values: list[Tensor]) -> Iterator[None]:
    """Let tensors have other values meanwhile."""
    before = [t.detach().clone() for t in tensors]
    try:
        copy_into(tensors, values)
        yield
    finally:
        copy_into(tensors, before)


@torch.no_grad()
def copy_into(tensors: list[Tensor], values: list[Tensor]) -> None:
    """Give tensors other values."""
    for tensor, value in zip(tensors, values, strict=True):
        tensor.copy_(value)


def further(
    readings: tuple[Reading, Reading],
    parameters: list[nn.Parameter],
    optimizer: optim.Optimizer,
) -> tuple[Fall, Fall]:
    """Return by how much losses fall over further updates of the weights.

    A copy of the optimizer makes them. Single weights hover about a valley's floor,
    along directions so steep that an update or two changes any loss: compared are the
    averages of the weights over the first and over the second half of the updates. The
    weights are put back afterwards.

    Args:
        readings: the model on training data, and on held-out data.
        parameters: what the updates change.
        optimizer: what trains them.

    Returns:
        The falls of the training and of the held-out loss.

    Source: Izmailov et al. 2018 (averages of weights).
    """
    model, now = readings[0].model, [p.detach() for p in parameters]
    losses = []
    with quiet(model), changed([*parameters], now):
        updates = _updates(readings[0], parameters, optimizer)
        for half in (islice(updates, UPDATES // 2), islice(updates, UPDATES // 2)):
            with changed([*parameters], _average(parameters, half)):
                losses.append([_losses(one) for one in readings])
    train, held = (fall(a, b) for a, b in zip(*losses, strict=True))
    return train, held


def _updates(
    reading: Reading, parameters: list[nn.Parameter], optimizer: optim.Optimizer
) -> Iterator[None]:
    """Update parameters batch by batch, yielding after each update.

    Gradients are no longer than those that the optimizer was given: what clips them in
    a training is not known here.
    """
    recorder, device = reading.recorder, device_of(reading.model)
    longest = gradient_size(optimizer, parameters)
    twin = deepcopy(optimizer)
    of_twin = dict(zip(_trained(optimizer), _trained(twin).values(), strict=True))
    twins = [of_twin[id(p)] for p in parameters]
    many = max(1, round(reading.items / BATCH))
    for batch, count in chain.from_iterable(map(reading.groups, repeat(many))):
        outputs = recorder.run(moved(batch, device))
        loss = recorder.losses(outputs, moved(batch, device)) / count
        found = torch.autograd.grad(loss, parameters, allow_unused=True)
        twin.zero_grad()
        for own, gradient in zip(twins, found, strict=True):
            own.grad = gradient
        nn.utils.clip_grad_norm_(twins, longest)
        twin.step()
        copy_into([*parameters], [own.detach() for own in twins])
        yield


def _trained(optimizer: optim.Optimizer) -> dict[int, nn.Parameter]:
    return {id(p): p for group in optimizer.param_groups for p in group["params"]}


def _average(parameters: list[nn.Parameter], updates: Iterator[None]) -> list[Tensor]:
    """Return the parameters' average over some updates."""
    total, count = [torch.zeros_like(p) for p in parameters], 0
    for _ in updates:
        count += 1
        total = [t + p.detach() for t, p in zip(total, parameters, strict=True)]
    return [t / count for t in total]


@torch.no_grad()
def _losses(reading: Reading) -> Float[np.ndarray, "group 2"]:
    """Return the summed loss of some groups of sequences, and their numbers."""
    recorder, device = reading.recorder, device_of(reading.model)
    groups = max(GROUPS, round(GROUPS * reading.items / ENOUGH))
    rows = []
    with quiet(reading.model):
        for batch, count in islice(reading.groups(groups), GROUPS):
            outputs = recorder.run(moved(batch, device))
            total = recorder.losses(outputs, moved(batch, device)).detach()
            rows.append((float(total), count))
    return np.array(rows, dtype=float)
