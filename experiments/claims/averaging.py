"""(a) The mean of N stable values concentrates as N^(-1/kappa)."""

import numpy as np

from learnability import stable
from learnability.randomness import stream

from .record import Claim, Curve, Measured, Panel, Part, Tolerance
from .simulate import Draw, octaves, running_means, slope, stable_values

ALPHAS = (1.2, 1.5, 1.8, 2.0)
BLOCKS = 40
"""Independent estimates of a slope, over which its standard error is taken."""


def averaging(
    seed: int,
    *,
    replicates: int = 4000,
    largest: int = 1024,
    draw: Draw = stable_values,
) -> Claim:
    """Regress the spread of means of N values on N.

    log IQR(mean of N) = const - log(N)/kappa, kappa = alpha/(alpha-1)

    Args:
        seed: of the experiment.
        replicates: means at each N.
        largest: N.
        draw: gives values of the law; another one than the stable puts it to the test.

    Example:
        >>> averaging(0, replicates=400, largest=64).letter
        'a'

    Source: Livi 2025, arXiv 2512.05790 (v4), concentration of the mean.
    """
    sizes = octaves(1, largest)
    numbers, curves = [], []
    for hue, alpha in enumerate(ALPHAS):
        rng = np.random.default_rng(stream(seed, f"averaging {alpha}"))
        means = running_means(
            lambda rows, n, a=alpha, r=rng: draw(a, (rows, n), r), sizes, replicates
        )
        blocks = np.array_split(means, BLOCKS)
        logs = np.array([np.log(_spread(block)) for block in blocks])
        slopes = np.array([slope(np.log(sizes), row) for row in logs])
        error = slopes.std(ddof=1) / BLOCKS**0.5
        expected = -1 / float(stable.kappa(alpha))
        name = f"alpha = {alpha:g}"
        numbers.append(Measured(f"slope, {name}", slopes.mean(), error, expected))
        middle = np.exp(logs.mean(axis=0))
        bars = middle * logs.std(axis=0, ddof=1) / BLOCKS**0.5
        height = np.log(middle / sizes**expected).mean()
        line = np.exp(height) * sizes**expected
        curves += [
            Curve(name, sizes.astype(float), middle, bars, "points", hue),
            Curve("slope -1/kappa", sizes.astype(float), line, None, "line", hue),
        ]
    part = Part(
        "slope",
        "The spread of the mean of N values falls as N^(-1/kappa).",
        Tolerance("equal", 3.0),
        tuple(numbers),
        (
            "means of stable values concentrate with the exponent 1/kappa at every "
            "alpha tried",
            "the exponent of the concentration differs from 1/kappa at some alpha",
        ),
    )
    return Claim(
        letter="a",
        title="Means concentrate as N^(-1/kappa)",
        statement="The mean of N values of a symmetric alpha-stable law concentrates "
        "as N^(-1/kappa), kappa = alpha/(alpha-1).",
        testbed=f"{replicates:,} means of N = 1 to {largest:,} values at each alpha; "
        "spread is the interquartile range; standard errors over "
        f"{BLOCKS} independent blocks.",
        parts=(part,),
        panels=(
            Panel(
                "spread of the mean", "N", "interquartile range", tuple(curves), "xy"
            ),
        ),
        caption="Spread of the mean of N values, simulated (points) and falling with "
        "the exponent that the tail index demands (lines).",
    )


def _spread(means: np.ndarray) -> np.ndarray:
    low, high = np.quantile(means, [0.25, 0.75], axis=0)
    return high - low
