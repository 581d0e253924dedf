"""The functions inside the loops against NumPy in long double."""

import numpy as np
import pytest
from numba import njit

from learnability.compiled._vectors import (
    lanes,
    load,
    root,
    sigmoid,
    store,
    tanh,
    total,
)


@njit
def apply(values, out):
    for i in range(values.shape[1]):
        x = load(values, 0, i)
        store(out, 0, i, sigmoid(x))
        store(out, 1, i, tanh(x))
        store(out, 2, i, root(x * x))
        out[3, i, 0] = total(x)


def run(values):
    width = lanes(values.dtype)
    out = np.zeros((4, len(values) // width, width), values.dtype)
    apply(values.reshape(1, -1, width), out)
    return out[0].ravel(), out[1].ravel(), out[2].ravel(), out[3, :, 0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_accurate_to_a_few_units_in_the_last_place(dtype):
    rng = np.random.default_rng(0)
    size = np.exp(rng.uniform(-20, 5, 64_000))
    values = (size * rng.choice([-1, 1], size.size)).astype(dtype)
    exact = values.astype(np.longdouble)
    sigmoids, tanhs, roots, totals = run(values)
    eps = np.finfo(dtype).eps
    # |x| eps: rounding of the argument itself; sigmoid keeps clear of denormals.
    kept = exact > -80
    expected = 1 / (1 + np.exp(-exact))
    error = np.abs(sigmoids / expected - 1)[kept]
    assert (error < (3 + np.abs(exact[kept])) * eps).all()
    assert (np.abs(tanhs / np.tanh(exact) - 1) < 6 * eps).all()
    assert (np.abs(roots / np.abs(exact) - 1) < 2 * eps).all()
    expected = exact.reshape(len(totals), -1)
    bound = 16 * eps * np.abs(expected).sum(1)
    assert (np.abs(totals - expected.sum(1)) < bound).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_ends_and_nan(dtype):
    values = np.zeros(lanes(np.dtype(dtype)), dtype)
    values[:5] = np.inf, -np.inf, np.nan, 1e30, -1e30
    sigmoids, tanhs, _, _ = run(values)
    np.testing.assert_array_equal(tanhs[:5], [1, -1, np.nan, 1, -1])
    np.testing.assert_allclose(sigmoids[:5], [1, 0, np.nan, 1, 0], atol=2e-38)
    assert sigmoids[1] >= np.finfo(dtype).tiny
