"""Weights and data from files, none of which can run code."""

import pickle
import tokenize
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import final
from zipfile import BadZipFile, ZipFile, is_zipfile

import h5py
import numpy as np
import pandas as pd
import torch
import xarray as xr
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from .refusal import UnsupportedModelError

LARGEST = 1e15  # of a value: its square, and sums of many, fit into float32
ARCHIVE = (BadZipFile, OSError, EOFError, RuntimeError, ValueError, zlib.error)
"""What damaged archives raise."""

Arrays = dict[str, np.ndarray]


@final
@dataclass(frozen=True)
class Data:
    """Inputs and targets from a file.

    Attributes:
        x: (sequence, step, input), float32.
        y: targets, sequences first; whole numbers are classes.
        said: how they came about, a sentence.
    """

    x: Tensor
    y: Tensor
    said: str


def load_weights(model: nn.Module, path: Path) -> None:
    """Put the weights of a file into a model.

    Args:
        model: whose parameters and buffers they are.
        path: a safetensors file, or a state dict that `torch.save` wrote.

    Raises:
        ValueError: if the file cannot be read without running code, is no state dict,
            or does not fit the model.
    """
    state = _state(path)
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise UnsupportedModelError(
            f"the weights in {path} do not fit the model ({lines[-1][:200]}); give the "
            "factory that made the trained model"
        ) from error


def _state(path: Path) -> dict[str, Tensor]:
    _there(path)
    by_safetensors = path.suffix == ".safetensors"
    if not by_safetensors and not is_zipfile(path):
        raise UnsupportedModelError(
            f"{path} holds no weights that can be read without running code (it is no "
            "archive as torch.save writes since PyTorch 1.6); save model.state_dict() "
            "or safetensors"
        )
    try:
        state: object = load_file(path) if by_safetensors else _unpickled(path)
    except (SafetensorError, pickle.UnpicklingError, *ARCHIVE) as error:
        raise UnsupportedModelError(
            f"{path} holds no weights that can be read without running code "
            f"({type(error).__name__}); save model.state_dict() or safetensors"
        ) from error
    if not isinstance(state, dict):
        raise UnsupportedModelError(
            f"{path} holds a {type(state).__name__} that is no state dict; save "
            "model.state_dict()"
        )
    for name, value in state.items():
        if not (isinstance(name, str) and isinstance(value, Tensor)):
            raise UnsupportedModelError(
                f"{path} holds a {type(value).__name__} under {name!r} and is no state "
                "dict; save model.state_dict()"
            )
    return state


def _unpickled(path: Path) -> object:
    """Give what `torch.save` wrote, if every byte is as it was written."""
    _check_archive(path)
    return torch.load(path, map_location="cpu", weights_only=True)


def _check_archive(path: Path) -> None:
    """Compare all that an archive holds with its checksums.

    Damage is found here: what reads the contents meets none.

    Raises:
        ARCHIVE: if it is damaged.
    """
    with ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise BadZipFile(f"{damaged} does not agree with its checksum")


def load_data(
    path: Path,
    *,
    target: str | None = None,
    window: int | None = None,
    stride: int | None = None,
) -> Data:
    """Read sequences, or cut a long series into windows.

    NPZ and NetCDF with ``x`` (sequence, step, input) and ``y`` are sequences. A single
    array of one or two axes, or the columns of a CSV or Parquet file, is one long
    series: it is cut into windows, and the target of each step is the next value of
    the target column.

    Args:
        path: NPZ, NPY, CSV, Parquet or NetCDF.
        target: the column to predict; the last unless given.
        window: steps of a window of a series; 128 unless given.
        stride: steps from one window to the next; half a window unless given.

    Raises:
        ValueError: if the file cannot be read, holds something else, is too short, or
            holds sequences where a series was described.
    """
    _there(path)
    if path.suffix not in READERS:
        raise UnsupportedModelError(
            f"{path} has the ending {path.suffix or 'none'!r}; give one of "
            f"{', '.join(READERS)}"
        )
    reader = READERS[path.suffix]
    try:
        found = reader.read(path)
    except reader.damage as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise UnsupportedModelError(
            f"{path} cannot be read as {path.suffix[1:]} ({first}); make it again"
        ) from error
    if isinstance(found, pd.DataFrame):
        return _cut(_column(found, target, path), path, window, stride)
    given = {"target": target, "window": window, "stride": stride}
    for name, value in given.items():
        if value is not None:
            raise UnsupportedModelError(
                f"{name} {value!r} is for one long series, and {path} holds sequences; "
                "leave it out"
            )
    return _whole(found, path)


def _there(path: Path) -> None:
    if not path.is_file():
        raise UnsupportedModelError(f"there is no file {path}; name one that exists")


def _npz(path: Path) -> Arrays:
    _check_archive(path)
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def _npy(path: Path) -> pd.DataFrame:
    values = np.load(path, allow_pickle=False)
    if values.ndim not in (1, 2):
        raise ValueError(
            f"an array of shape {values.shape} is no series; put x and y into an NPZ"
        )
    return pd.DataFrame(values.reshape(len(values), -1))


def _netcdf(path: Path) -> Arrays:
    with h5py.File(path):  # h5netcdf would complain of damage a second time
        pass
    # Plain HDF5 names no dimensions.
    with xr.open_dataset(path, engine="h5netcdf", phony_dims="sort") as file:
        return {str(name): v.values for name, v in file.load().items()}


@final
@dataclass(frozen=True)
class Reader:
    """How to read one kind of file.

    Attributes:
        read: gives named arrays, or a table where the file is one series.
        damage: what it raises of files that are damaged or of another kind.
    """

    read: Callable[[Path], Arrays | pd.DataFrame]
    damage: tuple[type[Exception], ...]


READERS = {
    ".npz": Reader(_npz, ARCHIVE),
    ".npy": Reader(_npy, (OSError, EOFError, ValueError, tokenize.TokenError)),
    # The errors of pandas' parser and of Arrow are ValueErrors.
    ".csv": Reader(pd.read_csv, (OSError, ValueError)),
    ".parquet": Reader(
        pd.read_parquet, (OSError, ValueError, KeyError, TypeError, ImportError)
    ),
    ".nc": Reader(_netcdf, (OSError, ValueError, KeyError, RuntimeError)),
}


def _whole(found: dict[str, np.ndarray], path: Path) -> Data:
    if not {"x", "y"} <= set(found):
        raise UnsupportedModelError(
            f"{path} holds {', '.join(sorted(found)) or 'nothing'}; name the arrays x "
            "(sequence, step, input) and y"
        )
    x, y = _numbers(found["x"], "x"), _numbers(found["y"], "y")
    if x.ndim == 2:
        x = x[..., None]
    if x.ndim != 3 or not x.size:
        raise UnsupportedModelError(
            f"x has shape {x.shape}; give (sequence, step, input), none of them empty"
        )
    if not y.ndim or len(y) != len(x):
        raise UnsupportedModelError(
            f"x holds {len(x)} sequences and y has shape {y.shape}; give equally many"
        )
    for name, values in (("x", x), ("y", y)):
        _check_size(values, name)
    said = f"{len(x)} sequences of {x.shape[1]} steps from {path.name}"
    return Data(_inputs(x), _targets(y), said)


def _numbers(values: np.ndarray, name: str) -> np.ndarray:
    if values.dtype.kind not in "fiub":
        raise UnsupportedModelError(
            f"{name} holds {values.dtype}; it must hold real numbers"
        )
    return values


def _check_size(values: np.ndarray, name: str) -> None:
    if not values.size:
        raise UnsupportedModelError(
            f"{name} is empty (shape {values.shape}); give values"
        )
    if not np.isfinite(values).all():
        raise UnsupportedModelError(
            f"{name} holds values that are not finite; remove or impute them"
        )
    if np.abs(values).max() > LARGEST:
        raise UnsupportedModelError(
            f"{name} holds values as large as {np.abs(values).max():.2g}, whose "
            "squares no float32 can hold; rescale them"
        )


def _inputs(x: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(x, np.float32))


def _targets(y: np.ndarray) -> Tensor:
    whole = y.dtype.kind in "iub"
    return torch.from_numpy(np.ascontiguousarray(y, np.int64 if whole else np.float32))


def _column(table: pd.DataFrame, target: str | None, path: Path) -> pd.DataFrame:
    """Give the numeric columns, the target last."""
    numeric = table.select_dtypes("number")
    if numeric.shape[1] == 0 or not len(numeric):
        raise UnsupportedModelError(f"{path} holds no column of numbers; give a series")
    names = {str(name): name for name in numeric.columns}
    chosen = str(numeric.columns[-1]) if target is None else target
    if chosen not in names:
        raise UnsupportedModelError(
            f"{path} has no column of numbers {chosen!r}; it has {', '.join(names)}"
        )
    others = [name for name in numeric.columns if str(name) != chosen]
    return pd.DataFrame(numeric[[*others, names[chosen]]])


def _cut(
    table: pd.DataFrame, path: Path, window: int | None, stride: int | None
) -> Data:
    """Cut a series into windows whose targets are the next values of its last column.

    Columns are freed of their mean and divided by their standard deviation.
    """
    steps = 128 if window is None else window
    every = max(1, steps // 2) if stride is None else stride
    if steps < 2 or every < 1:
        raise UnsupportedModelError(
            f"windows of {steps} steps every {every} steps cut nothing; give at least "
            "2 and 1"
        )
    values = table.to_numpy(float)
    if len(values) <= steps:
        raise UnsupportedModelError(
            f"{path} holds {len(values)} steps, too few for a window of {steps} and "
            "its next value; lower --window"
        )
    _check_size(values, path.name)
    spread = values.std(axis=0)
    values = (values - values.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    starts = np.arange(0, len(values) - steps, every)
    at = starts[:, None] + np.arange(steps)
    said = (
        f"{len(starts)} windows of {steps} steps, one every {every}, from "
        f"{len(values)} steps of {path.name}, standardised; the target of a step is "
        f"the next value of {table.columns[-1]}"
    )
    return Data(_inputs(values[at]), _targets(values[at + 1, -1:]), said)
