"""What the how-to pages answer is what their code prints.

``python -m tests.test_howto`` runs them and writes what they print.
"""

import contextlib
import io
import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "docs/howto"
FIRST = FOLDER / "index.md"
PAGES = sorted(set(FOLDER.glob("*.md")) - {FIRST})
BLOCK = re.compile(r"^```(python|text)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def told(page: Path) -> str:
    """Run a page's code after the first page's; return it with what that prints."""
    names, out = {"__name__": "howto"}, io.StringIO()

    def anew(block: re.Match[str]) -> str:
        kind, content = block.groups()
        if kind == "python":
            with contextlib.redirect_stdout(out):
                exec(compile(content, page.name, "exec"), names)
            return block[0]
        printed = out.getvalue()
        out.seek(0)
        out.truncate()
        return f"```text\n{printed}```"

    BLOCK.sub(anew, FIRST.read_text(encoding="utf-8"))
    return BLOCK.sub(anew, page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_answer_is_what_the_code_prints(page):
    assert page.read_text(encoding="utf-8") == told(page)


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(told(page), encoding="utf-8")
