"""What seeds have in common: evidence without a law, how far seeds differ."""

import numpy as np
import pytest

from learnability.summaries import summed
from learnability.summaries.law import ESTIMATORS, alphas, envelope_shares, noise_floor
from learnability.summaries.shares import share_spread
from learnability.summaries.spread import (
    envelope_band,
    envelope_spread,
    noise_levels,
    spread,
)
from learnability.summaries.windows import window_spread
from tests.plots.records import diagnosis, measured, training_group

RANDOM = np.random.default_rng(0).standard_normal(80)
WITHOUT_A_LAW = {
    "all of it zero": np.zeros(80),
    "half of it zero": np.where(np.arange(80) < 50, 0.0, RANDOM),
    "one value and a few": np.where(np.arange(80) < 70, 2.5, RANDOM),
    "an infinity": np.where(np.arange(80) == 3, np.inf, RANDOM),
}


@pytest.mark.parametrize("name", WITHOUT_A_LAW)
def test_a_lag_whose_evidence_has_no_law_takes_no_other_with_it(name):
    run = diagnosis(lags=(1, 2, 4))
    psi = np.stack([RANDOM, WITHOUT_A_LAW[name], 3 * RANDOM])
    group = run.tree["evidence"].to_dataset()
    run.tree["evidence"].dataset = group.assign(psi=(("lag", "sequence"), psi))
    found = alphas(run.tree)
    assert set(found) == set(ESTIMATORS)
    assert found.loc[2].isna().all()
    assert found.loc[[1, 4]].notna().all(axis=None)


@pytest.mark.parametrize("seeds", [2, 3, 9])
def test_bands_of_envelopes_are_as_wide_as_all_other_spreads(seeds):
    random = np.random.default_rng(seeds)
    f = np.exp(random.standard_normal((seeds, 3)))
    band = envelope_band([diagnosis(lags=(1, 2, 4), f=one).tree for one in f])
    logs = spread(np.log(f))
    np.testing.assert_allclose(np.log(band["mean"]), logs["mean"], atol=1e-12)
    for end, sign in (("lower", -1), ("upper", 1)):
        away = np.log(band[end] / band["mean"])
        np.testing.assert_allclose(away, sign * logs["deviation"])


def test_one_seed_has_its_interval_and_what_is_gone_is_zero():
    f = np.array([0.5, 0.2, 0.0])
    alone = envelope_spread([diagnosis(lags=(1, 2, 4), f=f).tree])
    np.testing.assert_allclose(alone["mean"], f)
    np.testing.assert_allclose(alone["lower"], 0.9 * f)
    np.testing.assert_allclose(alone["upper"], 1.1 * f)
    both = envelope_band(
        [diagnosis(lags=(1, 2, 4), f=one).tree for one in (f, f + 0.1)]
    )
    assert both.loc[4].tolist() == [0, 0, 0]


@pytest.mark.parametrize("kappa", [2.0, 3.0])
def test_the_signal_meets_its_floor_where_the_budget_is_what_is_needed(kappa):
    tree = measured(kappa=kappa).tree
    needed = tree["detection"]["needed"].values
    for place in range(3):
        row = noise_floor([tree], [needed[place]]).iloc[place]
        assert row["signal"] == pytest.approx(row[needed[place]], rel=1e-6)
        four = noise_floor([tree], [4 * needed[place]]).iloc[place, 1]
        assert row["signal"] / four == pytest.approx(4 ** (1 / kappa), rel=1e-6)


def test_what_is_not_resolved_is_at_most_the_signal_of_its_lower_end():
    tree = measured().tree
    table = noise_floor([tree], [100.0])
    assert table["censored"].tolist() == [False, False, False, True, True]
    noise, lower = (tree["detection"][n].values for n in ("noise", "lower"))
    expected = 2 * 1.6448536 * noise / np.sqrt(lower)
    np.testing.assert_allclose(table["signal"][3:], expected[3:], rtol=1e-6)


def test_seeds_of_floors_are_averaged_in_the_logarithm():
    one, two = measured().tree, measured(scale=4.0).tree
    table, alone = noise_floor([one, two], [10.0]), noise_floor([one], [10.0])
    np.testing.assert_allclose(table["signal"][:3], 2 * alone["signal"][:3])
    np.testing.assert_allclose(table[10.0], alone[10.0])


def test_shares_of_the_envelope_are_the_orders_of_the_record():
    tree = measured().tree
    table, f = envelope_shares([tree, tree]), tree["envelope"]["normalised"]
    np.testing.assert_allclose(table["gates"], f.sel(order="zero"))
    np.testing.assert_allclose(table["network"], f.sel(order="exact"))
    assert np.isnan(envelope_shares([diagnosis().tree])["trained"]).all()


def test_windows_of_one_seed_are_its_own_with_their_interval():
    run, budgets = diagnosis(), [1.0, 10.0, 1e3]
    own, table = run.window(budgets), window_spread([run.tree], budgets)
    np.testing.assert_array_equal(table["mean"], own["window"])
    np.testing.assert_array_equal(table["lower"], own["lower"])
    np.testing.assert_array_equal(table["upper"], own["upper"])
    assert table["censored"].tolist() == own["censored"].tolist() == [0, 0, 1]
    assert table["deviation"].isna().all()


def test_the_noise_follows_from_r_squared_and_its_ceiling():
    group = training_group(r2=0.6)
    variance = float(group["validation"][-1]) / (1 - 0.6)
    trees = [diagnosis(training=group).tree] * 2
    assert noise_levels(trees) == [pytest.approx(0.3 * variance, rel=1e-3)]


def test_a_prediction_that_is_worse_than_the_mean_has_learnt_nothing():
    trees = [diagnosis(training=training_group(r2=r2)).tree for r2 in (0.6, -3.0)]
    table = share_spread(trees)
    assert table["upper"].tolist() == [0.95, 0.5, -0.02]
    assert table["lower"].tolist() == [0, 0, -0.02]


def test_nothing_to_sum_up_is_refused():
    for lines, budgets in (
        ({}, [10]),
        ({"GRU": []}, [10]),
        ({"GRU": [diagnosis().tree]}, []),
    ):
        with pytest.raises(ValueError, match="nothing to sum up"):
            summed(lines, budgets)
