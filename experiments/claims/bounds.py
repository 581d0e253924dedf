"""(f) No rule errs less often than the lower bounds of Le Cam and Fano allow."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Float

from learnability import stable
from learnability.randomness import stream

from . import formulas
from .record import Claim, Curve, Measured, Panel, Part, Tolerance
from .simulate import Draw, Values, stable_values
from .tails import LOCATIONS, Location

ALPHAS = (1.2, 1.5, 2.0)
SIGNAL = 0.4
"""m, in units of sigma."""
SIZES = (5, 15, 45)
"""N, odd, so that a median is one of the values."""
CANDIDATES = 8
"""Lags among which the signal is sought."""

Divergence = Callable[[float, float], float]


@dataclass(frozen=True)
class Trial:
    """How often one rule erred, and the least that a bound allows, by N.

    Attributes:
        bound: name of the bound.
        rule: name of the rule.
        alpha: tail index.
        wrong: share of errors; (size,).
        error: its standard error; (size,).
        least: the bound; (size,).
    """

    bound: str
    rule: str
    alpha: float
    wrong: Float[np.ndarray, " size"]
    error: Float[np.ndarray, " size"]
    least: Float[np.ndarray, " size"]


def _divergence(shift: float, alpha: float) -> float:
    return float(formulas.divergence(shift, alpha))


def lower_bounds(
    seed: int,
    *,
    replicates: int = 20_000,
    draw: Draw = stable_values,
    divergence: Divergence = _divergence,
) -> Claim:
    """Let four rules decide, and compare their errors with the bounds.

    sign of m (Le Cam): error >= exp(-N D(2m))/4;
    which of M lags (Fano): error >= 1 - (2 N D(m) + log 2)/log M

    Args:
        seed: of the experiment.
        replicates: decisions at each N.
        draw: gives values of the noise.
        divergence: Kullback-Leibler divergence of a shift, by shift and tail index.

    Example:
        >>> lower_bounds(0, replicates=200).letter
        'f'

    Source: Bretagnolle and Huber 1979, Z. Wahrsch. 47, 119; Cover and Thomas 2006.
    """
    rng = np.random.default_rng(stream(seed, "bounds"))
    trials = []
    for alpha in ALPHAS:
        trials += _signs(rng, alpha, replicates, draw, divergence)
        trials += _lags(rng, alpha, replicates // CANDIDATES, draw, divergence)
    return Claim(
        letter="f",
        title="Lower bounds",
        statement="No estimator needs fewer samples than the lower bounds of Le Cam "
        "and Fano.",
        testbed=f"Signal {SIGNAL:g} sigma; N = {', '.join(map(str, SIZES))}; mean, "
        f"median, clipped mean and likelihood ratio decide its sign ({replicates:,} "
        f"times) or which of {CANDIDATES} lags carries it "
        f"({replicates // CANDIDATES:,} times); shown is the N at which the rule comes "
        "closest.",
        parts=tuple(_part(name, trials) for name in BOUNDS),
        panels=tuple(
            _panel(name, alpha, trials)
            for name, alpha in (("Le Cam", 1.2), ("Le Cam", 2.0), ("Fano", 1.2))
        ),
        caption="Share of wrong decisions by the number of samples (points), and the "
        "least that any rule can reach (line).",
    )


BOUNDS = ("Le Cam", "Fano")
QUESTION = {"Le Cam": "its sign", "Fano": f"its lag among {CANDIDATES}"}


def _signs(
    rng: np.random.Generator,
    alpha: float,
    replicates: int,
    draw: Draw,
    divergence: Divergence,
) -> list[Trial]:
    """Decide whether the signal is +m or -m; it is +m."""
    values = SIGNAL + draw(alpha, (replicates, SIZES[-1]), rng)
    least = np.exp(-np.array(SIZES) * divergence(2 * SIGNAL, alpha)) / 4
    trials = []
    for rule, decide in _rules(alpha, -SIGNAL).items():
        scores = [decide(values[:, :n]) for n in SIZES]
        # A tie is half an error.
        wrong = np.array([np.where(s == 0, 0.5, s < 0) for s in scores])
        trials.append(_trial("Le Cam", rule, alpha, wrong, least))
    return trials


def _lags(
    rng: np.random.Generator,
    alpha: float,
    replicates: int,
    draw: Draw,
    divergence: Divergence,
) -> list[Trial]:
    """Decide which of several lags carries the signal; it is the first."""
    values = draw(alpha, (replicates, CANDIDATES, SIZES[-1]), rng)
    values[:, 0] += SIGNAL
    both = divergence(SIGNAL, alpha) + divergence(-SIGNAL, alpha)
    least = 1 - (np.array(SIZES) * both + np.log(2)) / np.log(CANDIDATES)
    trials = []
    for rule, decide in _rules(alpha, 0.0).items():
        scores = [
            decide(values[..., :n].reshape(-1, n)).reshape(replicates, CANDIDATES)
            for n in SIZES
        ]
        wrong = np.array([s.argmax(axis=1) != 0 for s in scores])
        trials.append(_trial("Fano", rule, alpha, wrong, np.maximum(least, 0.0)))
    return trials


def _rules(alpha: float, low: float) -> dict[str, Location]:
    ratio = partial(likelihood_ratio, alpha=alpha, low=low)
    return LOCATIONS | {"likelihood": ratio}


def _trial(
    bound: str, rule: str, alpha: float, wrong: np.ndarray, least: Values
) -> Trial:
    """Count errors; a share of 0 gets the error of one in all."""
    share, count = wrong.mean(axis=1), wrong.shape[1]
    error = np.sqrt(np.maximum(share * (1 - share), 1 / count) / count)
    return Trial(bound, rule, alpha, share, error, least)


def likelihood_ratio(values: Values, *, alpha: float, low: float) -> Values:
    """Give the log likelihood of the signal over that of another location, by row.

    sum_i log p(x_i - m)/p(x_i - low): no test of the two errs less often

    Args:
        values: (replicate, value), in units of sigma.
        alpha: tail index.
        low: the other location.

    Example:
        >>> bool(likelihood_ratio(np.array([[0.4]]), alpha=1.5, low=-0.4)[0] > 0)
        True

    Source: Neyman and Pearson 1933, Phil. Trans. A 231, 289.
    """
    density = stable.density
    ratio = np.asarray(density(values - SIGNAL, alpha)) / density(values - low, alpha)
    return np.log(ratio).sum(axis=1)


def _part(bound: str, trials: list[Trial]) -> Part:
    numbers = []
    for trial in trials:
        if trial.bound == bound:
            # Where the rule comes closest, the tolerance's room included.
            room = np.log(trial.wrong + 3 * trial.error)
            with np.errstate(divide="ignore"):
                at = int(np.argmin(room - np.log(trial.least)))
            name = f"errors of {trial.rule}, alpha = {trial.alpha:g}, N = {SIZES[at]}"
            numbers.append(
                Measured(
                    name,
                    float(trial.wrong[at]),
                    float(trial.error[at]),
                    float(trial.least[at]),
                )
            )
    return Part(
        bound,
        f"No rule that names {QUESTION[bound]} errs less often than {bound} allows.",
        Tolerance("not below", 3.0),
        tuple(numbers),
        (
            f"no rule beats {bound}'s bound, not even the best possible one",
            f"some rule errs less often than {bound}'s bound allows",
        ),
    )


def _panel(bound: str, alpha: float, trials: list[Trial]) -> Panel:
    shown = [t for t in trials if t.bound == bound and t.alpha == alpha]
    sizes = np.array(SIZES, float)
    points = [
        # Moved apart by a few per cent, to be told from one another.
        Curve(t.rule, sizes * 1.06 ** (hue - 1.5), t.wrong, t.error, "points", hue)
        for hue, t in enumerate(shown)
    ]
    line = Curve("lower bound", sizes, shown[0].least, None, "line", 4)
    title = f"{bound}, alpha = {alpha:g}"
    return Panel(title, "N", "share of errors", (*points, line), "x")
