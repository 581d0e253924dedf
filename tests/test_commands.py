"""Every command's help stands in the docs as the command prints it.

``python -m tests.test_commands`` writes the pages.
"""

import io
import re
import shlex
from pathlib import Path

import pytest
from cyclopts import App
from rich.console import Console

from experiments.cli import app as experiments
from learnability.cli import app as product

ROOT = Path(__file__).parent.parent
PAGES = {"docs/commands.md": product, "docs/evidence/experiments.md": experiments}
WIDTH = 88
every_page = pytest.mark.parametrize(("path", "app"), PAGES.items(), ids=PAGES.keys())


def commands(app: App) -> list[str]:
    """Give the names of all commands."""
    return sorted(name for name in app if not name.startswith("-"))


def told(app: App, *words: str) -> str:
    """Give the help of a command as text."""
    paper = io.StringIO()
    console = Console(file=paper, width=WIDTH, color_system=None, legacy_windows=False)
    app.help_print(list(words), console=console)
    return "\n".join(line.rstrip() for line in paper.getvalue().splitlines()).strip()


def page(app: App) -> str:
    """Give the page with all help texts."""
    (first,) = app.name
    parts = ["# Commands", "", f"What `{first} --help` and its commands print."]
    for words in ([], *([name] for name in commands(app))):
        name = " ".join([first, *words])
        parts += ["", f"## {name}", "", "```text", told(app, *words), "```"]
    return "\n".join(parts) + "\n"


@every_page
def test_help_and_docs_agree(path, app):
    assert (ROOT / path).read_text(encoding="utf-8") == page(app), (
        f"{path} is old; write it anew with python -m tests.test_commands"
    )


@every_page
def test_every_command_says_what_its_options_do(path, app):
    for name in commands(app):
        text = told(app, name)
        assert len(text) > 200
        assert f"{app.name[0]} {name}" in text


@pytest.mark.parametrize("name", commands(product))
def test_every_command_has_an_example_that_it_takes(name):
    found = re.search(r"For example: (.+?)\n\n", told(product, name), re.DOTALL)
    assert found is not None
    program, *words = shlex.split(found[1])
    assert (program, words[0]) == ("learnability", name)
    product.parse_args(words, exit_on_error=False, print_error=False)


if __name__ == "__main__":
    for path, app in PAGES.items():
        (ROOT / path).write_text(page(app), encoding="utf-8")
