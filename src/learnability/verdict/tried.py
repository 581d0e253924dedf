"""Which verdicts are offered, and how often what they advise has helped.

Made by ``python -m experiments interventions``: the change that a verdict names was
tried beside the same training without it.
"""

from typing import NamedTuple

OFFERED = (
    "not in the data",
    "learnt",
    "vanishes",
    "too few sequences",
    "too few steps",
    "forgotten",
    "stuck",
    "not resolved",
)


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


TRIED: dict[str, Tried] = {}
