"""Machine code on disk, under names that say from what sources it was made.

Numba finds what it has kept by a function's file, name and line, and takes it for fresh
while that one file is what it was: after a change in a module that a loop calls, the
old machine code would run on.
"""

import ast
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from hashlib import sha256
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from numba import njit

# Of the hash in a name.
DIGITS = 12


def kernel(function: Callable) -> Any:
    """Compile a loop that Python calls, and keep its machine code on disk.

    It is kept where Numba keeps it: beside the source, or in the user's cache where
    that is read-only. What was made of the same loop from other sources is deleted.

    Args:
        function: the loop, whose name gets the hash of all that it is made from.
    """
    module, name = function.__module__, function.__qualname__
    made_from = source_hash(module, resources.files(module.partition(".")[0]))
    function.__qualname__ += f"_{made_from}"
    try:
        made = njit(cache=True, nogil=True)(function)
    except RuntimeError as error:  # Numba finds no folder that can be written to
        warnings.warn(
            f"compiled loops cannot be kept and are compiled at each start ({error}); "
            "set NUMBA_CACHE_DIR to a folder that can be written to",
            stacklevel=2,
        )
        return njit(nogil=True)(function)
    loop: Any = made  # Numba keeps the place to itself
    _sweep(Path(loop._cache.cache_path), f"{module.split('.')[-1]}.{name}_", made_from)
    return made


def _sweep(folder: Path, start: str, made_from: str) -> None:
    """Delete what was compiled from other sources; another process may be faster."""
    stale = re.compile(rf"{re.escape(start)}(?!{made_from})[0-9a-f]{{{DIGITS}}}-")
    for file in folder.glob(f"{start}*"):
        if stale.match(file.name):
            with suppress(OSError):
                file.unlink()


def source_hash(module: str, root: Traversable) -> str:
    """Return a hash of a module's source and of all that it imports of its package.

    Args:
        module: its name, such as ``package.part.module``.
        root: the package's folder.
    """
    found: dict[str, bytes] = {}
    left = {module}
    while left:
        name = left.pop()
        file = _file(name, root)
        if file is not None and name not in found:
            found[name] = file.read_bytes()
            left.update(_imported(name, found[name], file.name == "__init__.py"))
    whole = sha256()
    for name in sorted(found):
        whole.update(sha256(name.encode()).digest() + sha256(found[name]).digest())
    return whole.hexdigest()[:DIGITS]


def _file(module: str, root: Traversable) -> Traversable | None:
    """Return the file of a module, or None where a name is that of something else."""
    place = root.joinpath(*module.split(".")[1:])
    beside = root.joinpath(*module.split(".")[1:-1], f"{module.split('.')[-1]}.py")
    files = (place.joinpath("__init__.py"), beside)
    return next((file for file in files if file.is_file()), None)


@cache
def _imported(module: str, source: bytes, is_package: bool) -> frozenset[str]:
    """Return what a module imports of its package: modules, and names in them."""
    package = module.partition(".")[0]
    names = set(_names(module, ast.parse(source), is_package))
    return frozenset(n for n in names if n.partition(".")[0] == package)


def _names(module: str, tree: ast.Module, is_package: bool) -> Iterator[str]:
    parts = module.split(".")
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = parts[: len(parts) - node.level + is_package] if node.level else []
            base = ".".join([*above, *filter(None, [node.module])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)
