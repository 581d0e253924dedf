"""Dependences that need two lags: found with their strength and share, or nothing."""

import numpy as np
import pytest

from learnability.verdict.facts import facts
from learnability.verdict.lag_sums import Part, lag_sums
from learnability.verdict.pairs import _products

LAGS = [0, 3, 5, 6]


def sums_of(seed, of_pair, of_one=0.3, share=0.6, smooth=0.0, inputs=1):
    r = np.random.default_rng(seed)
    x = r.normal(size=(100, 40, inputs))
    for t in range(1, 40):
        x[:, t] = smooth * x[:, t - 1] + np.sqrt(1 - smooth**2) * x[:, t]
    z = x[..., 0]
    pair, one = np.zeros((2, 100, 40))
    pair[:, 5:] = of_pair * z[:, :-5] * z[:, 3:-2]
    one[:, 6:] = of_one * z[:, :-6]
    y = pair + one + r.normal(size=pair.shape)
    columns = np.stack([-y, share * (pair + one), z], axis=-1)
    own = np.ones((100, 40), dtype=bool)
    return lag_sums(lambda: [Part(x, columns, own, own, np.arange(100))], 6, 100)


@pytest.mark.parametrize("inputs", [1, 3])
def test_a_product_of_two_lags_is_found_at_both_with_its_strength_and_share(inputs):
    inside = []
    for seed in range(12):
        sums = [sums_of(s, 0.5, inputs=inputs) for s in (seed, seed + 100)]
        table = facts(*sums, None, LAGS, 1)
        assert table.found[5]
        size = 0.5 / np.sqrt(1 + 0.25 + 0.09)
        inside.append(table.lower[5] < size < table.upper[5])
        inside.append(table.share_lower[5] < 0.6 < table.share_upper[5])
    assert np.mean(inside) >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / len(inside))


@pytest.mark.slow
@pytest.mark.parametrize("smooth", [0.0, 0.8])
def test_products_of_lags_find_nothing_where_nothing_is(smooth):
    found = []
    for seed in range(100):
        sums = [sums_of(s, 0.0, smooth=smooth) for s in (seed, seed + 1000)]
        found.append(facts(*sums, None, LAGS, 1).found[[0, 3, 5]].any())
    assert np.mean(found) <= 0.04 + 3 * np.sqrt(0.04 * 0.96 / 100)


def test_products_are_those_of_a_lag_with_all_others():
    z = np.array([[[2.0, 3.0], [5.0, 7.0]]])
    assert _products(z, 0).tolist() == [[10, 14, 15, 21]]
    assert _products(z, 1).tolist() == [[10, 15, 14, 21]]
