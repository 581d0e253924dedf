"""Which sequences hang together: named groups, and windows of one series that overlap.

Two windows overlap if the end of one is the beginning of the other, step by step. That
is taken for no accident if the steps that they share differ from the step before often
enough, and are so many that sequences which follow the same rules (text of few symbols,
a chain of states) would not agree for as long; the windows then lie at known places of
a series, and whole stretches of the series that no window leaves are the groups.
"""

from typing import Any

import numpy as np
import torch
from jaxtyping import Int, UInt64
from torch import Tensor

from .batches import SIZE
from .items import Items
from .refusal import UnsupportedModelError
from .trees import length_along, placed

BLOCKS = 128  # stretches of a series, at most: more would only be shorter
STRETCH = 2  # windows' lengths that a stretch has at least, while there are enough
FEWEST = 16  # stretches; where there are fewer, windows apart stand for them
TOGETHER = 8  # groups of a part, among which targets are dealt
ODD = np.uint64(0x9E3779B97F4A7C15)  # no sum of such multiples is another's by chance
ACCIDENT = 1e-6  # probability that windows seem to overlap and do not
ORDERS = (1, 2, 3)  # steps in a row after which the next one is asked for
PAIRS = 100  # of places that agree over these: fewer tell no probability

Labels = Int[np.ndarray, "item"]


def labels_of(given: Any, count: int) -> Labels:
    """Return groups that a user names as numbers, one per sequence.

    Args:
        given: a label for each sequence: whole numbers or text.
        count: how many sequences there are.

    Raises:
        ValueError: if there is not one label for each sequence.
    """
    values = given.cpu() if isinstance(given, Tensor) else given
    values = np.asarray(values)
    if values.shape != (count,):
        raise UnsupportedModelError(
            f"groups have shape {values.shape}; give one label for each of the "
            f"{count} sequences"
        )
    return np.unique(values, return_inverse=True)[1]


def in_parts(labels: Labels) -> list[Int[np.ndarray, "_"]]:
    """Return the places of sequences in parts, each group of them in one part.

    Args:
        labels: the group of each sequence, or -1 for one that is left out.
    """
    order = np.argsort(labels, kind="stable")
    order = order[labels[order] >= 0]
    found, start, groups = [], 0, 0
    last = np.flatnonzero(np.diff(labels[order], append=-1)) + 1
    for stop in last.tolist():
        groups += 1
        rest = len(last) - np.searchsorted(last, stop, side="right")
        if groups >= TOGETHER and stop - start >= SIZE and rest >= TOGETHER:
            found.append(order[start:stop])
            start, groups = stop, 0
    return [*found, order[start:]]


def overlapping(batch: Any, items: Items) -> Labels | None:
    """Return the groups of windows that are cut from one series; None if none overlap.

    Args:
        batch: all sequences.
        items: their items.

    Returns:
        The group of every window, -1 for those that lie in none: they reach from one
        stretch into the next.
    """
    hashes = _step_hashes(batch, items)
    if hashes is None or len(hashes) < 2:
        return None
    least = 1
    while True:
        series, place = _placed_windows(hashes, least)
        if len(np.unique(series)) == len(series):
            return None
        wanted = _unlikely(hashes, series, place)
        if wanted <= least:
            return stretches(series, place, hashes.shape[1])
        least = wanted


def stretches(
    series: Int[np.ndarray, "window"], place: Int[np.ndarray, "window"], steps: int
) -> Labels:
    """Return groups of windows: stretches of their series that share no step.

    Args:
        series: the number of the series that each window is from.
        place: the step of its series at which it begins.
        steps: of a window.

    Returns:
        Numbers of groups, -1 for windows in none.

    Example:
        >>> import numpy as np
        >>> stretches(np.zeros(9, int), np.arange(9), 4).tolist()
        [0, -1, -1, -1, 1, -1, -1, -1, 2]
    """
    spans = [int(np.ptp(place[series == one])) + steps for one in np.unique(series)]
    block = max(STRETCH * steps, -(-sum(spans) // BLOCKS))
    apart = sum(max(1, span // block) for span in spans) < FEWEST
    labels, found = np.full(len(place), -1), 0
    for one in np.unique(series):
        own = np.flatnonzero(series == one)
        own = own[np.argsort(place[own], kind="stable")]
        at = place[own] - place[own[0]]
        chosen = _apart(at, steps) if apart else _inside(at, steps, block)
        labels[own] = np.where(chosen < 0, -1, chosen + found)
        found = max(found, int(labels.max()) + 1)
    return labels


def _apart(place: np.ndarray, steps: int) -> Labels:
    """Return a group for each window that begins where the last one has ended."""
    labels, begun, found = np.full(len(place), -1), -steps, -1
    for k, start in enumerate(place):
        if start >= begun + steps:
            begun, found = start, found + 1
        if start == begun:  # copies of a window go with it
            labels[k] = found
    return labels


def _inside(place: np.ndarray, steps: int, block: int) -> Labels:
    """Return the block that a window lies in as a whole, blocks without one left out.

    A series shorter than two blocks is one.
    """
    if place[-1] + steps < 2 * block:
        return np.zeros(len(place), int)
    labels = np.where(place % block + steps <= block, place // block, -1)
    own = labels >= 0
    labels[own] = np.unique(labels[own], return_inverse=True)[1]
    return labels


def _step_hashes(batch: Any, items: Items) -> UInt64[np.ndarray, "item step"] | None:
    """Return a number for each step of each sequence: equal where all values are.

    Of inputs, and of those other leaves that have the same steps.
    """
    steps, total = None, None
    for place, leaf in placed(batch):
        if place not in items.axes or not isinstance(leaf, Tensor):
            continue
        values = leaf.detach().movedim(items.axes[place], 0)
        if steps is None and values.ndim > 1:
            steps = values.shape[1]
        if values.ndim > 1 and length_along(values, 1) == steps:
            now = _hashed(values.flatten(2) if values.ndim > 2 else values[..., None])
            total = (
                now if total is None else total * np.uint64(0x9E3779B97F4A7C15) + now
            )
    return total if steps is not None and steps > 1 else None


def _hashed(values: Tensor) -> UInt64[np.ndarray, "item step"]:
    whole = values.cpu()
    whole = whole.float() if whole.dtype == torch.bfloat16 else whole
    flat = np.ascontiguousarray(whole.numpy())
    bits = flat.view(f"u{flat.dtype.itemsize}").astype(np.uint64)
    factors = np.random.default_rng(0).integers(1, 2**63, bits.shape[-1], np.uint64)
    return (bits * (2 * factors + np.uint64(1))).sum(axis=-1, dtype=np.uint64)


def _placed_windows(
    hashes: UInt64[np.ndarray, "window step"], least: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return of each window the number of its series and its place in that.

    Args:
        hashes: of each step of each window.
        least: steps that windows which overlap share.
    """
    follows = _follows(hashes, least)
    series, place = np.full(len(hashes), -1), np.zeros(len(hashes), int)
    for start in range(len(hashes)):
        path: dict[int, int] = {}  # window: the steps that it begins after the next
        one = start
        while series[one] < 0 and one not in path and (ahead := follows[one]):
            path[one], one = ahead[1], ahead[0]
        if series[one] < 0:  # the first window of a series, or of one that goes round
            path.pop(one, None)
            series[one] = one
        for window in reversed(path):
            series[window] = series[one]
            place[window] = place[one] + path[window]
            one = window
    return series, place


def _unlikely(
    hashes: UInt64[np.ndarray, "window step"], series: np.ndarray, place: np.ndarray
) -> int:
    """Return how many steps of windows that do not overlap hardly ever agree.

    Of two places of the series at which some steps in a row agree, the next ones do,
    too, with a probability that is counted; so many steps agree with a power of it.
    """
    steps = hashes.shape[1]
    at = np.stack(
        [np.repeat(series, steps), (place[:, None] + np.arange(steps)).ravel()]
    )
    at, first = np.unique(at, axis=1, return_index=True)
    row = hashes.ravel()[first]
    alike = 0.0
    for order in ORDERS[: len(row) - 1]:
        whole = (at[0, order:] == at[0, :-order]) & (
            at[1, order:] == at[1, :-order] + order
        )
        before = _grams(row[None], order)[0, :-1][whole]
        pairs = _pairs(before)
        if pairs >= PAIRS:
            alike = max(alike, _pairs(_grams(row[None], order + 1)[0][whole]) / pairs)
    if alike == 1:
        return steps + 1
    compared = len(hashes) * hashes.size
    return int(np.ceil(np.log(ACCIDENT / compared) / np.log(alike))) if alike else 1


def _pairs(values: np.ndarray) -> float:
    """Return how many pairs of places have the same value."""
    number = np.unique(values, return_counts=True)[1].astype(float)
    return float((number * (number - 1)).sum() / 2)


def _follows(hashes: np.ndarray, least: int) -> list[tuple[int, int] | None]:
    """Return of each window the one that begins before it, and by how many steps.

    Of several that which begins the latest; of windows that are alike the first.

    Args:
        hashes: of each step of each window.
        least: steps that both share.
    """
    count, steps = hashes.shape
    changes = np.ones(hashes.shape, dtype=int)
    changes[:, 1:] = hashes[:, 1:] != hashes[:, :-1]
    wanted = _certain(hashes)
    found: list[tuple[int, int] | None] = [None] * count
    if wanted > steps:
        return found
    grams, so_far = _grams(hashes, wanted), changes.cumsum(axis=1)
    at: dict[int, list[tuple[int, int]]] = {}
    for window, step in np.argwhere(np.isin(grams, grams[:, 0])).tolist():
        at.setdefault(int(grams[window, step]), []).append((step, window))
    for k in range(count):
        for step, window in sorted(at[int(grams[k, 0])]):
            if window == k or (step == 0 and window > k):
                continue
            if steps - step < least or so_far[k, steps - step - 1] < wanted:
                break
            if np.array_equal(hashes[window, step:], hashes[k, : steps - step]):
                found[k] = window, step
                break
    return found


def _certain(hashes: np.ndarray) -> int:
    """Return how many steps must agree that it is no accident."""
    number = np.unique(hashes, return_counts=True)[1]
    alike = float(((number / hashes.size) ** 2).sum())  # that two steps are the same
    if alike == 1:
        return hashes.shape[1] + 1
    pairs = len(hashes) * hashes.size
    return max(2, int(np.ceil(np.log(ACCIDENT / pairs) / np.log(alike))))


def _grams(hashes: np.ndarray, length: int) -> UInt64[np.ndarray, "window start"]:
    """Return a number for every so many steps in a row."""
    last = hashes.shape[1] - length + 1
    total = np.zeros((len(hashes), last), np.uint64)
    for step in range(length):
        total = total * ODD + hashes[:, step : step + last]
    return total
