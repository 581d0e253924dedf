"""Gradients by weighted lags: against loops that cut the state off, step by step."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from learnability.evidence.sample import Sample
from learnability.evidence.truncated import (
    random_anchors,
    stretches,
    weighted_gradients,
)
from learnability.verdict.lengths import kept_weight
from tests.networks import ALL, make_data, make_network

STEPS = 9


def prepared(kind="GRU", norm=False, looks=None):
    network = make_network(kind, norm, seed=3)
    x, y = make_data(3, STEPS, 3, seed=1)
    states = network.states(x).detach()
    looks = torch.ones(3, STEPS, dtype=torch.bool) if looks is None else looks
    delta = network.error_signal(states, y).detach() * looks[..., None]
    lengths, item = torch.full((3,), STEPS), torch.arange(3)
    sample = Sample(network.cell, x, states, lengths, delta, delta, looks, item)
    return network, y, sample


def cut_gradients(network, x, y, begins):
    """Return each sequence's gradient of all losses, the state cut off before steps.

    Args:
        begins: tells of t and s <= t whether the loss at t stops before step s.
    """
    names = [n for n in ("ln_weight", "ln_bias") if network.cell.layernorm]
    names += [*network.cell.factors(network.states(x).detach(), x)]
    parameters = [getattr(network.cell, name) for name in names]
    rows = []
    for one, target in zip(x, y, strict=True):
        total = [torch.zeros_like(p) for p in parameters]
        for t in range(STEPS):
            state = one.new_zeros(1, network.cell.state_size)
            for s in range(t + 1):
                state = state.detach() if begins(t, s) else state
                state = network.cell.step(state, one[None, s])
            loss = 0.5 * (network.read(state[:, None])[0, 0] - target[t]) ** 2
            found = torch.autograd.grad(loss, parameters, allow_unused=True)
            total = [
                a if g is None else a + g for a, g in zip(total, found, strict=True)
            ]
        rows.append(torch.cat([g.flatten() for g in total]))
    return torch.stack(rows)


@pytest.mark.parametrize(("kind", "norm"), ALL)
@pytest.mark.parametrize("length", [1, 4, 20])
def test_a_sliding_window_is_a_state_cut_off_so_many_steps_before(kind, norm, length):
    network, y, sample = prepared(kind, norm)
    weights = kept_weight(np.arange(float(STEPS)), 1, length)[None]
    every = np.tile(np.arange(STEPS), (3, 1))
    found = weighted_gradients(sample, weights, every)[:, 0]
    cut = cut_gradients(network, sample.x, y, lambda t, s: s == t - length + 1)
    torch.testing.assert_close(found, cut, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(("kind", "norm"), [("GRU", False), ("LSTM", True)])
@pytest.mark.parametrize("length", [1, 4, STEPS + 2])
def test_chunks_are_cut_off_at_their_begin_wherever_they_begin(kind, norm, length):
    network, y, sample = prepared(kind, norm)
    weights = kept_weight(np.arange(float(STEPS)), length, length)[None]
    every = np.tile(np.arange(STEPS), (3, 1))
    found = weighted_gradients(sample, weights, every)[:, 0]
    cuts = [
        cut_gradients(network, sample.x, y, lambda t, s, o=o: (s + o) % length == 0)
        for o in range(length)
    ]
    cut = torch.stack(cuts).mean(0)
    torch.testing.assert_close(found, cut, rtol=1e-9, atol=1e-11)


def test_some_anchors_stand_for_all_and_none_for_none():
    generator = torch.Generator().manual_seed(2)
    looks = torch.rand(3, STEPS, generator=generator) < 0.7
    looks[2] = False
    _, _, sample = prepared(looks=looks)
    weights = np.array([np.ones(STEPS), np.arange(STEPS) >= 2], dtype=float)
    whole = weighted_gradients(sample, weights, random_anchors(sample, STEPS, 0))
    assert not whole[2].any()
    # The same 400 times in one sample, each time with anchors of its own.
    times = {"item": torch.arange(3 * 400)}
    for name in ("x", "states", "lengths", "delta", "target", "looks"):
        times[name] = torch.cat([getattr(sample, name)] * 400)
    many = replace(sample, **times)
    some = weighted_gradients(many, weights, random_anchors(many, 2, 0))
    some = some.unflatten(0, (400, 3))
    mean, error = some.mean(0), some.std(0) / 20
    apart = (mean - whole).abs()[:2]
    assert bool((apart <= 5 * error[:2] + 1e-12).all())


def test_anchors_are_steps_at_which_the_loss_looks_and_each_as_often():
    looks = torch.zeros(2, STEPS, dtype=torch.bool)
    looks[0, [1, 3, 4, 6, 8]] = True
    looks[1, 2] = True
    _, _, sample = prepared()
    sample = sample.rows(slice(0, 2))
    object.__setattr__(sample, "looks", looks)
    every = [random_anchors(sample, 3, seed) for seed in range(2000)]
    assert all((one[1] == [2, -1, -1]).all() for one in every)
    counts = np.bincount(np.concatenate([one[0] for one in every]), minlength=STEPS)
    assert set(np.flatnonzero(counts)) == {1, 3, 4, 6, 8}
    error = (2000 * 0.6 * 0.4) ** 0.5
    assert np.abs(counts[looks[0].numpy()] - 1200).max() < 4 * error


@pytest.mark.parametrize("kind", ["LSTM", "SharedGate"])
def test_kinds_of_weights_together_are_each_by_itself_lag_by_lag(kind):
    _, _, sample = prepared(kind)
    lags, anchors = np.arange(float(STEPS)), random_anchors(sample, 4, 0)
    weights = [kept_weight(lags, *k) for k in ((1, 3), (4, 4), (20, 20), (2, 7))]
    found = weighted_gradients(sample, np.stack(weights), anchors)
    by_lag = weighted_gradients(sample, np.eye(STEPS), anchors)
    whole = torch.einsum("rl,nlp->nrp", torch.from_numpy(np.stack(weights)), by_lag)
    torch.testing.assert_close(found, whole, rtol=1e-9, atol=1e-11)


def test_clusters_are_sums_of_items_and_a_short_form_is_that_of_the_sums():
    _, _, sample = prepared()
    weights = np.stack([np.ones(STEPS), np.arange(STEPS) / STEPS])
    anchors = random_anchors(sample, 4, 0)
    single = weighted_gradients(sample, weights, anchors)
    clusters = torch.tensor([0, 1, 1])
    found = weighted_gradients(sample, weights, anchors, clusters)
    torch.testing.assert_close(found, torch.stack([single[0], single[1:].sum(0)]))
    short = weighted_gradients(
        sample, weights, anchors, clusters, lambda rows: rows[:, :5].cumsum(1)
    )
    torch.testing.assert_close(short, found[..., :5].cumsum(-1))


def test_weights_are_straight_over_the_longest_stretches_and_made_of_their_ends():
    lags = np.arange(40.0)
    uses = [(k1, k) for k in (5, 8, 16, 33) for k1 in (1, k)]
    weights = np.stack([np.ones(40), *(kept_weight(lags, *use) for use in uses)])
    found = stretches(weights)
    assert [one.lags[0] for one in found] == [0, 5, 8, 16, 33]
    for one in found:
        ends = weights[:, [one.lags[0], one.lags[-1]]][:, : len(one.shares)]
        assert ends @ one.shares == pytest.approx(weights[:, one.lags], abs=1e-12)


def test_no_step_is_taken_of_a_cluster_that_a_stretch_does_not_reach(monkeypatch):
    looks = torch.ones(3, STEPS, dtype=torch.bool)
    looks[0, 1:] = False  # it looks at step 0, which has no lag but 0
    _, _, sample = prepared(looks=looks)
    step = type(sample.cell).step_projected

    def seen(self, state, projected):
        assert state.numel(), "a user's step may not know what to do with nothing"
        return step(self, state, projected)

    monkeypatch.setattr(type(sample.cell), "step_projected", seen)
    found = weighted_gradients(sample, np.eye(STEPS), random_anchors(sample, 4, 0))
    assert found[0, 0].any()
    assert not found[0, 1:].any()
    assert found[1:, 1:].any()
