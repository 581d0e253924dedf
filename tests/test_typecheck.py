"""The checks that run along with the tests notice what is of another type or shape."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from jaxtyping import Float

from .typecheck import check, sparing

checked = sparing(typechecker=check)
Rows = Float[np.ndarray, "row 2"]


@checked
def added(a: Rows, b: Float[np.ndarray, " row"], times: float = 1.0) -> Rows:
    return (a + times * b[:, None])[: None if times > 0 else 1]


@checked
def doubled(times: float) -> float:
    return 2 * times if times > 0 else "nothing"


@checked
def drawn(rows: Rows, more: Float[np.ndarray, " row"]) -> Iterator[Rows]:
    yield rows + more[:, None]


@checked
@dataclass(frozen=True)
class Pair:
    a: Rows
    b: Float[np.ndarray, " row"]


ROWS, ONE = np.zeros((3, 2)), np.zeros(3)


def test_what_fits_passes():
    assert (
        added(ROWS, ONE).shape
        == next(drawn(ROWS, ONE)).shape
        == Pair(ROWS, ONE).a.shape
    )
    assert doubled(1) == 2


@pytest.mark.parametrize("made", [added, drawn, Pair])
@pytest.mark.parametrize(
    "wrong", [np.zeros(4), np.zeros((3, 1)), np.zeros(3, int), 0.0]
)
def test_arrays_of_other_types_and_of_axes_that_disagree_are_noticed(made, wrong):
    with pytest.raises(Exception, match=r"type hint|Type-check error"):
        made(ROWS, wrong)


def test_what_is_returned_and_what_is_no_array_is_checked_too():
    for made, given in (
        (added, (ROWS, ONE, -1.0)),
        (doubled, (-1.0,)),
        (doubled, ("",)),
    ):
        with pytest.raises(Exception, match="type hint"):
            made(*given)
