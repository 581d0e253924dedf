"""What docs/howto.md answers is what its code prints."""

import pytest

from .pages import answers, questions

PAGE = "howto.md"


@pytest.mark.parametrize("question", questions(PAGE), ids=lambda q: q.splitlines()[0])
def test_the_answer_is_what_the_code_prints(question):
    printed, said = answers(PAGE, question)
    assert printed == said
