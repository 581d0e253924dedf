"""Bands of lags: what the target is made of, and what counts as learnt."""

import numpy as np
import pytest
import torch

from learnability.tasks import Band, Bands, blurred, sharp, smooth
from learnability.tasks.bands import make_band

SIZE = {"noise": 0.3, "inputs": 3, "steps": 24}
TASKS = [
    sharp((1, 3, 6), coefficient=0.5, **SIZE),
    blurred((1, 2, 5, 10), coefficient=0.5, **SIZE),
    smooth((1, 2, 4, 9), scale=4.0, size=0.9, **SIZE),
]


@pytest.mark.parametrize("task", TASKS)
def test_features_have_the_second_moments_stated(task):
    u = task.direction(seed=0)
    x = task.draw(4000, seed=1, direction=u).x
    squares = (task.features(x, u) ** 2).mean(dim=2).double().numpy()
    error = squares.std(axis=1) / 4000**0.5
    assert (np.abs(squares.mean(axis=1) - task.moments) < 4 * error).all()


@pytest.mark.parametrize("task", TASKS)
def test_the_ideal_prediction_is_learnt_and_explains_the_ceiling(task):
    u = task.direction(seed=0)
    data = task.draw(2000, seed=2, direction=u)
    c = torch.tensor(task.coefficients).float()
    ideal = torch.einsum("k,kns->ns", c, task.features(data.x, u))
    share = task.learnt_shares(data.x, ideal, u)
    assert share == pytest.approx(np.ones(len(task.bands)), abs=0.05)
    r2 = 1 - float(((data.y - ideal) ** 2).mean() / data.y.var())
    assert r2 == pytest.approx(task.ceiling, abs=0.02)
    # Half of one band: that band's share halves, the others stay.
    less = ideal - 0.5 * c[1] * task.features(data.x, u)[1]
    assert task.learnt_shares(data.x, less, u)[1] == pytest.approx(0.5, abs=0.05)


def test_smooth_bands_are_one_kernel():
    """``c_k w_kj`` is the kernel itself, wherever it is cut."""
    one = smooth((1, 2, 4, 9), scale=4.0, size=0.9, **SIZE)
    two = smooth((1, 6, 9), scale=4.0, size=0.9, **SIZE)

    def kernel(task):
        return {
            lag: band.coefficient * w
            for band in task.bands
            for lag, w in zip(band.lags, band.weights, strict=True)
        }

    assert kernel(one) == pytest.approx(kernel(two))
    assert sum(k**2 for k in kernel(one).values()) == pytest.approx(0.81)
    ratio = kernel(one)[5] / kernel(one)[4]
    assert ratio == pytest.approx(np.exp(-1 / 4))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Band(lags=(1, 2), weights=(1.0,), coefficient=1.0), "one a lag"),
        (lambda: Band(lags=(1,), weights=(2.0,), coefficient=1.0), "scale them to 1"),
        (
            lambda: Bands(
                bands=(
                    make_band(range(4, 5), [1.0], 1.0),
                    make_band(range(2, 3), [1.0], 1.0),
                )
            ),
            "do not increase",
        ),
        (lambda: sharp((1, 30), coefficient=1.0, **SIZE), "does not fit"),
    ],
)
def test_wrong_bands_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
