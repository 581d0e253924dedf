"""What the verdict of each lag rests on, from sums over a layer's sequences.

Memory: does a state hold what was new at lag l? Learnt shares: at lag l the targets'
part e of the error signal holds ``beta(e, phi_l)``, the prediction's part p what was
learnt of it. The share is ``-beta(p, phi_l)/beta(e, phi_l)``, both by one regression on
all lags.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import linalg, stats

from .dependence import JOINT, ROWS, SIGNIFICANCE, lags_and_bands, tested
from .lag_sums import LagSums
from .pairs import pair_regression, probes_of
from .regression import (
    FOLDS,
    NO_RIDGE,
    Moments,
    Regression,
    best_ridge,
    explained,
    regression,
    solved,
)

RIDGE = 1e-4
"""Added to a state's covariance, in shares of its mean variance."""
LEVEL = 0.95  # of intervals
ROWS_OF_PAIRS = 4  # for each product with another lag, at least
SHARE = ["share", "share_lower", "share_upper"]
ALL = slice(None)
TINY = 1e-300  # for what is exactly 0


def facts(
    train: LagSums,
    held: LagSums | None,
    after: LagSums | None,
    lags: list[int],
    axes: int,
    fraction: float = 1.0,
    linear: int | None = None,
) -> pd.DataFrame:
    """Return what is known of each lag, one row each; nan where nothing is.

    The columns of all sums are the targets' part of the error signal along its axes,
    the prediction's part, and the state.

    Args:
        train: of the training data.
        held: of held-out data, None without them.
        after: of the same data after a part of the optimizer's next step, without the
            state.
        lags: lags in steps.
        axes: of the error signal.
        fraction: of the step that was made.
        linear: features that are the inputs themselves, the first ones; all unless
            given. The others, products of them, are tested on their own, and where a
            lag is found by neither, products with inputs of other lags: each at a share
            of the significance.

    Returns:
        ``strength`` of the dependence, its ``lower`` and ``upper`` end, ``smallest``,
        ``found`` and ``band`` as of `dependence`; ``together``, whether all lags at
        once were found, and ``others``, whether those were that are not found one by
        one; ``kept``, the R^2 of the state for
        what was new, and its ``kept_error``; the learnt ``share``, ``share_lower``,
        ``share_upper``; ``gain``, the change of the share towards 1 by the next step,
        and its ``gain_error``.

    Raises:
        ValueError: if the targets ask for nothing.
    """
    asked = float(np.trace(train.yy[:, :axes, :axes].sum(0)))
    if not asked > 0:
        raise ValueError(
            f"at steps that have all lags up to {train.lags - 1} the targets ask for "
            "nothing; give shorter lags or longer sequences"
        )
    unit = (train.rows / asked) ** 0.5
    every = [sums.moments(np.full(axes, unit)) for sums in (train, held) if sums]
    sequences = train.sequences + (held.sequences if held else 0)
    whole = _fitted(_together(every), train.lags)
    blocks = _blocks(whole.width, linear)
    table, kinds = _found(whole, lags, sequences, blocks)
    together = whole.test(range(train.lags), sequences).p_value
    table["together"] = together <= JOINT
    probes = {lag: _leading(whole, lag, kind) for lag, kind in kinds.items()}
    others = [lag for lag in lags if not table.at[lag, "found"]]
    many = len(others) > 1 and not whole.ridge  # it moves strengths between lags
    inputs = whole.only(blocks[0])
    table["others"] = many and inputs.test(others, sequences).p_value <= JOINT
    seen = held or train
    table["kept"], table["kept_error"] = memory(
        seen, slice(2 * axes, None), probes, whole.ridge
    )
    scale = np.full(2 * axes, unit)
    found = {lag: kinds[lag] for lag in lags if table.at[lag, "found"]}
    learnt = _learnt(held, after, found, scale, fraction)
    by_pairs = _add_pairs(table, train, whole, scale[:axes], len(blocks) + 1)
    if held is not None and by_pairs:
        both = _fitted(held.moments(scale), held.lags)
        for lag in by_pairs:
            pairs = pair_regression(held, both, scale, lag, _multiplied(held))
            learnt.loc[lag, SHARE] = coefficients(pairs, {0: ALL}, axes)[0].share()
    return table.join(learnt)


def _multiplied(sums: LagSums) -> int:
    """Return how many inputs are multiplied with those of other lags."""
    return probes_of(sums.lags, sums.xx.shape[1] // sums.lags)


def _add_pairs(
    table: pd.DataFrame,
    train: LagSums,
    fitted: Regression,
    scale: Float[np.ndarray, "column"],
    tables: int,
) -> list[int]:
    """Add to a table the lags that products with other lags find, and return them."""
    probes, found = _multiplied(train), []
    enough = ROWS_OF_PAIRS * probes**2 * (train.lags - 1)
    if fitted.ridge or train.lags < 2 or train.rows < enough:
        return []
    for lag in np.asarray(table.index)[~table["found"].to_numpy(bool)].tolist():
        pairs = pair_regression(train, fitted, scale, lag, probes)
        each = (SIGNIFICANCE - JOINT) / len(table) / tables
        row = tested([(pairs.test([0], train.sequences), each)]).iloc[0]
        if row["found"]:
            columns = ["strength", "lower", "upper", "p_value", "found"]
            table.loc[lag, columns] = row[columns]
            found.append(lag)
    return found


def _blocks(width: int, linear: int | None) -> list[slice]:
    """Return the inputs among the features, and their products where there are some."""
    cut = width if linear is None else linear
    return [slice(0, cut), *[slice(cut, width)] * (cut < width)]


def _found(
    whole: Regression, lags: list[int], sequences: int, blocks: list[slice]
) -> tuple[pd.DataFrame, dict[int, slice]]:
    """Return the tests of the lags, and the features by which each was found most."""
    tables = [
        lags_and_bands(whole.only(b), lags, sequences, len(blocks) + 1)[0]
        for b in blocks
    ]
    p_values = np.array([table.p_value for table in tables])
    best = p_values.argmin(0)
    table = pd.concat(
        [tables[kind].loc[[lag]] for lag, kind in zip(lags, best, strict=True)]
    )
    table["smallest"] = np.max([one.smallest for one in tables], axis=0)
    return table, {lag: blocks[kind] for lag, kind in zip(lags, best, strict=True)}


def _learnt(
    held: LagSums | None,
    after: LagSums | None,
    lags: dict[int, slice],
    scale: Float[np.ndarray, "column"],
    fraction: float,
) -> pd.DataFrame:
    """Return shares and what the next step adds to them, one row per lag.

    Args:
        held: sums over held-out data.
        after: the same after a part of a step.
        lags: with the features of each.
        scale: of the columns.
        fraction: of the step.
    """
    names = [*SHARE, "gain", "gain_error"]
    rows = np.full((len(lags), len(names)), np.nan)
    if held is not None and lags:
        axes, width = len(scale) // 2, max(kind.stop for kind in lags.values())

        def parts(sums: LagSums) -> dict[int, Coefficients]:
            """Return coefficients without products where no lag was found by them."""
            moments = sums.moments(scale).first(width, sums.lags)
            return coefficients(_fitted(moments, sums.lags), lags, axes)

        now = parts(held)
        rows[:, :3] = [now[lag].share() for lag in lags]
        if after is not None:
            later = parts(after)
            change = np.array([now[lag].change(later[lag]) for lag in lags]) / fraction
            change[:, 0] *= np.sign(1 - rows[:, 0])
            rows[:, 3:] = np.where(np.isnan(rows[:, :1]), np.nan, change)
    return pd.DataFrame(rows, pd.Index(list(lags), name="lag"), names)


def _fitted(found: Moments, lags: int) -> Regression:
    """Return the regression on all lags, without a ridge where rows are enough."""
    many = found.rows >= ROWS * found.xy.shape[1]
    return regression(found, lags, 0.0 if many else best_ridge(found), nested=False)


def _together(every: list[Moments]) -> Moments:
    """Return the moments of the clusters of several data sets."""
    if len(every) == 1:
        return every[0]
    xx, xy, yy = (
        np.concatenate([getattr(one, name) for one in every])
        for name in ("xx", "xy", "yy")
    )
    return Moments(xx, xy, yy, sum(one.rows for one in every), 0.0)


def _leading(
    fitted: Regression, lag: int, features: slice
) -> Float[np.ndarray, "feature"]:
    """Return the direction of some features on which the targets hang most."""
    into, beta, *_ = fitted.only(features).of(lag)
    most = np.linalg.svd(beta, full_matrices=False)[2][0]
    found = np.zeros(fitted.width)
    found[features] = np.linalg.pinv(into) @ (beta @ most)
    return found


def memory(
    sums: LagSums,
    states: slice,
    probes: dict[int, Float[np.ndarray, "feature"]],
    ridge: float = 0.0,
) -> tuple[Float[np.ndarray, "lag"], Float[np.ndarray, "lag"]]:
    r"""Return how much of what was new at each lag a state holds.

    R^2 of a linear read-out of the state at step t for the innovation ``z_t = u'
    (phi_{t-l} - E[phi_{t-l} | phi_{t-l+1}, ..., phi_t])``: what follows from nearer
    inputs needs no memory. The read-out is fitted to other clusters than those it is
    judged on.

    Args:
        sums: of features and columns.
        states: which of the columns are the state.
        probes: u of each lag.
        ridge: added to the features' covariance.

    Returns:
        R^2 and its standard error over clusters; below 0 where the read-out foretells
        nothing.
    """
    xx = sums.xx.sum(0)
    filters = innovations(xx / sums.rows, probes, ridge)
    hx = sums.xy[:, :, states].swapaxes(1, 2) @ filters
    hh = sums.yy[:, states, states]
    zz = (filters * (sums.xx @ filters)).sum(1)
    clusters, size = hx.shape[:2]
    folds = np.arange(clusters) * FOLDS // clusters
    errors, total, by_probe = np.empty_like(zz), hh.sum(0), hx.sum(0)
    for fold in range(FOLDS):
        own = folds == fold
        covariance = total - hh[own].sum(0)
        added = RIDGE * np.trace(covariance) / size + NO_RIDGE
        covariance.flat[:: size + 1] += added
        fit = solved(covariance, by_probe - hx[own].sum(0))
        foretold = (fit * (hh[own] @ fit)).sum(1)
        errors[own] = zz[own] - 2 * np.einsum("sl,gsl->gl", fit, hx[own]) + foretold
    return explained(errors, zz)


def innovations(
    covariance: Float[np.ndarray, "coefficient coefficient"],
    probes: dict[int, Float[np.ndarray, "feature"]],
    ridge: float = 0.0,
) -> Float[np.ndarray, "coefficient lag"]:
    """Return what takes the new part of each lag out of the features of all lags.

    Args:
        covariance: of features of all lags, lag 0 first.
        probes: u of each lag.
        ridge: added to the covariance.

    Example:
        >>> walk = np.array([[3.0, 2.0], [2.0, 2.0]])  # of steps of variance 1
        >>> innovations(walk, {1: np.ones(1)}).round(3).T.tolist()
        [[-0.667, 1.0]]
    """
    added = covariance + (ridge + NO_RIDGE) * np.eye(len(covariance))
    factor = linalg.cholesky(added, lower=True)
    found = np.zeros((len(covariance), len(probes)))
    for column, (lag, u) in zip(found.T, probes.items(), strict=True):
        start = lag * len(u)
        column[start : start + len(u)] = u
        if start:
            nearer, own = factor[:start, :start], factor[start : start + len(u), :start]
            column[:start] = -linalg.solve_triangular(
                nearer, own.T @ u, lower=True, trans=1
            )
    return found


class Interval(NamedTuple):
    """A number with the ends of its interval."""

    value: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Coefficients:
    """What the two parts of an error signal hold of one lag.

    Attributes:
        asked: beta(e, phi_l), of all features and axes, flat.
        given: beta(p, phi_l).
        asked_deviations: by how much each cluster moves them.
        given_deviations: likewise.
    """

    asked: Float[np.ndarray, "coefficient"]
    given: Float[np.ndarray, "coefficient"]
    asked_deviations: Float[np.ndarray, "cluster coefficient"]
    given_deviations: Float[np.ndarray, "cluster coefficient"]

    def share(self) -> Interval:
        """Return the learnt share with its Fieller interval; nan if not resolved.

        ``-d'beta(p) / d'beta(e)`` along the direction d of beta(e). The error of
        beta(e) itself makes d, so that what the errors across d add to both products is
        taken off.
        """
        d = self._direction
        return fieller(*self._ratio, self.given_deviations @ -d, self._along)

    def change(self, after: "Coefficients") -> tuple[float, float]:
        """Return by how much the share changes, and its standard error.

        Args:
            after: the same clusters after the change.
        """
        apart = after._left_out - self._left_out
        count = len(apart)
        error = np.sqrt((count - 1) / count * ((apart - apart.mean()) ** 2).sum())
        (given, asked), (later, own) = self._ratio, after._ratio
        return later / own - given / asked, float(error)

    @property
    def _direction(self) -> Float[np.ndarray, "coefficient"]:
        return self.asked / max(np.linalg.norm(self.asked), TINY)

    @property
    def _along(self) -> Float[np.ndarray, "cluster"]:
        return self.asked_deviations @ self._direction

    @property
    def _ratio(self) -> tuple[float, float]:
        """Return what was learnt and what is asked along the direction."""
        d, size = self._direction, max(np.linalg.norm(self.asked), TINY)
        across = self.asked_deviations - np.outer(self._along, d)
        learnt = self.given @ d - (across * self.given_deviations).sum() / size
        return -float(learnt), float(size - (across**2).sum() / size)

    @property
    def _left_out(self) -> Float[np.ndarray, "cluster"]:
        """Return the share without each of the clusters."""
        given, asked = self._ratio
        learnt = given + self.given_deviations @ self._direction
        return learnt / (asked - self._along)


def fieller(
    above: float,
    below: float,
    above_deviations: Float[np.ndarray, "cluster"],
    below_deviations: Float[np.ndarray, "cluster"],
) -> Interval:
    """Return a ratio with the interval of all that it may be at 95 %.

    Those ratios r for which ``above - r below`` is within Student's t standard errors
    of 0; nan where they have no bound, since below may be 0.

    Args:
        above: the numerator.
        below: the denominator.
        above_deviations: by how much leaving each cluster out moves the numerator.
        below_deviations: likewise.

    Example:
        >>> none = np.zeros(8)
        >>> fieller(1.0, 2.0, none, none).value
        0.5

    Source: Fieller 1954.
    """
    t2 = stats.t.isf((1 - LEVEL) / 2, len(above_deviations) - 1) ** 2
    a = below**2 - t2 * float(below_deviations @ below_deviations)
    b = above * below - t2 * float(above_deviations @ below_deviations)
    c = above**2 - t2 * float(above_deviations @ above_deviations)
    if not (a > 0 and below > 0):
        return Interval(np.nan, np.nan, np.nan)
    half = max(0.0, b**2 - a * c) ** 0.5
    lower, upper = float((b - half) / a), float((b + half) / a)
    return Interval(above / below, lower, upper)


def coefficients(
    fitted: Regression, lags: dict[int, slice], axes: int
) -> dict[int, Coefficients]:
    """Return what both parts hold of each lag.

    Args:
        fitted: of the targets' part of all axes, then of the prediction's part.
        lags: lags in steps, with the features that count.
        axes: of the error signal.
    """
    found = {}
    for lag, features in lags.items():
        _, beta, moved, _ = fitted.only(features).of(lag)
        flat = len(moved), -1
        found[lag] = Coefficients(
            beta[:, :axes].ravel(),
            beta[:, axes:].ravel(),
            moved[..., :axes].reshape(flat),
            moved[..., axes:].reshape(flat),
        )
    return found
