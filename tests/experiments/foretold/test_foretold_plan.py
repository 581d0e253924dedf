"""The plan, what is measured of a warm-up, and what the laws say of it."""

import json

import numpy as np
import pandas as pd
import pytest

from experiments import provenance
from experiments.calibration.run import RunData, untrained
from experiments.calibration.settings import RunSettings
from experiments.foretold import look, measure, plan, rules, score
from experiments.foretold.dynamics import Kernel, target
from learnability.study.run import Architecture
from learnability.tasks import sharp
from learnability.training import mean_square_error, train

TASK = sharp((1, 3), coefficient=0.6, noise=0.2, inputs=2, steps=48)


def small(**changes):
    known = {
        "family": plan.Family(name="two", task=TASK),
        "label": "DiagGate",
        "architecture": Architecture(cell="DiagGate", units=4, gate=0.3),
        "samples": 8,
        "seed": 0,
        "updates": 60,
        "probed": 50,
        "fresh": 50,
        "validation": 8,
    }
    return RunSettings(**(known | changes))


def test_twins_follow_each_other_and_everything_is_there_once():
    every = plan.plan()
    first, second = every[::2], every[1::2]
    assert [one.model_copy(update={"seed": 5}) for one in first] == second
    assert len({run.identity() for run in every}) == len(every) == 6 * 4 * 2 * 2
    # Any beginning of a round has every family.
    assert len({run.family.name for run in every[:12]}) == 6


def test_kernels_of_the_families_are_those_that_are_stated():
    by_name = {family.name: family.task for family in plan.families()}
    lags = np.arange(plan.LAGS)
    ringing, hump = (target(by_name[n], plan.LAGS) for n in ("ringing", "hump"))
    wanted = np.exp(-lags / 12) * np.cos(2 * np.pi * lags / 14) * (lags > 0)
    wanted[32:] = 0
    np.testing.assert_allclose(ringing, wanted / np.linalg.norm(wanted), atol=1e-9)
    wanted = np.exp(-((lags - 12) ** 2) / 98) * (lags > 0) * (lags < 32)
    np.testing.assert_allclose(hump, wanted / np.linalg.norm(wanted), atol=1e-9)
    both = target(by_name["delays on a kernel"], plan.LAGS)
    assert both[[12, 20]].tolist() == [0.4, 0.4]
    assert both[2] / both[1] == pytest.approx(np.exp(-1 / 4))
    assert np.linalg.norm(both[1:7]) == pytest.approx(0.8)
    assert not both[7:12].any()


def test_a_look_is_of_the_weights_of_the_same_training(monkeypatch):
    monkeypatch.setattr(look, "AVERAGED", 1)
    run = small()
    found = look.look_ahead(run)
    assert len(found) == 2
    data = RunData.draw(run)
    network = untrained(run, data)
    sets = (data.training, data.validation)
    recipe = run.recipe.model_copy(update={"epochs": plan.LOOKS[1]})
    train(network, *sets, recipe, seed=data.batches)
    errors = [mean_square_error(network, d) for d in (data.probed, data.training)]
    assert found[1]["gap"] == pytest.approx(errors[0] - errors[1])
    looks = rules.looks_of(run, found)
    assert looks.fitting == pytest.approx((found[1]["gap"] - found[0]["gap"]) / 80)
    assert looks.seen[1].kernel.shape == (plan.LAGS, plan.LAGS)


def known(strength=1e-3, fitting=0.0):
    """Return looks of a network that knows nothing, its kernel growing by e in 20."""
    within = 1 - np.arange(plan.LAGS) / 48
    now = Kernel(strength * np.diag(within), np.zeros(plan.LAGS), within)
    before = now._replace(kernel=now.kernel / np.e)
    return rules.Looks((before, now), TASK, 0.1, 1e-3, 4, fitting)


def test_laws_end_with_the_last_update_or_at_the_clock():
    # Every lag decays alone at the rate 1e-3: 1 - exp(-0.76) after 760 updates.
    found = rules.said(known(), "A kernel stays", 800)
    assert found.clock == 800
    np.testing.assert_allclose(found.share, 1 - np.exp(-0.76), rtol=1e-6)
    # L + o t falls while 1e-3 2 sum W c^2/2 exp(-2e-3 t) > o.
    power = 0.36 * (47 + 45) / 48
    rate = 1e-3 * power * np.exp(-2e-3 * 200)
    found = rules.said(known(fitting=rate), "A kernel stays", 800)
    assert found.clock == pytest.approx(240, abs=1)
    grows = rules.said(known(fitting=rate), "B kernel grows", 800)
    assert (grows.share > 0.9).all()
    assert rules.said(known(), "B kernel grows", 800, slower=1e9).share.max() < 1e-6
    free = rules.said(known(fitting=rate), "A kernel stays", 800, clock=False)
    assert free.clock == 800


def test_a_law_runs_slower_as_its_single_delay_did():
    looks = known(1e-2)._replace(
        task=sharp((8,), coefficient=0.8, noise=0.3, inputs=2, steps=48)
    )
    # Half of it after log 2/0.01 = 69.3 updates.
    assert rules.slowness(looks, "A kernel stays", 800, 40 + 140) == 2.0
    assert rules.slowness(looks, "A kernel stays", 800, 16) == pytest.approx(1 / 70)
    assert rules.slowness(looks, "A kernel stays", 800, None) == 760 / 70
    assert rules.slowness(known(), "A kernel stays", 100, 90) == 1.0


def rows(random, families=("a", "b")):
    """Return a table of 2 families x 3 cells x 2 seeds x 4 bands."""
    keys = [
        (f, c, 64, s, b)
        for f in families
        for c in "xyz"
        for s in (4, 5)
        for b in range(4)
    ]
    names = ["family", "cell", "samples", "seed", "band"]
    table = pd.DataFrame(keys, columns=names)
    table["run"] = np.arange(len(table)) // 4
    table["share"] = random.uniform(size=len(table))
    table["learnt"] = table["share"] >= 0.5
    return table


def test_scores_of_what_is_always_right_and_of_what_is_always_wrong(monkeypatch):
    monkeypatch.setattr(score, "RESAMPLES", 20)
    table = rows(np.random.default_rng(0))
    right = np.where(table["learnt"], 0.98, 0.02)
    names = [*rules.LAWS, *map(score.constant, rules.LAWS), "B kernel grows, no clock"]
    for name in (*names, *score.FITTED):
        table[name] = right
    table[score.FITTED[1]] = 1 - right
    table["now"] = 0.6
    table[score.TWIN] = score._of_twin(table)
    # Of two seeds the twin's share is the other's.
    twins = table["share"].to_numpy().reshape(-1, 2, 4)[:, ::-1].ravel()
    np.testing.assert_allclose(table[score.TWIN], np.clip(twins, 0.02, 0.98))
    found = score.scores(table)
    average = found[found["family"] == "average"].set_index("method")
    best, worst = average.loc[rules.PRIMARY], average.loc[score.FITTED[1]]
    assert [best[k] for k in ("area", "error", "right")] == [1.0, 0.0, 1.0]
    assert best["log loss"] == pytest.approx(-np.log(0.98))
    assert [worst[k] for k in ("area", "right")] == [0.0, 0.0]
    assert score.as_near(found, rules.PRIMARY)
    assert not score.as_near(found, score.FITTED[1])
    assert score.as_near(found, score.TWIN)
    called = score.confusion(table, score.FITTED[1])
    wrong = called[["learnt, said not", "not learnt, said so"]].to_numpy()
    assert wrong.sum() == len(table)


def test_a_fitted_law_has_seen_neither_the_family_nor_the_seed():
    table = rows(np.random.default_rng(1), families=("a", "b", "c"))
    table["s"] = table["now"] = 0.0
    # In one family and at one seed the sign is another: nobody else is to know.
    table["s"] = np.where(table["learnt"], 1.0, -1.0)
    odd = (table["family"] == "a") & (table["seed"] == 4)
    table.loc[odd, "s"] *= -1
    found = score._fitted(table, ["s", "now"])
    right = (found >= 0.5) == table["learnt"]
    assert not right[odd].any()
    assert right[(table["family"] == "a") & (table["seed"] == 5)].all()


def test_what_was_made_with_other_rules_is_refused(tmp_path):
    now = provenance.commit().removesuffix("-dirty")
    provenance.check_unchanged("one", now, score.FROZEN)
    with pytest.raises(ValueError, match="with other rules or another plan"):
        provenance.check_unchanged("one", f"{now}-dirty", score.FROZEN)
    run = plan.plan()[0]
    path = measure.place(tmp_path, "runs", run)
    path.parent.mkdir()
    path.write_text(json.dumps({"commit": f"{now}-dirty"}))
    assert [r["name"] for r in measure.kept(tmp_path, "runs", plan.plan())] == [
        path.name
    ]
    with pytest.raises(ValueError, match="move it away and make it again"):
        score.rows_of(tmp_path)


def test_where_there_is_nothing_there_is_no_score(tmp_path):
    with pytest.raises(ValueError, match="holds no pairs of trainings"):
        score.rows_of(tmp_path)
