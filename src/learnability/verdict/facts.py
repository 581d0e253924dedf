"""What the verdict of each lag rests on, from sums over a layer's sequences.

Memory: does a state hold what was new at lag l? Learnt shares: at lag l the targets'
part e of the error signal holds ``beta(e, phi_l)``, the prediction's part p what was
learnt of it. The share is ``-beta(p, phi_l)/beta(e, phi_l)``, both by one regression on
all lags.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from jaxtyping import Float

from .lag_sums import LagSums
from .lag_tests import JOINT, SIGNIFICANCE, all_lags, lags_and_bands, tested
from .memory import memory
from .moments import Moments
from .pairs import pair_regressions, probes_of
from .regression import ROWS, Regression, best_ridge, regression
from .shares import Coefficients, coefficients

ROWS_OF_PAIRS = 4  # for each product with another lag, at least
SHARE = ["share", "share_lower", "share_upper"]
ALL = slice(None)


def facts(
    train: LagSums,
    held: LagSums | None,
    after: Callable[[], LagSums] | None,
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
        after: makes those of the same data after a part of the optimizer's next step,
            without the state, if a lag was found; None without an optimizer.
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
    both = _together(every)
    whole = _fitted(both, train.lags)
    blocks = _blocks(whole.width, linear)
    table, kinds = _found(whole, lags, sequences, blocks)
    together = all_lags(both, whole, sequences).p_value
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
        every = pair_regressions(held, both, scale, by_pairs, _multiplied(held))
        for lag, pairs in every.items():
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
    lags = np.asarray(table.index)[~table["found"].to_numpy(bool)].tolist()
    for lag, pairs in pair_regressions(train, fitted, scale, lags, probes).items():
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
    after: Callable[[], LagSums] | None,
    lags: dict[int, slice],
    scale: Float[np.ndarray, "column"],
    fraction: float,
) -> pd.DataFrame:
    """Return shares and what the next step adds to them, one row per lag.

    Args:
        held: sums over held-out data.
        after: makes the same after a part of a step, or None.
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
            later = parts(after())
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
    xy, yy = (np.concatenate([getattr(one, n) for one in every]) for n in ("xy", "yy"))
    xx = [cluster for one in every for cluster in one.xx]
    return Moments(xx, xy, yy, sum(one.rows for one in every), 0.0)


def _leading(
    fitted: Regression, lag: int, features: slice
) -> Float[np.ndarray, "feature"]:
    """Return the direction of some features on which the targets hang most."""
    into, beta, *_ = fitted.of(lag, features)
    most = np.linalg.svd(beta, full_matrices=False)[2][0]
    found = np.zeros(fitted.width)
    found[features] = np.linalg.pinv(into) @ (beta @ most)
    return found
