"""Gradients whose lags have weights, such as those of truncated backpropagation."""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..randomness import Seed
from .gradients import gradients_at_fixed_past
from .lag_gradients import own_sweep
from .sample import Sample

BLOCK_BYTES = 2**22  # of cotangents that go on together: those of more leave the cache


def weighted_gradients(
    sample: Sample,
    weights: Float[np.ndarray, "row lag"],
    anchors: Int[np.ndarray, "sequence anchor"],
) -> Float[Tensor, "item row parameter"]:
    """Return ``sum_t sum_l w_l g_{t,l}`` of every item, one row per kind of weights.

    Args:
        sample: the sequences.
        weights: w of lags 0, 1, .. T - 1.
        anchors: steps t of each sequence that stand for all at which the loss looks, -1
            for none.
    """
    cell, x, states = sample.cell, sample.x, sample.states
    at = torch.from_numpy(anchors)
    known = (at >= 0).sum(dim=1).clamp(min=1)
    stands_for = (sample.looks.sum(dim=1) / known)[:, None, None].to(states)
    delta = sample.delta * stands_for
    w = torch.from_numpy(weights).to(states)
    rows = len(w)
    total = states.new_zeros(*states.shape[:2], rows, states.shape[2])
    number = torch.arange(len(x))[:, None].expand_as(at)
    for lag, source, adjoint in own_sweep(cell, x, states, delta, at, x.shape[1] - 1):
        parts = w[:, lag, None] * adjoint[:, :, None]
        there = (at >= 0) & (source >= 0)
        place = number[there], source[there]
        total.index_put_(place, parts[there], accumulate=True)
    cotangent = total.transpose(1, 2)
    count = max(1, BLOCK_BYTES // cotangent[0].nbytes)
    every = (part.split(count) for part in (x, states, cotangent))
    found = [gradients_at_fixed_past(cell, *some) for some in zip(*every, strict=True)]
    return sample.by_item(torch.cat(found))


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
