"""Laws on families and seeds they were not fitted to, on data with a known law."""

import numpy as np
import pandas as pd
import pytest

from experiments.calibration import preset, run_one, second
from experiments.calibration.early import look_early
from experiments.calibration.second import (
    AVERAGE,
    CANDIDATES,
    TWIN,
    covariates,
    falling,
    saturating,
    second_round,
)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Few draws: no test asks how precise the ends of intervals are."""
    monkeypatch.setattr(second, "RESAMPLES", 20)


COLUMNS = sorted({c for columns in CANDIDATES.values() for c in columns})


def table(seed, families=("one", "two", "three"), cells=("A", "B", "C")):
    """Give runs of 5 bands whose learning probe strength and share decide exactly."""
    random, rows = np.random.default_rng(seed), []
    places = [(f, c, n) for f in families for c in cells for n in (16, 64)]
    for run, (family, cell, n) in enumerate(places):
        own = pd.DataFrame(random.normal(size=(5, len(COLUMNS))), columns=COLUMNS)
        own["learnt"] = own["s"] + own["now"] > 0
        facts = {"run": run, "family": family, "cell": cell, "samples": n}
        rows.append(own.assign(**facts))
    return pd.concat(rows, ignore_index=True)


def test_the_law_that_decides_passes_and_the_average_is_the_mean():
    found = second_round(table(0), table(1)).set_index(["method", "family"])
    right, blind = found.loc["G strength and share"], found.loc["J saturating curve"]
    assert right.loc[AVERAGE, "auc"] > 0.98
    assert right.loc[AVERAGE, "error"] < 0.5 < blind.loc[AVERAGE, "error"]
    assert blind.loc[AVERAGE, "auc"] == pytest.approx(0.5, abs=0.15)
    families = right.drop(AVERAGE)
    for one in (right, blind):
        mean = one.drop(AVERAGE)["error"].mean()
        assert one.loc[AVERAGE, "error"] == pytest.approx(mean)
    assert right.loc[AVERAGE, "runs"] == families["runs"].sum() == 18
    assert (right["error_lower"] <= right["error"]).all()
    assert (right["error"] <= right["error_upper"]).all()


def test_a_law_never_sees_the_family_it_is_used_on():
    fitted, tried = table(0), table(1)
    own = fitted["family"] == "two"
    other = fitted.assign(learnt=fitted["learnt"] ^ own)  # as wrong as can be
    one, two = (
        second_round(f, tried).set_index(["family", "method"]).loc["two"].drop(TWIN)
        for f in (fitted, other)
    )
    pd.testing.assert_frame_equal(one, two)


def test_the_twin_is_the_window_of_the_other_seeds():
    fitted = table(0)
    found = second_round(fitted, fitted).set_index(["method", "family"])
    assert (found.loc[TWIN, "error"] == 0).all()


def test_a_saturating_curve_is_continued_exactly():
    limit, rate = np.array([0.9, 0.4, -0.2]), 0.7
    start, half, now, later = (limit * (1 - rate**k) for k in (0, 1, 2, 12))
    found = saturating(start, half, now, 10)
    np.testing.assert_allclose(found[:2], later[:2], rtol=1e-12)
    assert found[2] == now[2]  # a share that falls is left where it is
    faster = saturating(*(np.array([v]) for v in (0.0, 0.1, 0.3)), 2)
    assert faster[0] == pytest.approx(0.7)  # grows no faster than last seen


def test_scores_are_made_to_fall():
    score = np.array([[1.0, 3.0, -1.0, -3.0], [4.0, 1.0, 0.0, -1.0]])
    found = falling(score)
    np.testing.assert_allclose(found[0], [2.0, 2.0, -1.0, -3.0])
    np.testing.assert_allclose(found[1], score[1])


def test_records_give_the_covariates_and_must_belong_together():
    runs = preset("tiny").runs()[:2]
    records, early = [run_one(r) for r in runs], [look_early(r) for r in runs]
    rows = covariates(records, early)
    run, record, look = runs[1], records[1], early[1]
    own, task = rows[rows["run"] == 1], runs[1].family.task
    count = run.samples * task.steps
    np.testing.assert_allclose(np.exp(own["per_parameter"]), count / look["parameters"])
    lag, c = np.array(record["centre"]), np.array(record["coefficient"])
    wanted = c * look["g"] * np.sqrt(run.samples * (task.steps - lag)) / task.noise
    np.testing.assert_allclose(np.exp(own["direct"]), wanted, rtol=1e-9)
    now, half = np.array(record["warm"]["share"]), np.array(record["half"])
    steps = np.log(np.maximum(now + 38 * (now - half), 1e-3) * 2)
    np.testing.assert_allclose(own["budgets"], np.minimum(own["detection"], steps))
    with pytest.raises(ValueError, match="another training"):
        covariates(records, early[::-1])
