"""The bias of a truncated gradient: from pairs of clusters, without that of noise."""

import numpy as np
import pytest

from learnability.verdict.truncation import COLUMNS, bias_table, gradient_bias, resolved


def drawn(mean, noise, clusters, seed):
    rng = np.random.default_rng(seed)
    return mean + noise * rng.normal(size=(clusters, len(mean)))


def test_noise_adds_nothing_to_the_bias():
    """A ratio of plain norms would be .44, all of the noise being in what is lost."""
    g, lost = np.array([3.0, 0, 4.0, 0]), np.array([0, 0, 2.0, 0])
    bias = [gradient_bias(g + n, lost + n)[0] for n in noises(400, 8, 1.5)]
    error = 1.25 * np.nanstd(bias) / 400**0.5
    assert np.median(np.nan_to_num(bias)) == pytest.approx(0.4, abs=4 * error)
    assert 4 * error < 0.03


def noises(count, clusters, size):
    return [drawn(np.zeros(4), size, clusters, seed) for seed in range(count)]


def test_the_interval_holds_the_bias_in_about_95_of_100():
    g, lost = np.array([3.0, 0, 4.0, 0]), np.array([0, 1.0, 2.0, 0])
    bias = 5**0.5 / 5
    kept = g - lost
    cosine = kept @ g / np.linalg.norm(kept) / 5
    inside = np.zeros(2)
    for noise in noises(400, 24, 3.0):
        found = gradient_bias(g + noise, lost + 0.5 * noise)
        inside += found[1] <= bias <= found[2], found[4] <= cosine <= found[5]
    assert (inside / 400 > 0.95 - 4 * (0.95 * 0.05 / 400) ** 0.5).all()


def test_a_gradient_of_noise_is_not_resolved_and_one_of_signal_is():
    told = [resolved(noise) for noise in noises(400, 24, 1.0)]
    assert np.mean(told) < 0.025 + 4 * (0.025 * 0.975 / 400) ** 0.5
    assert resolved(np.ones(4) + noises(1, 24, 1.0)[0])


def test_what_is_lost_is_a_row_of_each_use_and_length():
    whole = drawn(np.array([2.0, 1.0]), 0.1, 16, 0)
    shares = np.array([1, 0.5, 0.0, 1.0, 0.75, 0.25])
    sums = np.concatenate([whole[:, None], shares[:, None] * whole[:, None]], axis=1)
    table = bias_table(sums, [1, 4, 9])
    assert list(table) == COLUMNS
    assert table.bias.to_numpy() == pytest.approx(shares)
    assert table.loc["chunks"].bias.tolist() == pytest.approx([1.0, 0.75, 0.25])
    assert table.cosine.dropna().to_numpy() == pytest.approx(1.0)
    assert table.cosine.isna().sum() == 2  # nothing is kept
    assert table.loc[("sliding", 9), "bias_upper"] == 0
