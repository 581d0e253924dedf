"""(e) Heavier tails compress the window of the mean, not that of a robust location."""

from collections.abc import Callable

import numpy as np

from learnability.detection.decay import Exponential
from learnability.randomness import stream

from .record import Claim, Curve, Panel, Part, Tolerance, measured
from .simulate import Draw, Values, bootstrap, stable_values, windows

ALPHAS = (1.2, 1.4, 1.6, 1.8, 2.0)
ERROR = 0.05
TAU, SIGNAL, LONGEST = 50.0, 10.0, 2000
CLIP = 1.0
"""In units of sigma: of the values of a gradient, known without knowing alpha."""
HALVINGS = 30
KEPT = 0.95
"""A window that keeps so much of itself is not compressed."""

Location = Callable[[Values], Values]


def tails(
    seed: int,
    *,
    replicates: int = 3000,
    values: int = 1000,
    draw: Draw = stable_values,
) -> Claim:
    """Compare windows at the same N for lighter and heavier tails.

    Args:
        seed: of the experiment.
        replicates: estimates of the location at each alpha.
        values: N.
        draw: gives values of the noise.

    Example:
        >>> tails(0, replicates=100, values=65).letter
        'e'

    Source: Livi 2025, arXiv 2512.05790; Huber 1964, Ann. Math. Stat. 35, 73.
    """
    rng = np.random.default_rng(stream(seed, "tails"))
    f = np.asarray(Exponential(tau=TAU, c=SIGNAL).value(np.arange(1, LONGEST + 1)))

    def reached(estimates: np.ndarray) -> Values:
        return windows(f, -np.quantile(estimates, ERROR, axis=0)).astype(float)

    rows: dict[str, list[tuple[float, float]]] = {name: [] for name in LOCATIONS}
    for alpha in ALPHAS:
        noise = draw(alpha, (replicates, values), rng)
        for name, location in LOCATIONS.items():
            window, error = bootstrap(reached, location(noise), rng)
            rows[name].append((float(window), float(error)))
    found = {name: np.array(row) for name, row in rows.items()}
    return Claim(
        letter="e",
        title="Heavier tails",
        statement="Heavier tails compress the window, and stop doing so when the mean "
        "is replaced by a median or by a mean of clipped values.",
        testbed=f"Exponential envelope of time scale {TAU:g}, noise floor of one scale "
        f"and five tail indices, N = {values:,}; {replicates:,} repetitions; clipping "
        f"at {CLIP:g} sigma.",
        parts=_parts(found),
        panels=(
            Panel(
                f"window at N = {values:,}",
                "tail index alpha",
                "window H",
                tuple(
                    Curve(name, np.array(ALPHAS), row[:, 0], row[:, 1], "points", hue)
                    for hue, (name, row) in enumerate(found.items())
                ),
            ),
        ),
        caption="Windows of the same noisy signal seen through three estimators of its "
        "location, with standard errors.",
    )


def mean(values: Values) -> Values:
    """Give the mean of each row.

    Args:
        values: (replicate, value).

    Example:
        >>> mean(np.array([[1.0, 3.0]]))
        array([2.])
    """
    return values.mean(axis=1)


def median(values: Values) -> Values:
    """Give the median of each row.

    Args:
        values: (replicate, value).

    Example:
        >>> median(np.array([[1.0, 2.0, 9.0]]))
        array([2.])
    """
    return np.median(values, axis=1)


def clipped(values: Values) -> Values:
    """Give the location at which the clipped deviations of each row cancel.

    sum_i clip(x_i - m, -t, t) = 0: the sign of m is that of the mean clipped value

    Args:
        values: (replicate, value), in units of sigma.

    Example:
        >>> bool(abs(clipped(np.array([[0.0, 0.5, 100.0]]))[0] - 0.75) < 1e-6)
        True

    Source: Huber 1964, Ann. Math. Stat. 35, 73.
    """
    low, high = (np.median(values, axis=1) + side for side in (-CLIP, CLIP))
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        pull = np.clip(values - middle[:, None], -CLIP, CLIP).sum(axis=1)
        low, high = np.where(pull > 0, middle, low), np.where(pull > 0, high, middle)
    return (low + high) / 2


LOCATIONS: dict[str, Location] = {"mean": mean, "median": median, "clipped": clipped}


def _parts(found: dict[str, np.ndarray]) -> tuple[Part, ...]:
    window, error = found["mean"].T
    steps = [
        f"H at alpha = {a:g} minus H at {b:g}, mean"
        for a, b in zip(ALPHAS[1:], ALPHAS, strict=False)
    ]
    gaps = np.hypot(error[1:], error[:-1])
    return (
        Part(
            "mean",
            "The heavier the tails the shorter the window of the mean.",
            Tolerance("above", 3.0),
            measured(steps, np.diff(window), gaps, np.zeros(len(steps))),
            (
                f"the mean's window falls from {window[-1]:.0f} to {window[0]:.0f} "
                f"lags between alpha = {ALPHAS[-1]:g} and {ALPHAS[0]:g}",
                "heavier tails do not always shorten the window of the mean",
            ),
        ),
        *(_uncompressed(name, *found[name].T) for name in ("median", "clipped")),
    )


def _uncompressed(name: str, window: Values, error: Values) -> Part:
    ratio = float(window[0] / window[-1])
    relative = float(np.hypot(error[0] / window[0], error[-1] / window[-1]))
    words = {"median": "a median", "clipped": "a mean of clipped values"}[name]
    quantity = f"H at alpha = {ALPHAS[0]:g} over H at {ALPHAS[-1]:g}, {name}"
    return Part(
        name,
        f"The window of {words} keeps at least {KEPT:.0%} of its length.".replace(
            "%", "\u202f%"
        ),
        Tolerance("not below", 3.0),
        measured([quantity], [ratio], [ratio * relative], [KEPT]),
        (
            f"that of {words} keeps {ratio:.0%} of its length".replace("%", "\u202f%"),
            f"that of {words} shrinks to {ratio:.0%}".replace("%", "\u202f%"),
        ),
    )
