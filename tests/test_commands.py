"""Every command's help stands in docs/commands.md as the command prints it.

``python -m tests.test_commands`` writes the page.
"""

import io
from pathlib import Path

from rich.console import Console

from learnability.cli import app

PAGE = Path(__file__).parent.parent / "docs/commands.md"
WIDTH = 88


def commands() -> list[str]:
    """Give the names of all commands."""
    return sorted(name for name in app if not name.startswith("-"))


def told(*words: str) -> str:
    """Give the help of a command as text."""
    paper = io.StringIO()
    console = Console(file=paper, width=WIDTH, color_system=None, legacy_windows=False)
    app.help_print(list(words), console=console)
    return "\n".join(line.rstrip() for line in paper.getvalue().splitlines()).strip()


def page() -> str:
    """Give the page with all help texts."""
    parts = ["# Commands", "", "What `learnability --help` and its commands print."]
    for words in ([], *([name] for name in commands())):
        name = " ".join(["learnability", *words])
        parts += ["", f"## {name}", "", "```text", told(*words), "```"]
    return "\n".join(parts) + "\n"


def test_help_and_docs_agree():
    assert PAGE.read_text(encoding="utf-8") == page(), (
        "docs/commands.md is old; write it anew with python -m tests.test_commands"
    )


def test_every_command_says_what_its_options_do():
    for name in commands():
        text = told(name)
        assert len(text) > 200
        assert f"learnability {name}" in text


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
