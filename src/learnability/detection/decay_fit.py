"""Which decay an envelope follows, with the evidence for each family.

The logarithm of the envelope is fitted. Neighbouring lags share their sequences, so
their errors go together: the residuals are whitened by the covariance between lags,
given (a bootstrap of log f over sequences) or modelled as rho^|i-j| along the grid with
the rho that makes each family most likely.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import least_squares
from scipy.special import expit, logit

from . import families as closed
from . import mixtures as mixed
from .families import Envelope

FAMILIES: tuple[type[Envelope], ...] = (
    closed.Exponential,
    closed.PowerLaw,
    closed.Logarithmic,
    closed.Stretched,
    closed.TruncatedPower,
    mixed.GammaRates,
    mixed.LogUniform,
    mixed.TwoExponentials,
)

FEWEST_LAGS = 6
"""The richest family has four parameters; a residual and its correlation remain."""

ROUNDING = 1e-9
"""Relative errors of an envelope below this are not held against a family."""

CORRELATIONS = (0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95)
"""Tried between neighbours; nearer to 1 a misfit passes for correlated noise."""

FARTHEST = 30.0
"""Bounds of log parameters around their start: a factor of 1e13 either way."""


@dataclass(frozen=True)
class Evidence:
    """How well one family describes the envelope.

    Attributes:
        envelope: the fitted family.
        deviance: -2 log likelihood of log f.
        parameters: how many the family has, its error included.
        criterion: deviance + parameters * log(effective lags) (Schwarz 1978).
        weight: share of this family in exp(-criterion/2).
        misfit: squared residuals per degree of freedom in units of the covariance,
            near 1 where the family holds; None where no covariance was given.
    """

    envelope: Envelope
    deviance: float
    parameters: int
    criterion: float
    weight: float
    misfit: float | None


@dataclass(frozen=True)
class DecayFit:
    """The family with the most evidence, and all others.

    Attributes:
        best: its fitted envelope.
        evidence: all families, best first.
        effective_lags: how many independent lags the grid is worth.
        correlation: between neighbouring lags.
    """

    best: Envelope
    evidence: tuple[Evidence, ...]
    effective_lags: float
    correlation: float


class _Candidate(NamedTuple):
    envelope: Envelope
    solution: NDArray[np.float64]
    squares: float


class _Trial(NamedTuple):
    candidate: _Candidate
    correlation: float
    deviance: float


def fit(
    lags: ArrayLike,
    envelope: ArrayLike,
    *,
    covariance: Float[np.ndarray, "lag lag"] | None = None,
    families: Sequence[type[Envelope]] = FAMILIES,
) -> DecayFit:
    """Fit every family to an envelope and choose by the Schwarz criterion.

    minimise r' C^-1 r, r = log f(l) - log f_family(l); criterion -2 log L + p log n_eff

    Args:
        lags: lags l >= 1, increasing (lag).
        envelope: f(l) > 0, any unit (lag).
        covariance: of log f between lags (lag, lag), as a bootstrap over sequences
            gives it; None takes one error for all lags and models the correlation.
        families: envelope classes to compare.

    Raises:
        ValueError: fewer than 6 lags, an envelope that is not positive, lags that do
            not increase, or a covariance that is not positive definite.

    Example:
        >>> l = np.arange(1.0, 40.0)
        >>> type(fit(l, 3 * (1 + l) ** -0.7).best).__name__
        'PowerLaw'

    Source: Schwarz 1978, Ann. Stat. 6, 461; generalised least squares (Aitken 1935).
    """
    grid, target = _checked(lags, envelope)
    if covariance is not None:
        whiten = _whitener(covariance, grid.size)
        scale = np.sqrt(np.diag(covariance))
        correlation = covariance / np.outer(scale, scale)
        found = [_best(family, grid, target, whiten) for family in families]
        deviances = [candidate.squares for candidate in found]
        return _result(found, deviances, correlation, known=True)
    plain = [_best(family, grid, target, np.eye(grid.size)) for family in families]
    trials = [_with_correlation(one, grid, target) for one in plain]
    best = min(trials, key=lambda trial: trial.deviance)
    correlation = _neighbours(best.correlation, grid.size)
    found = [trial.candidate for trial in trials]
    return _result(found, [one.deviance for one in trials], correlation, known=False)


def effective_number(correlation: Float[np.ndarray, "lag lag"]) -> float:
    """Return how many independent values correlated ones are worth.

    n_eff = (sum of eigenvalues)^2 / sum of squared eigenvalues = n^2 / sum_ij C_ij^2

    Example:
        >>> effective_number(np.eye(5)), effective_number(np.ones((5, 5)))
        (5.0, 1.0)

    Source: participation ratio of the spectrum; Bretherton et al. 1999, J. Climate 12.
    """
    return float(np.trace(correlation) ** 2 / (correlation**2).sum())


def _checked(
    lags: ArrayLike, envelope: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    grid, values = np.asarray(lags, np.float64), np.asarray(envelope, np.float64)
    if grid.ndim != 1 or grid.shape != values.shape or grid.size < FEWEST_LAGS:
        raise ValueError(
            f"lags {grid.shape} and envelope {values.shape} must be two lists of the "
            f"same length, at least {FEWEST_LAGS}"
        )
    if grid[0] < 1 or (np.diff(grid) <= 0).any():
        raise ValueError("lags must increase from 1 on: sort them and leave out lag 0")
    if not (np.isfinite(values) & (values > 0)).all():
        bad = grid[~(np.isfinite(values) & (values > 0))][0]
        raise ValueError(
            f"the envelope at lag {bad:g} is not positive: leave this lag out"
        )
    return grid, np.log(values)


def _whitener(covariance: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    if covariance.shape != (count, count):
        raise ValueError(
            f"covariance has shape {covariance.shape}, but there are {count} lags"
        )
    if np.linalg.eigvalsh(covariance)[0] <= 0:
        raise ValueError(
            "covariance is not positive definite: it needs more resamples than lags"
        )
    lower = cholesky(covariance, lower=True)
    return solve_triangular(lower, np.eye(count), lower=True)


def _neighbours(rho: float, count: int) -> NDArray[np.float64]:
    index = np.arange(count)
    return rho ** np.abs(index[:, None] - index)


def _with_correlation(
    plain: _Candidate, lags: NDArray[np.float64], target: NDArray[np.float64]
) -> _Trial:
    """Return one family at the correlation between lags that makes it most likely.

    -2 log L = n log(r' R^-1 r / n) + log det R, the error's size profiled out.
    """
    count = lags.size
    trials = []
    for rho in CORRELATIONS:
        whiten = _whitener(_neighbours(rho, count), count)
        family = type(plain.envelope)
        candidate = _refine(family, plain.solution, lags, target, whiten)
        squares = max(candidate.squares, count * ROUNDING**2)
        determinant = (count - 1) * np.log1p(-(rho**2))
        deviance = count * np.log(squares / count) + determinant
        trials.append(_Trial(candidate, rho, float(deviance)))
    return min(trials, key=lambda trial: trial.deviance)


def _result(
    found: list[_Candidate],
    deviances: Sequence[float],
    correlation: NDArray[np.float64],
    *,
    known: bool,
) -> DecayFit:
    effective = effective_number(correlation)
    counts = [one.solution.size + 1 for one in found]
    criteria = np.array(deviances) + np.array(counts) * np.log(max(effective, 2.0))
    weights = np.exp(-(criteria - criteria.min()) / 2)
    weights /= weights.sum()
    lags = len(correlation)
    evidence = [
        Evidence(
            envelope=one.envelope,
            deviance=float(deviance),
            parameters=count,
            criterion=float(criterion),
            weight=float(weight),
            misfit=one.squares / max(lags - count, 1) if known else None,
        )
        for one, deviance, count, criterion, weight in zip(
            found, deviances, counts, criteria, weights, strict=True
        )
    ]
    ordered = tuple(sorted(evidence, key=lambda one: one.criterion))
    return DecayFit(ordered[0].envelope, ordered, effective, float(correlation[0, 1]))


def _best(
    family: type[Envelope],
    lags: NDArray[np.float64],
    target: NDArray[np.float64],
    whiten: NDArray[np.float64],
) -> _Candidate:
    """Return the best fit of one family over several starts."""
    candidates = [
        _refine(family, start, lags, target, whiten) for start in _starts(family, lags)
    ]
    return min(candidates, key=lambda one: one.squares)


def _refine(
    family: type[Envelope],
    start: NDArray[np.float64],
    lags: NDArray[np.float64],
    target: NDArray[np.float64],
    whiten: NDArray[np.float64],
) -> _Candidate:
    def shape_residual(parameters: NDArray[np.float64]) -> NDArray[np.float64]:
        difference = target - _build(family, parameters, 1.0).log_value(lags)
        return whiten @ np.asarray(difference)

    ones = whiten @ np.ones(lags.size)

    def residual(parameters: NDArray[np.float64]) -> NDArray[np.float64]:
        # The amplitude enters log f as a constant: its best value is a mean.
        raw = shape_residual(parameters)
        return raw - ones * (ones @ raw) / (ones @ ones)

    solution = start
    if start.size:
        solution = least_squares(
            residual, start, bounds=(start - FARTHEST, start + FARTHEST), xtol=1e-12
        ).x
    raw = shape_residual(solution)
    envelope = _build(family, solution, float(np.exp(ones @ raw / (ones @ ones))))
    final = residual(solution)
    return _Candidate(envelope, solution, float(final @ final))


def _build(
    family: type[Envelope], parameters: NDArray[np.float64], c: float
) -> Envelope:
    """Return a family at unbounded parameters: logarithms, or a logit for a weight.

    theta_j = exp(y_j); w = 1/(1 + exp(-y)); t2 = t1 (1 + exp(y)); T = 1 + exp(y)
    """
    values = np.exp(parameters)
    if family is mixed.TwoExponentials:
        # Far out the logistic function rounds to 1, which is no weight of two modes.
        values[0] = min(expit(parameters[0]), np.nextafter(1, 0))
    if family is mixed.LogUniform:
        values[1] = values[0] * (1 + values[1])
    if family is mixed.UniformTimeScales:
        values[0] = 1 + values[0]
    return cast(Callable[..., Envelope], family)(*values.tolist(), c)


def _starts(
    family: type[Envelope], lags: NDArray[np.float64]
) -> list[NDArray[np.float64]]:
    """Return unbounded parameters to start from: time scales across the grid.

    Several, because sums of exponentials have several valleys.

    Raises:
        ValueError: a family that is not known here.
    """
    first, middle, last = np.log([lags[0], np.sqrt(lags[0] * lags[-1]), lags[-1]])
    times = [first + 0.5, middle, last]
    modes = [(first, middle), (middle, last)]
    known: dict[type[Envelope], list[list[float]]] = {
        closed.Exponential: [[t] for t in times],
        closed.PowerLaw: [[0.0]],
        closed.Logarithmic: [[]],
        closed.Stretched: [[g, t] for t in times for g in (-0.7, 0.0)],
        closed.TruncatedPower: [[b, t] for t in times for b in (-1.5, 0.0)],
        closed.Plateau: [[t, t - 1.0] for t in times],
        mixed.GammaRates: [[0.0, t] for t in times],
        mixed.LogUniform: [
            [first, last - first + 1e-3],
            [first, 1.0],
            [middle, 1.0],
        ],
        mixed.TwoExponentials: [[logit(w), a, b] for w in (0.1, 0.5) for a, b in modes],
        mixed.BetaGates: [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]],
        mixed.GammaShapes: [[0.0]],
        mixed.UniformTimeScales: [[t] for t in times],
    }
    if family not in known:
        names = ", ".join(one.__name__ for one in known)
        raise ValueError(f"{family.__name__} cannot be fitted: choose among {names}")
    return [np.array(one, np.float64) for one in known[family]]
