"""Generated diagnoses end in a result or in one sentence."""

import pytest

from experiments.fuzz import case, ending

GROUP = 20


@pytest.mark.slow
@pytest.mark.parametrize("group", range(4))
def test_generated_diagnoses(group):
    """None is a finding, and each group has some that fit together and some not."""
    met = set()
    for number in range(group * GROUP, (group + 1) * GROUP):
        one = case(0, number)
        how, words = ending(one)
        # What is of no type that is taken does not pass the suite's type checks.
        if words.startswith("WrongTypeError") and "diagnose.diagnose()" in words:
            continue
        assert how != "finding", f"case {number}, {one}: {words}"
        met.add(how)
    assert met == {"result", "sentence"}


def test_what_lets_nothing_through_has_a_result():
    assert ending(case(21, 35))[0] == "result"


@pytest.mark.parametrize(
    ("seed", "number"), [(20, 461), (20, 1067), (20, 1523), (20, 5950), (0, 191)]
)
def test_cases_that_once_ended_in_neither(seed, number):
    """No sequences at all; one target less than inputs."""
    assert ending(case(seed, number))[0] == "sentence"


def test_a_case_can_be_made_again():
    one, other = case(0, 3), case(0, 3)
    assert str(one) == str(other)
    assert ending(one) == ending(other)
    assert str(one) != str(case(1, 3))
