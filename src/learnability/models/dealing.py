"""The loss again, with the targets of other sequences; which tensors are targets.

Outputs are never looked at: however a model writes them, the loss is called again.
Which tensors are targets is found by trying.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from .batches import is_judged, judged
from .items import Items
from .refusal import UnsupportedModelError
from .trees import Place, placed, replaced

DEALINGS = 16  # of the targets of other sequences; more only take off less noise
CHEAP = 1e7  # numbers in the outputs of as many losses as there are other sequences
TOLERANCE = 1e-4  # of what dealing may do to others' gradients, by rounding
SHARE = 1 / 16  # of the loss; a power of two, which rounds nothing

Delta = Float[Tensor, "item feature"]


def shifts(items: int, size: int) -> list[int]:
    """Return by how many places targets are dealt on, among some sequences.

    All other sequences have their turn where that costs little, 16 of them otherwise.

    Args:
        items: how many sequences.
        size: numbers in their outputs.

    Example:
        >>> shifts(4, 10), len(shifts(64, 10)), len(shifts(64, 10**8))
        ([1, 2, 3], 63, 16)
    """
    count = items - 1
    if size * count > CHEAP:
        count = min(DEALINGS, count)
    return torch.linspace(1, items - 1, count).round().long().tolist()


def differing(batch: Any, items: Items) -> torch.Tensor:
    """Return the items of a batch, those first whose targets no earlier one has.

    Where most sequences have the same target the first few may all have it.
    """
    seen, first, later = set(), [], []
    for item in range(items.count(batch)):
        at = () if isinstance(batch, Mapping) else (len(batch) - 1,)
        key = items.content(judged(batch), item, at)
        (later if key in seen else first).append(item)
        seen.add(key)
    return torch.tensor(first + later)


def dealt(batch: Any, items: Items, targets: set[Place], shift: int) -> Any:
    """Return a batch in which sequence n has the targets of sequence n + shift."""
    count = items.count(batch)
    return items.take(batch, (torch.arange(count) + shift) % count, targets)


def found_targets(
    batch: Any,
    items: Items,
    deltas: Callable[[Any], Delta],
    given: set[Place] | None,
    inputs: set[Place],
) -> set[Place]:
    """Find the leaves of a batch that are targets.

    They are those that the loss is given; where it has none, or one of the same values
    goes into the model, too, those whose dealing moves the loss and no layer's inputs.
    Weights and masks are none: with them at 0 nothing is left of the gradient.

    Args:
        batch: some items.
        items: the items of a batch.
        deltas: gives the loss's gradient by all layers' states, one row per item.
        given: places that the user names.
        inputs: places whose dealing moves what a layer sees.

    Raises:
        ValueError: if no leaf is a target.
    """
    every = {place: leaf for place, leaf in placed(batch) if place in items.axes}
    if given is not None:
        return _named(given, set(every), inputs, len(batch))
    own = deltas(batch)
    if not own.any():
        raise UnsupportedModelError(
            "the loss does not depend on this layer, nor on any recurrent layer: its "
            "gradient is 0; check that nothing is detached, or give sequences on which "
            "there is something left to learn"
        )
    if items.count(batch) == 1:
        raise UnsupportedModelError(
            "a batch holds one sequence, and no other is put beside it: their lengths "
            "differ, or the model takes one alone; give batches of several, padded if "
            "need be, and targets of which a loss or lengths=... knows the ends"
        )
    chosen = {p for p in every if is_judged(batch, p) and p not in inputs}
    moving = {p for p in chosen if _moves(batch, items, deltas, own, p)}
    chosen = moving or {
        p for p in set(every) - inputs - chosen if _moves(batch, items, deltas, own, p)
    }
    if not chosen:
        raise UnsupportedModelError(
            "no targets were found: those of other sequences leave the loss's gradient "
            "as it is, or change what a layer sees; give targets that differ from "
            "sequence to sequence, a loss that looks at them, and a tensor that is "
            "input and target twice, or name them with targets=..."
        )
    labels = {p for p in chosen if not _weighs(batch, deltas, p, every[p])}
    labels = labels or chosen
    alike = {
        p
        for p in set(every) - inputs
        if any(_same(every[p], every[label]) for label in labels)
    }
    return labels | alike


def _named(
    given: set[Place], every: set[Place], inputs: set[Place], parts: int
) -> set[Place]:
    ahead = {(g[0] + parts, *g[1:]) if g[0] in range(-parts, 0) else g for g in given}
    chosen = {p for p in every if any(p[: len(g)] == g for g in ahead)}
    if not chosen:
        raise UnsupportedModelError(
            f"the batch has no targets {min(map(str, given))}; its tensors lie at "
            f"{', '.join(sorted(map(str, every)))}"
        )
    if chosen & inputs:
        raise UnsupportedModelError(
            f"dealing the targets {min(map(str, chosen & inputs))} changes what a "
            "layer sees; pass a tensor that is input and target twice"
        )
    return chosen


def _same(one: Any, other: Any) -> bool:
    both = isinstance(one, Tensor) and isinstance(other, Tensor)
    return both and one.shape == other.shape and bool((one == other).all())


def _moves(
    batch: Any, items: Items, deltas: Callable[[Any], Delta], own: Delta, place: Place
) -> bool:
    """Tell whether others' values at a place change the gradient.

    All are dealt on, and one item is given another's: a loss that mixes all sequences
    sees nothing of an exchange.
    """
    given = torch.arange(items.count(batch))
    given[0] = given[-1]
    for other in (dealt(batch, items, {place}, 1), items.take(batch, given, {place})):
        now = deltas(other)
        if now.shape != own.shape or not torch.equal(now, own):
            return True
    return False


def _weighs(
    batch: Any, deltas: Callable[[Any], Delta], place: Place, leaf: Any
) -> bool:
    """Tell whether a leaf is a weight or mask: none of it leaves no gradient."""
    if not isinstance(leaf, Tensor) or bool((leaf < 0).any()):
        return False
    zero = replaced(batch, lambda at, v: torch.zeros_like(v) if at == place else v)
    try:
        return not deltas(zero).any()
    except ValueError:  # a mean over nothing is not finite
        return True


def averages(batch: Any, items: Items, targets: set[Place]) -> Any:
    """Return a batch in which every sequence has the mean of all targets.

    None where targets are no floating-point tensors, which have no mean.
    """
    chosen = {p: leaf for p, leaf in placed(batch) if p in targets}
    if not all(
        isinstance(leaf, Tensor) and leaf.is_floating_point()
        for leaf in chosen.values()
    ):
        return None

    def change(place: Place, leaf: Any) -> Any:
        if place not in targets:
            return leaf
        return leaf.mean(dim=items.axes[place], keepdim=True).expand_as(leaf)

    return replaced(batch, change)


def linear(
    batch: Any, items: Items, deltas: Callable[[Any], Delta], targets: set[Place]
) -> bool:
    """Tell whether the mean of targets stands for all of them: squared loss.

    Args:
        batch: some items.
        items: the items of a batch.
        deltas: gives the loss's gradient by all layers' states, one row per item.
        targets: places of the targets.
    """
    mean = averages(batch, items, targets)
    if mean is None:
        return False
    try:
        one = deltas(mean)
    except UnsupportedModelError:
        return False  # such as half of a label, which is outside of a law's support
    count = items.count(batch)
    every = sum(deltas(dealt(batch, items, targets, k)) for k in range(count)) / count
    return bool((one - every).norm() <= TOLERANCE * every.norm())  # pyright: ignore


def leaves_marks(
    fresh: Callable[[], Callable[[Any], Tensor]],
    batch: Any,
    items: Items,
    targets: set[Place],
) -> bool:
    """Tell whether a loss is another once it was asked with other targets.

    So it is where it changes outputs in place, such as those without a target, or draws
    random numbers: then each question needs outputs of its own.

    Args:
        fresh: makes outputs, and returns their loss with a batch's targets.
        batch: some items.
        items: the items of a batch.
        targets: places of the targets.

    Raises:
        ValueError: if it is another with outputs of its own, too.
    """
    losses = fresh()
    before = losses(batch)
    losses(dealt(batch, items, targets, 1))
    if torch.equal(before, losses(batch)):
        return False
    after = fresh()(batch)
    if torch.isclose(before, after, rtol=TOLERANCE):
        return True
    raise UnsupportedModelError(
        f"the loss is {before.item():.6g} and then {after.item():.6g} of the same "
        "outputs and targets: it keeps something from call to call; give one that does "
        "not, such as with its schedule held still"
    )


def sums_up(size: Callable[[Any], float], batch: Any, items: Items) -> bool:
    """Tell whether every item given twice doubles the loss.

    Args:
        size: of the loss's gradient on a batch.
        batch: some items.
        items: the items of a batch.
    """
    twice = items.take(batch, torch.arange(items.count(batch)).repeat_interleave(2))
    # Of both copies: sqrt(2) times the gradient of a sum, or 1/sqrt(2) of a mean's.
    return size(twice) > size(batch)


def check_apart(
    batch: Any, items: Items, deltas: Callable[[Any], Delta], targets: set[Place]
) -> None:
    """Refuse a loss in which a sequence's gradient hangs on another one's targets.

    Two sequences' targets are exchanged, and one's is given another's: those of all
    others stay, up to a common factor (a mean over steps that are not masked).

    Raises:
        ValueError: if they do not.
    """
    count = items.count(batch)
    if count < 3:
        return
    own = deltas(batch)[2:]
    size = float(own.norm())
    order = torch.arange(count)
    exchanged, given = order.clone(), order.clone()
    exchanged[0], exchanged[1], given[0] = 1, 0, 1
    for index in (exchanged, given):
        now = deltas(items.take(batch, index, targets))[2:]
        factor = float((now * own).sum()) / max(size**2, 1e-300)
        apart = float((now - factor * own).norm())
        if apart > TOLERANCE * size or not 0.05 < factor < 20:
            raise UnsupportedModelError(
                "the loss mixes sequences: another target for one of them changes the "
                "gradient of the others; make outputs and targets of one shape, (B, 1) "
                "against (B,) broadcasts to (B, B), and use a loss that is a sum or "
                "mean over sequences"
            )


def check_proportional(deltas: Callable[..., Delta]) -> None:
    """Refuse a model that changes gradients on their way back by their size.

    Args:
        deltas: gives the gradient of a ``share`` of a batch's loss, of all of it unless
            given.

    Raises:
        ValueError: if a small share of the loss has not that share of its gradient.
    """
    whole, part = deltas(), deltas(share=SHARE)
    if (part / SHARE - whole).norm() > TOLERANCE * whole.norm():
        raise UnsupportedModelError(
            f"{SHARE:g} of the loss has not {SHARE:g} of its gradient: a hook or a "
            "function of the model clips or normalises gradients on their way back; "
            "leave it out for the diagnosis"
        )


def by_step(batch: Any, items: Items, targets: set[Place], steps: int) -> bool:
    """Tell whether targets have an axis of steps, and are not one a sequence.

    Args:
        batch: some items.
        items: the items of a batch.
        targets: places of the targets.
        steps: of the layer's sequences.
    """
    chosen = [(p, leaf) for p, leaf in placed(batch) if p in targets]
    return any(
        isinstance(leaf, PackedSequence)
        or steps in (n for k, n in enumerate(leaf.shape) if k != items.axes[p])
        for p, leaf in chosen
    )
