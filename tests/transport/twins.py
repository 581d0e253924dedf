"""Slow twins of the envelopes, lag by lag."""

import numpy as np

from learnability.transport import transport
from learnability.transport.clusters import RatioSums
from learnability.transport.envelope import Envelope, Totals


def envelope(cell, x, states, lags, *, order, rates=None) -> Envelope:
    """Return the envelope over all windows of sequences of one length."""
    gains = transport(cell, x, states, [0, *lags], order=order)
    weighted = (
        gain if rates is None else gain * rates[:, : gain.shape[1]] for _, gain in gains
    )
    return summarise(lags, weighted)


def summarise(lags, weighted) -> Envelope:
    """Return the envelope of the mu of lag 0 and of each lag."""
    sizes = [mu.detach().abs() for mu in weighted]
    totals = Totals.none(len(sizes), sizes[0].shape[-1])
    for place, size in enumerate(sizes):
        totals.add(place, size)
    sums = [size.double().sum(dim=(1, 2)).numpy() for size in sizes]
    number = np.array([[float(size.shape[1]) for size in sizes]] * len(sizes[0]))
    ratio = RatioSums(1, len(sizes))
    ratio.add(np.stack(sums, axis=-1)[:, None], number)
    return totals.envelope(lags, ratio, 0, sizes[0].dtype)
