"""What is known of one recurrence: a `Diagnosis`."""

from collections.abc import Iterable
from dataclasses import dataclass
from os import PathLike
from typing import final

import numpy as np
import pandas as pd
import xarray as xr

from .storage import load_tree, save_tree
from .summaries.spread import window_table


@final
@dataclass(frozen=True)
class Diagnosis:
    """How far back a network can learn, with everything it was computed from.

    Attributes:
        tree: an `xarray.DataTree` with the groups ``envelope`` and ``effective``
            (with base rates, if an optimizer was given), ``time_scales``,
            ``evidence`` and ``detection``; units, versions and settings are
            attributes. What cannot be told is nan: ``below`` of the envelopes and
            ``reason`` of the evidence say why.
    """

    tree: xr.DataTree

    @property
    def version(self) -> str:
        """Give the version of the library that made it."""
        return str(self.tree.attrs["learnability"])

    def group(self, name: str) -> xr.Dataset:
        """Give one group of the results."""
        return self.tree.children[name].to_dataset()

    def summary(self) -> pd.DataFrame:
        """Give a row a lag: envelope, tail index, samples needed, with intervals."""
        f = self.group("envelope").sel(order="exact")
        law, need = self.group("evidence"), self.group("detection")
        if need["lag"].size != law["lag"].size:  # measured at some of the lags only
            need = need.reindex(lag=law["lag"])
        columns = {
            "envelope": f["normalised"],
            "envelope_error": f["error"] / f["origin"],
            "alpha": law["alpha"],
            "alpha_lower": law["alpha_lower"],
            "alpha_upper": law["alpha_upper"],
            "samples_needed": need["needed"],
            "samples_lower": need["lower"],
            "samples_upper": need["upper"],
            "resolved": need["resolved"],
        }
        index = pd.Index(need["lag"].values, name="lag")
        return pd.DataFrame({k: v.values for k, v in columns.items()}, index=index)

    def window(self, budgets: Iterable[float]) -> pd.DataFrame:
        """Give the detection window H_N of each budget of sequences.

        Args:
            budgets: N, numbers of sequences.

        Returns:
            A row a budget: ``window`` (contiguous from the shortest lag, in steps) with
            the ends of its interval, ``maximal`` (the longest lag detected),
            ``censored`` (the window reaches the last lag of the grid: it lies there or
            beyond). All nan where the network has learnt all that the targets ask for,
            and N(l) is not defined.

        Raises:
            ValueError: if a budget is not above 0.
        """
        return window_table(self.group("detection"), budgets)

    def needed_window(self, budgets: Iterable[float]) -> pd.DataFrame:
        """Return how far the dependencies that the targets hold can be detected.

        Each at its own strength: lags at which none was found do not count.

        Args:
            budgets: N, numbers of sequences.

        Returns:
            A row per budget: ``window``, the longest lag up to which every lag that
            holds a dependency needs at most N sequences (0 if the first needs more, nan
            if none was found or N(l) is not defined), and ``farthest``, the last lag
            that holds one.
        """
        need, wanted = self.group("detection"), list(budgets)
        held = need["own"].dropna("lag")
        lags, own = held["lag"].values, held.values
        rows = []
        for budget in wanted:
            seen = np.cumprod(own <= budget).astype(bool)
            window = np.nan if not len(lags) else float(max(lags[seen], default=0))
            rows.append((window, lags[-1] if len(lags) else np.nan))
        index = pd.Index(wanted, name="budget")
        return pd.DataFrame(rows, index=index, columns=["window", "farthest"])

    def save(self, path: str | PathLike[str]) -> None:
        """Write everything to one NetCDF-4 file; it appears whole or not at all."""
        save_tree(self.tree, path)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> "Diagnosis":
        """Read what `save` wrote.

        Raises:
            ValueError: if the file cannot be read, is truncated or holds no diagnosis.
        """
        tree = load_tree(path)
        missing = {"envelope", "time_scales", "evidence", "detection"} - set(tree)
        if missing:
            raise ValueError(
                f"{path} holds no diagnosis (no group {sorted(missing)[0]!r})"
            )
        return cls(tree)
