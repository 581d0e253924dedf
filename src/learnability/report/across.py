"""The figures of a study with several seeds: summed up, then drawn."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..diagnosis import Diagnosis
from ..plots import across
from ..plots.style import PAGE, Theme, theme
from ..plots.time_scales import ORDER
from ..plots.windows import BUDGETS
from ..summaries import (
    ESTIMATORS,
    Line,
    alphas,
    envelope_spread,
    law_points,
    regression,
    spread,
    window_spread,
)

Groups = Mapping[str, Sequence[Diagnosis]]


@dataclass(frozen=True)
class Summed:
    """What the seeds of each network and optimizer have in common, computed once.

    Attributes:
        groups: diagnoses of several seeds, by network and optimizer.
        windows: of `window_spread`.
        envelopes: of `envelope_spread`.
        laws: of `law_points`, all seeds in one table.
        scales: time scales of all units.
        curves: validation errors by epoch, of those that were trained.
        estimators: mean alpha by estimator.
    """

    groups: Groups
    windows: dict[str, pd.DataFrame]
    envelopes: dict[str, pd.DataFrame]
    laws: dict[str, pd.DataFrame]
    scales: dict[str, np.ndarray]
    curves: dict[str, pd.DataFrame]
    estimators: dict[str, dict[str, pd.DataFrame]]


def summed(groups: Groups) -> Summed:
    """Sum up the seeds of each network and optimizer.

    Args:
        groups: diagnoses of several seeds, by network and optimizer.
    """
    curves = {name: learning_spread(runs) for name, runs in groups.items()}
    return Summed(
        groups=groups,
        windows={n: window_spread(runs, BUDGETS[::5]) for n, runs in groups.items()},
        envelopes={name: envelope_spread(runs) for name, runs in groups.items()},
        laws={name: pd.concat(map(law_points, runs)) for name, runs in groups.items()},
        scales={name: time_scales(runs) for name, runs in groups.items()},
        curves={name: table for name, table in curves.items() if len(table)},
        estimators={name: mean_alphas(runs) for name, runs in groups.items()},
    )


def drawn_across(
    found: Summed,
    *,
    look: Theme = "light",
    width: float = PAGE,
    only: Collection[str] | None = None,
) -> Iterator[tuple[str, Figure]]:
    """Draw what the seeds have in common, figure by figure.

    Args:
        found: what they have in common.
        look: light or dark.
        width: of the figures in inches.
        only: names of the figures to draw; all unless given.

    Yields:
        A figure's name and the figure.
    """
    draw: dict[str, Callable[[], Figure]] = {
        "windows_across": lambda: across.window_spreads(found.windows, width=width),
        "envelope_across": lambda: across.envelope_spreads(
            found.envelopes, width=width
        ),
        "spectra": lambda: across.spectra(found.scales, width=width),
        "law": lambda: across.law_figure(
            found.laws, law_lines(found.laws), width=width
        ),
        "estimators": lambda: across.estimator_figure(found.estimators, width=width),
    }
    if found.curves:
        draw["learning_across"] = lambda: across.curve_spreads(
            found.curves, width=width
        )
    for name, make in draw.items():
        if only is None or name in only:
            with theme(look):
                made = make()
            yield name, made


def law_lines(
    tables: Mapping[str, pd.DataFrame],
) -> dict[str, tuple[Line | None, Line | None]]:
    """Regress the confounded and the honest way, leaving out lower ends.

    Args:
        tables: of `law_points`, by group.
    """
    found = {}
    for name, table in tables.items():
        sure = table.loc[~table["censored"].astype(bool), :]
        found[name] = tuple(
            regression(np.asarray(sure[x], float), np.asarray(sure[y], float))
            for x, y, *_ in across.PANELS
        )
    return found


def time_scales(runs: Sequence[Diagnosis]) -> np.ndarray:
    """Give tau of every unit of all seeds, by the decay of each unit alone.

    Args:
        runs: diagnoses of several seeds.
    """
    groups = [run.group("time_scales")["tau"].sel(order=ORDER) for run in runs]
    return np.concatenate([np.asarray(tau.values, float) for tau in groups])


def learning_spread(runs: Sequence[Diagnosis]) -> pd.DataFrame:
    """Give the validation errors of all seeds over the epochs that all had.

    Args:
        runs: diagnoses of several seeds.
    """
    curves = [
        np.asarray(run.group("training")["validation"].values, float)
        for run in runs
        if "training" in run.tree.children
    ]
    epochs = min((len(curve) for curve in curves), default=0)
    if not epochs:
        return pd.DataFrame(columns=["median", "p10", "p90"])
    values = spread(np.stack([curve[:epochs] for curve in curves]))
    return pd.DataFrame(values, index=pd.RangeIndex(1, epochs + 1, name="epoch"))


def mean_alphas(runs: Sequence[Diagnosis]) -> dict[str, pd.DataFrame]:
    """Give the mean alpha over seeds by lag, a table an estimator.

    Args:
        runs: diagnoses of several seeds.
    """
    tables = [alphas(run) for run in runs]
    mean = sum(table.to_numpy(float) for table in tables) / len(tables)
    frame = pd.DataFrame(mean, index=tables[0].index, columns=list(ESTIMATORS))
    return {name: pd.DataFrame({"alpha": frame[name]}) for name in ESTIMATORS}
