"""What is in the data: closed forms, invariances, and what cannot be seen."""

import numpy as np
import pytest
import torch
from scipy.signal import lfilter
from threadpoolctl import threadpool_info, threadpool_limits

import learnability as lw
from learnability.tasks import MultiLag


def white(seed, sequences=200, steps=60):
    return np.random.default_rng(seed).normal(size=(2, sequences, steps))


def delayed(x, kernel):
    """What each sequence becomes by a kernel over lags, with nothing before it."""
    return lfilter(kernel, [1.0], x, axis=-1)


def found_lags(found):
    return found.table.index[found.table.found].tolist()


def assert_strengths(found, truth):
    """Within twice the width of the interval at 95 %: over seven standard errors."""
    t = found.table
    assert (np.abs(t.strength - truth) < 2 * (t.upper - t.lower) + 1e-9).all()


def test_delays_of_white_inputs_are_found_at_their_strengths():
    task = MultiLag(lags=(3, 8), coefficients=(0.6, 0.3), inputs=4, steps=60, noise=1)
    data = task.draw(128, seed=1, direction=task.direction(seed=2))
    found = lw.dependence(data, 12)
    assert found_lags(found) == [3, 8]
    assert found.lookback == 9
    truth = np.zeros(13)
    truth[[3, 8]] = np.array([0.6, 0.3]) / np.sqrt(1 + 0.6**2 + 0.3**2)
    assert_strengths(found, truth)
    assert found.bands.empty


def test_two_time_scales_have_the_strengths_of_their_kernels():
    lags = np.arange(33)
    kernel = 0.5 * 0.5**lags + 0.1 * 0.9**lags
    x, noise = white(0, 256, 128)
    found = lw.dependence((x, delayed(x, kernel) + noise), 32)
    strengths = kernel / np.sqrt(1 + (kernel**2).sum())
    assert_strengths(found, strengths)
    inside = (found.table.lower <= strengths) & (strengths <= found.table.upper)
    assert inside.mean() > 0.95 - 3 * np.sqrt(0.95 * 0.05 / 33)
    share = np.cumsum(strengths**2)
    least = found.joint.r_squared - 3 * found.joint.error
    assert np.argmax(share >= 0.95 * least) < found.lookback
    assert found.lookback <= np.argmax(share >= 0.95 * share[-1]) + 4


def test_autocorrelated_inputs_hide_no_lag_and_lend_strength_to_none():
    x = lfilter([1], [1, -0.9], white(0, 200, 140)[0], axis=-1)[:, 60:]
    y = np.roll(x, 10, axis=1)[:, 10:] + white(1, 200, 70)[1]
    found = lw.dependence((x[:, 10:], y), 16)
    assert found_lags(found) == [10]
    assert found.lookback == 11


def test_a_season_is_found_at_its_own_lag():
    x = lfilter([1], [1, *[0] * 11, -0.6], white(2, 100, 160)[0], axis=-1)[:, 60:]
    found = lw.dependence((x[:, :-1], x[:, 1:]), 24)
    assert found_lags(found) == [11]
    assert found.lookback == 12


@pytest.mark.parametrize("series", [True, False])
def test_a_random_walk_needs_its_last_value_alone(series):
    walk = np.cumsum(np.random.default_rng(4).normal(size=(1, 2600)), axis=-1)
    if not series:
        walk = np.cumsum(white(4, 200, 65)[0], axis=-1)
    now, later = walk[:, :-1], walk[:, 1:]
    found = lw.dependence((now, later), 20)
    assert found_lags(found) == [0]
    assert found.lookback == 1
    increments = lw.dependence((now, later - now), 20)
    assert found_lags(increments) == []
    assert increments.lookback is None
    assert not increments.joint.found
    assert increments.bands[["first", "last"]].values.tolist() == [[0, 20]]
    assert increments.bands.smallest.max() < 0.3
    assert "Nothing was found" in increments.sentence()


def test_sums_are_found_lag_by_lag():
    x, noise = white(5)
    found = lw.dependence((x, delayed(x, np.ones(10)) + noise), 15)
    assert found_lags(found) == list(range(10))
    assert found.lookback == 10


def test_adding_what_is_marked_needs_products():
    r = np.random.default_rng(6)
    value, mark = r.uniform(size=(600, 15)), np.zeros((600, 15))
    for row in mark:
        row[r.choice(15, 2, replace=False)] = 1
    data = np.stack([value, mark], axis=-1), (value * mark).sum(axis=1)
    linear, quadratic = (
        lw.dependence(data, 14, features=f) for f in ("linear", "quadratic")
    )
    assert found_lags(quadratic) == list(range(15))
    assert quadratic.joint.r_squared > 0.99 > 0.3 > linear.joint.r_squared
    own = lw.dependence(data, 14, features=lambda x: x[..., :1] * x[..., 1:])
    assert found_lags(own) == list(range(15))


def test_random_waves_see_what_is_even():
    x, noise = white(7)
    y = np.roll(x, 2, axis=1) ** 2 + noise
    assert found_lags(lw.dependence((x, y), 4)) == []
    assert found_lags(lw.dependence((x, y), 4, features="fourier")) == [2]


@pytest.mark.parametrize("per_step", [True, False])
def test_recall_of_tokens_is_found(per_step):
    tokens = np.random.default_rng(8).integers(0, 6, size=(300, 20))
    classes = np.roll(tokens, 7, axis=1) if per_step else tokens[:, 12]
    found = lw.dependence((torch.tensor(tokens), torch.tensor(classes)), 10)
    assert found_lags(found) == [7]
    assert found.table.strength[7] == pytest.approx(1, abs=1e-2)
    assert found.lookback == 8


def test_one_cue_somewhere_in_each_sequence_is_told_apart_by_what_it_is():
    r = np.random.default_rng(0)
    lags, n, steps = np.array([3, 7, 12, 18]), 1024, 20
    token, at = r.integers(4, size=n), steps - 1 - r.choice(lags, n)
    x = np.zeros((n, steps, 5))
    x[np.arange(n), at, token] = 1  # the sum over lags and tokens is 1: collinear
    x[..., 4] = r.normal(size=(n, steps))
    found = lw.dependence((x, token), 18)
    assert found.table.index[found.table.found].tolist() == lags.tolist()
    # Squares are shares of the variance: the cue explains all of it.
    assert (found.table.strength**2).sum() == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("features", ["linear", "quadratic"])
def test_parity_of_two_lags_is_not_seen_and_that_is_said(features):
    bits = np.random.default_rng(9).choice([-1.0, 1.0], size=(200, 40))
    y = np.roll(bits, 3, axis=1) * np.roll(bits, 7, axis=1)
    found = lw.dependence((bits, y), 12, features=features)
    assert found_lags(found) == []
    assert found.lookback is None
    assert "parity" in found.sentence()
    assert "No dependency above" in found.sentence()
    assert "200 sequences" in found.sentence()


def test_a_product_within_a_step_is_found_by_products():
    bits = np.random.default_rng(10).choice([-1.0, 1.0], size=(100, 40, 2))
    y = np.roll(bits.prod(axis=-1), 2, axis=1)
    assert found_lags(lw.dependence((bits, y), 5)) == []
    assert found_lags(lw.dependence((bits, y), 5, features="quadratic")) == [2]


def test_a_dependency_spread_over_lags_is_found_by_all_together():
    x, noise = white(11, 300, 40)
    y = 0.07 * delayed(x, np.ones(24))[:, -1] + noise[:, 0]
    found = lw.dependence((x, y), 23)
    assert found_lags(found) == []
    assert found.joint.found
    assert "no lag shows by itself" in found.sentence()


def test_lags_that_cannot_be_told_apart_are_one_band():
    x = lfilter([1], [1, -1.9, 0.905], white(12, 200, 160)[0], axis=-1)[:, 60:]
    y = np.roll(x, 5, axis=1)[:, 20:] + 100 * white(13, 200, 80)[1]
    found = lw.dependence((x[:, 20:], y), 12)
    (band,) = found.bands.itertuples()
    assert (band.first, band.last, band.found) == (0, 12, True)
    assert (found.table.inflation > 20).all()
    assert (found.table.band == "0-12").all()
    assert found_lags(found) == []
    assert "cannot be told apart" in found.sentence()


def test_a_profile_that_all_share_changes_nothing():
    x, y = white(14, 40, 30)
    profile = np.random.default_rng(15).normal(size=(2, 30))
    plain = lw.dependence((x, y), 5)
    profiled = lw.dependence((x + 9 * profile[0], y + 9 * profile[1]), 5)
    scale = profiled.table.strength / plain.table.strength.where(lambda s: s > 0)
    assert np.allclose(profiled.table.p_value, plain.table.p_value, rtol=1e-6)
    assert np.allclose(scale.dropna(), 1, rtol=1e-6)


def test_units_of_inputs_and_targets_do_not_matter():
    r = np.random.default_rng(16)
    x, y = r.normal(size=(50, 30, 3)), r.normal(size=(50, 30, 2))
    y[:, 2:] += x[:, :-2, :2]
    mix, other = r.normal(size=(3, 3)), r.normal(size=(2, 2))
    first = lw.dependence((x, y), 4).table
    second = lw.dependence((1e3 * x @ mix + 1e7, 1e-3 * y @ other - 7e3), 4).table
    numbers = ["strength", "lower", "upper", "p_value", "smallest", "inflation"]
    assert np.allclose(first[numbers], second[numbers], rtol=1e-4, atol=1e-5)


def test_steps_of_padding_do_not_count():
    x, y = white(17, 60, 30)
    y[:, 3:] += x[:, :-3]
    lengths = np.random.default_rng(18).integers(20, 31, size=60)
    padding = np.arange(30) >= lengths[:, None]
    first = lw.dependence((x, y), 6, lengths=lengths).table
    x[padding], y[padding] = 1e6, -1e6
    second = lw.dependence((x, y), 6, lengths=lengths).table
    assert first.equals(second)
    assert first.index[first.found].tolist() == [3]


def test_copies_in_one_group_count_once():
    x, y = white(19, 50, 30)
    once = lw.dependence((x, y), 4).table
    labels = [f"patient {n}" for n in range(50)] * 4
    copies = np.tile(x, (4, 1)), np.tile(y, (4, 1))
    grouped = lw.dependence(copies, 4, groups=labels).table
    assert np.allclose(grouped.smallest, once.smallest, rtol=0.25)
    apart = lw.dependence(copies, 4, groups=range(200)).table
    assert apart.smallest.mean() < 0.7 * grouped.smallest.mean()


def test_only_lags_that_are_asked_for_are_told_and_lag_0():
    x, noise = white(20)
    found = lw.dependence((x, delayed(x, [0, 1]) + noise), [2, 4, 8])
    assert found.table.index.tolist() == [0, 2, 4, 8]
    assert found_lags(found) == []
    assert found.joint.found
    assert found.curve.index.tolist() == list(range(9))


def test_the_answer_is_short():
    x, y = white(21)
    found = lw.dependence((x, y), 8)
    assert len(repr(found).splitlines()) <= 8
    assert found.sentence() in repr(found).replace("\n", " ")
    page = found._repr_html_()
    assert "<table" in page
    assert len(page) < 5000


def test_fewer_sequences_than_coefficients_shrink_no_strength_and_promise_nothing():
    """The target is the input of 60 steps ago itself: a strength of 1."""
    found = []
    for seed in range(8):
        x = torch.randn(64, 80, 2, generator=torch.Generator().manual_seed(seed))
        one = lw.dependence((x, x[:, -61, 0]), [20, 60])
        assert one.ridge > 0
        assert not one.table["found"].any()
        assert np.isinf(one.table["smallest"]).all()
        found.append(one.table["strength"].loc[[20, 60]])
    strength = np.array(found)
    mean, error = strength.mean(0), strength.std(0, ddof=1) / len(found) ** 0.5
    # What is shrunk is shrunk by about the same share at both lags: it stays as sizes.
    assert mean[1] == pytest.approx(1.0, abs=4 * error[1] + 0.1)
    assert mean[0] < 0.3


def test_nothing_is_found_in_fewer_sequences_than_coefficients():
    """At most 1 % by the joint test: of 40, 3 or more have a probability of .01."""
    found = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        x, y = rng.normal(size=(48, 40, 2)), rng.normal(size=48)
        one = lw.dependence((x, y), [0, 10, 39])
        found += one.joint.found or one.table["found"].any()
    assert found <= 2


def blas_threads():
    found = threadpool_info()
    return {one["num_threads"] for one in found if one["user_api"] == "blas"}


def test_linear_algebra_has_one_thread_and_is_left_as_it_was():
    seen = set()

    def looking(x):
        seen.update(blas_threads())
        return x

    x, y = np.random.default_rng(0).normal(size=(2, 40, 12, 1))
    with threadpool_limits(2, "blas"):
        lw.dependence((x, y), 2, features=looking)
        assert blas_threads() == {2}
    assert seen == {1}


def test_targets_that_are_their_inputs_look_back_no_farther():
    x = np.random.default_rng(12).normal(size=(64, 40))
    for delay in (0, 3):
        found = lw.dependence((x[:, delay:], x[:, : 40 - delay]), 8)
        assert found.lookback == delay + 1
