"""(g) A fixed threshold on the signal-to-noise ratio is not a confidence."""

import numpy as np

from learnability import stable
from learnability.randomness import stream

from .formulas import threshold_error
from .record import Claim, Curve, Panel, Part, Tolerance, measured
from .simulate import Draw, Values, stable_values

ALPHAS = (1.2, 1.5, 1.8, 2.0)
THRESHOLDS = (0.1, 20.0)
"""Both were published."""
CURVE = np.array([0.1, 0.3, 1.0, 3.0, 10.0, 20.0])
VALUES = 16
COIN, SURE = 0.45, 1e-3


def threshold(
    seed: int, *, replicates: int = 50_000, draw: Draw = stable_values
) -> Claim:
    """Count the wrong signs of means that just pass a threshold.

    |m| N^(1/kappa)/sigma = eps; error P(xi > eps)

    Args:
        seed: of the experiment.
        replicates: means at each alpha.
        draw: gives values of the noise.

    Example:
        >>> threshold(0, replicates=2000).letter
        'g'

    Source: Livi 2025, arXiv 2512.05790, detection threshold.
    """
    shares = np.array([_wrong(seed, alpha, replicates, draw) for alpha in ALPHAS])
    # Where no error was seen, one would not have been a surprise.
    spread = np.maximum(shares * (1 - shares), 1 / replicates)
    errors = np.sqrt(spread / replicates)
    return Claim(
        letter="g",
        title="A threshold is not a confidence",
        statement="A fixed threshold on the signal-to-noise ratio "
        "|m| N^(1/kappa)/sigma is not a confidence.",
        testbed=f"{replicates:,} means of {VALUES} values with a signal that just "
        "reaches the threshold; counted is how often the mean has the wrong sign.",
        parts=_parts(shares, errors),
        panels=(
            Panel(
                "error behind a threshold",
                "threshold on the signal-to-noise ratio",
                "share of wrong signs",
                tuple(
                    curve
                    for hue in range(len(ALPHAS))
                    for curve in _curves(hue, shares[hue], errors[hue])
                ),
                "xy",
            ),
        ),
        caption="Share of means with the wrong sign, simulated (points; none where "
        "none was seen) and the tail probability of the stable law (lines).",
    )


def _wrong(seed: int, alpha: float, replicates: int, draw: Draw) -> Values:
    rng = np.random.default_rng(stream(seed, f"threshold {alpha}"))
    means = draw(alpha, (replicates, VALUES), rng).mean(axis=1)
    signal = CURVE * VALUES ** (-1 / float(stable.kappa(alpha)))
    return (means[:, None] + signal < 0).mean(axis=0)


def _parts(shares: Values, errors: Values) -> tuple[Part, ...]:
    low, high = (int(np.flatnonzero(t == CURVE)[0]) for t in THRESHOLDS)
    names = [f"wrong signs at {{}}, alpha = {alpha:g}" for alpha in ALPHAS]
    closed = np.array([threshold_error(CURVE, alpha) for alpha in ALPHAS])
    every = [
        (a, t) for a in range(len(ALPHAS)) for t in (low, int(CURVE.size // 2) - 1)
    ] + [(0, high), (1, high)]
    return (
        Part(
            "threshold 0.1",
            f"At the threshold 0.1 more than {COIN:.0%} of the signs are wrong, "
            "whatever the tails.".replace("%", "\u202f%"),
            Tolerance("above", 3.0),
            measured(
                [n.format("0.1") for n in names],
                shares[:, low],
                errors[:, low],
                [COIN] * len(ALPHAS),
            ),
            (
                "the threshold 0.1 passes what a coin could tell as well",
                "the threshold 0.1 is better than a coin at some alpha",
            ),
        ),
        Part(
            "threshold 20, heavy tails",
            f"At the threshold 20 more than {SURE:g} of the signs are wrong at alpha "
            "up to 1.5.",
            Tolerance("above", 3.0),
            measured(
                [n.format("20") for n in names[:2]],
                shares[:2, high],
                errors[:2, high],
                [SURE] * 2,
            ),
            (
                "the threshold 20 still errs in parts of a thousand for heavy tails",
                "the threshold 20 hardly errs even for heavy tails",
            ),
        ),
        Part(
            "threshold 20, Gaussian",
            f"At the threshold 20 fewer than {SURE:g} of the signs are wrong at "
            "alpha = 2.",
            Tolerance("below", 3.0),
            measured(
                [names[3].format("20")], shares[3:, high], errors[3:, high], [SURE]
            ),
            (
                "and practically never at alpha = 2, so that one threshold is many "
                "confidences",
                "and errs just as often at alpha = 2",
            ),
        ),
        Part(
            "tail probability",
            "The error behind a threshold eps is P(xi > eps).",
            Tolerance("equal", 3.0),
            measured(
                [names[a].format(f"{CURVE[t]:g}") for a, t in every],
                [shares[pair] for pair in every],
                [errors[pair] for pair in every],
                [closed[pair] for pair in every],
            ),
            (
                "the error is the tail probability of the stable law",
                "the error is not the tail probability of the stable law",
            ),
        ),
    )


def _curves(hue: int, shares: Values, errors: Values) -> tuple[Curve, ...]:
    alpha = ALPHAS[hue]
    grid = np.geomspace(CURVE[0], CURVE[-1], 60)
    line = np.asarray(threshold_error(grid, alpha))
    seen, shown = shares > 0, line > 1e-6
    return (
        Curve(
            f"alpha = {alpha:g}", CURVE[seen], shares[seen], errors[seen], "points", hue
        ),
        Curve("P(xi > eps)", grid[shown], line[shown], None, "line", hue),
    )
