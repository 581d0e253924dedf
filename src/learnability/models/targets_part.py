"""The targets' part of an error signal, from gradients with others' targets.

``e_n = delta_n(y_n) - mean_m delta_n(y_m)``, delta_n(y) the gradient by a layer's
states of sequence n's loss with the targets y.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

SHARED_BY = 8  # sequences; a step that fewer have has no targets' part

Gradients = Float[Tensor, "item row step state"]


def present(
    own: Gradients,
    others: Sequence[Gradients],
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


def even(own: Gradients) -> bool:
    """Tell whether the loss looks at a step of all sequences, or of none.

    Where some end before others it does not: what lies in their padding is no target.

    Args:
        own: the gradients.
    """
    looks = (own != 0).any(dim=-1)
    return bool((looks | ~looks.any(dim=0)).all())


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
    own: Gradients,
    others: Sequence[Gradients],
    moves: Sequence[int],
    looks: Bool[Tensor, "item row step"],
) -> Gradients:
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
    own: Gradients,
    others: Sequence[Gradients],
    moves: Sequence[int],
    looks: Bool[Tensor, "item row step"],
    *,
    with_own: bool = False,
) -> Gradients:
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
