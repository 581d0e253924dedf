"""The published window: its formula, its invariances, what it finds in noise."""

import numpy as np
import pytest
import torch

from experiments.calibration.published import (
    SETTINGS,
    PublishedSetting,
    published_need,
    published_needs,
    published_statistic,
)
from learnability import stable
from learnability.tasks import MultiLag
from learnability.unroll import Network
from tests.networks import make_cell

MARCH, FINAL = SETTINGS["livi-2026-03"], SETTINGS["livi-2026-final"]


def test_the_settings_are_the_published_ones():
    assert (MARCH.samples, MARCH.batch, MARCH.threshold) == ("time points", 128, 0.1)
    assert (FINAL.samples, FINAL.batch, FINAL.threshold) == ("sequence means", None, 20)


def test_need_is_where_the_ratio_reaches_the_threshold():
    """``N = (eps sigma/|m|)^kappa`` of a stable law that is known."""
    values = stable.law.sample(1.6, (4000, 1), seed=0) * 2.0 + 0.5
    need = published_need(torch.tensor(values), FINAL)
    exponent = 1.6 / 0.6
    # The estimates of alpha, sigma and m are good to a few percent each.
    assert np.log(need) == pytest.approx(exponent * np.log(20 * 2.0 / 0.5), rel=0.1)


def test_signs_are_flipped_by_batch():
    setting = PublishedSetting("two", "sequence means", 2, 1.0)
    plain = PublishedSetting("none", "sequence means", None, 1.0)
    values = np.random.default_rng(1).normal(size=(60, 3))
    flipped = values.copy()
    for k in range(0, 60, 2):
        flipped[k : k + 2] *= np.sign(values[k : k + 2].mean())
    by_hand = published_need(torch.tensor(flipped), plain)
    assert published_need(torch.tensor(values), setting) == pytest.approx(by_hand)


TASK = MultiLag(lags=(1, 3), coefficients=(0.6, 0.5), inputs=2, steps=16)


@pytest.mark.parametrize("kind", ["ConstGate", "GRU", "LSTM"])
def test_a_common_rate_cancels_and_lags_need_not_agree(kind):
    """The ratio does not know the size of mu: not even one factor a lag."""
    network = Network(make_cell(kind, True, 2, 5, seed=0).float())
    data = TASK.draw(80, seed=1, direction=TASK.direction(seed=0))
    psi = published_statistic(network, data, [1, 4], seed=2)
    for lag, factor in ((1, 3.0), (4, 1e-6)):
        for setting in (MARCH, FINAL):
            one = published_need(psi[lag].double(), setting)
            two = published_need(factor * psi[lag].double(), setting)
            assert one == pytest.approx(two, rel=1e-6)


def test_the_first_setting_calls_noise_detected():
    """Permuted targets: every lag is within reach of the sequences at hand."""
    network = Network(make_cell("GRU", False, 2, 5, seed=0).float())
    data = TASK.draw(256, seed=3, direction=TASK.direction(seed=0)).permuted(seed=4)
    march = published_needs(network, data, [1, 2, 4], MARCH, seed=5)
    final = published_needs(network, data, [1, 2, 4], FINAL, seed=5)
    assert (march < len(data)).all()
    assert (final > len(data)).all()
