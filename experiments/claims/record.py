"""What an experiment hands back: numbers, a tolerance, and the verdict it gives.

A claim has parts, each with one tolerance that all of its numbers must meet. The
verdict is computed from them and from nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, final

import numpy as np
from jaxtyping import Float

Verdict = Literal["held", "holds with a restriction", "failed"]
HELD: Verdict = "held"
RESTRICTED: Verdict = "holds with a restriction"
FAILED: Verdict = "failed"

Rule = Literal["equal", "above", "below", "not below", "factor"]
WORDS: dict[Rule, str] = {
    "equal": "every number within {0:g} standard errors of the expected one",
    "above": "every number above the expected one by more than {0:g} standard errors",
    "below": "every number below the expected one by more than {0:g} standard errors",
    "not below": "no number below the expected one by more than {0:g} standard errors",
    "factor": "every number within a factor {0:g} of the expected one",
}

Kind = Literal["points", "line", "dashed"]


@final
@dataclass(frozen=True)
class Measured:
    """One number of an experiment, and what it is held against.

    Attributes:
        quantity: what was measured, in words.
        value: the number.
        error: its standard error; 0 where it is computed and not sampled.
        expected: what the part's tolerance compares it with.
    """

    quantity: str
    value: float
    error: float
    expected: float


@final
@dataclass(frozen=True)
class Tolerance:
    """When a number counts as expected.

    With value v, standard error e, expected x and the number k: ``equal`` asks
    ``|v - x| <= k e``, ``above`` ``v - k e > x``, ``below`` ``v + k e < x``, ``not
    below`` ``v + k e >= x``, ``factor`` ``1/k <= v/x <= k`` of positive numbers.

    Attributes:
        rule: which of the five.
        number: k.

    Example:
        >>> Tolerance("equal", 3.0).holds(Measured("slope", 1.0, 0.1, 1.25))
        True
        >>> Tolerance("factor", 2.0).words
        'every number within a factor 2 of the expected one'
    """

    rule: Rule
    number: float = 3.0

    @property
    def words(self) -> str:
        """Say it in words."""
        return WORDS[self.rule].format(self.number)

    def room(self, measured: Measured) -> float:
        """Give how far a number is from the edge: below 0 it does not meet it.

        In standard errors, in logarithms for ``factor``; numbers that are computed and
        not sampled have all the room or none.

        Args:
            measured: the number.
        """
        v, x = float(measured.value), float(measured.expected)
        if not np.isfinite([v, x, measured.error]).all():
            return -np.inf
        if self.rule == "factor":
            away = abs(np.log(v / x)) if v > 0 and x > 0 else np.inf
            return float(np.log(self.number) - away)
        gap = v - x
        if measured.error == 0:
            kept = {"equal": gap == 0, "above": gap > 0, "below": gap < 0}
            return np.inf if kept.get(self.rule, gap >= 0) else -np.inf
        score = gap / float(measured.error)
        return {
            "equal": self.number - abs(score),
            "above": score - self.number,
            "below": -score - self.number,
            "not below": score + self.number,
        }[self.rule]

    def holds(self, measured: Measured) -> bool:
        """Say whether a number meets it; one that is not finite never does.

        Args:
            measured: the number.
        """
        room = self.room(measured)
        return room > 0 if self.rule in ("above", "below") else room >= 0


@final
@dataclass(frozen=True)
class Part:
    """One statement with one tolerance.

    Attributes:
        name: of the part, unique in its claim.
        statement: what should be the case.
        tolerance: when it is.
        numbers: what was measured, at least one number.
        meaning: what it says if the part held, and if it failed.
    """

    name: str
    statement: str
    tolerance: Tolerance
    numbers: tuple[Measured, ...]
    meaning: tuple[str, str]

    def __post_init__(self) -> None:
        """Check that there is something to judge by."""
        if not self.numbers:
            raise ValueError(f"part {self.name!r} has no numbers to judge by")

    @property
    def within(self) -> tuple[bool, ...]:
        """Say of each number whether it meets the tolerance."""
        return tuple(self.tolerance.holds(number) for number in self.numbers)

    @property
    def verdict(self) -> Verdict:
        """Give ``held`` if every number meets the tolerance, ``failed`` if not."""
        return HELD if all(self.within) else FAILED

    @property
    def says(self) -> str:
        """Give the meaning of the verdict."""
        return self.meaning[0 if self.verdict == HELD else 1]


@final
@dataclass(frozen=True)
class Curve:
    """One line or one set of points of a figure.

    Attributes:
        label: in the legend; curves of one colour may share it.
        x, y: places.
        error: standard errors of y, or None.
        kind: points with bars, a line, or a dashed line.
        hue: place of the colour in the palette.
    """

    label: str
    x: Float[np.ndarray, " place"]
    y: Float[np.ndarray, " place"]
    error: Float[np.ndarray, " place"] | None = None
    kind: Kind = "points"
    hue: int = 0


@final
@dataclass(frozen=True)
class Panel:
    """What one panel of a figure shows.

    Attributes:
        title: of the panel.
        x, y: what the axes show.
        curves: what is drawn.
        logarithmic: which axes are: "", "x", "y" or "xy".
    """

    title: str
    x: str
    y: str
    curves: tuple[Curve, ...]
    logarithmic: str = ""


@final
@dataclass(frozen=True)
class Claim:
    """A statement put to the test.

    Attributes:
        letter: a to j.
        title: a few words.
        statement: the statement, one sentence.
        testbed: what was simulated, one or two sentences.
        parts: what was judged, in the order of the page.
        panels: data of the figure.
        caption: of the figure.
    """

    letter: str
    title: str
    statement: str
    testbed: str
    parts: tuple[Part, ...]
    panels: tuple[Panel, ...]
    caption: str

    @property
    def verdict(self) -> Verdict:
        """Give the verdict of all parts together.

        ``held`` if every part held, ``failed`` if none did, and otherwise ``holds with
        a restriction``: where the parts that held say.

        Example:
            >>> one = (Measured("", 1, 0, 0),)
            >>> good = Part("a", "", Tolerance("above"), one, ("yes", "no"))
            >>> bad = Part("b", "", Tolerance("below"), one, ("yes", "no"))
            >>> Claim("a", "", "", "", (good, bad), (), "").verdict
            'holds with a restriction'
        """
        held = [part.verdict == HELD for part in self.parts]
        if all(held):
            return HELD
        return RESTRICTED if any(held) else FAILED

    @property
    def explanation(self) -> str:
        """Give one sentence: what every part's verdict means."""
        text = "; ".join(part.says for part in self.parts)
        return text[:1].upper() + text[1:] + "."


def measured(
    names: Sequence[str],
    values: Float[np.ndarray, " number"] | Sequence[float],
    errors: Float[np.ndarray, " number"] | Sequence[float],
    expected: Float[np.ndarray, " number"] | Sequence[float],
) -> tuple[Measured, ...]:
    """Give a row a name.

    Args:
        names: what was measured.
        values: the numbers.
        errors: their standard errors.
        expected: what they are held against.

    Example:
        >>> measured(["slope"], [1.0], [0.1], [2.0])[0].expected
        2.0
    """
    rows = zip(names, values, errors, expected, strict=True)
    return tuple(Measured(n, float(v), float(e), float(x)) for n, v, e, x in rows)
