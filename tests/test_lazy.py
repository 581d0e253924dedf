"""What is asked for little loads little."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import learnability

HEAVY = {"torch", "numba", "matplotlib", "xarray", "pandas", "scipy"}


def loaded(code: str) -> set[str]:
    """Return the heavy packages that a process has loaded after some code."""
    code = f"{code}\nimport sys\nprint(*set(sys.modules) & {HEAVY!r}, file=sys.stderr)"
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return set(done.stderr.split())


@pytest.mark.parametrize(
    "code",
    [
        "import learnability as lw; lw.__version__; dir(lw)",
        "from learnability.cli import main; main(['--version'])",
        "from learnability.cli import main; main(['--help'])",
    ],
)
def test_nothing_heavy_is_loaded_for(code):
    assert loaded(code) == set()


def test_a_name_loads_what_it_needs():
    assert "torch" in loaded("from learnability import GRU")


def test_a_function_is_not_hidden_by_its_module():
    """The package ``learnability.unroll`` bears the name of its function.

    One process asks in every order: it forgets the package, and not what that needs.
    """
    code = """
import sys
for first in ("lw.Network", "lw.unroll", "lw.cells", "1"):
    for name in [n for n in sys.modules if n.split(".")[0] == "learnability"]:
        del sys.modules[name]
    import learnability as lw, learnability.cells
    assert "Network" not in vars(lw), "not forgotten"
    eval(first)
    from learnability.unroll import unroll
    assert lw.unroll is unroll, first
"""
    assert "torch" in loaded(code)


def test_every_public_name_is_there_and_known_to_type_checkers():
    source = ast.parse(Path(str(learnability.__file__)).read_text(encoding="utf-8"))
    (checked,) = (n for n in source.body if isinstance(n, ast.If))
    told = {
        alias.name
        for node in checked.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert told == set(learnability.__all__)
    for name in learnability.__all__:
        assert getattr(learnability, name) is getattr(learnability, name)
        assert name in dir(learnability)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = learnability.nothing  # pyright: ignore[reportAttributeAccessIssue]
