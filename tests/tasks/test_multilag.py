"""The multi-lag task: its lags, its ceiling, its streams."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from learnability.tasks import MultiLag, Sequences, learnt_shares, power_law_lags

TASK = MultiLag(lags=(2, 5), coefficients=(0.6, 0.4), noise=0.3, inputs=3, steps=20)


def draw(count=4000, seed=0):
    direction = TASK.direction(seed=1)
    return TASK.draw(count, seed=seed, direction=direction), direction


def best_prediction(data, direction):
    signal, best = data.x @ direction, torch.zeros_like(data.y)
    for lag, c in zip(TASK.lags, TASK.coefficients, strict=True):
        best[:, lag:] += c * signal[:, :-lag]
    return best


def test_what_is_left_of_the_targets_is_the_noise():
    data, direction = draw()
    rest = data.y - best_prediction(data, direction)
    n = rest.numel()
    assert abs(float(rest.std()) - 0.3) < 4 * 0.3 / (2 * n) ** 0.5
    assert abs(float(direction.norm()) - 1) < 1e-6


def test_ceiling_is_the_best_r_squared():
    data, direction = draw()
    rest = (data.y - best_prediction(data, direction)).var()
    r2 = 1 - float(rest / data.y.var())
    assert r2 == pytest.approx(TASK.ceiling, abs=4 / data.y.numel() ** 0.5)


def test_share_is_one_where_a_lag_is_learnt_and_zero_where_not():
    """Also at a lag near T, where most of the history is missing."""
    task = MultiLag(lags=(2, 18), coefficients=(0.6, 0.4), inputs=3, steps=20)
    direction = task.direction(seed=1)
    data = task.draw(8000, seed=2, direction=direction)
    signal = data.x @ direction
    only_long = torch.zeros_like(data.y)
    only_long[:, 18:] = 0.4 * signal[:, :-18]
    shares = learnt_shares(task, data.x, only_long, direction)
    error = 4 / (0.6 * (8000 * 2) ** 0.5)
    np.testing.assert_allclose(shares, [0, 1], atol=error)


def test_streams_are_fixed_by_their_seed():
    first, again, other = draw(8)[0], draw(8)[0], draw(8, seed=3)[0]
    assert torch.equal(first.x, again.x)
    assert torch.equal(first.y, again.y)
    assert not torch.equal(first.x, other.x)


def test_permuting_deals_whole_targets():
    data, _ = draw(50)
    dealt = data.permuted(seed=0)
    assert torch.equal(dealt.x, data.x)
    assert not torch.equal(dealt.y, data.y)
    assert torch.equal(dealt.y.sort(dim=0).values, data.y.sort(dim=0).values)


@given(st.integers(2, 12), st.integers(0, 2**32 - 1))
def test_permuting_leaves_nobody_its_own_targets(count, seed):
    numbers = torch.arange(float(count))[:, None].expand(count, 3)
    dealt = Sequences(numbers[..., None], numbers).permuted(seed)
    assert (dealt.y != numbers).all()
    assert dealt.y[:, 0].tolist() == dealt.y[:, 2].tolist()
    assert sorted(dealt.y[:, 0].tolist()) == numbers[:, 0].tolist()


def test_every_sequence_may_get_the_targets_of_every_other():
    numbers = torch.arange(4.0)[:, None]
    data = Sequences(numbers[..., None], numbers)
    pairs = {
        (n, int(y)) for seed in range(60) for n, y in enumerate(data.permuted(seed).y)
    }
    assert len(pairs) == 4 * 3


def test_a_sequence_alone_cannot_be_permuted():
    with pytest.raises(ValueError, match="one sequence has no other"):
        draw(1)[0].permuted(seed=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lags": (2, 20)}, "largest possible lag is 19"),
        ({"lags": (2, 2)}, "given twice"),
        ({"lags": (0, 2)}, "lags start at 1"),
        ({"lags": (2,)}, "one coefficient a lag"),
        ({"noise": -1.0}, "noise"),
        ({"stepps": 3}, "stepps"),
    ],
)
def test_wrong_tasks_are_named(change, message):
    with pytest.raises(ValidationError, match=message):
        MultiLag(**(TASK.model_dump() | change))


def test_wrong_data_are_named():
    x, y = torch.zeros(2, 3, 1), torch.zeros(2, 3)
    with pytest.raises(ValueError, match="are empty"):
        Sequences(x[:0], y[:0])
    with pytest.raises(ValueError, match="must agree"):
        Sequences(x, y[:, :2])
    y[1, 2] = torch.nan
    with pytest.raises(ValueError, match=r"targets hold nan at \(1, 2\)"):
        Sequences(x, y)
    with pytest.raises(ValueError, match="at least 1"):
        TASK.draw(0, seed=0, direction=TASK.direction(seed=1))


def test_a_lag_of_a_power_law_has_its_probability():
    wanted = np.arange(3, 9) ** -1.6
    wanted /= wanted.sum()
    rng, n = np.random.default_rng(0), 4000
    law = {"exponent": 0.6, "shortest": 3, "longest": 8}
    drawn = [power_law_lags(1, **law, seed=rng)[0] for _ in range(n)]
    seen = np.bincount(drawn, minlength=9)[3:] / n
    assert (np.abs(seen - wanted) < 4 * np.sqrt(wanted / n)).all()


def test_lags_of_a_power_law_are_distinct_and_refused_where_there_are_too_few():
    law = {"exponent": 0.6, "shortest": 3, "longest": 8, "seed": 0}
    assert power_law_lags(6, **law) == (3, 4, 5, 6, 7, 8)
    with pytest.raises(ValueError, match="7 lags cannot be drawn from 3 to 8 steps"):
        power_law_lags(7, **law)
    with pytest.raises(ValueError, match="the exponent is 0; give one above 0"):
        power_law_lags(2, **{**law, "exponent": 0})
