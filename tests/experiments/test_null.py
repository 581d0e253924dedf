"""The null experiment: its data, and what it counts."""

import pandas as pd
import torch

from experiments.null import KINDS, detected, study, table, windows
from learnability.models.layer import silent
from learnability.randomness import stream, torch_generator


def test_a_study_is_made_again():
    for kind in KINDS.values():
        one, other = (study(kind, torch_generator(stream(5, "a"))) for _ in range(2))
        for a, b in zip(one[1], other[1], strict=True):
            assert torch.equal(a, b)
        assert detected(one[0], kind, one[1]) == detected(other[0], kind, other[1])


def test_windows_and_their_table():
    first, *others = KINDS  # of which one study each shows as much
    parts = [windows(first, 2, 0, silent)]
    parts += [windows(name, 1, 0, silent) for name in others]
    found = pd.concat(parts)
    assert list(found.groupby("kind", sort=False).groups) == list(KINDS)
    assert (found["window"] <= found["longest lag"]).all()
    rows = table(found).splitlines()
    assert len(rows) == 2 + len(KINDS) + 1
    none = (found["window"] == 0).sum()
    never = (found["longest lag"] == 0).sum()
    assert (
        rows[-1] == f"| all | {len(KINDS) + 1} | {none} | {len(KINDS) + 1} | {never} |"
    )
