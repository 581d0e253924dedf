"""Do time scales and the envelope settle as units are added, as has been published?

``learnability run livi-2026-width`` trains and diagnoses; this reads its folder, and
prints what came out beside what the width study of arXiv 2606.29519 found.
"""

import math

import numpy as np
import pandas as pd
from jaxtyping import Float
from rich.console import Console
from scipy.special import polygamma

from learnability.cli.app import Folder
from learnability.cli.terminal import named_store
from learnability.study.store import Store
from learnability.transport import time_scales

ORDER = "first"  # that of the published transport
FROM = 16  # steps: time scales are fitted to the lags from here on
FLOOR = math.log(1e-30)  # published: no |mu| counts as less
WIDTHS = (16, 32, 64, 128, 256, 512)

TAU = {
    "DiagGate": [184.5, 201.8, 197.1, 200.0, 198.9, 199.1],
    "GRU": [1.812, 1.801, 1.802, 1.798, 1.797, 1.797],
}
DEVIATION = {
    "DiagGate": [9.0, 7.4, 3.2, 2.4, 0.5, 0.4],
    "GRU": [0.010, 0.003, 0.001, 0.000, 0.000, 0.000],
}
"""Published: median of tau over units, its mean and deviation over 5 seeds."""

VARIANCE = {
    "DiagGate": [2.4e-5, 1.5e-5, 9.8e-6, 3.3e-6, 1.1e-7, 9.5e-8],
    "GRU": [1.2e-5, 2.1e-6, 1.2e-6, 3.9e-7, 6.2e-8, 9.6e-9],
}
"""Published: variance of f(l)/H over seeds, mean over lags."""


def width(folder: Folder, /) -> None:
    """Lay a width study beside the published one.

    For example: `python -m experiments width livi-2026-width`

    What has not run yet is left out.
    """
    console = Console(width=100)
    for title, table in tables(finished(named_store(folder))).items():
        text = table.to_string(float_format="{:.3g}".format, na_rep="")
        console.print(f"{title}\n{text}\n", highlight=False)


def finished(store: Store) -> pd.DataFrame:
    """Return what is asked of the envelopes of all finished runs of a study.

    Args:
        store: of the study.

    Returns:
        One row per run: its cell, units and seed; the median time scale, the same with
        a floor, and with a floor from one lag earlier on; and f(l)/H of each lag.

    Raises:
        ValueError: if no run is finished.
    """
    settings, rows = store.load_settings(), []
    for run in settings.runs():
        found = store.finished(run, settings.scale)
        if found is None:
            continue
        net, envelope = run.architecture, found.group("envelope").sel(order=ORDER)
        logs = np.log(envelope["unit_typical"].values)
        lags = envelope["lag"].values
        rows.append(
            {
                "cell": net.cell,
                "units": net.units,
                "seed": run.seed,
                "tau": median_scale(lags, logs),
                "floored": median_scale(lags, np.fmax(logs, FLOOR)),
                "earlier": median_scale(lags, np.fmax(logs, FLOOR), FROM - 1),
                "f": (envelope["mean"] / net.units).values,
            }
        )
    if not rows:
        raise ValueError(f"{store.folder} holds no finished run; run the study first")
    return pd.DataFrame(rows)


def median_scale(
    lags: np.ndarray, logs: Float[np.ndarray, "lag unit"], start: int = FROM
) -> float:
    """Return the median over units of ``-1/slope`` of mean ``log |mu|``.

    Args:
        lags: in steps.
        logs: mean ``log |mu|`` of each lag and unit; what is not finite is left out.
        start: the first lag that counts, in steps.
    """
    far = lags >= start
    return float(np.nanmedian(time_scales(lags[far], np.exp(logs[far]))))


def tables(runs: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return time scales and variances by width beside the published, by title."""
    rows, powers = [], []
    for cell in runs["cell"].unique():
        own = pd.DataFrame(runs[runs["cell"] == cell])
        widths = sorted(set(own["units"].tolist()))
        every = {h: pd.DataFrame(own[own["units"] == h]) for h in widths}
        for units, some in every.items():
            row = {"cell": cell, "units": units, "seeds": len(some)}
            for name in ("tau", "floored", "earlier"):
                row |= {name: some[name].mean(), f"sd {name}": some[name].std()}
            row |= {"theirs": published(TAU, cell, units)}
            row |= {"sd theirs": published(DEVIATION, cell, units)}
            row |= {"var": variance(some["f"].tolist())}
            rows.append(row | {"var theirs": published(VARIANCE, cell, units)})
        powers.append({"cell": cell, **_powers(cell, every)})
    return {
        "Median time scale in steps and variance of f(l)/H, over seeds": (
            pd.DataFrame(rows).set_index(["cell", "units"])
        ),
        "Power of H in the variance, over these widths": (
            pd.DataFrame(powers).set_index("cell")
        ),
    }


def variance(envelopes: list[Float[np.ndarray, "lag"]]) -> float:
    """Return the variance over seeds of ``f(l)/H``, its mean over lags."""
    if len(envelopes) < 2:
        return math.nan
    every = np.nan_to_num(np.stack(envelopes))  # what has underflowed is 0
    return float(every.var(axis=0, ddof=1).mean())


def slope(widths: list[int], variances: list[float]) -> float:
    """Return the least-squares slope of log variance against log H.

    Example:
        >>> round(slope([16, 32, 64], [16**-2, 32**-2, 64**-2]), 6)
        -2.0
    """
    return float(np.polyfit(np.log(widths), np.log(variances), 1)[0])


def _powers(cell: str, every: dict[int, pd.DataFrame]) -> dict[str, float]:
    """Return the slopes of measured and published variances, with the measured error.

    The logarithm of a variance over n normal seeds has the variance
    ``trigamma((n - 1)/2)``.
    """
    some = {h: own["f"].tolist() for h, own in every.items() if len(own) > 2}
    if len(some) < 3:
        return {}
    widths = np.log(list(some))
    errors = polygamma(1, [(len(f) - 1) / 2 for f in some.values()])
    pull = (widths - widths.mean()) / widths.var() / len(widths)
    return {
        "power": slope(list(some), [variance(f) for f in some.values()]),
        "error": float(np.sqrt((pull**2 * errors).sum())),
        "published": slope(list(some), [published(VARIANCE, cell, h) for h in some]),
    }


def published(values: dict[str, list[float]], cell: str, units: int) -> float:
    """Return a published value, nan where there is none."""
    known = cell in values and units in WIDTHS
    return values[cell][WIDTHS.index(units)] if known else math.nan
