"""What every frozen record of settings refuses, and how large its numbers may be."""

from collections.abc import Iterable
from os import PathLike
from typing import Annotated, TypeVar, cast

import numpy as np
from pydantic import BeforeValidator, ConfigDict, Field, Strict

LARGEST = 2**63 - 1
"""The largest whole number that TOML, NetCDF and pandas all keep."""

T = TypeVar("T")
Name = TypeVar("Name", bound=str | PathLike[str])
FROZEN = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
STRICT = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)
"""As a file is read: no number in quotes, no truth for a number."""
Several = Annotated[tuple[T, ...], Strict(False)]
"""A tuple from any sequence: files know lists alone."""


def _plain(value: object) -> object:
    """Give NumPy's whole numbers as Python's, which alone are strictly whole."""
    return int(value) if isinstance(value, np.integer) else value


Whole = Annotated[int, BeforeValidator(_plain)]
Count = Annotated[Whole, Field(ge=1, le=LARGEST)]
StudySeed = Annotated[Whole, Field(ge=0, le=LARGEST)]


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


def names_of(given: Name | Iterable[Name]) -> list[Name]:
    """Return names as a list; a name alone is one, and not its letters.

    Args:
        given: one name or path, or several.

    Example:
        >>> names_of("lstm"), names_of(("encoder", "decoder"))
        (['lstm'], ['encoder', 'decoder'])
    """
    if isinstance(given, str | PathLike):
        return [cast("Name", given)]
    return list(given)
