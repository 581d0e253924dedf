"""Seen, kept and learnt: what a diagnosis holds, and why some of it is not known."""

import numpy as np
import pytest
import xarray as xr

from learnability.summaries.progress import over_seeds, progress, progress_by_lag
from learnability.summaries.windows import OWN

LAGS = [1, 2, 4, 8, 16]
NONE = np.full(6, np.nan)


def tree(*, own=(np.nan, 2, 8, 40, np.nan), needed=(1, 2, 4, 20, 99), **verdict):
    """Return a diagnosis of 10 sequences that holds dependencies at lags 2, 4, 8."""
    known = {
        "found": np.array([0, 0, 1, 1, 1, 0.0]),
        "kept": np.array([0.9, 0.05, 0.9, 0.9, 0.05, 0.9]),
        "kept_error": np.full(6, 0.01),
        "share": np.array([np.nan, np.nan, 0.9, 0.2, 0.4, np.nan]),
        "share_lower": np.full(6, 0.3),
    }
    attrs = {"heldout": 1, "notes": ""} | verdict.pop("attrs", {})
    data = {name: ("lag", v) for name, v in (known | verdict).items()}
    own, needed = np.array(own), np.array(needed)
    need = dict.fromkeys(OWN, ("lag", own))
    need |= dict.fromkeys(OWN.values(), ("lag", needed))
    return xr.DataTree.from_dict(
        {
            "/": xr.Dataset(attrs={"sequences": 10}),
            "detection": xr.Dataset(need, {"lag": LAGS}),
            "verdict": xr.Dataset(data, {"lag": [0, *LAGS]}, attrs),
        }
    )


def test_each_is_told_of_the_lags_that_hold_a_dependency():
    found = progress(tree())
    assert found.record() == {"seen": 4, "kept": 4, "learnt": "2"}
    assert not found.why
    assert progress(tree(), 1).seen == 0
    assert progress(tree(), 100).seen == 8


def test_a_lag_is_seen_at_its_own_strength_or_at_that_of_all():
    table = progress_by_lag(tree())
    assert table.index.tolist() == [0, *LAGS]
    assert table.seen.tolist()[1:] == [True, True, True, False, False]
    assert table.seen.isna().tolist() == [True, *[False] * 5]
    assert table.learnt.dropna().tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("given", "missing", "reason"),
    [
        ({"own": [np.nan] * 5}, {"seen"}, "no dependency was found"),
        ({"own": [np.nan] * 5, "needed": [np.nan] * 5}, {"seen"}, "the error that is"),
        ({"share": NONE, "attrs": {"heldout": 0}}, {"learnt"}, "give heldout="),
        ({"share": NONE}, {"learnt"}, "no lag's share is resolved"),
        (
            {"share": NONE, "kept": NONE, "attrs": {"notes": "too many lags"}},
            {"kept", "learnt"},
            "too many lags",
        ),
        (
            {"share": NONE, "found": np.zeros(6)},
            {"kept", "learnt"},
            "no dependency was found",
        ),
    ],
)
def test_what_is_not_known_has_a_reason(given, missing, reason):
    found = progress(tree(**given))
    assert set(found.why) == missing
    assert all(why.startswith(reason) for why in found.why.values())
    assert reason in found.row()["why"]
    cells = found.cells()
    assert {name for name in cells if cells[name] == "n/a"} == missing


def test_files_older_than_this_say_so():
    old = tree().drop_nodes("verdict")
    assert {why[:12] for why in progress(old).why.values()} == {"not measured"}
    assert progress_by_lag(old).kept.isna().all()


def test_a_state_that_forgets_the_first_lag_keeps_none():
    assert progress(tree(kept=np.array([1, 1, 0.05, 1, 1, 1.0]), share=NONE)).kept == 0


def test_what_is_learnt_is_kept_and_what_is_not_told_from_nothing_is_not():
    share = np.array([np.nan, np.nan, 0.9, 0.9, 0.9, np.nan])
    assert progress(tree(share=share)).kept == 8
    assert progress(tree(kept_error=np.full(6, 0.5))).kept == 2
    assert progress(tree(share_lower=np.full(6, 0.2))).learnt == ()


def test_seeds_are_averaged_and_only_what_all_have_learnt_is_learnt():
    one = progress(tree(share=np.array([np.nan, 0, 0.9, 0.9, 0.4, np.nan])))
    two = progress(tree(share=np.array([1, 0, 0.9, 0, 0, np.nan])), 100)
    both = over_seeds([one, two, progress(tree().drop_nodes("verdict"))])
    assert (both.seen, both.kept, both.learnt) == (16 / 3, 4, (2,))
