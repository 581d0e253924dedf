"""What every frozen record of settings refuses, and how large its numbers may be."""

from typing import Annotated

from pydantic import ConfigDict, Field

LARGEST = 2**63 - 1
"""The largest whole number that TOML, NetCDF and pandas all keep."""

FROZEN = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
Count = Annotated[int, Field(ge=1, le=LARGEST)]
StudySeed = Annotated[int, Field(ge=0, le=LARGEST)]


def checked_seed(seed: int) -> int:
    """Give a seed, or say that it is none.

    Args:
        seed: from which every random stream is derived.

    Raises:
        ValueError: if it is negative, or too large for the files that keep it.

    Example:
        >>> checked_seed(7)
        7
    """
    if not 0 <= seed <= LARGEST:
        raise ValueError(f"the seed is {seed}; give a whole number from 0 to {LARGEST}")
    return seed
