"""Trees of labelled arrays on disk: written whole or not at all, read with care."""

import contextlib
import errno
import glob
import os
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO, final
from uuid import uuid4

import h5py
import xarray as xr
from filelock import FileLock, Timeout
from upath import UPath

try:
    import fcntl
except ImportError:  # Windows, where nobody removes a file that another has open
    fcntl = None

FORMAT = 3
"""Of every file that is kept; another one is refused."""
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def place(address: str | PathLike[str]) -> Path | UPath:
    """Return the path of an address: a local one, or that of any `fsspec` file system.

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


def check_target(path: Path) -> None:
    """Refuse what a renamed file must not take the place of, such as /dev/null.

    Args:
        path: of the file.

    Raises:
        ValueError: if it is a folder or a device.
    """
    if path.name in ("", "..") or path.is_dir():
        raise ValueError(f"{path} is a folder; name a file in it")
    if path.exists() and not path.is_file():
        raise ValueError(f"{path} is a device and no file; name a file")


def unwritable(path: Path | UPath, error: Exception) -> ValueError:
    """Return the error that says why a place cannot be written, and what to do."""
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
            check_target(path)
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


def stamp() -> dict[str, Any]:
    """Return what every file says of itself: its format, and the version that made it.

    Example:
        >>> sorted(stamp())
        ['format', 'learnability']
    """
    return {"format": FORMAT, "learnability": version("learnability")}


def check_format(stamped: Mapping[Any, Any], name: str) -> None:
    """Refuse a file of another format.

    Args:
        stamped: what it says of itself, as `stamp` does.
        name: what to call it.

    Raises:
        ValueError: if this version does not read its format.
    """
    found = stamped.get("format")
    if found == FORMAT:
        return
    maker = stamped.get("learnability")
    by = f"learnability {maker}" if maker else "an older version of learnability"
    kind = "without a format" if found is None else f"in format {found}"
    raise ValueError(
        f"{name} was written by {by} {kind}, and learnability "
        f"{version('learnability')} reads format {FORMAT}; read it with the version "
        "that wrote it, or make it again in another place"
    )


def tree_bytes(tree: xr.DataTree) -> bytes:
    """Return a tree as one NetCDF-4 file that states its format.

    Args:
        tree: what to write.
    """
    stamped = tree.copy()
    stamped.attrs = {**stamp(), **tree.attrs, "format": FORMAT}
    return bytes(stamped.to_netcdf(engine="h5netcdf"))


@final
class _Opened(h5py.File):
    """A file to read, of which every part is opened once, not each time it is named."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file, "r")
        self._parts: dict[str, Any] = {}

    def __getitem__(self, name: Any) -> Any:
        if not isinstance(name, str):  # a reference
            return super().__getitem__(name)
        if name not in self._parts:
            self._parts[name] = super().__getitem__(name)
        return self._parts[name]


def tree_from(content: bytes, name: str) -> xr.DataTree:
    """Return back what `tree_bytes` made.

    Args:
        content: the bytes.
        name: what to call them in an error.

    Raises:
        ValueError: if they are no complete NetCDF-4 file.
    """
    try:
        with _Opened(BytesIO(content)) as file:
            opened: Any = file  # h5netcdf takes it, whatever xarray's types say
            found = xr.open_datatree(opened, engine="h5netcdf").load()
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise ValueError(
            f"{name} cannot be read ({str(error).splitlines()[0]}); it may be "
            "truncated: make it again"
        ) from error
    made = {"format": found.attrs.pop("format", None)}
    for part in (found, *found.children.values()):
        if "learnability" in part.attrs:  # other programs write such files, too
            check_format({**part.attrs, **made}, name)
    return found


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
    try:
        content = place(path).read_bytes()
    except FileNotFoundError:
        raise ValueError(f"there is no file {path}; name one that exists") from None
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error})") from error
    return tree_from(content, str(path))
