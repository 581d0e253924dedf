"""The intervention experiment: its data, its plan, and how it is scored."""

import json
from collections import Counter

import numpy as np
import pandas as pd
import pytest
import torch

from experiments.interventions import families, measure, plan, score, trainings
from experiments.interventions.families import FAMILIES
from experiments.interventions.measure import fitted

KNOWN = {
    "delays": dict.fromkeys(families.LAGS, 0.45),
    "noisy delays": dict.fromkeys(families.LAGS, 0.45),
    "products": dict.fromkeys(families.LAGS, 0.45),
}


def drawn(name, count=512, seed=0):
    generator = torch.Generator().manual_seed(7)
    return FAMILIES[name].draw(count, generator, seed, True)


@pytest.mark.parametrize("name", KNOWN)
def test_targets_owe_to_each_lag_what_is_said_and_nothing_to_the_others(name):
    family = FAMILIES[name]
    x, y = drawn(name)
    lags = (*family.there(0), *family.nothing)
    rows = family.features(x, lags).flatten(0, 1)
    beta = fitted(rows.flatten(1), y.flatten()[:, None]).unflatten(0, rows.shape[1:])
    size = beta[..., 0].norm(dim=1).numpy()
    # Of coefficients the standard error is about sd(y)/sqrt(rows), times sqrt(inputs).
    error = float(y.std()) * (rows.shape[2] / len(rows)) ** 0.5
    wanted = [KNOWN[name].get(lag, 0.0) for lag in lags]
    np.testing.assert_allclose(size, wanted, atol=4 * error)


def test_strengths_are_those_of_the_kernels():
    one = plan.Training("delays", "nn.GRU", 64, 0)
    found = measure.regressed(None, trainings.drawn(one, 2048, 3), one)
    deviation = (6 * 0.45**2 + 0.3**2) ** 0.5
    for strength in found.values():
        assert strength == pytest.approx(0.45 / deviation, rel=0.05)


def test_tokens_are_recalled_and_signs_compared():
    x, y = drawn("recall", seed=1)
    assert torch.equal(x.argmax(-1)[:, :-12], y[:, 12:])
    x, y = drawn("parity")
    alike = x[:, 3:-2, 0] == x[:, :-5, 0]
    assert torch.equal(alike.long(), y[:, 5:])
    phi = FAMILIES["parity"].features(x, (5,))[:, 5:, 0, 0]
    assert torch.equal(phi > 0, alike)


def test_the_plan_has_four_cells_for_each_family_and_every_training_once():
    every = [one for part in plan.PARTS for one in plan.plan(part)]
    long = sum(name.startswith("long") for name in FAMILIES)  # of 64 sequences alone
    assert len(set(every)) == len(every) == (len(FAMILIES) * 2 - long) * 4 * 3
    cells = {(one.family, one.cell) for one in every}
    assert set(Counter(family for family, _ in cells).values()) == {4}
    assert {cell for _, cell in cells} == set(plan.CELLS) == set(trainings.START)
    for one in plan.plan("developed"):
        assert one.family not in plan.HELD_OUT_FAMILIES
        assert one.cell not in plan.HELD_OUT_CELLS


def test_far_targets_hang_on_far_inputs_alone():
    x, token = drawn("far cue")
    place = x[..., :-1].sum(-1).argmax(1)
    assert set((x.shape[1] - 1 - place).tolist()) == set(FAMILIES["far cue"].there(0))
    assert torch.equal(x[torch.arange(len(x)), place].argmax(-1), token)
    x, y = drawn("adding")
    lags = FAMILIES["adding"].there(0)
    marked = FAMILIES["adding"].features(x, lags)[:, -1].sum((1, 2))
    torch.testing.assert_close(marked, y)
    x, y = drawn("near and far")
    phi = FAMILIES["near and far"].features(x, (3, 64))[:, -1]
    near, far = phi[:, 0, :-1] @ families.direction(0), phi[:, 1, -1]
    assert float((y - 0.7 * (near + far)).std()) == pytest.approx(0.1, rel=0.15)


@pytest.mark.parametrize("kind", ["long", "last"])
def test_targets_of_other_shapes_hang_on_the_same_delays(kind):
    x, y = drawn(f"{kind} delays")
    family = FAMILIES[f"{kind} delays"]
    phi = family.features(x, family.there(0)).sum(2) @ families.direction(0)
    assert (phi.shape == y.shape) == (kind == "long")
    owed, noise = (0.45 * phi, 0.3) if kind == "long" else (0.55 * phi[:, -1], 0.1)
    assert float((y - owed).std()) == pytest.approx(noise, rel=0.15)


@pytest.fixture
def short(monkeypatch):
    for module in (plan, trainings, measure):
        monkeypatch.setattr(module, "UPDATES", (20,))
    monkeypatch.setattr(trainings, "VALIDATION", 32)
    monkeypatch.setattr(measure, "FRESH", 256)
    monkeypatch.setattr(measure, "DIAGNOSED", 64)


def test_a_training_is_made_again_from_its_seed(short):
    one = plan.Training("delays", "nn.GRU", 64, 0)
    setting = trainings.settings(one)["as it is"]
    first, again = trainings.trained(setting), trainings.trained(setting)
    for name, values in first[20].best[0].items():
        assert torch.equal(values, again[20].best[0][name])
    assert first[100].curve == again[100].curve
    assert first[100].curve[:2] == first[20].curve
    model = setting.model(setting.data())
    optimizer = trainings.at(model, first[20].last)
    assert torch.equal(model.head.weight, first[20].last[0]["head.weight"])
    assert optimizer.state_dict()["state"][0]["step"] == 20


@pytest.mark.slow
def test_what_is_there_already_is_not_made_again_and_is_scored(
    short, tmp_path, monkeypatch
):
    one = plan.Training("noisy delays", "nn.GRU", 64, 0)
    measure.run([one], tmp_path)
    path = measure.place(tmp_path, "trainings", one)
    made = path.stat().st_mtime_ns
    diagnosis = measure.place(tmp_path, "diagnoses", one)
    first = json.loads(diagnosis.read_text())
    diagnosis.unlink()
    monkeypatch.setattr(measure, "WHERE", ("last",))
    measure.run([one], tmp_path)
    assert path.stat().st_mtime_ns == made
    again = json.loads(diagnosis.read_text())
    assert again["after"]["20"]["last"] == first["after"]["20"]["last"]
    record = json.loads(path.read_text())["after"]["20"]
    changes = {"as it is", "updates", "sequences", "units", "gates"}
    assert set(record["shares"]) == set(record["losses"]) == changes


def cases(**changes):
    row = {
        "family": "delays", "cell": "GRU", "given": 64, "length": 200, "seed": 0,
        "lag": 8, "there": True, "before": 0.1, "verdict": "too few steps",
        "sequences": 0.2, "updates": 0.9, "gates": np.nan, "units": 0.1,
        "rel": 0.9, "rel last": 0.1, "late": True, "passes": 101.0, "needed": 10.0,
    }  # fmt: skip
    length = max((len(v) for v in changes.values()), default=1)
    row["verdict last"] = "not resolved"
    columns = {name: [value] * length for name, value in row.items()}
    return pd.DataFrame(columns | changes)


def test_a_case_is_decided_where_one_change_is_clearly_best():
    every = cases(
        updates=[0.9, 0.25, 0.15, 0.9, 0.9],
        before=[0.1, 0.1, 0.1, 0.6, 0.1],
        there=[True, True, True, True, False],
    )
    some = score.decided(every)
    assert some.index.tolist() == [0]
    assert some["best"].tolist() == ["updates"]
    np.testing.assert_allclose(some["most"], 0.8)


def test_scores_are_those_of_counting_by_hand():
    every = cases(
        seed=[0, 0, 1], lag=[8, 16, 8], updates=[0.9, 0.2, 0.9],
        sequences=[0.2, 0.7, 0.2],
        verdict=["too few steps", "too few steps", "not resolved"],
    )  # fmt: skip
    found = score.scores(score.decided(every))
    assert found.loc["verdict at best weights", "right"] == pytest.approx(1 / 3)
    gain = (0.8 + 0.1 + 0.0) / (0.8 + 0.6 + 0.8)
    assert found.loc["verdict at best weights", "gain"] == pytest.approx(gain)
    assert found.loc["always updates", "right"] == pytest.approx(2 / 3)
    assert found.loc["100 passes", "right"] == pytest.approx(1 / 3)
    assert found.loc["validation curve", "right"] == pytest.approx(2 / 3)
    assert found.loc["rel at best and last", "right"] == pytest.approx(1 / 3)
    assert found.loc["another seed", "right"] == 1.0
    assert (found["trainings"] == 2).all()


def test_precision_is_that_of_counting_by_hand():
    every = cases(
        verdict=["learnt", "learnt", "not in the data", "vanishes", "vanishes"],
        before=[0.8, 0.3, 0.0, 0.0, 0.0],
        there=[True, True, False, True, True],
        updates=[0.9, 0.9, np.nan, 0.2, 0.9],
    )
    every["true strength"], every["smallest"] = [0.4, 0.4, 0.0, 0.4, 0.4], 0.1
    found = score.precision(every)["value"]
    assert found.to_dict() == {"learnt": 0.5, "not in the data": 1.0, "vanishes": 0.5}


def test_what_helped_is_counted_by_training():
    every = cases(
        seed=[0, 0, 1, 2], lag=[8, 16, 8, 8], updates=[0.9, 0.2, 0.15, 0.9],
        verdict=["too few steps"] * 3 + ["vanishes"], gates=[np.nan] * 4,
    )  # fmt: skip
    found = score.helped(every)
    assert found.loc["too few steps"].to_dict() == {
        "helped": 1, "trainings": 2, "families": 1,
    }  # fmt: skip
    assert found.index.tolist() == ["too few steps"]
