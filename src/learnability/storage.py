"""Trees of labelled arrays on disk: written whole or not at all, read with care."""

import contextlib
import errno
import glob
import os
from collections.abc import Iterator
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

import xarray as xr
from filelock import FileLock, Timeout
from upath import UPath

try:
    import fcntl
except ImportError:  # Windows, where nobody removes a file that another has open
    fcntl = None

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def place(address: str | PathLike[str]) -> Path | UPath:
    """Give the path of an address: a local one, or that of any `fsspec` file system.

    Args:
        address: a path, or a URL such as ``s3://bucket/folder``.

    Raises:
        ValueError: if the path is empty, or its file system is unknown or needs a
            package that is not installed.

    Example:
        >>> place("runs/quick").name, place("memory://runs/quick").protocol
        ('quick', 'memory')
    """
    if isinstance(address, Path | UPath):
        return address
    if str(address) == "":
        raise ValueError("an empty path names no place; leave it out or name a folder")
    try:
        if str(address).startswith("://"):
            raise ValueError("it names no file system")
        if "://" not in str(address):
            return Path(address).expanduser()  # a shell leaves --output=~/x alone
        path = UPath(address)
        _ = path.fs  # its package is asked for here and not when something is written
    except (ImportError, OSError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"{address} cannot be reached: {error}; name a local path, or a URL such "
            "as s3://bucket/folder"
        ) from error
    return path


def local_folder(address: str | PathLike[str]) -> Path:
    """Give the path of a folder on this machine.

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
    """Give the path of a file to write, if it looks as if that could be written.

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
        _check_target(path)
        there = next(p for p in path.absolute().parents if p.exists())
        if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, f"{there} takes no files")
    except OSError as error:
        raise unwritable(path, error) from error


def _check_target(path: Path) -> None:
    """Refuse what a renamed file must not take the place of, such as /dev/null."""
    if path.name in ("", "..") or path.is_dir():
        raise ValueError(f"{path} is a folder; name a file in it")
    if path.exists() and not path.is_file():
        raise ValueError(f"{path} is a device and no file; name a file")


def unwritable(path: Path | UPath, error: Exception) -> ValueError:
    """Give the error that says why a place cannot be written, and what to do."""
    remedy = "choose another folder"
    if getattr(error, "errno", None) in FULL:
        remedy = "make room and run the same command again; what is done is kept"
    why = getattr(error, "strerror", None) or error
    return ValueError(f"{path} cannot be written ({why}); {remedy}")


def replace_file(path: Path | UPath, content: bytes) -> None:
    """Write a file whole or not at all.

    A local file gets a temporary name beside it, is brought to the disk and renamed;
    elsewhere a file is one upload.

    Raises:
        ValueError: if the place cannot be written.
    """
    try:
        if isinstance(path, Path):
            _check_target(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(path, Path):
            _replace_local(path, content)
        else:
            path.write_bytes(content)
    except OSError as error:
        raise unwritable(path, error) from error


def _replace_local(path: Path, content: bytes) -> None:
    """Write a temporary file and rename it; what a killed write has left goes."""
    sweep_out(path.parent, path.name)
    written = False
    while not written:
        temporary = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
        try:
            _write_marked(temporary, content)
            written = _renamed(temporary, path)
        finally:
            with contextlib.suppress(OSError):  # it is not there where all went well
                temporary.unlink()


def _renamed(temporary: Path, path: Path) -> bool:
    """Say whether a file was renamed; it is swept out where it bears no mark yet."""
    try:
        os.replace(temporary, path)
    except FileNotFoundError:
        return False
    return True


def _write_marked(temporary: Path, content: bytes) -> None:
    """Bring a new file to the disk, marked as being written until it is closed.

    The mark is a lock, which the system takes back from a killed process. Without one,
    on a file system that knows no locks, nobody sweeps the file.
    """
    with temporary.open("xb") as file:
        if fcntl is not None:
            with contextlib.suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sweep_out(folder: Path, name: str | None = None) -> None:
    """Remove temporary files that killed processes have left; those of live ones stay.

    Args:
        folder: where they lie.
        name: of the file that was to be written; any unless given.
    """
    named = "*" if name is None else glob.escape(name)
    for left in folder.glob(f".{named}.{'[0-9a-f]' * 32}.tmp"):
        # It is gone, being written, or lies where there are no locks to tell.
        with contextlib.suppress(OSError):
            _remove_unmarked(left)


def _remove_unmarked(left: Path) -> None:
    if fcntl is None:
        left.unlink()
        return
    with left.open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        left.unlink()


@contextlib.contextmanager
def lock_held(path: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold a lock against other processes; yield whether it is held.

    The system takes the lock of a killed process back.

    Args:
        path: of the lock, a file of its own.
        wait: whether to wait where another process holds it.

    Raises:
        ValueError: if the place cannot be written, or knows no locks.
    """
    lock = FileLock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=-1 if wait else 0)
    except Timeout:
        yield False
        return
    except (OSError, NotImplementedError) as error:  # read-only, or without locks
        raise unwritable(path.parent, error) from error
    try:
        yield True
    finally:
        lock.release()


def append_lines(path: Path | UPath, lines: bytes) -> None:
    """Add whole lines to a file to which other processes add theirs.

    A last line that a killed process left unfinished goes. Only local files know locks:
    elsewhere one process may add lines at a time.

    Raises:
        ValueError: if the place cannot be written.
    """
    if not isinstance(path, Path):
        before = path.read_bytes() if path.exists() else b""
        replace_file(path, before + lines)
        return
    with lock_held(path.with_name(f".{path.name}.lock")):
        try:
            _append(path, lines)
        except OSError as error:
            raise unwritable(path, error) from error


def _append(path: Path, lines: bytes) -> None:
    """Add lines behind the last whole one, or leave the file at that."""
    with path.open("a+b") as file:
        end = _end_of_lines(file)
    os.truncate(path, end)
    try:
        with path.open("ab") as file:
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        os.truncate(path, end)
        raise


def _end_of_lines(file: BinaryIO) -> int:
    """Return where the last whole line ends."""
    end = file.seek(0, os.SEEK_END)
    file.seek(max(0, end - 1))
    if file.read(1) in (b"", b"\n"):
        return end
    file.seek(0)
    return file.read().rfind(b"\n") + 1


def tree_bytes(tree: xr.DataTree) -> bytes:
    """Give a tree as one NetCDF-4 file."""
    return bytes(tree.to_netcdf(engine="h5netcdf"))


def tree_from(content: bytes, name: str) -> xr.DataTree:
    """Give back what `tree_bytes` made.

    Args:
        content: the bytes.
        name: what to call them in an error.

    Raises:
        ValueError: if they are no complete NetCDF-4 file.
    """
    return _load(BytesIO(content), name)


def save_tree(tree: xr.DataTree, path: str | PathLike[str]) -> None:
    """Write a tree as one NetCDF-4 file.

    Raises:
        ValueError: if the place cannot be written.
    """
    replace_file(place(path), tree_bytes(tree))


def load_tree(path: str | PathLike[str]) -> xr.DataTree:
    """Read a tree whole; the file is closed again.

    Raises:
        ValueError: if there is no such file or it is no complete NetCDF-4 file.
    """
    return _load(path, str(path))


def _load(source: str | PathLike[str] | BinaryIO, name: str) -> xr.DataTree:
    try:
        with xr.open_datatree(source, engine="h5netcdf") as tree:  # pyright: ignore[reportArgumentType]
            return tree.load()
    except FileNotFoundError:
        raise ValueError(f"there is no file {name}; name one that exists") from None
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise ValueError(
            f"{name} cannot be read ({str(error).splitlines()[0]}); it may be "
            "truncated: make it again"
        ) from error
