"""What docs/frameworks.md answers is what its code prints, with the real packages."""

from pathlib import Path

import pytest

from tests.pages import answers, questions

PAGE = "frameworks.md"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("question", questions(PAGE), ids=lambda q: q.splitlines()[0])
def test_the_answer_is_what_the_code_prints(
    question: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    printed, said = answers(PAGE, question)
    assert printed == said
