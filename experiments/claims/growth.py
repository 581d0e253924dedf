"""(c) How the window grows with N for three kinds of envelope."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from learnability import stable
from learnability.detection.decay import (
    Envelope,
    Exponential,
    Logarithmic,
    PowerLaw,
    noise_level,
)
from learnability.randomness import stream

from .record import Claim, Curve, Measured, Panel, Part, Tolerance
from .simulate import (
    Draw,
    Values,
    bootstrap,
    octaves,
    running_means,
    slope,
    stable_values,
    windows,
)

ALPHAS = (1.5, 2.0)
ERROR = 0.05
TAU, BETA, SIGNAL = 100.0, 0.5, 5.0
LOG_WINDOW = 13.0
"""log(1 + H) of the logarithmic envelope at the largest N: its windows grow as exp."""
LONGEST = 2**20


@dataclass(frozen=True)
class Growth:
    """Windows of one envelope and tail index.

    Attributes:
        name: of the family.
        alpha: tail index.
        family: the envelope.
        size: N; (size,).
        window: H_N, simulated; (size,).
        error: its standard error; (size,).
        slope: of the window, transformed, against log N, with its standard error.
        expected: that slope in closed form.
    """

    name: str
    alpha: float
    family: Envelope
    size: Float[np.ndarray, " size"]
    window: Float[np.ndarray, " size"]
    error: Float[np.ndarray, " size"]
    slope: tuple[float, float]
    expected: float


def growth(
    seed: int,
    *,
    replicates: int = 4000,
    largest: int = 2**13,
    draw: Draw = stable_values,
) -> Claim:
    """Count the lags that N noisy values still show, and follow the count with N.

    H_N = max{ l : P(f(l) + mean of N noise values < 0) <= error }

    Args:
        seed: of the experiment.
        replicates: means at each N.
        largest: N.
        draw: gives values of the noise.

    Example:
        >>> growth(0, replicates=200, largest=2**9).letter
        'c'

    Source: Livi 2025, arXiv 2512.05790, scaling of the window.
    """
    found = [
        one
        for alpha in ALPHAS
        for one in _grown(seed, alpha, replicates, largest, draw)
    ]
    names = list(dict.fromkeys(one.name for one in found))
    return Claim(
        letter="c",
        title="Growth of the window",
        statement="H_N grows exponentially in N^(1/kappa) for a logarithmic envelope, "
        "as N^(1/(kappa beta)) for a polynomial one, as (tau/kappa) log N for an "
        "exponential one.",
        testbed=f"Signal f(l) in stable noise common to all lags; {replicates:,} means "
        f"of up to {largest:,} values; H_N is the longest lag whose mean has the wrong "
        f"sign in at most {ERROR:.0%} of them.".replace("%", "\u202f%"),
        parts=tuple(
            _part(name, [one for one in found if one.name == name]) for name in names
        ),
        panels=tuple(
            _panel(name, [one for one in found if one.name == name]) for name in names
        ),
        caption="Windows counted in the simulation (points, with standard errors) and "
        "in closed form (lines), each in the scaling in which theory draws a line.",
    )


def _grown(
    seed: int, alpha: float, replicates: int, largest: int, draw: Draw
) -> list[Growth]:
    rng = np.random.default_rng(stream(seed, f"growth {alpha}"))
    sizes = octaves(largest // 16, largest)
    noise = running_means(
        lambda rows, n: draw(alpha, (rows, n), rng), sizes, replicates
    )
    kappa = float(stable.kappa(alpha))
    c = LOG_WINDOW * float(noise_level(largest, alpha, significance=ERROR))
    families: dict[str, tuple[Envelope, float]] = {
        "logarithmic": (Logarithmic(c=c), 1 / kappa),
        "polynomial": (PowerLaw(beta=BETA, c=SIGNAL), 1 / (kappa * BETA)),
        "exponential": (Exponential(tau=TAU, c=SIGNAL), TAU / kappa),
    }
    return [
        _followed(name, alpha, family, sizes.astype(float), noise, expected, rng)
        for name, (family, expected) in families.items()
    ]


def _followed(
    name: str,
    alpha: float,
    family: Envelope,
    sizes: Values,
    noise: Values,
    expected: float,
    rng: np.random.Generator,
) -> Growth:
    f = np.asarray(family.value(np.arange(1, LONGEST + 1)))

    def statistic(means: np.ndarray) -> Values:
        # A lag is seen where its signal makes up for the lowest 5 % of the noise.
        count = windows(f, -np.quantile(means, ERROR, axis=0))
        line = straight(name, count)
        return np.append(count.astype(float), slope(np.log(sizes), line))

    values, errors = bootstrap(statistic, noise, rng)
    pair = float(values[-1]), float(errors[-1])
    return Growth(name, alpha, family, sizes, values[:-1], errors[:-1], pair, expected)


def straight(name: str, window: np.ndarray) -> Values:
    """Give the window in the scaling in which its growth with log N is a line.

    log log(1+H), log(1+H) or H

    Args:
        name: of the family.
        window: H.

    Example:
        >>> float(straight("exponential", np.array(3)))
        3.0
    """
    if name == "exponential":
        return np.asarray(window, float)
    # Half a lag: the count stands for all windows up to the next lag.
    log = np.log1p(np.asarray(window) + 0.5)
    return np.log(log) if name == "logarithmic" else log


LINES = {
    "logarithmic": "log log(1 + H)",
    "polynomial": "log(1 + H)",
    "exponential": "H",
}
LAWS = {
    "logarithmic": "log(1 + H_N) grows as N^(1/kappa) for f = c/log(1 + l).",
    "polynomial": "1 + H_N grows as N^(1/(kappa beta)) for f = c (1 + l)^(-beta).",
    "exponential": "H_N grows as (tau/kappa) log N for f = c exp(-l/tau).",
}


def _part(name: str, found: list[Growth]) -> Part:
    slopes = [
        Measured(
            f"slope of {LINES[name]} in log N, alpha = {g.alpha:g}",
            *g.slope,
            g.expected,
        )
        for g in found
    ]
    levels = [
        Measured(
            f"log(1 + H) at N = {g.size[-1]:,.0f}, alpha = {g.alpha:g}",
            np.log1p(g.window[-1] + 0.5),
            # Counted lags are whole: a rounding error of 1/sqrt(12).
            float(np.hypot(g.error[-1], 12**-0.5) / (1 + g.window[-1])),
            float(np.log1p(g.family.window(g.size[-1], g.alpha, significance=ERROR))),
        )
        for g in found
    ]
    return Part(
        name,
        LAWS[name],
        Tolerance("equal", 3.0),
        (*slopes, *levels),
        (
            f"windows of {name} envelopes are those of the closed form",
            f"windows of {name} envelopes differ from the closed form",
        ),
    )


def _panel(name: str, found: list[Growth]) -> Panel:
    curves = []
    for hue, g in enumerate(found):
        closed = np.asarray(g.family.window(g.size, g.alpha, significance=ERROR))
        label = f"alpha = {g.alpha:g}"
        curves += [
            Curve(label, g.size, g.window, g.error, "points", hue),
            Curve("closed form", g.size, closed, None, "line", hue),
        ]
    scale = "x" if name == "exponential" else "xy"
    return Panel(f"{name} envelope", "N", "window H", tuple(curves), scale)
