"""What the how-to pages answer is what their code prints."""

import contextlib
import io
import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "docs/howto"
FIRST = FOLDER / "index.md"
PAGES = sorted(set(FOLDER.glob("*.md")) - {FIRST})


def blocks(page: Path, kind: str) -> list[str]:
    """Return a page's fenced blocks of one kind."""
    return re.findall(rf"^```{kind}\n(.*?)^```", page.read_text("utf-8"), re.M | re.S)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_answer_is_what_the_code_prints(page):
    names, out = {"__name__": "howto"}, io.StringIO()
    for code in blocks(FIRST, "python") + blocks(page, "python"):
        with contextlib.redirect_stdout(out):
            exec(compile(code, page.name, "exec"), names)
    assert out.getvalue() == "".join(blocks(page, "text"))
