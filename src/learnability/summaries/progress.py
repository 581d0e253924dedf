"""How far a layer sees, keeps and has learnt: three answers beside each other."""

import tomllib
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from ..words import listed, ranges, short
from .shares import has_learnt, held_and_learnt
from .spread import group
from .windows import NONE_FOUND, needed_table, samples_needed

LATER = ("kept", "learnt")
COLUMNS = ("seen", *LATER)
OLD = "not measured; diagnose the model again to know it"
UNRESOLVED = "no lag's share is resolved; give more held-out data"
UNTOLD = "give heldout=... to know what is learnt"


class Progress(NamedTuple):
    """How far a layer sees, keeps and has learnt.

    Attributes:
        seen: the longest lag up to which N sequences show every dependency in one
            gradient; nan where none was found, or N(l) is not defined.
        kept: the longest lag up to which, at every lag that holds a dependency, the
            state holds what was new: its R^2 is 0.1 or more, as of what is not
            forgotten, and above 0 at 95 %, or the lag is learnt; 0 if it does not at
            the first of them, nan where none was found.
        learnt: the lags whose share is learnt; None where that is not known.
        why: of each that is not known, the reason.
    """

    seen: float
    kept: float
    learnt: tuple[int, ...] | None
    why: Mapping[str, str]

    def record(self) -> dict[str, float | str]:
        """Return the three by name, the lags as text; nan where not known.

        Example:
            >>> Progress(8.0, 4.0, (1, 2, 4), {}).record()
            {'seen': 8.0, 'kept': 4.0, 'learnt': '1 to 2 and 4'}
        """
        return {"seen": self.seen, "kept": self.kept, "learnt": _said(self.learnt)}

    def cells(self) -> dict[str, str]:
        """Return the three as tables show them.

        Example:
            >>> Progress(8.0, np.nan, (), {}).cells()
            {'seen': '8', 'kept': 'n/a', 'learnt': 'none'}
        """
        record = self.record().items()
        return {k: v if isinstance(v, str) else short(v) for k, v in record}

    def row(self) -> dict[str, float | str]:
        """Return the three and in one sentence why some of them are not known."""
        reasons: dict[str, list[str]] = {}
        for name, why in self.why.items():
            reasons.setdefault(why, []).append(name)
        said = [f"{listed(names)}: {why}" for why, names in reasons.items()]
        return self.record() | {"why": "; ".join(said)}


def _said(lags: tuple[int, ...] | None) -> str | float:
    if lags is None:
        return np.nan
    return ranges([*lags]) if lags else "none"


def progress(tree: xr.DataTree, n_sequences: float | None = None) -> Progress:
    """Return how far a layer sees with N sequences, keeps and has learnt.

    Args:
        tree: its diagnosis.
        n_sequences: N; those that train it unless given.
    """
    need, why = group(tree, "detection"), {}
    seen = needed_table(need, [given(tree, n_sequences)])
    if "why" in seen.attrs:
        why["seen"] = seen.attrs["why"]
    table, found = progress_by_lag(tree, n_sequences), _found(tree)
    held = {k: v for k, v in _known(table["kept"]).items() if k in found}
    learnt = _known(table["learnt"])
    if not held:
        why["kept"] = _of_verdict(tree, NONE_FOUND)
    if not learnt:
        why["learnt"] = why.get("kept") or _unshared(tree)
    first = [*takewhile(held.get, held)] or [0]
    return Progress(
        float(seen["window"].iloc[0]),
        float(first[-1]) if held else np.nan,
        tuple(filter(learnt.get, learnt)) if learnt else None,
        why,
    )


def over_seeds(found: Sequence[Progress]) -> Progress:
    """Return what several seeds see and keep in the mean, and what all have learnt.

    Args:
        found: of each seed; what is not known of one is left out.

    Example:
        >>> one, two = Progress(8.0, 4.0, (1, 2), {}), Progress(4.0, np.nan, (2,), {})
        >>> over_seeds([one, two]).record()
        {'seen': 6.0, 'kept': 4.0, 'learnt': '2'}
    """
    learnt = [set(one.learnt) for one in found if one.learnt is not None]
    return Progress(
        _mean([one.seen for one in found]),
        _mean([one.kept for one in found]),
        tuple(sorted(set.intersection(*learnt))) if learnt else None,
        {name: why for one in found for name, why in one.why.items()},
    )


def _mean(values: list[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return sum(known) / len(known) if known else np.nan


def _known(flags: Any) -> dict[int, bool]:
    """Return what is known of each lag."""
    return {int(lag): bool(flag) for lag, flag in flags.dropna().items()}


def _found(tree: xr.DataTree) -> set[int]:
    """Return the lags that were found to hold a dependency, given all others."""
    if not has_learnt(tree):
        return set()
    found = group(tree, "verdict")["found"]
    return set(found["lag"].values[found.values == 1].tolist())


def _of_verdict(tree: xr.DataTree, otherwise: str) -> str:
    """Return why a layer's memory is not known."""
    if not has_learnt(tree):
        return OLD
    known = bool(tree["verdict"]["kept"].notnull().any())
    return otherwise if known else str(tree["verdict"].attrs["notes"])


def _unshared(tree: xr.DataTree) -> str:
    """Return why no share is known although memory is."""
    if not tree["verdict"].attrs.get("heldout"):
        return UNTOLD
    return UNRESOLVED if (tree["verdict"]["found"] == 1).any() else NONE_FOUND


def progress_by_lag(
    tree: xr.DataTree, n_sequences: float | None = None
) -> pd.DataFrame:
    """Return what is seen, kept and learnt of each lag, one row per lag.

    Args:
        tree: the diagnosis of a layer.
        n_sequences: N; those that train it unless given.

    Returns:
        ``seen``, whether N sequences show the lag in one gradient; ``kept``, whether
        the state holds what was new at it; ``learnt``, whether its share is learnt:
        missing where it was not measured.
    """
    needed = samples_needed(group(tree, "detection"))["needed"]
    given_to = given(tree, n_sequences)
    columns = {"seen": (needed <= given_to).where(needed.notnull()).to_series()}
    if has_learnt(tree):
        known = held_and_learnt(tree)
        columns |= {"kept": known["held"], "learnt": known["learnt"]}
    table = pd.DataFrame(columns).rename_axis("lag")
    return table.reindex(columns=COLUMNS).astype("boolean")


def given(tree: xr.DataTree, n_sequences: float | None = None) -> float:
    """Return N: what is given, else how many sequences train the model.

    A study diagnoses other sequences than those that train.
    """
    if n_sequences is not None:
        return float(n_sequences)
    if "settings" in tree.attrs:
        return float(tomllib.loads(tree.attrs["settings"])["training_sequences"])
    return float(tree.attrs["sequences"])
