"""What every record of settings refuses, how large its numbers may be, its hash."""

import json
from collections.abc import Iterable, Sequence
from hashlib import sha256
from operator import index
from os import PathLike
from typing import Annotated, TypeVar, cast

import numpy as np
from pydantic import BeforeValidator, ConfigDict, Field, Strict, ValidationError

LONGEST_SHOWN = 100
"""Characters of a wrong value that an error repeats."""
LARGEST = 2**63 - 1
"""The largest whole number that TOML, NetCDF and pandas all keep."""

RENAMED = {
    "architectures": "networks",
    "batch": "batch_size",
    "budgets": "n_sequences",
    "error": "significance",
    "final_batch": "final_batch_size",
    "measures": "options",
    "miss": "power, which is 1 - miss",
    "rate": "learning_rate",
    "strength": "effect_size",
}
"""What settings of before are called now."""

KINDS = ("multi-lag", "recall")
"""Kinds of tasks: which one a task is is no part of where in it a value stands."""

T = TypeVar("T")
Name = TypeVar("Name", bound=str | PathLike[str])
FROZEN = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
STRICT = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)
"""As a file is read: no number in quotes, no truth for a number."""
Several = Annotated[tuple[T, ...], Strict(False)]
"""A tuple from any sequence: files know lists alone."""


def _plain(value: object) -> object:
    """Return NumPy's whole numbers as Python's, which alone are strictly whole."""
    return int(value) if isinstance(value, np.integer) else value


Whole = Annotated[int, BeforeValidator(_plain)]
Count = Annotated[Whole, Field(ge=1, le=LARGEST)]
StudySeed = Annotated[Whole, Field(ge=0, le=LARGEST)]
Positive = Annotated[float, Field(gt=0)]


def in_any_case(known: Iterable[str]) -> BeforeValidator:
    """Return a validator that takes some names however they are capitalised.

    Args:
        known: the names.
    """
    names = {name.casefold(): name for name in known}

    def spelled(value: object) -> object:
        return names.get(value.casefold(), value) if isinstance(value, str) else value

    return BeforeValidator(spelled)


def chosen_name(what: str, word: str, known: Iterable[str]) -> str:
    """Return the name that a word stands for, however it is capitalised.

    Args:
        what: what the names stand for.
        word: as it was given.
        known: the names.

    Raises:
        ValueError: if there is no such name.

    Example:
        >>> chosen_name("cell", "gru", ["GRU", "LSTM"])
        'GRU'
    """
    names = {name.casefold(): name for name in known}
    if word.casefold() not in names:
        raise ValueError(
            f"there is no {what} {word!r}; choose {', '.join(names.values())}"
        )
    return names[word.casefold()]


def check_unique(what: str, names: Sequence[object]) -> None:
    """Check that no name appears twice.

    Args:
        what: what the names stand for.
        names: the names.

    Raises:
        ValueError: if one appears twice.

    Example:
        >>> check_unique("cell", ["GRU", "LSTM"])
    """
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{name} appears twice; name each {what} once")


def in_a_sentence(error: ValidationError) -> str:
    """Return the first complaint of a validation as one sentence.

    Args:
        error: what pydantic raised.
    """
    # A wrong name leaves another setting missing: it is the cause.
    first = min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
    where = ".".join(str(part) for part in first["loc"] if part not in KINDS)
    if first["type"] == "extra_forbidden" and first["loc"][-1] in RENAMED:
        return f"{where}: it is called {RENAMED[str(first['loc'][-1])]} now; rename it"
    if first["type"] == "extra_forbidden":
        return f"{where}: there is no such setting; mend its name or take it out"
    if first["type"] == "missing":
        return f"{where}: it is missing; give it a value"
    message = first["msg"].removeprefix("Value error, ").replace(" tuple", " list")
    message = message.removesuffix(" after validation, not 0")
    if message[1:2].islower():  # a word, and no name like GRU
        message = message[0].lower() + message[1:]
    given = repr(first["input"])
    given = given if len(given) <= LONGEST_SHOWN else f"{given[:LONGEST_SHOWN]}..."
    value = f" (got {given})" if first["type"] != "value_error" else ""
    return f"{where}: {message}{value}" if where else f"{message}{value}"


def checked_seed(seed: int) -> int:
    """Return a seed, or say that it is none.

    Args:
        seed: from which every random stream is derived.

    Raises:
        ValueError: if it is no whole number, negative, or too large for the files that
            keep it.

    Example:
        >>> checked_seed(7)
        7
    """
    try:
        whole = index(seed)
    except TypeError:
        whole = -1
    if not 0 <= whole <= LARGEST:
        raise ValueError(f"the seed is {seed}; give a whole number from 0 to {LARGEST}")
    return whole


def digest(settings: object) -> str:
    """Return a short hash of plain settings: SHA-256 of their canonical JSON.

    Keys are sorted, a tuple is a list, and a number is the same whether it is written
    as 1 or 1.0 (RFC 8785, but for the digits of extreme floats).

    Args:
        settings: dicts, lists, finite numbers, text, truth values and None.

    Raises:
        ValueError: if a number is not finite.
        TypeError: if something else is in them.

    Example:
        >>> digest({"rate": 1, "seed": 2}) == digest({"seed": 2, "rate": 1.0})
        True
        >>> digest({"seed": 2})
        'a61e75dcd678'
    """
    text = json.dumps(
        _canonical(settings),
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
        allow_nan=False,
    )
    return sha256(text.encode()).hexdigest()[:12]


def _canonical(value: object) -> object:
    """Return a value with every whole number as an int."""
    match value:
        case dict():
            return {key: _canonical(v) for key, v in value.items()}
        case list() | tuple():
            return [_canonical(v) for v in value]
        case float() if value.is_integer():
            return int(value)
        case _:
            return value


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
