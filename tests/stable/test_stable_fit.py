"""Many lags with intervals from resampled sequences."""

import numpy as np
import pytest

from learnability.stable import fit, law


def test_intervals_hold_the_truth():
    values = law.sample(1.5, (40, 1000), sigma=2.0, location=1.0, seed=1)
    found = fit(values, resamples=100, seed=2)
    for name, truth in [("alpha", 1.5), ("sigma", 2.0), ("location", 1.0)]:
        lower, upper = getattr(found, f"{name}_lower"), getattr(found, f"{name}_upper")
        assert (lower <= getattr(found, name)).all()
        # 40 lags at 95 %: 32 or fewer have probability 1e-5.
        assert np.count_nonzero((lower <= truth) & (truth <= upper)) > 32


def test_equal_lags_get_equal_intervals():
    row = law.sample(1.3, 400, seed=3)
    found = fit(np.stack([row, row]), resamples=30, seed=4)
    assert found.alpha_lower[0] == found.alpha_lower[1]
    assert found.sigma_upper[0] == found.sigma_upper[1]


def test_seed_decides():
    values = law.sample(1.6, (2, 300), seed=5)
    one, same, other = (fit(values, resamples=30, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(one.alpha_lower, same.alpha_lower)
    assert (one.alpha_lower != other.alpha_lower).any()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"level": 1.0}, "level must lie"),
        ({"resamples": 5}, "5 resamples"),
    ],
)
def test_bad_requests(change, sentence):
    with pytest.raises(ValueError, match=sentence):
        fit(law.sample(1.5, (1, 100), seed=1), seed=1, **change)


def test_needs_two_axes():
    with pytest.raises(ValueError, match="two: "):
        fit(law.sample(1.5, 100, seed=1), seed=1)
