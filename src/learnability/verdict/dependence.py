"""Is it in the data? What targets owe to the inputs of each lag, without any model."""

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import Any, NamedTuple, SupportsIndex

import numpy as np
import pandas as pd
from jaxtyping import Float

from ..checked import checked_seed
from ..grid import checked_lags, whole_lags
from ..machine import one_blas_thread
from ..words import ranges
from .clusters import clusters
from .features import Features, Whitened
from .lag_tests import JOINT, all_lags, lags_and_bands
from .moments import moments
from .observed import FEWEST_SHARING, Observed, observed
from .regression import ROWS, best_ridge, regression
from .trace_test import ROUNDING

PLATEAU = 0.95  # of it is enough


class Joint(NamedTuple):
    """The test of all lags at once.

    Attributes:
        r_squared: share of the variance of left-out targets that all lags foretell.
        error: its standard error.
        p_value: that all coefficients are 0.
        found: whether they are not, at a fifth of 5 %; the rest is for single lags.
    """

    r_squared: float
    error: float
    p_value: float
    found: bool


@dataclass(frozen=True)
class LagDependence:
    """What the targets owe to each lag.

    Attributes:
        table: one row per lag: `strength`, its interval `lower` to `upper` at 95 %,
            `p_value`, the `smallest` strength that would have been found with
            probability 0.95, `found` over all lags together, the `inflation` of the
            variance by the other lags, and the `band` of lags that it cannot be told
            from (empty where it can).
        bands: one row per band, `strength` being what it adds to all other lags.
        joint: the test of all lags at once.
        lookback: steps of the input that a model needs, 1 being the present one alone;
            None where the past and present foretell nothing.
        curve: `r_squared` of left-out targets from lags 0 to l, and its `error`.
        features: what the inputs were turned into.
        sample: what was independent of each other, and how many of them.
        ridge: added to the features' covariance; 0 where each coefficient has
            2 rows or more. Otherwise strengths are shrunk.
    """

    table: pd.DataFrame
    bands: pd.DataFrame
    joint: Joint
    lookback: int | None
    curve: pd.DataFrame
    features: str
    sample: str
    ridge: float

    def sentence(self) -> str:
        """Return the answer in plain words, with what could have been seen."""
        return " ".join(sentences(self))

    def __repr__(self) -> str:
        return "\n".join(["Is it in the data?", *sentences(self)])

    def _repr_html_(self) -> str:
        said = "".join(f"<p>{escape(line)}</p>" for line in sentences(self))
        shown = self.table.nlargest(5, "strength").sort_index()
        table = shown.to_html(float_format="%.2g")
        return f"<div>{said}<div style='overflow-x:auto'>{table}</div></div>"


@one_blas_thread()
def dependence(
    data: Any,
    lags: SupportsIndex | Iterable[SupportsIndex],
    *,
    features: Features = "linear",
    lengths: Any = None,
    groups: Any = None,
    seed: int = 0,
) -> LagDependence:
    r"""Return how much targets owe to inputs of each lag, given all other lags.

    ``y_t = sum_{l=0}^{L} beta_l' phi(x_{t-l}) + e_t`` by least squares over the steps
    that have all lags up to the longest, L. phi and y are white: the strength
    ``|beta_l|`` is in standard deviations of the target for one of the input at that
    lag, and its square is the share of the variance that the lag would explain in white
    inputs.
    What all sequences share at a step is taken off both sides.

    A lag counts as found at 4 % over all lags together, all lags at once at 1 %: where
    nothing is, something is found in at most one of 20 data sets.
    Errors come from leaving sequences out, up to 64 stretches of them, so that what
    hangs together within a sequence counts once. One long series is cut into blocks,
    and of overlapping windows blocks are taken that share no step (tokens have to come
    in the order of their series for that). A few long sequences that wander, random
    walks on both sides, are beyond this: give their increments.

    Args:
        data: (x, y), `Sequences`, a dataset, or batches of (x, y). x is (sequence,
            step, input), (sequence, step), or a series (step,); whole numbers
            (sequence, step) are tokens. y has a value, a vector or a class (a whole
            number, -100 where there is none) for every step or every sequence, for the
            last step then.
        lags: lags in steps, or the longest of all lags; 0 is always among them.
        features: of one step: the inputs ("linear"), with products of two of them
            ("quadratic") or with random waves ("fourier"), or what a function returns
            for x: (sequence, step, feature).
        lengths: steps of each sequence, where sequences are padded.
        groups: a label of each sequence; those with the same label are not independent.
        seed: of the random waves.

    Returns:
        The table of lags, bands, joint test and look-back.

    Raises:
        ValueError: if lags do not fit, shapes disagree, nothing varies, or fewer than 8
            independent parts are there.

    Example:
        >>> x, e = np.random.default_rng(0).normal(size=(2, 64, 40))
        >>> y = e
        >>> y[:, 3:] += x[:, :-3]
        >>> found = dependence((x, y), 5)
        >>> found.table.index[found.table.found].tolist(), found.lookback
        ([3], 4)

    Source: Meinshausen 2008 (single lags within bands); Breiman et al. 1984 (one
    standard error from the plateau).
    """
    seed = checked_seed(seed)
    seen = observed(data, lengths)
    asked = _asked(lags, seen)
    longest = asked[-1]
    rows = _with_company(seen.rows_from(longest))
    white = Whitened(rows, features, seed)
    labels, sample = clusters(rows, longest, groups)
    order = np.argsort(labels, kind="stable")[(labels < 0).sum() :]
    rows = rows.chosen(order)
    found = moments(white, rows, labels[order], longest)
    ridge = best_ridge(found)
    whole = fitted = regression(found, longest + 1, ridge)
    if ridge and found.rows >= ROWS * len(fitted.beta):
        fitted = regression(found, longest + 1, 0.0)
    name = features if isinstance(features, str) else "own"
    many = len(seen.inputs) >= FEWEST_SHARING
    sequences = len(seen.inputs) if many else len(fitted.deviations)
    table, bands = lags_and_bands(fitted, sorted({0, *asked}), sequences)
    p_value = all_lags(found, whole, sequences).p_value
    share, error = whole.r_squared, whole.error
    joint = Joint(float(share[-1]), float(error[-1]), p_value, p_value <= JOINT)
    if fitted.ridge:  # its bands may be all lags
        bands["found"] &= joint.found
    anything = joint.found or table.found.any() or bands.found.any()
    lookback = _lookback(share, error) if anything else None
    curve = pd.DataFrame({"r_squared": share, "error": error})
    curve.index.name = "lag"
    return LagDependence(
        table, bands, joint, lookback, curve, name, sample, fitted.ridge
    )


def _asked(lags: SupportsIndex | Iterable[SupportsIndex], seen: Observed) -> list[int]:
    """Return the lags that are asked for, of which a number alone is the longest."""
    wanted, steps = whole_lags(lags), int(seen.lengths.max())
    if max(wanted, default=0) >= steps:
        raise ValueError(
            f"lag {max(wanted)} does not fit into {len(seen.inputs)} sequences of "
            f"{steps} steps; the largest possible lag is {steps - 1}, and one series "
            "(step, input) needs an axis of sequences before, x[None] and y[None]"
        )
    if not isinstance(lags, Iterable) or not getattr(lags, "ndim", 1):
        wanted = range(checked_lags(wanted, steps, least=0)[0] + 1)
    return checked_lags(wanted, steps, least=0)


def _with_company(data: Observed) -> Observed:
    """Return the rows whose step enough sequences have to tell what they share."""
    if not data.per_step or len(data.inputs) < FEWEST_SHARING:
        return data
    return data.chosen(np.bincount(data.step)[data.step] >= FEWEST_SHARING)


def _lookback(
    share: Float[np.ndarray, "lag"], error: Float[np.ndarray, "lag"]
) -> int | None:
    """Return the steps that reach the plateau, None where there is no plateau."""
    top = int(np.argmax(share))
    if share[top] <= 2 * error[top]:
        return None
    enough = max(share[top] - max(error[top], ROUNDING), PLATEAU * share[top])
    return int(np.argmax(share >= enough)) + 1


def sentences(found: LagDependence) -> list[str]:
    """Return what was found, how far back it reaches, and what could have been seen."""
    said = [_what(found), _how_far(found), _power(found)]
    if found.ridge:
        said.append(
            "There are fewer than 2 steps for each coefficient: a ridge shrinks them; "
            "ask for fewer lags, or give more sequences."
        )
    if not _anything(found):
        said.append(
            f"{found.features.capitalize()} features of one step at a time see no "
            "dependence that needs several lags at once, such as parity."
        )
    return said


def _anything(found: LagDependence) -> bool:
    return bool(found.table.found.any() or found.bands.found.any() or found.joint.found)


def _what(found: LagDependence) -> str:
    p_value = found.joint.p_value
    size = f"p = {p_value:.2g}" if p_value > 1e-12 else "p < 1e-12"
    together = f"{size} for all lags together"
    parts = _found_parts(found)
    if parts:
        return f"{'; '.join(parts)} ({together})."
    if found.joint.found:
        return f"Something is in the data ({together}), but no lag shows by itself."
    return f"Nothing was found at {_lags(list(found.table.index))} ({together})."


def _found_parts(found: LagDependence) -> list[str]:
    """Return the lags that were found, and the bands of which no lag was."""
    single = found.table[found.table.found]
    parts = []
    if len(single):
        best = single.loc[single.strength.idxmax()]
        size = f"{best.strength:.2g} ({best.lower:.2g} to {best.upper:.2g})"
        which = "is in the data" if len(single) == 1 else "are in the data"
        most = "" if len(single) == 1 else f", most of all lag {best.name}"
        lags = _lags(list(single.index)).capitalize()
        parts.append(f"{lags} {which}{most}: {size}")
    bands = found.bands[found.bands.found]
    for first, last in zip(bands["first"], bands["last"], strict=True):
        if single.loc[first:last].empty:
            parts.append(
                f"Something is in the data at lags {first} to {last}, which cannot be "
                "told apart"
            )
    return parts


def _lags(lags: list[int]) -> str:
    return f"{'lag' if len(lags) == 1 else 'lags'} {ranges(lags)}"


def _how_far(found: LagDependence) -> str:
    if found.lookback is None:
        foretell = "no lags foretell targets that were left out"
        verdict = "not resolved" if _anything(found) else "nothing"
        return f"Look-back: {verdict}, {foretell}."
    reached = found.curve.r_squared.iloc[found.lookback - 1]
    steps = "1 step, lag 0, reaches"
    if found.lookback > 1:
        steps = f"{found.lookback} steps, lags 0 to {found.lookback - 1}, reach"
    return (
        f"Look-back: {steps} R² {reached:.2g} of {found.curve.r_squared.max():.2g} "
        "on left-out targets."
    )


def _power(found: LagDependence) -> str:
    alone = found.table[found.table.band == ""]
    largest = max([*alone.smallest, *found.bands.smallest])
    if largest >= 1:
        return (
            "A dependency could explain all targets and go unseen in these "
            f"{found.sample}; give more."
        )
    return (
        f"No dependency above {largest:.2g} would have gone unseen in these "
        f"{found.sample} (19 times in 20)."
    )
