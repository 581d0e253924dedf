"""The README's code prints what it says, and its numbers are those of the evidence."""

import contextlib
import io
import re
from pathlib import Path

import pytest

import learnability as lw

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_code_prints_what_stands_below_it():
    (code,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    (text,) = re.findall(r"```text\n(.*?)```", README, flags=re.DOTALL)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "README.md", "exec"), {})
    assert printed.getvalue() == text


def test_every_public_name_is_there_once():
    for name in lw.__all__:
        assert hasattr(lw, name)
    assert sorted(lw.__all__) == sorted(set(lw.__all__))


@pytest.mark.parametrize(
    ("page", "said", "known"),
    [
        ("interventions", "87 % of 109 cases", "| **.87** (.77 to .95) |"),
        ("interventions", "passes over the data: 90 %", "| .90 (.81 to .96) |"),
        ("interventions", "71 % of 58 cases", "| **.71** (.49 to .91) |"),
        ("interventions", "(passes: 24 %)", "| .24 (.10 to .43) |"),
        ("calibration", "in 390 of 400 studies", "in 390 of 400 studies"),
        ("calibration", "94.4 to 97.4 %", "from 94.4 % to 97.4 %"),
    ],
)
def test_numbers_are_those_of_the_evidence(page, said, known):
    assert said in " ".join(README.split())
    assert known in (ROOT / f"docs/evidence/{page}.md").read_text(encoding="utf-8")
