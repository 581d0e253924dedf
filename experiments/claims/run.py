"""All experiments by letter, and the loop over them."""

from collections.abc import Callable, Iterable, Sequence

from learnability.checked import checked_seed

from .averaging import averaging
from .bounds import lower_bounds
from .breadth import breadth
from .growth import growth
from .kernels import first_order, published_gru
from .record import Claim
from .scaling import scaling
from .stability import stability
from .tails import tails
from .threshold import threshold

Experiment = Callable[[int], Claim]

EXPERIMENTS: dict[str, Experiment] = {
    "a": averaging,
    "b": scaling,
    "c": growth,
    "d": breadth,
    "e": tails,
    "f": lower_bounds,
    "g": threshold,
    "h": first_order,
    "i": published_gru,
    "j": stability,
}
"""A function of the seed a letter, in the order of the page."""

COSTS = {
    "a": 1.5,
    "b": 13.0,
    "c": 7.0,
    "d": 4.0,
    "e": 4.0,
    "f": 4.0,
    "g": 0.6,
    "h": 15.0,
    "i": 4.0,
    "j": 20.0,
}
"""Seconds on an idle core, roughly: they turn finished letters into a share of work."""


def chosen_letters(only: Iterable[str] | None) -> list[str]:
    """Give the letters to run, in the order of the page, each once.

    Args:
        only: letters; all unless given.

    Raises:
        ValueError: if there is no experiment of a letter, or none is chosen.

    Example:
        >>> chosen_letters(["C", "a"])
        ['a', 'c']
    """
    if only is None:
        return list(EXPERIMENTS)
    wanted = [letter.lower() for letter in only]
    for letter in wanted:
        if letter not in EXPERIMENTS:
            raise ValueError(
                f"there is no claim {letter!r}; choose among {', '.join(EXPERIMENTS)}"
            )
    if not wanted:
        raise ValueError("no claim was chosen; name at least one letter")
    return [letter for letter in EXPERIMENTS if letter in wanted]


def run_claims(
    seed: int,
    letters: Sequence[str] | None = None,
    *,
    progress: Callable[[float], None] | None = None,
) -> list[Claim]:
    """Put claims to the test, one after the other.

    Every experiment has random streams of its own: which others run is irrelevant.

    Args:
        seed: of all experiments, at least 0.
        letters: which; all unless given.
        progress: called with the share of the work that is done.

    Raises:
        ValueError: if the seed is negative or there is no such letter.
    """
    checked_seed(seed)
    chosen = chosen_letters(letters)
    found, spent, total = [], 0.0, sum(COSTS[letter] for letter in chosen)
    for letter in chosen:
        found.append(EXPERIMENTS[letter](seed))
        spent += COSTS[letter]
        if progress is not None:
            progress(min(spent / total, 1.0))
    return found
