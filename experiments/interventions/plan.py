"""Which trainings are made, and which of them no rule or threshold was set on."""

from itertools import product
from typing import NamedTuple

from .families import FAMILIES

CELLS = ("ConstGate", "SharedGate", "DiagGate", "GRU", "LSTM", "nn.GRU", "nn.LSTM")
HELD_OUT_FAMILIES = ("bands", "recall", "parity", "carbon dioxide")
HELD_OUT_CELLS = ("SharedGate", "LSTM", "nn.GRU")
SEQUENCES, UPDATES, SEEDS = (64, 512), (200, 600), (0, 1, 2)
PER_FAMILY = 4  # cells in rotation
PARTS = ("developed", "held-out")


class Training(NamedTuple):
    """One training that others are compared with, after each number of updates.

    Attributes:
        family: of the data.
        cell: of the model.
        sequences: N.
        seed: of data, weights and batches.
    """

    family: str
    cell: str
    sequences: int
    seed: int

    @property
    def held_out(self) -> bool:
        """Return whether its family or its cell was not looked at before."""
        return self.family in HELD_OUT_FAMILIES or self.cell in HELD_OUT_CELLS


def plan(part: str, seeds: tuple[int, ...] = SEEDS) -> list[Training]:
    """Return the trainings of a part, one seed after the other.

    Args:
        part: "developed", on which rules and thresholds were set, or "held-out".
        seeds: of them.

    Example:
        >>> len(plan("developed")) + len(plan("held-out"))
        216
    """
    wanted = PARTS.index(part)
    every = [
        Training(family, CELLS[(3 * place + k) % len(CELLS)], sequences, seed)
        for seed in seeds
        for place, family in enumerate(FAMILIES)
        for k, sequences in product(range(PER_FAMILY), SEQUENCES)
    ]
    return [one for one in every if one.held_out == bool(wanted)]
