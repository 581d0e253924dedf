"""Which trainings are made, and which of them no rule or threshold was set on."""

from itertools import product
from typing import NamedTuple

from .families import FAMILIES

CELLS = ("ConstGate", "SharedGate", "DiagGate", "GRU", "LSTM", "nn.GRU", "nn.LSTM")
HELD_OUT_FAMILIES = ("bands", "recall", "parity", "carbon dioxide")
FAR_FAMILIES = ("far cue", "adding", "sum of all", "near and far")
SHAPE_FAMILIES = (
    "long delays",
    "long noisy delays",
    "last delays",
    "last noisy delays",
)
HELD_OUT_CELLS = ("SharedGate", "LSTM", "nn.GRU")
SEQUENCES, UPDATES, SEEDS = (64, 512), (200, 600), (0, 1, 2)
PER_FAMILY = 4  # cells in rotation
PARTS = ("developed", "held-out", "far", "shapes")


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
    def part(self) -> str:
        """Return "developed" where its family and its cell were looked at before."""
        if self.family in FAR_FAMILIES:
            return "far"
        if self.family in SHAPE_FAMILIES:
            return "shapes"
        held = self.family in HELD_OUT_FAMILIES or self.cell in HELD_OUT_CELLS
        return "held-out" if held else "developed"


def plan(part: str, seeds: tuple[int, ...] = SEEDS) -> list[Training]:
    """Return the trainings of a part, one seed after the other.

    Args:
        part: "developed", on which rules and thresholds were set, "held-out", or, held
            out later, "far", families of far lags, or "shapes", few long sequences of
            which each step is asked for or short ones of which the last step is.
        seeds: of them.

    Example:
        >>> [len(plan(part)) for part in ("developed", "held-out", "far", "shapes")]
        [72, 144, 96, 72]
    """
    every = [
        Training(family, CELLS[(3 * place + k) % len(CELLS)], sequences, seed)
        for seed in seeds
        for place, family in enumerate(FAMILIES)
        for k, sequences in product(range(PER_FAMILY), _sequences(family))
    ]
    return [one for one in every if one.part == part]


def _sequences(family: str) -> tuple[int, ...]:
    """Return N of a family: of long sequences there are few."""
    return SEQUENCES[:1] if family.startswith("long") else SEQUENCES
