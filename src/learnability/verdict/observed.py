"""Data of any form as arrays: inputs by sequence, targets by row, no model needed."""

import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, Num, Shaped
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ..models.batches import Batch, walked, whole

MOST_CLASSES = 64
"""Classes or tokens beyond which whole numbers are taken for amounts by mistake."""
IGNORED = -100
"""The class of steps and sequences without a target, as in PyTorch's cross-entropy."""
FEWEST_SHARING = 8
"""Sequences from which on a profile over time that all share is taken off."""


@dataclass(frozen=True)
class Observed:
    """Inputs of every sequence, and a row for every step that has a target.

    Attributes:
        inputs: (sequence, step, input), or tokens (sequence, step).
        lengths: steps of each sequence; what comes after is padding.
        sequence: of every row.
        step: likewise.
        targets: one row each, a column per target or class.
        classes: whether the columns are classes.
        per_step: whether steps have targets of their own.
    """

    inputs: Num[np.ndarray, "sequence step ..."]
    lengths: Int[np.ndarray, "sequence"]
    sequence: Int[np.ndarray, "row"]
    step: Int[np.ndarray, "row"]
    targets: Float[np.ndarray, "row target"]
    classes: bool
    per_step: bool

    @property
    def tokens(self) -> bool:
        """Whether the inputs are whole numbers that name something."""
        return self.inputs.ndim == 2

    def rows_from(self, first: int) -> "Observed":
        """Return the same data with the rows from one step on alone."""
        return self.chosen(self.step >= first)

    def chosen(self, rows: Shaped[np.ndarray, "..."]) -> "Observed":
        """Return the same data with some of the rows."""
        return replace(
            self,
            sequence=self.sequence[rows],
            step=self.step[rows],
            targets=self.targets[rows],
        )


def observed(data: Any, lengths: Any = None) -> Observed:
    """Return data of any form as arrays.

    Args:
        data: (inputs, targets), `Sequences`, a dataset, or batches of (inputs,
            targets), such as a DataLoader gives.
        lengths: steps of each sequence; all of them unless given.

    Raises:
        ValueError: if shapes disagree, nothing is given, or a value is not finite.
    """
    x, y, own = _together(data)
    if x.ndim == 1:
        x, y = x[None], y[None]
        own = np.array([x.shape[1]])
    if x.ndim == 2 and x.dtype.kind == "f":
        x = x[..., None]
    if x.ndim == 3 and x.dtype.kind in "iub":
        x = x.astype(float)
    if x.ndim not in (2, 3) or not x.size:
        raise ValueError(
            f"the inputs have shape {x.shape}; give (sequence, step, input), or "
            "(sequence, step)"
        )
    steps = _lengths(lengths, x, own)
    inside = np.arange(x.shape[1]) < steps[:, None]
    _check_finite("inputs", x[inside])
    per_step = y.ndim >= 2 and y.shape[:2] == x.shape[:2]
    if per_step:
        sequence, step = np.nonzero(inside)
        rows = y[inside]
    elif len(y) == len(x):
        sequence, step, rows = np.arange(len(x)), steps - 1, y
    else:
        raise ValueError(
            f"inputs have shape {x.shape} but targets {y.shape}; give one target per "
            "step or one per sequence"
        )
    if _are_classes(rows):
        asked = rows.reshape(len(rows)) != IGNORED
        if not asked.any():
            raise ValueError(f"all targets are {IGNORED}, which is none; give some")
        sequence, step, rows = sequence[asked], step[asked], rows[asked]
    return Observed(x, steps, sequence, step, *_columns(rows), per_step)


def one_hot(
    codes: Int[np.ndarray, "..."], names: Int[np.ndarray, "name"]
) -> Float[np.ndarray, "... name"]:
    """Return whole numbers as indicators of their names."""
    return (codes[..., None] == names).astype(float)


def names_of_codes(
    what: str, codes: Num[np.ndarray, "..."]
) -> tuple[Int[np.ndarray, "name"], Int[np.ndarray, "name"]]:
    """Return the distinct whole numbers and how often each is there.

    Raises:
        ValueError: if there are more than 64.
    """
    names, count = np.unique(codes, return_counts=True)
    if len(names) > MOST_CLASSES:
        raise ValueError(
            f"the {what} are whole numbers with {len(names)} values; give amounts as "
            f"floats, or at most {MOST_CLASSES} classes"
        )
    return names, count


def _together(data: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return inputs and targets as arrays, and how many steps each sequence has."""
    found = whole(data, torch.float64)
    if found is not None:
        x, y = _pair(found)
        steps = x.shape[1] if x.ndim > 1 else len(x)
        return x, y, np.full(len(x), steps)
    if isinstance(data, Dataset):  # one by one, as sequences may differ in length
        data = DataLoader(data)
    pairs = [_pair(batch) for batch in walked(data, torch.float64, 0, 0)]
    shapes = [x.shape for x, _ in pairs if x.ndim < 2]
    if shapes:
        raise ValueError(
            f"inputs of a batch have shape {shapes[0]}; give (sequence, step, input)"
        )
    own = np.concatenate([np.full(len(x), x.shape[1]) for x, _ in pairs])
    per_step = all(y.ndim > 1 and y.shape[1] == x.shape[1] for x, y in pairs)
    longest = int(own.max())
    x = np.concatenate([_padded(x, longest) for x, _ in pairs])
    y = np.concatenate([_padded(y, longest) if per_step else y for _, y in pairs])
    return x, y, own


def _pair(batch: Batch) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs and targets of a batch."""
    if isinstance(batch, Mapping) or len(batch) != 2:
        raise ValueError(
            f"a batch is a {type(batch).__name__} that is no pair (inputs, targets); "
            "wrap the data to give one"
        )
    return _array(batch[0]), _array(batch[1])


def _array(values: Any) -> np.ndarray:
    """Return numbers as float64, whole numbers as they are."""
    if not isinstance(values, Tensor) or values.is_complex() or values.is_meta:
        raise ValueError(f"the data hold a {type(values).__name__}; give real numbers")
    found = values.double() if values.is_floating_point() else values.long()
    return found.detach().cpu().numpy()


def _padded(values: np.ndarray, steps: int) -> np.ndarray:
    after = [(0, 0), (0, steps - values.shape[1]), *[(0, 0)] * (values.ndim - 2)]
    return np.pad(values, after)


def _lengths(lengths: Any, x: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Return how many steps each sequence has."""
    if lengths is None:
        return own
    given = np.atleast_1d(np.asarray(lengths))
    whole = given.shape == (len(x),) and given.dtype.kind in "iuf"
    fit = whole and np.isin(given, np.arange(1, x.shape[1] + 1)).all()
    if not fit:
        raise ValueError(
            f"lengths are {reprlib.repr(given.ravel().tolist())}; give {len(x)} whole "
            f"numbers from 1 to {x.shape[1]}"
        )
    return given.astype(np.int64)


def _columns(rows: np.ndarray) -> tuple[np.ndarray, bool]:
    """Return targets with a column each, and whether they are indicators of classes."""
    if _are_classes(rows):
        codes = rows.reshape(len(rows))
        return one_hot(codes, names_of_codes("targets", codes)[0]), True
    _check_finite("targets", rows)
    return rows.reshape(len(rows), -1).astype(float), False


def _are_classes(rows: np.ndarray) -> bool:
    return rows.dtype.kind == "i" and rows.size == len(rows)


def _check_finite(name: str, values: np.ndarray) -> None:
    bad = ~np.isfinite(values)
    if bad.any():
        raise ValueError(
            f"the {name} hold {values[bad][0]}; remove or impute what is not finite"
        )
