"""(d) When a broader spectrum of time scales enlarges the window."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from learnability.detection.decay import envelope_of_units
from learnability.randomness import stream

from .record import Claim, Curve, Panel, Part, Tolerance, measured
from .simulate import Draw, Values, octaves, running_means, stable_values, windows

TAU = 50.0
SHAPE = 4.0
"""Of the gamma law from which units differ: a coefficient of variation of 1/2."""
NETWORKS = 40
UNITS = 64
ALPHA, ERROR = 2.0, 0.05
NEAREST = 0.4
"""Window at the smallest N, in units of TAU, of the network with one time scale."""
LONGEST = 4000
SHORT, LONG = 1.5, 2.0
"""In units of TAU: below the first breadth must shrink, above the second enlarge."""


@dataclass(frozen=True)
class Breadth:
    """Windows of broad networks over those of narrow ones, by N.

    Attributes:
        narrow: mean window of the narrow network, in units of TAU; (size,).
        ratio: mean of log(H broad / H narrow) over networks; (size,).
        error: its standard error; (size,).
    """

    narrow: Float[np.ndarray, " size"]
    ratio: Float[np.ndarray, " size"]
    error: Float[np.ndarray, " size"]


def breadth(
    seed: int,
    *,
    replicates: int = 100,
    largest: int = 2**13,
    shape: float = SHAPE,
    draw: Draw = stable_values,
) -> Claim:
    """Compare windows of broad and narrow spectra at a fixed mean.

    Args:
        seed: of the experiment.
        replicates: means at each N, anew for every network.
        largest: N.
        shape: of the gamma law of rates and time scales; the larger the narrower.
        draw: gives values of the noise.

    Example:
        >>> breadth(0, replicates=50, largest=2**8).letter
        'd'

    Source: Livi 2025, arXiv 2512.05790, broad spectra; convex order of mixtures.
    """
    sizes = octaves(8, largest)
    rng = np.random.default_rng(stream(seed, "breadth"))
    levels = [_levels(rng, sizes, replicates, draw) for _ in range(NETWORKS)]
    spread = rng.gamma(shape, size=(NETWORKS, UNITS))
    spread /= spread.mean(axis=1, keepdims=True)
    by_rate = _compared(TAU / spread, levels)
    by_scale = _compared(TAU * spread, levels)
    return Claim(
        letter="d",
        title="Broader spectra",
        statement="A broader spectrum of time scales enlarges the window.",
        testbed=f"{NETWORKS} networks of {UNITS} units with rates or time scales from "
        f"a gamma law (coefficient of variation {shape**-0.5:.2g}) against networks "
        "with the same mean in every unit; noise floor simulated anew for each by "
        f"{replicates:,} means of up to {largest:,} values.",
        parts=_parts(sizes, by_rate, by_scale),
        panels=(
            _panel("fixed mean rate", by_rate),
            _panel("fixed mean time scale", by_scale),
        ),
        caption="Window of the broad network over that of the narrow one, against the "
        "narrow one's window in units of the mean time scale; bars are three standard "
        "errors, the line is equality.",
    )


def _levels(
    rng: np.random.Generator, sizes: np.ndarray, replicates: int, draw: Draw
) -> Values:
    """Give the least signal that each N shows, from means of noise alone."""
    means = running_means(lambda r, n: draw(ALPHA, (r, n), rng), sizes, replicates)
    floor = -np.quantile(means, ERROR, axis=0)
    # In units of the first, so that the first window is NEAREST for any noise.
    return floor / floor[0] * np.exp(-NEAREST)


def _compared(scales: Values, levels: list[Values]) -> Breadth:
    lags = np.arange(1, LONGEST + 1)
    narrow = np.exp(-lags / TAU)
    rows = []
    for tau, level in zip(scales, levels, strict=True):
        broad = windows(np.asarray(envelope_of_units(tau, lags)), level) + 0.5
        rows.append((broad, windows(narrow, level) + 0.5))
    broad, flat = np.array(rows, float).swapaxes(0, 1)
    logs = np.log(broad / flat)
    error = logs.std(axis=0, ddof=1) / len(logs) ** 0.5
    return Breadth(flat.mean(axis=0) / TAU, logs.mean(axis=0), error)


def _parts(sizes: np.ndarray, rate: Breadth, scale: Breadth) -> tuple[Part, ...]:
    above = Tolerance("above", 3.0)
    everywhere = np.full(sizes.size, True)
    return (
        Part(
            "fixed mean rate",
            "At a fixed mean rate a broader spectrum enlarges the window at every N.",
            above,
            _numbers(rate, sizes, everywhere),
            (
                "breadth enlarges every window at a fixed mean rate",
                "breadth does not enlarge every window at a fixed mean rate",
            ),
        ),
        Part(
            "fixed mean time scale",
            "At a fixed mean time scale a broader spectrum enlarges it at every N.",
            above,
            _numbers(scale, sizes, everywhere),
            (
                "it does so at a fixed mean time scale, too",
                "at a fixed mean time scale it does not for every N",
            ),
        ),
        Part(
            "beyond 2 tau",
            "At a fixed mean time scale it enlarges windows beyond twice that scale.",
            above,
            _numbers(scale, sizes, scale.narrow > LONG),
            (
                "there it enlarges windows beyond 2 tau",
                "there it does not even enlarge windows beyond 2 tau",
            ),
        ),
        Part(
            "below 1.5 tau",
            "At a fixed mean time scale it shrinks windows below 1.5 times that scale.",
            Tolerance("below", 3.0),
            _numbers(scale, sizes, scale.narrow < SHORT),
            (
                "and shrinks those below 1.5 tau",
                "and does not shrink those below 1.5 tau",
            ),
        ),
    )


def _numbers(found: Breadth, sizes: np.ndarray, where: np.ndarray) -> tuple:
    names = [
        f"log(H broad / H narrow), N = {n:,}, H narrow = {h:.2g} tau"
        for n, h in zip(sizes[where], found.narrow[where], strict=True)
    ]
    return measured(names, found.ratio[where], found.error[where], [0.0] * len(names))


def _panel(title: str, found: Breadth) -> Panel:
    ratio = np.exp(found.ratio)
    return Panel(
        title,
        "H narrow / tau",
        "H broad / H narrow",
        (
            Curve("broad over narrow", found.narrow, ratio, 3 * ratio * found.error),
            Curve("equal", found.narrow, np.ones_like(ratio), None, "dashed", 1),
        ),
    )
