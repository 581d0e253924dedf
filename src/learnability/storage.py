"""Trees of labelled arrays on disk: written whole or not at all, read with care."""

import contextlib
import os
from os import PathLike
from pathlib import Path

import xarray as xr


def replace_file(path: Path, content: bytes) -> None:
    """Write a file under a temporary name beside it, then rename it.

    Raises:
        ValueError: if the place cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content)
        os.replace(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):  # what was never made cannot be removed
            temporary.unlink()
        raise ValueError(
            f"{path} cannot be written ({error.strerror or error}); "
            "choose another folder"
        ) from error


def save_tree(tree: xr.DataTree, path: str | PathLike[str]) -> None:
    """Write a tree as one NetCDF-4 file.

    Raises:
        ValueError: if the place cannot be written.
    """
    content = tree.to_netcdf(engine="h5netcdf")
    replace_file(Path(path), bytes(content))


def load_tree(path: str | PathLike[str]) -> xr.DataTree:
    """Read a tree whole; the file is closed again.

    Raises:
        ValueError: if there is no such file or it is no complete NetCDF-4 file.
    """
    try:
        with xr.open_datatree(path, engine="h5netcdf") as tree:
            return tree.load()
    except FileNotFoundError:
        raise ValueError(f"there is no file {path}; name one that exists") from None
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise ValueError(
            f"{path} cannot be read ({str(error).splitlines()[0]}); it may be "
            "truncated: make it again"
        ) from error
