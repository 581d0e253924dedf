"""Sequences in parts whose states fit into a stated amount of memory."""

from jaxtyping import Float
from torch import Tensor

from .cells import Cell

STATE_BYTES = 2**28
"""Bytes of the states of one part: far above a cache, far below a machine's memory.

What all studies of a small machine hold in one part is computed as one batch."""

WORKING_BYTES = 2**24
"""Bytes of the states of a slice, where work takes twenty arrays of their size."""


def split(
    cell: Cell,
    x: Float[Tensor, "sequence step input"],
    *,
    max_bytes: int = STATE_BYTES,
) -> list[slice]:
    """Return slices of sequences whose states take no more than some bytes each.

    A part has one sequence at least, and all parts but the last are of one size.

    Args:
        cell: the recurrence.
        x: inputs.
        max_bytes: of the states of a part.

    Example:
        >>> import torch
        >>> from learnability.cells import GRU
        >>> split(GRU(2, 4), torch.zeros(5, 10, 2), max_bytes=2 * 10 * 4 * 4)
        [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    sequences, steps = x.shape[:2]
    size = max(1, max_bytes // (steps * cell.state_size * x.element_size()))
    starts = range(0, sequences, size)
    return [slice(start, min(start + size, sequences)) for start in starts]
