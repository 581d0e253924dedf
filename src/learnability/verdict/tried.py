"""How often what verdicts advise has helped.

By ``python -m experiments interventions held-out`` and ``far``: the change that a
verdict names was tried beside the same training without it. What was given in no such
training has no count.
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
    "vanishes": Tried(12, 15, 4),
    "too few sequences": Tried(22, 85, 9),
    "too few steps": Tried(62, 109, 10),
    "forgotten": Tried(1, 9, 3),
}
