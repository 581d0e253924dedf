"""The targets' part of an error signal: the loss again, with others' targets.

``e_n = delta_n(y_n) - mean_m delta_n(y_m)``, delta_n(y) the gradient by a layer's
states of sequence n's loss with the targets y. Outputs are never looked at: however a
model writes them, the loss is called again. Which tensors are targets is found by
trying.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from .batches import is_judged, judged
from .items import Items
from .refusal import Refusal
from .trees import Place, placed, replaced

DEALINGS = 16  # of the targets of other sequences; more only take off less noise
CHEAP = 1e7  # numbers in the outputs of as many losses as there are other sequences
SHARED_BY = 8  # sequences; a step that fewer have has no targets' part
TOLERANCE = 1e-4  # of what dealing may do to others' gradients, by rounding

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
        raise Refusal(
            "the loss does not depend on this layer, nor on any recurrent layer: its "
            "gradient is 0; check that nothing is detached, or give sequences on which "
            "there is something left to learn"
        )
    chosen = {p for p in every if is_judged(batch, p) and p not in inputs}
    moving = {p for p in chosen if _moves(batch, items, deltas, own, p)}
    chosen = moving or {
        p for p in set(every) - inputs - chosen if _moves(batch, items, deltas, own, p)
    }
    if not chosen:
        raise Refusal(
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
        raise Refusal(
            f"the batch has no targets {min(map(str, given))}; its tensors lie at "
            f"{', '.join(sorted(map(str, every)))}"
        )
    if chosen & inputs:
        raise Refusal(
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
    except Refusal:  # such as half of a label, which is outside of a law's support
        return False
    count = items.count(batch)
    every = sum(deltas(dealt(batch, items, targets, k)) for k in range(count)) / count
    return bool((one - every).norm() <= TOLERANCE * every.norm())  # pyright: ignore


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
            raise Refusal(
                "the loss mixes sequences: another target for one of them changes the "
                "gradient of the others; make outputs and targets of one shape, (B, 1) "
                "against (B,) broadcasts to (B, B), and use a loss that is a sum or "
                "mean over sequences"
            )


def present(
    own: Float[Tensor, "item row step state"],
    others: Sequence[Float[Tensor, "item row step state"]],
    moves: Sequence[int],
) -> Bool[Tensor, "item row step"]:
    """Return the steps that a sequence's own loss looks at.

    It looks at step t of sequence n if some targets make a gradient there (a mask of n
    does not hide it), and if those of n make one at some sequence (they are not to be
    ignored): a gradient that happens to be 0 is no sign of a mask.

    Args:
        own: the gradients with each sequence's own targets.
        others: those with the targets of sequence n + shift.
        moves: the shifts.
    """
    there = (own != 0).any(dim=-1)
    labelled = there.clone()
    for gradient, shift in zip(others, moves, strict=True):
        now = (gradient != 0).any(dim=-1)
        there = there | now
        labelled = labelled | now.roll(shift, dims=0)
    return there & labelled


def even(own: Float[Tensor, "item row step state"]) -> bool:
    """Tell whether the loss looks at a step of all sequences, or of none.

    Where some end before others it does not: what lies in their padding is no target.

    Args:
        own: the gradients.
    """
    looks = (own != 0).any(dim=-1)
    return bool((looks | ~looks.any(dim=0)).all())


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


def looking_steps(looks: Bool[Tensor, "item row step"]) -> Int[Tensor, "item row look"]:
    """Return the steps that each sequence's loss looks at, in their order.

    Where sequences have different numbers of them, none are returned.
    """
    counts = looks.sum(dim=-1)
    most = int(counts.max())
    if not (counts == most).all():
        most = 0
    order = looks.long().argsort(dim=-1, descending=True, stable=True)
    return order[..., :most]


def part_of_sequences(
    own: Float[Tensor, "item row step state"],
    others: Sequence[Float[Tensor, "item row step state"]],
    moves: Sequence[int],
    looks: Bool[Tensor, "item row step"],
) -> Float[Tensor, "item row step state"]:
    """Return ``e_n`` of targets that are one a sequence, whatever its length.

    The last looking step of one sequence is then what that of another is, although it
    is another step.

    Args:
        own: as for `targets_part`, like all that follows.
        others: those with the targets of sequence n + shift.
        moves: the shifts.
        looks: the steps that each sequence's loss looks at.
    """
    at = looking_steps(looks)
    if not at.numel():
        return targets_part(own, others, moves, looks)
    at = at[..., None].expand(*at.shape, own.shape[-1])
    taken = [gradient.gather(2, at) for gradient in (own, *others)]
    every = torch.ones(at.shape[:-1], dtype=torch.bool)
    part = targets_part(taken[0], taken[1:], moves, every)
    return torch.zeros_like(own).scatter(2, at, part)


def targets_part(
    own: Float[Tensor, "item row step state"],
    others: Sequence[Float[Tensor, "item row step state"]],
    moves: Sequence[int],
    looks: Bool[Tensor, "item row step"],
    *,
    with_own: bool = False,
) -> Float[Tensor, "item row step state"]:
    """Return ``e_n``, less its mean over the sequences that have the step.

    Args:
        own: the gradients with each sequence's own targets.
        others: those with the targets of sequence n + shift; one mean of them, without
            shifts, where all sequences look at the same steps.
        moves: the shifts, or none.
        looks: the steps that each sequence's loss looks at.
        with_own: whether each sequence's own targets have a part in the mean.
    """
    if moves:
        total, count = torch.zeros_like(own), torch.zeros_like(looks, dtype=own.dtype)
        for gradient, shift in zip(others, moves, strict=True):
            there = looks & looks.roll(-shift, dims=0)
            total += gradient * there[..., None]
            count += there
        looks = looks & (count > 0)
        mean = total / count.clamp(min=1)[..., None]
    else:
        (mean,) = others
    shared = looks.sum(dim=0)
    looks = looks & (shared >= min(SHARED_BY, len(own)))
    e = (own - mean) * looks[..., None]
    common = e.sum(dim=0) / shared.clamp(min=1)[..., None]
    e = e - common * looks[..., None]
    factor = shared / (shared - 1).clamp(min=1)
    return e * factor[..., None] if with_own else e
