"""What the verdict of each lag rests on, from sums over a layer's sequences."""

import numpy as np
import pandas as pd
from jaxtyping import Float

from .dependence import ROWS, lags_and_bands
from .lag_sums import LagSums
from .memory import memory
from .regression import Moments, Regression, best_ridge, regression
from .shares import coefficients


def facts(
    train: LagSums,
    held: LagSums | None,
    after: LagSums | None,
    lags: list[int],
    axes: int,
    fraction: float = 1.0,
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

    Returns:
        ``strength`` of the dependence, its ``lower`` and ``upper`` end, ``smallest``,
        ``found`` and ``band`` as of `dependence`; ``kept``, the R^2 of the state for
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
    table, _ = lags_and_bands(whole, lags, sequences)
    probes = {lag: _leading(whole, lag) for lag in lags}
    seen = held or train
    table["kept"], table["kept_error"] = memory(
        seen, slice(2 * axes, None), probes, whole.ridge
    )
    found = [lag for lag in lags if table.at[lag, "found"]]
    return table.join(_learnt(held, after, found, np.full(2 * axes, unit), fraction))


def _learnt(
    held: LagSums | None,
    after: LagSums | None,
    lags: list[int],
    scale: Float[np.ndarray, "column"],
    fraction: float,
) -> pd.DataFrame:
    """Return shares and what the next step adds to them, one row per lag."""
    names = ["share", "share_lower", "share_upper", "gain", "gain_error"]
    rows = np.full((len(lags), len(names)), np.nan)
    if held is not None and lags:
        axes = len(scale) // 2
        now = coefficients(_fitted(held.moments(scale), held.lags), lags, axes)
        rows[:, :3] = [now[lag].share() for lag in lags]
        if after is not None:
            later = coefficients(_fitted(after.moments(scale), after.lags), lags, axes)
            change = np.array([now[lag].change(later[lag]) for lag in lags]) / fraction
            change[:, 0] *= np.sign(1 - rows[:, 0])
            rows[:, 3:] = np.where(np.isnan(rows[:, :1]), np.nan, change)
    return pd.DataFrame(rows, pd.Index(lags, name="lag"), names)


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


def _leading(fitted: Regression, lag: int) -> Float[np.ndarray, "feature"]:
    """Return the direction of the features on which the targets hang most."""
    own = slice(lag * fitted.width, (lag + 1) * fitted.width)
    return np.linalg.svd(fitted.beta[own], full_matrices=False)[0][:, 0]
