"""Stable, Gaussian or Student t: which law makes the values most likely."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import digamma, gammaln

from learnability.stable._checks import sample_values
from learnability.stable._estimate import Estimate
from learnability.stable.likelihood import evaluate, maximum_likelihood

FEWEST_FREEDOM, MOST_FREEDOM = 0.2, 1e4
"""Degrees of freedom: at the upper end a Student t is a Gaussian to four digits."""

PARAMETERS = {"stable": 3, "gaussian": 2, "student": 3}


@dataclass(frozen=True)
class LawComparison:
    """Log likelihoods of three laws for every lag.

    stable, gaussian, student: maximal log likelihoods (lag); freedom: degrees of
    freedom of the Student t (lag); stable_over_student: Vuong's statistic, standard
    normal where both laws are equally far from the truth, positive for the stable law
    (lag); best: name of the law with the smallest AIC, a lag.
    """

    stable: Float[np.ndarray, " lag"]
    gaussian: Float[np.ndarray, " lag"]
    student: Float[np.ndarray, " lag"]
    freedom: Float[np.ndarray, " lag"]
    stable_over_student: Float[np.ndarray, " lag"]
    best: tuple[str, ...]

    def information_criterion(self, law: str) -> Float[np.ndarray, " lag"]:
        """Return AIC = 2 parameters - 2 log likelihood of one law by name."""
        return 2.0 * PARAMETERS[law] - 2.0 * getattr(self, law)


def compare_laws(values: ArrayLike) -> LawComparison:
    """Fit three laws to the values of every lag and compare their likelihoods.

    AIC = 2 p - 2 log L; Vuong: sum d / (sqrt(n) sd(d)), d a difference of log densities

    Arguments:
        values: one value a lag and sequence (lag, sequence), at least 50 sequences.

    Returns:
        A `LawComparison`.

    Raises:
        ValueError: fewer than 50 sequences, NaN, constant values, or not two axes.
        ArithmeticError: the likelihood of a lag has no maximum that can be found.

    Example:
        >>> noise = np.random.default_rng(1).standard_t(5, size=(1, 5000))
        >>> compare_laws(noise).best
        ('student',)

    Source: Akaike 1974, IEEE Trans. Autom. Control 19, 716; Vuong 1989, Econometrica
    57, 307.
    """
    array = sample_values(values)
    if array.ndim != 2:
        raise ValueError(
            f"values have {array.ndim} axes, but need two: (lag, sequence)"
        )
    estimate = maximum_likelihood(array)
    rows = [
        _compare(row, Estimate(*(part[lag] for part in estimate)))
        for lag, row in enumerate(array)
    ]
    columns = np.array(rows).T
    criteria = {
        name: 2 * count - 2 * column
        for (name, count), column in zip(PARAMETERS.items(), columns[:3], strict=True)
    }
    names = list(criteria)
    order = np.argmin(list(criteria.values()), axis=0)
    return LawComparison(*columns, best=tuple(names[position] for position in order))


def student_t(
    values: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return degrees of freedom, scale, location and log densities of the best t law.

    log p = log G((v+1)/2) - log G(v/2) - log(v pi)/2 - log s - (v+1)/2 log(1 + z^2/v)

    Arguments:
        values: one sample (sequence).

    Returns:
        Parameters (3) and log densities (sequence).

    Example:
        >>> noise = np.random.default_rng(1).standard_t(3, size=20_000)
        >>> bool(abs(student_t(noise)[0][0] - 3) < 0.3)
        True

    Source: Lange, Little and Taylor 1989, J. Am. Stat. Assoc. 84, 881.
    """
    centre = np.median(values)
    width = np.median(np.abs(values - centre))

    def densities(y: NDArray[np.float64]) -> NDArray[np.float64]:
        v, z = np.exp(y[0]), (values - centre - width * y[2]) / (width * np.exp(y[1]))
        constant = gammaln((v + 1) / 2) - gammaln(v / 2) - np.log(v * np.pi) / 2
        return constant - np.log(width) - y[1] - (v + 1) / 2 * np.log1p(z * z / v)

    def loss(y: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        v, z = np.exp(y[0]), (values - centre - width * y[2]) / (width * np.exp(y[1]))
        pull = (v + 1) / (v + z * z)
        growth = digamma((v + 1) / 2) - digamma(v / 2) - 1 / v - np.log1p(z * z / v)
        by_freedom = v / 2 * (growth + pull * z * z / v)
        slopes = [by_freedom, pull * z * z - 1, pull * z / np.exp(y[1])]
        mean = np.array([slope.mean() for slope in slopes])
        return -float(densities(y).mean()), -mean

    bounds = [
        (np.log(FEWEST_FREEDOM), np.log(MOST_FREEDOM)),
        (None, None),
        (None, None),
    ]
    start = np.array([np.log(4.0), 0.3, 0.0])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    parameters = [np.exp(found[0]), width * np.exp(found[1]), centre + width * found[2]]
    return np.array(parameters), densities(found)


def _compare(values: NDArray[np.float64], estimate: Estimate) -> tuple[float, ...]:
    """Return the three log likelihoods, the freedom, and Vuong's statistic."""
    stable = evaluate(values, *(float(part) for part in estimate)).log_density
    variance = float(values.var())
    gaussian = -values.size / 2 * (np.log(2 * np.pi * variance) + 1)
    parameters, student = student_t(values)
    difference = stable - student
    vuong = difference.mean() / difference.std() * np.sqrt(values.size)
    return (
        float(stable.sum()),
        float(gaussian),
        float(student.sum()),
        float(parameters[0]),
        float(vuong),
    )
