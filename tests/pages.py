"""Pages of questions, each with code and what it prints."""

import contextlib
import io
import re
from pathlib import Path

DOCS = Path(__file__).parent.parent / "docs"
CODE, TEXT = (rf"```{kind}\n(.*?)```" for kind in ("python", "text"))


def questions(page: str) -> list[str]:
    """Return what a page holds after its first part, question by question."""
    return _parts(page)[1:]


def answers(page: str, question: str) -> tuple[str, str]:
    """Return what the code of a question prints, and what the page says of it."""
    names, out = {"__name__": page}, io.StringIO()
    for text in (_parts(page)[0], question):
        (code,) = re.findall(CODE, text, flags=re.DOTALL)
        with contextlib.redirect_stdout(out):
            exec(compile(code, page, "exec"), names)
    (said,) = re.findall(TEXT, question, flags=re.DOTALL)
    return out.getvalue(), said


def _parts(page: str) -> list[str]:
    return (DOCS / page).read_text(encoding="utf-8").split("\n## ")
