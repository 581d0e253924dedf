"""How good the estimators of a stable law are: bias, spread, efficiency, coverage.

`report` measures everything in one run and writes one table; every figure carries the
number of repetitions it rests on, and what misses its bar is listed by the run.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.progress import track
from scipy.stats import levy_stable

from learnability.stable import (
    check_stability,
    fit,
    information,
    koutrouvelis,
    law,
    maximum_likelihood,
    mcculloch,
)

ALPHAS = (1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8, 1.9, 2.0)
ESTIMATORS = {
    "likelihood": maximum_likelihood,
    "koutrouvelis": koutrouvelis,
    "mcculloch": mcculloch,
}
FITTED = "koutrouvelis"
"""The one that `fit` gives intervals to."""

REPETITIONS = {500: 2000, 2000: 1500, 12_000: 1200, 200_000: 1200}
"""A coverage of 95 % is known to 0.5 % from 2000 repetitions, to 0.6 % from 1200."""

PARTS = 10
"""At least, of the repetitions, each with resamples of its own for the intervals."""

TOGETHER = 6_000_000
"""Values of a part at most: what fits of them need in memory stays under 2 GB."""

LEAST_COVERAGE, MOST_COVERAGE = 0.92, 0.98
PARAMETERS = ("alpha", "sigma", "location")

RESAMPLES = 200
IMPOSTOR_COUNT, IMPOSTOR_REPETITIONS = 12_000, 100
SPEED_LAGS, SPEED_SEQUENCES = 128, 8_000
SPEED_VALUES, ORACLE_VALUES = 100_000, 200


class Found(NamedTuple):
    """Repetitions of all estimators at one law and size, on the same samples.

    error: estimate less truth (parameter, repetition), by estimator; inside: whether
    the interval of `fit` holds the truth (parameter, repetition).
    """

    error: dict[str, NDArray[np.float64]]
    inside: NDArray[np.bool_]


class Row(NamedTuple):
    """One estimator at one law and size; triples are for alpha, sigma, location.

    coverage: of the intervals of `fit`; None for estimators without.
    """

    method: str
    count: int
    alpha: float
    bias: NDArray[np.float64]
    spread: NDArray[np.float64]
    efficiency: NDArray[np.float64]
    coverage: NDArray[np.float64] | None
    repetitions: int


def draw(count: int, alpha: float, repetitions: int, part: int = 0) -> Found:
    """Fit one part of the repetitions by every method.

    Arguments:
        count: values of a sample.
        alpha: tail index of the law; sigma is 1 and the location 0.
        repetitions: samples drawn.
        part: number of the part, for its seed.

    Returns:
        What the methods found, on the same samples.
    """
    truth = np.array([[alpha], [1.0], [0.0]])
    seed = [round(100 * alpha), count, part]
    values = law.sample(alpha, (repetitions, count), seed=seed)
    error = {
        name: np.stack(estimate(values)) - truth
        for name, estimate in ESTIMATORS.items()
    }
    fitted = fit(values, resamples=RESAMPLES, seed=[*seed, 1])
    lower, upper = (
        np.stack([getattr(fitted, name + end) for name in PARAMETERS])
        for end in ("_lower", "_upper")
    )
    return Found(error, (lower <= truth) & (truth <= upper))


def rows(count: int, alpha: float, parts: Sequence[Found]) -> list[Row]:
    """Return bias, spread, efficiency and coverage of every method.

    efficiency = Cramer-Rao bound / mean squared error; coverage of 95 % intervals

    Arguments:
        count: values of a sample.
        alpha: tail index of the law.
        parts: of the repetitions, by `draw`.

    Returns:
        A `Row` a method; efficiency of alpha and sigma is NaN at alpha = 2, which has
        no bound.
    """
    bound = np.array([np.nan, np.nan, 2.0])
    if alpha < 2:
        exact = information(alpha)
        determinant = exact.alpha * exact.sigma - exact.cross**2
        shape = exact.sigma / determinant, exact.alpha / determinant
        bound = np.array([*shape, 1 / exact.location])
    inside = np.concatenate([part.inside for part in parts], 1)
    result: list[Row] = []
    for method in ESTIMATORS:
        error = np.concatenate([part.error[method] for part in parts], 1)
        result.append(
            Row(
                method=method,
                count=count,
                alpha=alpha,
                bias=error.mean(1),
                spread=error.std(1),
                efficiency=bound / count / (error**2).mean(1),
                coverage=inside.mean(1) if method == FITTED else None,
                repetitions=error.shape[1],
            )
        )
    return result


def measure(count: int, alpha: float, *, effort: float = 1.0) -> list[Row]:
    """Measure all estimators at one law and sample size, a part at a time.

    Arguments:
        count: values of a sample, a key of `REPETITIONS`.
        alpha: tail index of the law.
        effort: factor on the number of repetitions.

    Returns:
        A `Row` a method.
    """
    repetitions = max(4, round(REPETITIONS[count] * effort))
    together = min(-(-repetitions // PARTS), TOGETHER // count)
    parts = [
        draw(count, alpha, min(together, repetitions - first), part)
        for part, first in enumerate(range(0, repetitions, together))
    ]
    return rows(count, alpha, parts)


def misses(measured: Sequence[Row]) -> list[str]:
    """Return a sentence for every coverage outside its bar, with its own error.

    Arguments:
        measured: all rows.

    Returns:
        Sentences; one that says so where there is none.
    """
    known = [
        (row, name, value)
        for row in measured
        if row.coverage is not None
        for name, value in zip(PARAMETERS, row.coverage, strict=True)
    ]
    found = [
        f"* n = {row.count}, alpha = {row.alpha}: {name} {value:.3f}, "
        f"known to {np.sqrt(value * (1 - value) / row.repetitions):.3f}"
        for row, name, value in known
        if not LEAST_COVERAGE <= value <= MOST_COVERAGE
    ]
    return found or [f"None of {len(known)} coverages."]


def impostors(rng: np.random.Generator) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Yield laws by name with samples (repetition, sequence), stable ones last."""
    size = (IMPOSTOR_REPETITIONS, IMPOSTOR_COUNT)
    yield "Gaussian", rng.normal(size=size)
    yield "Laplace", rng.laplace(size=size)
    yield "Student t5", rng.standard_t(5, size=size)
    yield "Student t3", rng.standard_t(3, size=size)
    for share, width in ((0.1, 3), (0.5, 2), (0.05, 5), (0.05, 10), (0.01, 5)):
        wide = np.where(rng.random(size) < share, width, 1)
        name = f"Gaussian mixture, {share:.0%} {width} times wider"
        yield name, rng.normal(size=size) * wide
    for alpha in (1.2, 1.5, 1.8, 1.9):
        yield f"stable, alpha {alpha}", law.sample(alpha, size, seed=rng)


def verdicts(*, effort: float = 1.0) -> list[tuple[str, Counter[str], int]]:
    """Return what the stability check says of laws whose nature is known.

    Arguments:
        effort: factor on the number of repetitions.

    Returns:
        Name of the law, how often each verdict was given, number of repetitions.
    """
    repetitions = max(4, round(IMPOSTOR_REPETITIONS * effort))
    return [
        (
            name,
            Counter(check_stability(values[:repetitions], seed=1).verdict),
            repetitions,
        )
        for name, values in impostors(np.random.default_rng(2))
    ]


def speeds() -> list[tuple[str, float]]:
    """Return times in seconds and the ratio to SciPy's density, on one thread."""
    alphas = np.linspace(1.1, 2.0, SPEED_LAGS)[:, None]
    values = law.sample(alphas, (SPEED_LAGS, SPEED_SEQUENCES), seed=3)
    maximum_likelihood(values[:1])
    start = time.perf_counter()
    maximum_likelihood(values)
    fitting = time.perf_counter() - start
    x = law.sample(1.5, SPEED_VALUES, seed=4)
    start = time.perf_counter()
    law.density(x, 1.5)
    ours = time.perf_counter() - start
    start = time.perf_counter()
    levy_stable.pdf(x[:ORACLE_VALUES], 1.5, 0.0)
    oracle = (time.perf_counter() - start) * SPEED_VALUES / ORACLE_VALUES
    return [
        (
            f"maximum likelihood, {SPEED_LAGS} lags x {SPEED_SEQUENCES} sequences",
            fitting,
        ),
        (f"density of {SPEED_VALUES} values", ours),
        ("scipy.stats.levy_stable over ours, a ratio", oracle / ours),
    ]


def report(path: str | Path, *, effort: float = 1.0) -> None:
    """Measure all estimators and write the tables to a Markdown file.

    Arguments:
        path: file to write; it is replaced only when everything has been measured.
        effort: factor on all numbers of repetitions.
    """
    tasks = list(product(REPETITIONS, ALPHAS))
    measured = [
        row
        for count, alpha in track(tasks, "estimators")
        for row in measure(count, alpha, effort=effort)
    ]
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".partial")
    partial.write_text(page(measured, verdicts(effort=effort), speeds()))
    partial.replace(target)


def page(
    measured: Sequence[Row],
    judged: list[tuple[str, Counter[str], int]],
    timed: list[tuple[str, float]],
) -> str:
    """Return the report as Markdown.

    Arguments:
        measured: all rows of all estimators.
        judged: of `verdicts`.
        timed: of `speeds`.

    Returns:
        The text of the file.
    """
    lines = [
        "# Estimators of a symmetric stable law",
        "",
        "Samples of scale 1 and location 0. Triples are alpha / sigma / location;",
        "efficiency is the Cramer-Rao bound over the mean squared error, coverage",
        "that of the nominal 95 % intervals of `stable.fit`, which fits by",
        "Koutrouvelis. All methods see the same samples.",
        "",
        f"## Coverages outside {LEAST_COVERAGE:.0%} to {MOST_COVERAGE:.0%}",
        "",
        *misses(measured),
        "",
        "## All estimators",
        "",
        *_estimator_table(measured),
        "",
        f"## Verdicts on {IMPOSTOR_COUNT} sequences",
        "",
        *_verdict_table(judged),
        "",
        "## Speed, one thread",
        "",
        "| what | seconds, or ratio |",
        "|---|---|",
        *(f"| {name} | {value:.3g} |" for name, value in timed),
        "",
    ]
    return "\n".join(lines)


def _estimator_table(measured: Sequence[Row]) -> Iterator[str]:
    yield (
        "| n | alpha | method | bias of alpha | sd of alpha | bias of sigma "
        "| sd of sigma | sd of location | efficiency | coverage | repetitions |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|---|"
    for row in measured:
        efficiency = " / ".join(f"{value:.2f}" for value in row.efficiency)
        coverage = "-"
        if row.coverage is not None:
            coverage = " / ".join(f"{value:.3f}" for value in row.coverage)
        yield (
            f"| {row.count} | {row.alpha} | {row.method} | {row.bias[0]:+.5f} "
            f"| {row.spread[0]:.5f} | {row.bias[1]:+.5f} | {row.spread[1]:.5f} "
            f"| {row.spread[2]:.5f} | {efficiency} | {coverage} "
            f"| {row.repetitions} |"
        )


def _verdict_table(found: list[tuple[str, Counter[str], int]]) -> Iterator[str]:
    names = ("compatible with a stable law", "finite variance: kappa = 2", "undecided")
    yield f"| law | {' | '.join(names)} | repetitions |"
    yield "|---|---|---|---|---|"
    for name, counts, repetitions in found:
        shares = " | ".join(f"{counts[one] / repetitions:.0%}" for one in names)
        yield f"| {name} | {shares} | {repetitions} |"
