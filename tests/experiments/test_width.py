"""Tests of the width table against closed forms."""

import math

import numpy as np
import pandas as pd
import pytest

from experiments.width import FLOOR, median_scale, slope, tables, variance
from learnability.study.settings import load_settings

LAGS = np.array([1, 8, 16, 20, 31, 50, 79, 99, 111, 124, 140])


def test_the_scale_of_an_exponential_is_found_from_far_lags_alone() -> None:
    logs = np.where(
        LAGS[:, None] < 16, 5.0, -LAGS[:, None] / np.array([7.0, 9.0, 40.0])
    )
    assert median_scale(LAGS, logs) == pytest.approx(9.0)


def test_the_published_scale_of_a_half_is_that_of_the_floor() -> None:
    lags = np.unique(np.geomspace(16, 140, 20).astype(int))
    assert lags.tolist() == list(load_settings("livi-2026-width").lags)[15:]
    halves = -math.log(2) * lags[:, None]
    assert median_scale(lags, halves) == pytest.approx(1 / math.log(2))
    floored = np.fmax(halves, FLOOR)
    assert median_scale(lags, floored) == pytest.approx(1.812, abs=0.001)
    # Published for GRUs of 256 and 512 units, whose gates are at a half: 1.797.
    lags = np.array([15, *lags])
    floored = np.fmax(-math.log(2) * lags[:, None], FLOOR)
    assert median_scale(lags, floored, 15) == pytest.approx(1.797, abs=0.001)


def test_what_has_underflowed_is_left_out() -> None:
    logs = -LAGS[:, None] / 3.0
    lost = np.where(LAGS[:, None] > 100, -np.inf, logs)
    assert median_scale(LAGS, lost) == pytest.approx(3.0)


def test_a_variance_that_goes_as_a_power_of_the_width_has_that_slope() -> None:
    rng, rows = np.random.default_rng(0), []
    noise = rng.normal(size=(5, 3))
    for units in (16, 32, 64, 128):
        for seed in range(5):
            f = 1 + noise[seed] / units
            rows.append(("DiagGate", units, seed, *[200.0 + seed] * 3, f))
    scales = ["tau", "floored", "earlier"]
    runs = pd.DataFrame(rows, columns=["cell", "units", "seed", *scales, "f"])
    by_width, powers = tables(runs).values()
    assert by_width.loc[("DiagGate", 16), "theirs"] == 184.5
    assert powers.loc["DiagGate", "power"] == pytest.approx(-2.0)
    spread = np.log([16, 32, 64, 128]).std() * 2
    error = math.sqrt(math.pi**2 / 6 - 1) / spread  # trigamma(2) of five seeds
    assert powers.loc["DiagGate", "error"] == pytest.approx(error)
    given = [2.4e-5, 1.5e-5, 9.8e-6, 3.3e-6]
    found = slope([16, 32, 64, 128], given)
    assert powers.loc["DiagGate", "published"] == pytest.approx(found)


def test_the_variance_is_over_seeds_and_its_mean_over_lags() -> None:
    envelopes = [np.array([1.0, 0.0]), np.array([3.0, np.nan])]
    assert variance(envelopes) == pytest.approx(1.0)
    assert math.isnan(variance(envelopes[:1]))
