"""Detection against brute force, in a small trial of every cell."""

import numpy as np
import pytest

from experiments.calibration import brute, diagnosed
from experiments.calibration.brute import (
    bench,
    probe_direction,
    projections,
    published_null,
    trial_errors,
)
from experiments.calibration.diagnosed import (
    coverage,
    false_windows,
    gaussian,
    resolution,
)
from experiments.calibration.settings import Trial
from tests.networks import GATED, sequence_gradients

TRIAL = Trial(
    repetitions=300, sizes=(4, 16), studies=40, diagnoses=40, sequences=100, lags=(2,)
)


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(brute, "DIAGNOSED", 800)
    monkeypatch.setattr(brute, "MIDDLE", 4000)
    monkeypatch.setattr(diagnosed, "TRUTH", 6000)
    monkeypatch.setattr(diagnosed, "COMPARED", 6)
    monkeypatch.setattr(diagnosed, "CHECKED", 3)


def test_projections_are_those_of_the_gradients():
    """The tangent along w against the gradient of every sequence, times w."""
    b = bench("LSTM", TRIAL)
    data = b.draw(20, np.random.default_rng(5))
    along = probe_direction(b, data, 2)
    there, without = projections(b, 20, 2, along, np.random.default_rng(5))
    states = b.network.states(data.x).detach()
    error = (b.network.read(states) - data.y).detach()
    taken = error.clone()
    taken[:, 2:] += brute.STRENGTH * (data.x @ b.direction)[:, :-2]
    cell = b.network.cell
    order = [*(f"cell.{n}" for n in cell.factors(states, data.x)), "w_out", "b_out"]
    w = np.concatenate([along[name].flatten().numpy() for name in order])
    for own, found in ((error, there), (taken, without)):
        g = sequence_gradients(b.network, data.x, states, own[:, None] / TRIAL.steps)
        np.testing.assert_allclose(g[:, 0].numpy() @ w, found, rtol=2e-3, atol=1e-6)


@pytest.mark.parametrize("cell", sorted(GATED))
def test_errors_are_those_predicted(cell):
    for row in trial_errors(cell, TRIAL):
        assert row["resolved"]
        off = abs(row["observed"] - row["predicted"])
        assert off < 3 * row["error"] + 0.02


def test_intervals_cover_and_noise_has_no_window():
    b = bench("DiagGate", TRIAL)
    found = coverage(b, TRIAL)[0]
    assert found["covered"] >= 40 * 0.95 - 3 * (40 * 0.95 * 0.05) ** 0.5
    # A standard deviation from 40 has an error of 11 %.
    assert abs(np.log(found["told"] / found["spread"])) < 3 * 0.11
    null = false_windows(b, TRIAL)
    assert null["false"] <= 40 * 0.05 + 3 * (40 * 0.05 * 0.95) ** 0.5


def test_more_sequences_resolve_what_fewer_left_open():
    rows = resolution(bench("DiagGate", TRIAL), TRIAL)
    assert [r["sequences"] for r in rows] == list(diagnosed.FEW)
    assert {r["lags"] for r in rows} == {6 * len(diagnosed.FAR)}
    assert rows[0]["found"] == 0
    assert rows[0]["open"] == rows[0]["lags"] - rows[0]["resolved"] > 0
    assert rows[-1]["resolved"] > rows[0]["resolved"]
    assert rows[-1]["found"] > rows[-1]["open"] / 2


def test_the_gaussian_formula_holds_for_sequences_means():
    assert gaussian(bench("GRU", TRIAL), TRIAL) == {"lags": 3, "gaussian": 3}


def test_published_windows_stand_beside_their_null():
    rows = published_null("SharedGate", TRIAL.model_copy(update={"studies": 3}))
    first = [r for r in rows if r["setting"] == "livi-2026-03"]
    assert all(r["null_share"] == 1 for r in first)
    assert {r["samples"] for r in rows} == {100, 1000, 10_000}
