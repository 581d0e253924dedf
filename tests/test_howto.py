"""What docs/howto.md answers is what its code prints."""

import contextlib
import io
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parent.parent / "docs/howto.md"
CODE, TEXT = (rf"```{kind}\n(.*?)```" for kind in ("python", "text"))
FIRST, *QUESTIONS = PAGE.read_text(encoding="utf-8").split("\n## ")


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda q: q.splitlines()[0])
def test_the_answer_is_what_the_code_prints(question):
    names, out = {"__name__": "howto"}, io.StringIO()
    for text in (FIRST, question):
        (code,) = re.findall(CODE, text, flags=re.DOTALL)
        with contextlib.redirect_stdout(out):
            exec(compile(code, PAGE.name, "exec"), names)
    assert [out.getvalue()] == re.findall(TEXT, question, flags=re.DOTALL)
