"""The name of machine code on disk follows every source that it was made from."""

import ast
import importlib
import shutil
import sys
from importlib import resources
from pathlib import Path

import numba.core.caching
import pytest

from learnability.compiled import _row_gradients, _scan, _sweep, _windows, runtime
from learnability.compiled.runtime import DIGITS, kernel, source_hash

LOOP = """
from learnability.compiled.runtime import kernel

@kernel
def run(x):
    return 2 * x
"""


@pytest.fixture
def copied(tmp_path):
    """The package's sources, in a place where they may be changed."""
    root = tmp_path / "learnability"
    shutil.copytree(str(resources.files("learnability")), root)
    return root


def compiled(folder, made_from, monkeypatch):
    """Import a loop as if it were made from other sources; return it."""
    monkeypatch.setattr(runtime, "_made_from", lambda: made_from)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (folder / "loops_of_test.py").write_text(LOOP)
    monkeypatch.syspath_prepend(str(folder))
    sys.modules.pop("loops_of_test", None)
    importlib.invalidate_caches()
    run = importlib.import_module("loops_of_test").run
    assert run(10.0) == 20.0
    return run


def test_other_sources_are_another_name_and_what_is_stale_is_swept(
    tmp_path, monkeypatch
):
    for digit in "ab":
        run = compiled(tmp_path, digit * DIGITS, monkeypatch)
        assert run.stats.cache_misses
        assert not run.stats.cache_hits
        (name,) = {path.name for path in tmp_path.rglob("*.nbi")}
        assert f"run_{digit * DIGITS}-" in name
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.nb*")}
    assert compiled(tmp_path, "b" * DIGITS, monkeypatch).stats.cache_hits
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.nb*")} == before


def test_all_that_is_kept_on_disk_is_named_so():
    root = Path(str(resources.files("learnability")))
    for path in root.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.keyword) and node.arg == "cache":
                assert path.name == "runtime.py", path


KERNELS = (
    _scan.forward,
    _scan.backward,
    _scan.tangent,
    _windows.all_windows,
    _sweep.partials,
    _sweep.sweep_block,
    _row_gradients.block_gradients,
)


def test_the_library_s_loops_bear_the_hash_of_their_sources(copied):
    for loop in KERNELS:
        assert loop.py_func.__qualname__.endswith(f"_{source_hash(copied)}")


def test_all_that_a_loop_is_made_from_lies_in_the_folders_that_are_hashed():
    """Modules of loops import nothing else of the package that is compiled in."""
    for path in Path(str(resources.files("learnability.compiled"))).glob("_[a-z]*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.level == 2:
                assert (node.module or "").partition(".")[0] in runtime.FOLDERS, path


@pytest.mark.parametrize(
    ("changed", "follows"),
    [
        ("compiled/_pointwise.py", True),
        ("compiled/runtime.py", True),
        ("cells/closed.py", True),
        ("words.py", False),
        ("plots/style.py", False),
    ],
)
def test_the_hash_follows_every_source_of_loops(copied, changed, follows):
    before = source_hash(copied)
    with (copied / changed).open("a") as file:
        file.write("\n# changed")
    assert (source_hash(copied) != before) == follows


def test_a_machine_without_a_place_for_it_still_compiles(monkeypatch):
    monkeypatch.setattr(numba.core.caching.CacheImpl, "_locator_classes", [])
    with pytest.warns(UserWarning, match="set NUMBA_CACHE_DIR to a folder"):
        made = kernel(_double)
    assert made(4.0) == 8.0


def _double(x):
    return 2 * x
