"""What paths and names on a command line stand for."""

import errno
import os
from os import PathLike
from pathlib import Path

from upath import UPath

from ..storage import check_target, place, unwritable
from ..study.store import Store

# The folder in which studies lie unless they are told otherwise.
HOME = "runs"


def named_store(word: str) -> Store:
    """Return the study in a folder, or that of a name in ``runs``, in any case.

    Args:
        word: a folder, or a study's name as `learnability list` shows it.

    Raises:
        ValueError: if the folder cannot be reached.
    """
    store = Store(word)
    if store.settings_file.exists():
        return store
    for file in sorted(place(HOME).glob("*/settings.toml")):
        if file.parent.name.casefold() == word.casefold():
            return Store(str(file.parent))
    return store


def local_folder(address: str | PathLike[str]) -> Path:
    """Return the path of a folder on this machine.

    Args:
        address: a path.

    Raises:
        ValueError: if the path is empty or lies on another file system.
    """
    path = place(address)
    if not isinstance(path, Path):
        raise ValueError(f"{address} is no folder of this machine; name one that is")
    return path


def output_file(address: str | PathLike[str], *endings: str) -> Path | UPath:
    """Return the path of a file to write, if it looks as if that could be written.

    Ask before long work: what cannot be kept is not worth making.

    Args:
        address: a path or URL.
        endings: that it may have, such as ``.csv``; any unless given.

    Raises:
        ValueError: if it is a folder or a device, lies where nothing can be made, or
            has another ending.
    """
    path = place(address)
    if isinstance(path, Path):
        _check_place(path)
    if endings and path.suffix.lower() not in endings:
        raise ValueError(
            f"{path} does not end in {' or '.join(endings)}, which is what is written; "
            "name a file that does"
        )
    return path


def _check_place(path: Path) -> None:
    """Refuse a place where nothing can be made."""
    try:
        check_target(path)
        there = next(p for p in path.absolute().parents if p.exists())
        if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, f"{there} takes no files")
    except OSError as error:
        raise unwritable(path, error) from error
