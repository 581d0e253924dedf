"""Numbers as people read them."""

import math
from collections.abc import Sequence
from itertools import groupby

MISSING = "n/a"
NAMED = 4
"""So many names stand in a sentence; more are counted."""


def number(value: float) -> str:
    """Return a number of sequences or steps with its thousands set apart.

    Args:
        value: any number.

    Example:
        >>> number(12500.0), number(0.5), number(math.inf), number(math.nan)
        ('12,500', '0.5', '∞', 'n/a')
    """
    if math.isnan(value):
        return MISSING
    if math.isinf(value):
        return "∞"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.6g}"


def short(value: float, digits: int = 3) -> str:
    """Return a number with a few significant digits.

    Args:
        value: any number.
        digits: significant ones.

    Example:
        >>> short(8.44321), short(1234.5), short(math.inf)
        ('8.44', '1,234', '∞')
    """
    if not math.isfinite(value) or abs(value) >= 10 ** min(digits, 3):
        return number(round(value) if math.isfinite(value) else value)
    return f"{value:.{digits}g}"


def percent(share: float) -> str:
    """Return a share in per cent, with a thin space that no line breaks at.

    Example:
        >>> percent(0.95).replace("\\u202f", " ")
        '95 %'
    """
    return f"{share:.0%}".replace("%", "\u202f%")


def sequences(budget: float) -> str:
    """Return a number of sequences in words.

    Example:
        >>> sequences(1), sequences(1000)
        ('1 sequence', '1,000 sequences')
    """
    return f"{number(budget)} sequence{'s' if budget != 1 else ''}"


def reach(steps: float, censored: bool) -> str:
    """Return a number of steps for a table; ``≥`` where it is at least that.

    Example:
        >>> reach(12, False), reach(12.0, True)
        ('12', '≥12')
    """
    return f"{'≥' if censored else ''}{short(steps)}"


def steps(count: float) -> str:
    """Return a number of steps in words.

    Example:
        >>> steps(1), steps(12)
        ('1 step back', '12 steps back')
    """
    return f"{short(count)} step{'s' if count != 1 else ''} back"


def interval(low: float, high: float) -> str:
    """Return the ends of a window's interval in words.

    Args:
        low: its lower end in steps; 0 is no lag at all.
        high: its upper end.

    Example:
        >>> interval(0, 4), interval(8, 12), interval(0, 0)
        ('none to 4', '8 to 12', 'none at all')
    """
    if high == 0:
        return "none at all"
    return f"{short(low) if low else 'none'} to {short(high)}"


def listed(names: Sequence[str]) -> str:
    """Return names as a sentence lists them; beyond a few they are counted.

    Example:
        >>> listed(["GRU", "LSTM"]), listed(["GRU, sgd", "LSTM, sgd", "c"])
        ('GRU and LSTM', 'GRU, sgd; LSTM, sgd and c')
    """
    # "GRU, sgd" holds a comma itself.
    comma = "; " if any(", " in name for name in names) else ", "
    if len(names) > NAMED + 1:  # a single one more is named as well
        return f"{comma.join(names[:NAMED])} and {len(names) - NAMED} more"
    if len(names) < 2:
        return "".join(names)
    return f"{comma.join(names[:-1])} and {names[-1]}"


def capital(text: str) -> str:
    """Return a sentence with its first letter large."""
    return text[:1].upper() + text[1:]


def uncapital(text: str) -> str:
    """Return a sentence with its first letter small."""
    return text[:1].lower() + text[1:]


def span(low: float, high: float, digits: int = 2) -> str:
    """Return a range, or the one number that both ends are.

    Example:
        >>> span(0.5, 4), span(1, 1)
        ('0.5 to 4', '1')
    """
    first, last = short(low, digits), short(high, digits)
    return first if first == last else f"{first} to {last}"


def ranges(lags: list[int]) -> str:
    """Return ascending lags in words, neighbours as a range.

    Example:
        >>> ranges([1, 2, 3, 7, 9])
        '1 to 3, 7 and 9'
    """
    runs = [
        [lag for _, lag in run]
        for _, run in groupby(enumerate(lags), lambda pair: pair[1] - pair[0])
    ]
    names = [f"{r[0]}" if len(r) == 1 else f"{r[0]} to {r[-1]}" for r in runs]
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
