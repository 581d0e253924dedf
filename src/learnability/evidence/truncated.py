"""Gradients whose lags have weights, such as those of truncated backpropagation.

Weights that are straight lines over stretches of lags need no product of cotangents and
what the weights multiply for each kind of weights: of a stretch from lag a to lag b the
sums of ``(b - l) g_l`` and ``(l - a) g_l`` are enough for all kinds.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.func import functional_call

from ..cells import Cell, previous
from ..randomness import Seed
from .lag_gradients import own_sweep
from .sample import Sample

Rows = Float[Tensor, "row _"]

STRAIGHT = 1e-9  # weights that bend by less are a straight line, but for rounding


class Stretch(NamedTuple):
    """Lags over which all kinds of weights are straight lines.

    Attributes:
        lags: from the first to the last one.
        shares: that of the first and of the last lag's weights in the weights of each,
            or of the first alone where the weights do not change.
    """

    lags: range
    shares: Float[np.ndarray, "end lag"]


def stretches(weights: Float[np.ndarray, "row lag"]) -> list[Stretch]:
    """Return the longest stretches of lags over which all weights are straight lines.

    Args:
        weights: of each lag from 0 on.

    Example:
        >>> weights = np.array([[1.0, 1.0, 1.0, 0.0], [1.0, 0.75, 0.5, 0.25]])
        >>> [list(one.lags) for one in stretches(weights)]
        [[0, 1, 2], [3]]
    """
    count = weights.shape[1]
    bends = (np.abs(np.diff(weights, 2, axis=1)) > STRAIGHT).any(axis=0)
    starts = [0]
    for lag in (np.flatnonzero(bends) + 2).tolist():
        if lag - 2 >= starts[-1]:
            starts.append(lag)
    return [
        Stretch(range(a, b), _shares(weights[:, a:b]))
        for a, b in zip(starts, [*starts[1:], count], strict=True)
    ]


def _shares(weights: Float[np.ndarray, "row lag"]) -> Float[np.ndarray, "end lag"]:
    still = np.abs(weights - weights[:, :1]).max() <= STRAIGHT
    count = weights.shape[1]
    if still:
        return np.ones((1, count))
    last = np.linspace(0, 1, count)
    return np.stack([1 - last, last])


def weighted_gradients(
    sample: Sample,
    weights: Float[np.ndarray, "row lag"],
    anchors: Int[np.ndarray, "sequence anchor"],
    clusters: Int[Tensor, "item"] | None = None,
    short: Callable[[Rows], Rows] = lambda rows: rows,
) -> Float[Tensor, "cluster row place"]:
    """Return ``sum_t sum_l w_l g_{t,l}`` of every cluster, one row per kind of weights.

    Args:
        sample: the sequences.
        weights: w of lags 0, 1, .. T - 1.
        anchors: steps t of each sequence that stand for all at which the loss looks, -1
            for none.
        clusters: the number of each item's cluster, ascending from 0; a cluster each
            unless given.
        short: a linear map of gradients to fewer numbers; none unless given.
    """
    own = torch.arange(len(sample)) if clusters is None else clusters
    cluster = own[sample.item]
    w = torch.from_numpy(weights).to(sample.states)
    found = torch.zeros(())
    for stretch, *steps in _cotangents(sample, weights, anchors):
        by_end = _by_cluster(sample, cluster, short, *steps)
        ends = [stretch.lags[0], stretch.lags[-1]][: len(stretch.shares)]
        found = found + torch.einsum("re,cep->crp", w[:, ends], by_end)
    return found


def _cotangents(
    sample: Sample,
    weights: Float[np.ndarray, "row lag"],
    anchors: Int[np.ndarray, "sequence anchor"],
) -> Iterator[tuple[Stretch, Tensor, Tensor, Tensor]]:
    """Yield each stretch with the steps that it reaches, and their cotangents.

    Yields:
        The stretch, sequence and step of each place (place,), and the sums of the
        cotangents there, times the shares of each end; (end, place, state).
    """
    cell, x, states = sample.cell, sample.x, sample.states
    at = torch.from_numpy(anchors)
    known = (at >= 0).sum(dim=1).clamp(min=1)
    stands_for = (sample.looks.sum(dim=1) / known)[:, None, None].to(states)
    delta = sample.delta * stands_for
    number = torch.arange(len(x))[:, None].expand_as(at)
    swept = own_sweep(cell, x, states, delta, at, x.shape[1] - 1)
    for stretch in stretches(weights):
        shares = torch.from_numpy(stretch.shares).to(states)
        total = states.new_zeros(*states.shape[:2], len(shares), states.shape[2])
        reached = torch.zeros(states.shape[:2], dtype=torch.bool)
        for share, (_, source, adjoint) in zip(shares.T, swept, strict=False):
            there = source >= 0
            place = number[there], source[there]
            # Anchors differ, and so do their sources at one lag: no place comes twice.
            total[place] += share[:, None] * adjoint[there][:, None]
            reached[place] = True
        sequence, step = reached.nonzero(as_tuple=True)
        yield stretch, sequence, step, total[sequence, step].transpose(0, 1)


def _by_cluster(
    sample: Sample,
    cluster: Tensor,
    short: Callable[[Rows], Rows],
    sequence: Tensor,
    step: Tensor,
    cotangent: Tensor,
) -> Float[Tensor, "cluster end place"]:
    """Return the sums of gradients at a fixed past over the places of each cluster."""
    before = previous(sample.states)[sequence, step]
    x = sample.x[sequence, step]
    counts = torch.bincount(cluster[sequence], minlength=int(cluster[-1]) + 1).tolist()
    parts = before.split(counts), x.split(counts), cotangent.split(counts, dim=1)
    every = zip(*parts, strict=True)
    found = [short(summed_at_fixed_past(sample.cell, *part)) for part in every]
    return torch.stack(found)


def random_anchors(
    sample: Sample, most: int, seed: Seed
) -> Int[np.ndarray, "sequence anchor"]:
    """Return steps at which the loss looks, at most so many of each sequence.

    They lie as far apart as each other, from a random one on: every step is taken as
    often as any other.

    Args:
        sample: the sequences.
        most: steps of a sequence, at most.
        seed: NumPy-style seed.
    """
    rng = np.random.default_rng(seed)
    found = np.full((len(sample.x), most), -1)
    for row, looks in zip(found, sample.looks.cpu().numpy(), strict=True):
        looking = np.flatnonzero(looks)
        count = min(most, looking.size)
        if count:
            places = (np.arange(count) + rng.random()) * looking.size / count
            row[:count] = looking[places.astype(int)]
    return found


def summed_at_fixed_past(
    cell: Cell,
    before: Float[Tensor, "step state"],
    x: Float[Tensor, "step input"],
    cotangent: Float[Tensor, "row step state"],
) -> Float[Tensor, "row parameter"]:
    """Return ``sum_t (d+ state_t / d theta)' cotangent_t``: nothing is carried back.

    Args:
        cell: the recurrence.
        before: the states before some steps, of any sequences.
        x: inputs of these steps.
        cotangent: any number of rows of cotangents of the states after them.

    Returns:
        The gradients, parameters one after the other in the order of the cell's.
    """
    at = {name: p.detach().requires_grad_() for name, p in cell.named_parameters()}
    own = list(at.values())
    if not len(before):  # a user's step may not know what to do with nothing
        return cotangent.new_zeros(len(cotangent), sum(p.numel() for p in own))
    with torch.enable_grad():
        after = functional_call(cell, at, (before, x))
    found = []
    for one in cotangent:
        parts = torch.autograd.grad(
            after, own, one, retain_graph=True, allow_unused=True
        )
        known = (
            torch.zeros_like(p) if g is None else g
            for p, g in zip(own, parts, strict=True)
        )
        found.append(torch.cat([g.flatten() for g in known]))
    return torch.stack(found)
