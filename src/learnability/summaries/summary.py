"""What several seeds have in common, computed once for all figures and pages."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import pandas as pd
import xarray as xr

from . import spread, windows
from .law import envelope_shares, law_points, mean_alphas, noise_floor
from .progress import Progress, progress
from .shares import share_spread

Table = TypeVar("Table")
Tables = dict[str, pd.DataFrame]
# Two numbers of sequences per decade, from one sequence to a million.
BUDGETS = tuple(float(n) for n in np.logspace(0, 6, 13))


@dataclass(frozen=True)
class Summary:
    """What the seeds of each line of a figure have in common, computed once.

    A line is a network and optimizer, or a layer of a model. What the diagnoses of a
    line do not hold has no entry.

    Attributes:
        names: of all lines, in their order.
        n_sequences: numbers of sequences N of the study, ascending.
        reached: of `seen_spread` at the study's N.
        windows: of `window_spread` at N from 1 to a million.
        samples: of `sample_spread`.
        envelopes: of `envelope_spread`.
        scales: time scales of all units, in steps.
        tails: of `tail_spread`.
        curves: of `curve_spread`.
        shares: of `share_spread`.
        progress: of `progress` with N of its training, one per seed.
        laws: of `law_points`, all seeds in one table.
        estimators: of `mean_alphas`.
        split: of `envelope_shares`.
        floors: of `noise_floor`.
        task_lags: at which the targets depend on the inputs, as far as it is known.
        noise: errors that no network can beat.
        named: whether networks name things, so that errors are cross-entropies.
    """

    names: tuple[str, ...]
    n_sequences: tuple[float, ...]
    reached: Tables
    windows: Tables
    samples: Tables
    envelopes: Tables
    scales: dict[str, np.ndarray]
    tails: Tables
    curves: Tables
    shares: Tables
    progress: dict[str, list[Progress]] = field(default_factory=dict)
    laws: Tables = field(default_factory=dict)
    estimators: Tables = field(default_factory=dict)
    split: Tables = field(default_factory=dict)
    floors: Tables = field(default_factory=dict)
    task_lags: tuple[int, ...] = ()
    noise: tuple[float, ...] = ()
    named: bool = False


def summed(
    lines: Mapping[str, spread.Trees], n_sequences: Sequence[float] = (10, 100, 1000)
) -> Summary:
    """Sum up the seeds of each line.

    Args:
        lines: diagnoses of one seed or several, by name of line.
        n_sequences: numbers of sequences N.

    Raises:
        ValueError: if there are no diagnoses, or no N.
    """
    if not lines or not all(lines.values()) or not len(n_sequences):
        raise ValueError(
            "there is nothing to sum up; give at least one diagnosis and one N"
        )
    numbers = sorted(map(float, n_sequences))
    known = {n: trees for n, trees in lines.items() if all(map(spread.of_known, trees))}
    whole = {n: trees for n, trees in known.items() if all(map(_has_law, trees))}
    noisy = {n: trees for n, trees in lines.items() if all(map(_has_noise, trees))}
    judged = {n: t for n, t in lines.items() if all("verdict" in one for one in t)}
    every = [tree for trees in lines.values() for tree in trees]
    return Summary(
        names=tuple(lines),
        n_sequences=tuple(numbers),
        reached=_each(windows.seen_spread, lines, numbers),
        windows=_each(windows.window_spread, lines, sorted({*BUDGETS, *numbers})),
        samples=_each(windows.sample_spread, lines),
        envelopes=_each(spread.envelope_spread, lines),
        scales=_each(spread.unit_scales, known),
        tails=_each(spread.tail_spread, known),
        curves=_filled(_each(spread.curve_spread, lines)),
        shares=_filled(_each(share_spread, lines)),
        progress={n: [*map(progress, trees)] for n, trees in judged.items()},
        laws={n: pd.concat(map(law_points, trees)) for n, trees in whole.items()},
        estimators=_each(mean_alphas, whole),
        split=_each(envelope_shares, known),
        floors=_each(noise_floor, noisy, numbers),
        task_lags=task_lags(every),
        noise=tuple(spread.noise_levels(every)),
        named=any(map(spread.named, spread.trained(every))),
    )


def _each(
    make: Callable[..., Table], lines: Mapping[str, spread.Trees], *options: object
) -> dict[str, Table]:
    """Return what is made of each line."""
    return {name: make(trees, *options) for name, trees in lines.items()}


def task_lags(trees: Iterable[xr.DataTree]) -> tuple[int, ...]:
    """Return the lags at which the targets depend on the inputs.

    Those of the task where it is known, else those at which a dependency was found.
    """
    found: set[int] = set()
    for tree in trees:
        if "training" in tree.children:
            found |= set(spread.group(tree, "training")["task_lag"].values.tolist())
        else:
            own = spread.group(tree, "detection")["own"].dropna("lag")
            found |= set(own["lag"].values.tolist())
    return tuple(sorted(found))


def _has_law(tree: xr.DataTree) -> bool:
    return {"psi", "sigma", "location_lower"} <= set(spread.group(tree, "evidence"))


def _has_noise(tree: xr.DataTree) -> bool:
    return "options" in tree.attrs and "noise" in spread.group(tree, "detection")


def _filled(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    return {name: table for name, table in tables.items() if len(table)}
