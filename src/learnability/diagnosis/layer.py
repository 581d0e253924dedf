"""What is known of one recurrence: a `LayerDiagnosis`."""

from collections.abc import Iterable
from dataclasses import dataclass
from os import PathLike
from typing import final

import pandas as pd
import xarray as xr

from ..storage import load_tree, save_tree
from ..summaries.progress import given, progress, progress_by_lag
from ..summaries.spread import envelope, group
from ..summaries.windows import needed_table, samples_needed, window_table
from ..verdict.explanation import Explanation
from .texts import card_of, text_of
from .verdicts import explained, verdict_table


def numbers(given: float | Iterable[float]) -> list[float]:
    """Return one number or several as a list.

    Example:
        >>> numbers(100), numbers([10, 100])
        ([100], [10, 100])
    """
    return list(given) if isinstance(given, Iterable) else [given]


@final
@dataclass(frozen=True, repr=False)
class LayerDiagnosis:
    """How far back a network can learn, with everything it was computed from.

    Attributes:
        tree: an `xarray.DataTree` with the groups ``envelope`` and ``effective``
            (with base rates, if an optimizer was given), ``time_scales``,
            ``evidence``, ``detection``, ``dependence``, ``verdict`` and, where it could
            be measured, ``warm_up``; units, versions and settings are
            attributes. What cannot be told is nan: ``below`` of the envelopes and
            ``reason`` of the evidence say why.
    """

    tree: xr.DataTree

    @property
    def version(self) -> str:
        """Return the version of the library that made it."""
        return str(self.tree.attrs["learnability"])

    def group(self, name: str) -> xr.Dataset:
        """Return one group of the results."""
        return group(self.tree, name)

    @property
    def envelope(self) -> xr.Dataset:
        """Return the envelope that stands for all: the exact one where it is known."""
        return envelope(self.tree)

    def summary(self, *, full: bool = False) -> pd.DataFrame:
        """Return what each lag needs, one row per lag.

        Args:
            full: with the envelope and the tail index, too.

        Returns:
            ``seen``, ``kept`` and ``learnt``: whether the sequences that train it show
            the lag in one gradient, whether the state holds what was new at it, whether
            it has been learnt; missing where it was not measured, `progress` says why.
            ``samples_needed`` (N(l), sequences), the ends of its interval
            ``samples_lower`` and ``samples_upper``, of a dependency that was found at
            its strength, else at the one of `window`, and whether the lag is resolved;
            in full also ``envelope`` (f(l)/f(0)) and ``alpha`` with their errors.
        """
        f, need = (
            self.envelope,
            self.group("detection").reindex(lag=self.envelope["lag"]),
        )
        laws, law = ("alpha", "alpha_lower", "alpha_upper"), self.group("evidence")
        own = samples_needed(need)
        columns = {
            "samples_needed": own["needed"],
            "samples_lower": own["lower"],
            "samples_upper": own["upper"],
            "resolved": need["resolved"],
        }
        if full:
            columns["envelope"] = f["normalised"]
            columns["envelope_error"] = f["error"] / f["origin"]
            columns |= {name: law[name] for name in laws}
        index = pd.Index(need["lag"].values, name="lag")
        table = pd.DataFrame({k: v.values for k, v in columns.items()}, index=index)
        return progress_by_lag(self.tree).reindex(index).join(table)

    def progress(
        self, n_sequences: float | Iterable[float] | None = None
    ) -> pd.DataFrame:
        """Return how far it sees, keeps and has learnt, beside each other.

        Args:
            n_sequences: N, one number or several; those that train it unless given.

        Returns:
            One row per N: ``seen``, the longest lag up to which N sequences show every
            dependency that was found; ``kept``, the longest up to which the state holds
            what was new at every lag that has one; ``learnt``, the lags whose share is
            learnt; and ``why``, the reason for each that is missing.
        """
        wanted = [given(self.tree)] if n_sequences is None else numbers(n_sequences)
        rows = [progress(self.tree, one).row() for one in wanted]
        return pd.DataFrame(rows, pd.Index(wanted, name="n_sequences"))

    def window(self, n_sequences: float | Iterable[float]) -> pd.DataFrame:
        """Return the detection window H_N of each number of sequences.

        Args:
            n_sequences: N, one number or several.

        Returns:
            One row per N: ``window`` (contiguous from the shortest lag, in steps) with
            the ends of its interval, ``maximal`` (the longest lag detected),
            ``censored`` (the window reaches the last lag of the grid: it lies there or
            beyond). All nan where the network has learnt all that the targets ask for,
            and N(l) is not defined.

        Raises:
            ValueError: if an N is not above 0.
        """
        return window_table(self.group("detection"), numbers(n_sequences))

    def needed_window(self, n_sequences: float | Iterable[float]) -> pd.DataFrame:
        """Return how far the dependencies that the targets hold can be detected.

        Each at its own strength: lags at which none was found do not count.

        Args:
            n_sequences: N, one number or several.

        Returns:
            One row per N: ``window``, the longest lag up to which every lag that
            holds a dependency needs at most N sequences (0 if the first needs more, nan
            if none was found or N(l) is not defined) with the ends of its interval,
            ``lower`` and ``upper``, and ``farthest``, the last lag that holds one.
        """
        return needed_table(self.group("detection"), numbers(n_sequences))

    def verdicts(self) -> pd.DataFrame:
        """Return what stops each lag, one row each, lag 0 first.

        Returns:
            ``verdict``: not in the data, learnt, vanishes, too few sequences, too few
            steps, forgotten or not resolved; and the numbers that it rests on.

        Raises:
            ValueError: if it comes from a file that is older than verdicts.
        """
        return verdict_table(self)

    def explain(self, lag: int) -> Explanation:
        """Return the verdict on a lag, its evidence and one thing to try.

        Args:
            lag: in steps; off the grid both neighbours are named.
        """
        return explained({str(self.tree.attrs["layer"]): self}, lag)

    def __repr__(self) -> str:
        return text_of({str(self.tree.attrs["layer"]): self})

    def _repr_html_(self) -> str:
        return card_of({str(self.tree.attrs["layer"]): self})

    def save(self, path: str | PathLike[str]) -> None:
        """Write everything to one NetCDF-4 file; it appears whole or not at all."""
        save_tree(self.tree, path)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> "LayerDiagnosis":
        """Read what `save` wrote.

        Raises:
            ValueError: if the file cannot be read, is truncated or holds no diagnosis.
        """
        tree = load_tree(path)
        missing = {"envelope", "detection"} - set(tree)
        if missing:
            raise ValueError(
                f"{path} holds no diagnosis (no group {sorted(missing)[0]!r})"
            )
        return cls(tree)
