"""Tests of single lags, and of neighbours that cannot be told apart."""

import numpy as np
import pandas as pd
from jaxtyping import Bool

from .moments import Moments
from .regression import ROWS, Regression
from .trace_test import TraceTest, trace_test

SIGNIFICANCE = 0.05
"""Of anything found where there is nothing, over all lags together."""
JOINT = 0.2 * SIGNIFICANCE  # of it, for the test of all lags at once
INFLATION = 20.0
"""Variance inflation beyond which a lag cannot be told from its neighbours."""
LEVEL = 0.95  # of intervals


def lags_and_bands(
    fitted: Regression, asked: list[int], sequences: int, tables: int = 1
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the tests of single lags and of bands, one row each.

    A lag in a band counts as found if the band is, at its share of the significance,
    and the lag at its own; with a ridge only the band does, since what a ridge takes
    from a lag goes to neighbours that are like it: no strength of the lag alone would
    have been found. Elsewhere strengths are those before a ridge shrank them.

    Args:
        fitted: the regression.
        asked: lags in steps.
        sequences: whose mean was taken off at every step.
        tables: among which the significance is shared.
    """
    each = (SIGNIFICANCE - JOINT) / len(asked) / tables
    runs = {
        run: each * sum(lag in run for lag in asked)
        for run in _runs(fitted.inflation > INFLATION)
    }
    runs = {run: significance for run, significance in runs.items() if significance}
    bands = tested([(fitted.test(run, sequences), s) for run, s in runs.items()])
    bands.insert(0, "first", [run[0] for run in runs])
    bands.insert(1, "last", [run[-1] for run in runs])
    table = tested([(fitted.test([lag], sequences), each) for lag in asked])
    table.index = pd.Index(asked, name="lag")
    shrunk = ["strength", "lower", "upper", "smallest"]
    table[shrunk] = table[shrunk].div(fitted.retained[asked], axis=0)
    table["inflation"] = fitted.inflation[asked]
    table["band"] = ""
    for run, found in zip(runs, bands.found, strict=True):
        table.loc[run[0] : run[-1], "band"] = f"{run[0]}-{run[-1]}"
        table.loc[run[0] : run[-1], "found"] &= found and not fitted.ridge
        if fitted.ridge:
            table.loc[run[0] : run[-1], "smallest"] = np.inf
            table.loc[run[0] : run[-1], ["lower", "upper", "p_value"]] = np.nan
    return table, bands


def all_lags(found: Moments, fitted: Regression, sequences: int) -> TraceTest:
    """Return the test of all lags at once.

    With too few rows for each coefficient it is the test of the products of targets and
    features, ``|X'y|^2``, which asks for no inverse: coefficients that foretell nearly
    everything would be found where there is nothing.

    Args:
        found: sums of products.
        fitted: the regression on them.
        sequences: whose mean was taken off at every step.

    Source: Goeman, van de Geer and van Houwelingen 2006 (test against many
    coefficients).
    """
    if found.rows >= ROWS * len(fitted.beta):
        return fitted.test(range(len(fitted.retained)), sequences)
    xy = found.xy.reshape(len(found.xy), -1)
    total, clusters = xy.sum(0), len(xy)
    left_out = (total - xy) / (clusters - 1)
    mean = total / clusters
    return trace_test(mean, mean - left_out, sequences)


def tested(tests: list[tuple[TraceTest, float]]) -> pd.DataFrame:
    """Return one row per test, found at the significance beside it."""
    rows = [
        (
            test.strength,
            *test.interval(LEVEL),
            test.p_value,
            test.smallest(significance),
        )
        for test, significance in tests
    ]
    names = ["strength", "lower", "upper", "p_value", "smallest"]
    table = pd.DataFrame(np.array(rows).reshape(-1, len(names)), columns=names)
    levels = np.array([significance for _, significance in tests])
    table["found"] = table["p_value"].to_numpy() <= levels
    return table


def _runs(inflated: Bool[np.ndarray, "lag"]) -> list[range]:
    """Return neighbours that cannot be told apart, two or more."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], inflated.astype(int), [0]])))
    return [
        range(int(a), int(b))
        for a, b in zip(edges[::2], edges[1::2], strict=True)
        if b - a > 1
    ]
