"""Data in all forms that people have them, and what is refused."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

import learnability as lw
from learnability.checked import checked_seed
from learnability.grid import whole_lags
from learnability.tasks import Sequences


@pytest.fixture(scope="module")
def data():
    x, y = np.random.default_rng(0).normal(size=(2, 40, 20)).astype(np.float32)
    y[:, 2:] += x[:, :-2]
    return torch.tensor(x[..., None]), torch.tensor(y)


def test_every_form_of_the_same_data_gives_the_same_answer(data):
    x, y = data
    pairs = TensorDataset(x, y)
    forms = [
        (x.numpy(), y.numpy()),
        (x[..., 0], y),
        (x.tolist(), y[..., None].tolist()),
        Sequences(x, y),
        pairs,
        DataLoader(pairs, batch_size=7),
        [(x[:25], y[:25]), [x[25:], y[25:]]],
    ]
    first = lw.dependence((x, y), 4)
    for form in forms:
        assert lw.dependence(form, 4).table.equals(first.table)
    assert first.table.found.tolist() == [False, False, True, False, False]


def test_batches_of_other_lengths_are_padded(data):
    x, y = data
    batches = [(x[:20, :12], y[:20, :12]), (x[20:], y[20:])]
    lengths = [12] * 20 + [20] * 20
    padded = lw.dependence((x, y), 4, lengths=lengths)
    assert lw.dependence(batches, 4).table.equals(padded.table)


def test_targets_of_the_last_step_may_be_values_vectors_or_classes(data):
    x, y = data
    last = torch.stack([y[:, -1], x[:, -4, 0]], dim=1)
    x = x[:, -6:]
    assert lw.dependence((x, last), 4).table.found[3]
    assert lw.dependence((x, last[:, 1]), 4).table.found.tolist()[3]
    classes = (last[:, 1] > 0).long()
    assert lw.dependence((x, classes), 4).table.found.tolist()[3]
    found = lw.dependence((x, classes[:, None]), 4)
    assert found.table.found.tolist() == [False, False, False, True, False]


def test_a_series_may_have_one_axis():
    series = np.random.default_rng(1).normal(size=600)
    found = lw.dependence((series[:-1], series[:-1] + 0.1 * series[1:]), 5)
    assert found.table.index[found.table.found].tolist() == [0]
    assert found.sample == "49 blocks of steps"


def test_windows_of_a_series_are_found_out_and_cut_into_blocks():
    series = np.random.default_rng(2).normal(size=800)
    cut = np.lib.stride_tricks.sliding_window_view(series, 21)[::4]
    found = lw.dependence((cut[:, :-1], cut[:, 1:]), 5)
    assert found.sample == "20 blocks of windows"
    codes = (cut > 0).astype(int)
    found = lw.dependence((codes[:, :-1], codes[:, 1:]), 5)
    assert found.sample == "20 blocks of windows"


def test_the_order_of_windows_does_not_matter():
    r = np.random.default_rng(4)
    series = r.normal(size=(2, 500)).cumsum(axis=1)
    x, y = np.lib.stride_tricks.sliding_window_view(series, 20, axis=1)[:, ::3]
    order = r.permutation(len(x))
    first = lw.dependence((x, y), 6)
    second = lw.dependence((x[order], y[order]), 6)
    assert first.sample == second.sample == "13 blocks of windows"
    assert np.allclose(first.table.p_value, second.table.p_value, rtol=1e-6)


def test_sequences_that_share_no_steps_are_not_windows():
    r = np.random.default_rng(5)
    for x in (r.normal(size=(40, 9)), r.integers(0, 2, size=(40, 9))):
        assert lw.dependence((x, r.normal(size=(40, 9))), 3).sample == "40 sequences"


def test_sequences_of_which_most_stay_at_0_are_not_windows():
    r = np.random.default_rng(6)
    for x in (r.random((60, 36)) < 0.01, np.repeat(r.random((60, 1)) < 0.3, 36, 1)):
        x = x.astype(float) + (np.arange(60) == 0)[:, None] * r.normal(size=(1, 36))
        found = lw.dependence((x, r.normal(size=(60, 36))), 3)
        assert found.sample == "60 sequences"
    series = (r.random(900) < 0.02).astype(int)
    windows = np.lib.stride_tricks.sliding_window_view(series, 36)[::4]
    found = lw.dependence((windows, r.normal(size=windows.shape)), 3)
    assert found.sample.endswith("blocks of windows")


def test_a_class_of_minus_100_is_no_target(data):
    x, y = data
    classes = (y > 0).long()
    short = lw.dependence((x[:, :12], classes[:, :12]), 4)
    classes[:, 12:] = -100
    assert lw.dependence((x, classes), 4).table.found[2]
    padded = lw.dependence((x, classes), 4, lengths=[12] * 40)
    pd.testing.assert_frame_equal(padded.table, short.table)


def test_lags_may_be_whole_numbers_of_any_kind(data):
    first = lw.dependence(data, 4).table
    for lags in (
        np.int64(4),
        np.array(4),
        torch.tensor(4),
        torch.arange(5),
        {*range(5)},
    ):
        assert lw.dependence(data, lags).table.equals(first)


def ones(*shape):
    return np.ones(shape)


def noise(*shape):
    return np.random.default_rng(3).normal(size=shape)


@pytest.mark.parametrize(
    ("given", "options", "said"),
    [
        ((noise(20, 9), noise(20, 9)), {"lags": 9}, "the largest possible lag is 8"),
        ((noise(20, 9), noise(20, 9)), {"lags": [1, 1]}, "lag 1 is given twice"),
        ((noise(20, 9), noise(20, 9)), {"lags": 10**12}, "lag 1000000000000 does not"),
        ((noise(20, 9), noise(20, 9)), {"lags": -2}, "lag -2 is too small"),
        ((noise(200, 3), noise(200)), {"lags": 5}, r"x\[None\] and y\[None\]"),
        ((noise(20, 9), noise(20, 9)), {"lengths": [2.5] * 20}, r"lengths are \[2.5"),
        ((noise(20, 9), noise(20, 9)), {"groups": [None] * 20}, "groups hold None"),
        ((noise(20, 9), np.full((20, 9), -100)), {}, "all targets are -100"),
        ((np.ma.masked_less(noise(20, 9), 0), noise(20, 9)), {}, "masked values"),
        ((noise(20, 9), noise(19)), {}, r"hold \[20, 19\] sequences"),
        ([(noise(20, 9), noise(19))], {}, "one target per step or one per sequence"),
        ((noise(5, 9), noise(5)), {}, "5 sequences .* too few; give at least 8"),
        ((noise(30), noise(30)), {"lags": 4}, "give longer sequences"),
        ((ones(20, 9), noise(20, 9)), {}, "inputs do not vary"),
        ((noise(20, 9), ones(20, 9)), {}, "targets do not vary"),
        ((noise(20, 9), noise(20, 9) * np.nan), {}, "targets hold nan"),
        ((np.arange(180).reshape(20, 9), noise(20, 9)), {}, "give amounts as floats"),
        ((np.arange(200).reshape(10, 20) % 50, noise(10)), {}, "each is needed"),
        ((noise(20, 9), noise(20, 9)), {"features": "cubic"}, "choose linear"),
        (
            (noise(20, 9), noise(20, 9)),
            {"features": lambda x: x[..., 0]},
            r"return \(sequence, step, feature\)",
        ),
        ((noise(20, 9), noise(20, 9)), {"lengths": [10] * 20}, "give 20 whole numbers"),
        ((noise(20, 9), noise(20, 9)), {"groups": [1, 2]}, "one label for each"),
        ((noise(20, 9), noise(20, 9)), {"groups": [1, 2] * 10}, "2 groups"),
        ((noise(40, 20, 500), noise(40, 20)), {"lags": 4}, "2500 coefficients"),
        ("sequences.csv", {}, "the data are a str"),
        ([], {}, "gave no batch"),
        ([noise(3, 9)], {}, "give inputs and targets"),
        ({"x": noise(20, 9), "y": noise(20, 9)}, {}, "a dict that is no pair"),
        ((["a"], ["b"]), {}, "no tuple"),
        ((noise(20, 9), np.array(["b"] * 20)), {}, "give real numbers"),
    ],
)
def test_a_wrong_call_is_refused_in_a_sentence(given, options, said):
    with pytest.raises(ValueError, match=said):
        lw.dependence(given, **{"lags": 2, **options})


@pytest.mark.parametrize("lags", [2.0, [1, 2.5], [np.nan], None, "3", ["a"]])
def test_what_is_no_lag_is_named(lags):
    with pytest.raises(ValueError, match=r"lag .* is no whole number; give steps"):
        whole_lags(lags)


@pytest.mark.parametrize("seed", [1.5, -1, "a", None, 2**63])
def test_what_is_no_seed_is_named(seed):
    with pytest.raises(ValueError, match=r"the seed is .*; give a whole number from 0"):
        checked_seed(seed)
