"""What seeds have in common: evidence without a law, how far seeds differ."""

import numpy as np
import pytest

from learnability.summaries import (
    ESTIMATORS,
    alphas,
    envelope_band,
    envelope_spread,
    spread,
)
from tests.plots.records import diagnosis

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
    found = alphas(run)
    assert set(found) == set(ESTIMATORS)
    assert found.loc[2].isna().all()
    assert found.loc[[1, 4]].notna().all(axis=None)


@pytest.mark.parametrize("seeds", [2, 3, 9])
def test_bands_of_envelopes_are_as_wide_as_all_other_spreads(seeds):
    random = np.random.default_rng(seeds)
    f = np.exp(random.standard_normal((seeds, 3)))
    band = envelope_band([diagnosis(lags=(1, 2, 4), f=one) for one in f])
    logs = spread(np.log(f))
    np.testing.assert_allclose(np.log(band["mean"]), logs["mean"], atol=1e-12)
    for end, sign in (("lower", -1), ("upper", 1)):
        away = np.log(band[end] / band["mean"])
        np.testing.assert_allclose(away, sign * logs["deviation"])


def test_one_seed_has_no_band_and_what_is_gone_is_zero():
    f = np.array([0.5, 0.2, 0.0])
    alone = envelope_spread([diagnosis(lags=(1, 2, 4), f=f)])
    np.testing.assert_allclose(alone["mean"], f)
    assert alone[["lower", "upper"]].iloc[:2].isna().all(axis=None)
    both = envelope_band([diagnosis(lags=(1, 2, 4), f=one) for one in (f, f + 0.1)])
    assert both.loc[4].tolist() == [0, 0, 0]
