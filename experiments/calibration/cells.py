"""How much farther than others a cell learns, where each made a part of the runs."""

import numpy as np
import pandas as pd

from learnability.randomness import stream

from .findings import RESAMPLES, Frame, ends


def cell_effects(realised: pd.DataFrame, *, seed: int = 0) -> pd.DataFrame:
    """Give every cell's advantage in bands of the realised window.

    ``window = a(family, N) + b(cell)``, by least squares, b of mean 0: cells are held
    against others with the same task and N, of which a part of a calibration has a few.

    Args:
        realised: what `table.windows` gave.
        seed: of the bootstrap over (family, N).

    Returns:
        A row a cell: ``effect`` with ``effect_lower`` and ``effect_upper``, 95 %;
        ``runs``.

    Example:
        >>> rows = [("delays", n, c, w) for n, w in ((16, 1), (64, 4)) for c in "ab"]
        >>> names = ["family", "samples", "cell", "window"]
        >>> table = pd.DataFrame(rows, columns=names)
        >>> table.loc[table["cell"] == "b", "window"] += 2
        >>> cell_effects(table)["effect"].round(6).tolist()
        [-1.0, 1.0]
    """
    data: Frame = realised.assign(
        place=realised.groupby(["family", "samples"]).ngroup(),
        kind=pd.factorize(realised["cell"], sort=True)[0],
    )
    names = sorted(data["cell"].unique())
    parts = [
        own[["kind", "window"]].to_numpy(float) for _, own in data.groupby("place")
    ]
    random = np.random.default_rng(stream(seed, "cells beside each other"))
    draws = random.integers(len(parts), size=(RESAMPLES, len(parts)))
    drawn = np.array([_effects([parts[k] for k in d], len(names)) for d in draws])
    found = []
    for k, (name, effect) in enumerate(
        zip(names, _effects(parts, len(names)), strict=True)
    ):
        low, high = ends(drawn[:, k].tolist())
        interval = {"effect_lower": low, "effect_upper": high}
        runs = int((data["kind"] == k).sum())
        found.append({"cell": name, "effect": effect, **interval, "runs": runs})
    return pd.DataFrame(found)


def _effects(parts: list[np.ndarray], cells: int) -> np.ndarray:
    """Give b, by taking each stratum's mean off both sides; nan for absent cells."""
    left, right = [], []
    for part in parts:
        which = np.eye(cells)[part[:, 0].astype(int)]
        left.append(which - which.mean(axis=0))
        right.append(part[:, 1] - part[:, 1].mean())
    seen = np.unique(np.concatenate([part[:, 0] for part in parts]).astype(int))
    rows = np.concatenate(left)[:, seen]
    b = np.full(cells, np.nan)
    b[seen] = np.linalg.lstsq(rows, np.concatenate(right), rcond=None)[0]
    return b - np.nanmean(b)
