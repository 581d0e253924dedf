"""The figures of a study with several seeds: summed up, then drawn."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..diagnosis import Diagnosis
from ..plots import across, apart, law
from ..plots.spectra import spectra
from ..plots.style import PAGE, Theme, theme
from ..plots.time_scales import ORDER
from ..plots.windows import BUDGETS
from ..summaries import (
    ESTIMATORS,
    Line,
    alphas,
    envelope_shares,
    envelope_spread,
    law_points,
    noise_floor,
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
    shares: dict[str, pd.DataFrame] = field(default_factory=dict)
    floors: dict[str, pd.DataFrame] = field(default_factory=dict)


def summed(groups: Groups, budgets: Sequence[float] = (10, 100, 1000)) -> Summed:
    """Sum up the seeds of each network and optimizer.

    Args:
        groups: diagnoses of several seeds, by network and optimizer.
        budgets: numbers of sequences N, of which up to three get a noise floor.
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
        **taken_apart(groups, budgets),
    )


def taken_apart(
    groups: Groups, budgets: Sequence[float]
) -> dict[str, dict[str, pd.DataFrame]]:
    """Give `envelope_shares`, and `noise_floor` of those whose runs hold all of it.

    Args:
        groups: diagnoses of several seeds, by network and optimizer.
        budgets: numbers of sequences N; the first, the middle and the last are taken.
    """
    ordered = sorted(budgets)
    places = sorted({0, len(ordered) // 2, len(ordered) - 1})
    some = [ordered[place] for place in places]
    measured = {n: v for n, v in groups.items() if all(map(_has_noise, v))}
    return {
        "shares": {name: envelope_shares(runs) for name, runs in groups.items()},
        "floors": {name: noise_floor(runs, some) for name, runs in measured.items()},
    }


def _has_noise(run: Diagnosis) -> bool:
    return "measures" in run.tree.attrs and "noise" in run.group("detection")


def drawn_apart(
    parts: Mapping[str, dict[str, pd.DataFrame]],
    *,
    look: Theme = "light",
    width: float = PAGE,
) -> Iterator[tuple[str, Figure]]:
    """Draw what `taken_apart` gave.

    Args:
        parts: ``shares`` and ``floors``.
        look: light or dark.
        width: of the figures in inches.
    """
    draw = {"shares": ("envelope_split", apart.split_figure)}
    draw["floors"] = ("noise_floor", apart.floor_figure)
    for part, (name, make) in draw.items():
        if parts[part]:
            with theme(look):
                made = make(parts[part], width=width)
            yield name, made


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
        "spectra": lambda: spectra(found.scales, width=width),
        "law": lambda: law.law_figure(found.laws, law_lines(found.laws), width=width),
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
    parts = {"shares": found.shares, "floors": found.floors}
    for name, made in drawn_apart(parts, look=look, width=width):
        if only is None or name in only:
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
            for x, y, *_ in law.PANELS
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
    """Give alpha over seeds by lag, mean and deviation, a table an estimator.

    Args:
        runs: diagnoses of several seeds.
    """
    tables = [alphas(run) for run in runs]
    found = spread(np.stack([table.to_numpy(float) for table in tables]))
    return {
        name: pd.DataFrame(
            {
                "alpha": found["mean"][:, place],
                "deviation": found["deviation"][:, place],
            },
            index=tables[0].index,
        )
        for place, name in enumerate(ESTIMATORS)
    }
