"""Windows of each lag: uniform, nested, and of no concern to other lags."""

import numpy as np
import pytest
import torch

from learnability.transport import (
    ExactWindows,
    carried_steps,
    sampled_windows,
    transport,
)
from learnability.transport.orders import sampled_exact
from learnability.unroll import unroll
from tests.networks import make_cell, make_data

LENGTHS = torch.tensor([24, 5, 24, 9, 2, 1, 16, 24])


def pairs(sample, lag):
    place = int(np.flatnonzero(sample.lags == lag)[0])
    here = (sample.first <= place) & (sample.last >= place)
    return set(zip(sample.sequence[here], sample.step[here], strict=True))


def test_a_lag_has_the_same_windows_whatever_else_is_asked():
    def of(*lags):
        return sampled_windows(LENGTHS, lags, windows=12, seed=3)

    for lag in (0, 4):
        alone = pairs(of(4), lag)
        for others in ((4, 10), (1, 2, 4, 12), (4, 20, 23)):
            assert pairs(of(*others), lag) == alone


def test_what_counts_for_a_lag_counts_for_longer_ones():
    sample = sampled_windows(LENGTHS, [1, 4, 9, 20], windows=9, seed=0)
    for lag, longer in ((0, 1), (1, 4), (4, 9), (9, 20)):
        fitting = {(n, t) for n, t in pairs(sample, lag) if t >= longer}
        assert fitting <= pairs(sample, longer)


def test_every_window_is_drawn_as_often_as_any_other():
    """Counts over many seeds against their binomial deviation."""
    lags, wanted, seeds = [1, 6, 20], 15, 2000
    for lag in (0, *lags):
        every = [(n, t) for n, size in enumerate(LENGTHS) for t in range(lag, size)]
        counts = dict.fromkeys(every, 0)
        for seed in range(seeds):
            sample = sampled_windows(LENGTHS, lags, windows=wanted, seed=seed)
            for pair in pairs(sample, lag):
                counts[pair] += 1
        share = min(1.0, wanted / len(every))
        away = np.abs(np.array(list(counts.values())) - seeds * share)
        assert (away <= 4.5 * np.sqrt(seeds * share * (1 - share))).all()


def test_all_windows_are_taken_where_there_are_few():
    sample = sampled_windows(LENGTHS, [3, 20], windows=1000, seed=0)
    assert len(pairs(sample, 3)) == int((LENGTHS - 3).clamp(min=0).sum())
    assert carried_steps(LENGTHS, [3, 20], 1000) == sample.lags[sample.last].sum()


def test_parts_of_sequences_are_the_whole():
    sample = sampled_windows(LENGTHS, [2, 7], windows=20, seed=1)
    found = []
    for start, stop in ((0, 3), (3, 4), (4, 8)):
        part = sample.of(start, stop)
        found += list(zip(part.sequence + start, part.step, strict=True))
    assert found == list(zip(sample.sequence, sample.step, strict=True))
    steps = np.concatenate([part.step for part in sample.parts(5)])
    assert sorted(steps) == sorted(sample.step)


@pytest.mark.parametrize("kind", ["GRU", "LSTM"])
def test_all_windows_give_the_ragged_mean(kind):
    cell, (x, _) = make_cell(kind, False, 3, 4, seed=2), make_data(8, 24, 3)
    states, lags = unroll(cell, x).detach(), [1, 4, 9]
    sample = sampled_windows(LENGTHS, lags, windows=10**6, seed=0)
    found = ExactWindows(cell, sample)
    for part in (slice(0, 3), slice(3, 8)):
        found.add(x[part], states[part])
    got = found.result()
    for place, lag in enumerate(lags):
        rows = []
        for n, size in enumerate(LENGTHS.tolist()):
            if size > lag:
                own = x[n : n + 1, :size], states[n : n + 1, :size]
                (gain,) = (g for _, g in transport(cell, *own, [lag], order="exact"))
                rows.append(gain[0].detach().abs().numpy())
        every = np.concatenate(rows)
        np.testing.assert_allclose(got.unit_mean[place], every.mean(axis=0))
        typical = np.exp(np.log(every.sum(axis=-1)).mean())
        np.testing.assert_allclose(got.typical[place], typical)
        assert got.windows[place] == len(every)
        assert got.clusters[place] == len(rows)


def test_longer_lags_change_no_number():
    cell, (x, _) = make_cell("GRU", False, 3, 4, seed=2), make_data(8, 24, 3)
    states = unroll(cell, x).detach()

    def of(*lags):
        sample = sampled_windows(LENGTHS, lags, windows=12, seed=3)
        found = ExactWindows(cell, sample)
        found.add(x, states)
        f = found.result()
        place = lags.index(4)
        return [f.mean[place], f.origin, f.typical[place], f.error[place]]

    for others in ((4, 10), (2, 4, 23)):
        np.testing.assert_allclose(of(*others), of(4), rtol=1e-12)


def test_anchors_are_carried_as_far_as_they_reach():
    cell, (x, _) = make_cell("LSTM", True, 3, 4, seed=2), make_data(3, 12, 3)
    states = unroll(cell, x).detach()
    anchors, reach = torch.tensor([[0, 11], [2, 7], [1, 3], [0, 0]]), [9, 5, 3, 0]
    lags = [0, 2, 3, 5, 9]
    parts = dict(sampled_exact(cell, x, states, lags, anchors, torch.tensor(reach)))
    for row, far in enumerate(reach):
        own = [lag for lag in lags if lag <= far]
        alone = dict(sampled_exact(cell, x, states, own, anchors[row : row + 1]))
        for lag in own:
            torch.testing.assert_close(parts[lag][row], alone[lag][0])
    assert [len(parts[lag]) for lag in lags] == [4, 3, 3, 2, 1]


def test_wrong_calls_name_the_remedy():
    with pytest.raises(ValueError, match="sample at least 2"):
        sampled_windows(LENGTHS, [1], windows=1, seed=0)
    with pytest.raises(ValueError, match="give shorter lags"):
        sampled_windows(LENGTHS, [24], windows=9, seed=0)
