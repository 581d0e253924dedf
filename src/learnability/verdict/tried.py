"""How often what verdicts advise has helped.

By ``python -m experiments interventions held-out``, ``far`` and ``shapes``: the change
that a verdict names was tried beside the same training without it. What was given in no
such training has no count.
"""

from typing import NamedTuple


class Tried(NamedTuple):
    """In how many trainings a change helped.

    Attributes:
        helped: trainings in which the lags' learnt shares rose by more than 0.1.
        trainings: with that verdict.
        families: of data.
    """

    helped: int
    trainings: int
    families: int


TRIED = {
    "vanishes": Tried(12, 21, 6),
    "too few sequences": Tried(40, 177, 13),
    "too few steps": Tried(84, 141, 13),
    "forgotten": Tried(1, 29, 5),
}
