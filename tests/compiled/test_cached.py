"""The name of machine code on disk follows every source that it was made from."""

import ast
import importlib
import re
import shutil
import sys
from importlib import resources
from pathlib import Path

import numba.core.caching
import pytest

from learnability.compiled import _row_gradients, _scan, _sweep, _windows
from learnability.compiled.runtime import DIGITS, kernel, source_hash

PACKAGE = {
    "__init__.py": "",
    "loops.py": """
from learnability.compiled.runtime import kernel
from .parts.helper import step

@kernel
def run(x):
    return step(x)
""",
    "parts/__init__.py": "from .. import other",
    "parts/helper.py": """
from numba import njit
from .deep import numbers
from . import constant

@njit
def step(x):
    return x * constant.FACTOR + numbers.TERM
""",
    "parts/constant.py": "FACTOR = 2",
    "parts/deep/__init__.py": "",
    "parts/deep/numbers.py": "import made.distant\nTERM = 1",
    "distant.py": "",
    "other.py": "",
    "unrelated.py": "",
}


@pytest.fixture
def made(tmp_path, monkeypatch):
    """A small package with a loop, its helper, and what that imports."""
    root = tmp_path / "made"
    for name, source in PACKAGE.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield root
    forget()


def forget() -> None:
    for name in [n for n in sys.modules if n.partition(".")[0] == "made"]:
        del sys.modules[name]


def result(root) -> float:
    """Import the package anew and run its loop."""
    forget()
    importlib.invalidate_caches()
    return importlib.import_module("made.loops").run(10.0)


def test_a_change_anywhere_below_a_loop_is_run(made):
    assert result(made) == 21
    (made / "parts/constant.py").write_text("FACTOR = 3")
    assert result(made) == 31
    (made / "parts/deep/numbers.py").write_text("TERM = 5")
    assert result(made) == 35
    helper = made / "parts/helper.py"
    helper.write_text(helper.read_text().replace("* constant", "- constant"))
    assert result(made) == 12
    (name,) = {path.name for path in made.rglob("*.nbi")}  # what is stale is swept
    assert re.search(rf"run_[0-9a-f]{{{DIGITS}}}-", name)


def test_what_has_not_changed_is_found_again(made):
    result(made)
    before = {p: p.stat().st_mtime_ns for p in made.rglob("*.nb*")}
    (made / "unrelated.py").write_text("x = 1")
    result(made)
    assert importlib.import_module("made.loops").run.stats.cache_hits
    assert {p: p.stat().st_mtime_ns for p in made.rglob("*.nb*")} == before


@pytest.mark.parametrize("name", PACKAGE)
def test_the_hash_follows_every_file_that_is_read(made, name):
    before = source_hash("made.loops", made)
    shutil.copytree(made, made.parent / "elsewhere/made")
    assert source_hash("made.loops", made.parent / "elsewhere/made") == before
    with (made / name).open("a") as file:
        file.write("\n# changed")
    changed = source_hash("made.loops", made) != before
    assert changed == (name != "unrelated.py")


def test_all_that_is_kept_on_disk_is_named_so():
    root = Path(str(resources.files("learnability")))
    for path in root.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.keyword) and node.arg == "cache":
                assert path.name == "runtime.py", path


@pytest.mark.parametrize(
    ("loop", "helper"),
    [
        (_scan.forward, "compiled/_pointwise.py"),
        (_scan.backward, "compiled/_transposed.py"),
        (_scan.tangent, "cells/closed.py"),
        (_windows.all_windows, "compiled/_carry.py"),
        (_windows.all_windows, "compiled/_vectors.py"),
        (_sweep.partials, "compiled/_pointwise.py"),
        (_sweep.sweep_block, "compiled/_tile.py"),
        (_row_gradients.block_gradients, "compiled/_scan.py"),
    ],
)
def test_the_library_s_loops_follow_their_helpers(tmp_path, loop, helper):
    module, name = loop.py_func.__module__, loop.py_func.__qualname__
    root = tmp_path / "learnability"
    shutil.copytree(str(resources.files("learnability")), root)
    assert name.endswith(source_hash(module, root))
    with (root / helper).open("a") as file:
        file.write("\n# changed")
    assert not name.endswith(source_hash(module, root))


def test_a_machine_without_a_place_for_it_still_compiles(monkeypatch):
    monkeypatch.setattr(numba.core.caching.CacheImpl, "_locator_classes", [])
    with pytest.warns(UserWarning, match="set NUMBA_CACHE_DIR to a folder"):
        made = kernel(_double)
    assert made(4.0) == 8.0


def _double(x):
    return 2 * x
