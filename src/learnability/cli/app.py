"""The application that every command joins."""

import math
from collections.abc import Sequence
from typing import Any

from cyclopts import App, Parameter, Token

from .. import __version__


def _some(kind: Any, values: Sequence[object] | None) -> None:
    if values is not None and len(values) == 0:
        raise ValueError("it needs at least one value; leave it out or give one")


def _whole(kind: Any, tokens: Sequence[Token]) -> list[int] | int:
    """Read whole numbers; 1.5 is none, and is not rounded."""
    for token in tokens:
        if not token.value.removeprefix("-").isdecimal():
            raise ValueError(f"{token.value!r} is no whole number; give one like 12")
        if len(token.value) > MOST_DIGITS:
            raise ValueError(f"{len(token.value)} digits are too many; give fewer")
    values = [int(token.value) for token in tokens]
    return values if "list" in str(kind) else values[0]


def _number(kind: Any, tokens: Sequence[Token]) -> list[float] | float:
    """Read finite numbers."""
    values = []
    for token in tokens:
        try:
            values.append(float(token.value))
        except ValueError:
            raise ValueError(
                f"{token.value!r} is no number; give one such as 12 or 0.5"
            ) from None
        if not math.isfinite(values[-1]):
            raise ValueError(
                f"{token.value!r} is not finite; give a number such as 12 or 0.5"
            )
    return values if "list" in str(kind) else values[0]


MOST_DIGITS = 1000
MANY = Parameter(consume_multiple=True, negative="", validator=_some)
WHOLE = Parameter(converter=_whole)
NUMBER = Parameter(converter=_number)

app = App(
    name="learnability",
    help=(
        "Measure how far back in time a recurrent network can learn.\n\n"
        "Start with `learnability run quick`: it trains five small gated networks on "
        "a task with known lags, measures how many sequences each lag needs before "
        "its gradient shows, and writes a report."
    ),
    version=__version__,
    result_action="return_value",
)
