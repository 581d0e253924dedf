"""What keeps a page below 8 MB: fewer points a curve, fewer lags, pixels for lines.

The library that draws takes 4.8 MB. What follows is shared out: 1.6 MB for still
figures, some 0.6 MB each for the points of interactive ones and for tables by lag.
"""

import re
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import NamedTuple
from urllib.parse import quote

import numpy as np
from jaxtyping import Int

LARGEST = 8_000_000
"""Bytes of a page: what mail takes without asking."""
STILLS = 1_600_000
"""Bytes of all still figures, as they stand in the page."""
POINTS = 14_000
"""Points of all interactive figures; one takes 40 bytes."""
ROWS = 4_000
"""Rows of all tables by lag; one takes 145 bytes."""
LEAST = 2
"""Points of a curve: its ends."""


def kept(count: int, most: int) -> Int[np.ndarray, " place"]:
    """Give the places to keep of a curve: the ends, and evenly between them.

    Args:
        count: points that there are.
        most: points to keep at most, at least 2.

    Example:
        >>> kept(7, 4).tolist(), kept(3, 4).tolist()
        ([0, 2, 4, 6], [0, 1, 2])
    """
    if count <= most:
        return np.arange(count)
    return np.linspace(0, count - 1, most).round().astype(int)


def each(counts: Sequence[int], total: int) -> int:
    """Give the points that every curve may keep, so that all keep a total at most.

    Args:
        counts: points of the curves.
        total: of all together.

    Example:
        >>> each([10, 10], 100), each([100, 10], 50), each([9] * 9, 3)
        (10, 40, 2)
    """
    low, high = LEAST, max([LEAST, *counts])
    while low < high:
        middle = (low + high + 1) // 2
        fits = sum(min(n, middle) for n in counts) <= total
        low, high = (middle, high) if fits else (low, middle - 1)
    return low


def uri(kind: str, content: bytes) -> str:
    """Give a picture as an address that holds it, to stand in double quotes.

    An SVG is written out, a quarter smaller than in base 64.

    Args:
        kind: of the picture, such as png or svg+xml.
        content: the file.

    Example:
        >>> uri("svg+xml", b'<path d="M 1 2"/> <!-- a name -->')
        "data:image/svg+xml,%3Cpath d='M 1 2'/%3E"
    """
    if kind != "svg+xml":
        return f"data:image/{kind};base64," + b64encode(content).decode()
    text = re.sub(r"<!--.*?-->", "", content.decode(), flags=re.DOTALL)
    text = re.sub(r"\s+", " ", text).replace("> <", "><").strip()
    # Where single quotes are taken, double ones are written as a code.
    plain = quote(text, safe=UNTOUCHED + "'" * ("'" in text))
    plain = plain if "'" in text else plain.replace("%22", "'")
    return f"data:image/svg+xml,{plain}"


UNTOUCHED = " /:;=,()!?@*+$"
"""What stands in such an address as it is; letters, digits and some marks do anyway."""

Keep = Callable[[str, bytes], str]
"""Keeps a still figure's SVG under its name; gives its address as the page sees it."""


class Still(NamedTuple):
    """A picture as it stands in a page.

    Attributes:
        address: that holds it.
        said: HTML that says so where it is less than it was; else nothing.
    """

    address: str
    said: str = ""


def embedded(
    drawings: Mapping[str, tuple[bytes, Callable[[], bytes]]],
    most: int = STILLS,
    files: Mapping[str, str] | None = None,
) -> dict[str, Still]:
    """Give pictures as addresses; the largest as pixels where lines take too much.

    Args:
        drawings: SVG, and what makes a PNG of the same figure, by name.
        most: bytes of all addresses.
        files: of the same figures' lines, as the page sees them, which are named where
            pixels stand.
    """
    found = {name: Still(uri("svg+xml", svg)) for name, (svg, _) in drawings.items()}
    for name in sorted(found, key=lambda n: -len(found[n].address)):
        if sum(len(still.address) for still in found.values()) <= most:
            break
        pixels = uri("png", drawings[name][1]())
        if len(pixels) < len(found[name].address):
            found[name] = Still(pixels, in_pixels((files or {}).get(name)))
    return found


def in_pixels(file: str | None) -> str:
    """Say that a figure is there in pixels, and where its lines are.

    Args:
        file: of its lines, as the page sees it; None where there is none.
    """
    shown = None if file is None else escape(file, quote=True)
    where = "<code>learnability report</code> on the study's folder writes its lines"
    if shown is not None:
        where = f'its lines are in <a href="{shown}">{shown}</a>'
    return (
        '<p class="reduced">The still figure is in pixels, to keep this page small; '
        f"{where}.</p>"
    )
