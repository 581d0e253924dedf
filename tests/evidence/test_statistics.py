"""Projections on the others' direction; leaving one sequence out, by brute force."""

import numpy as np
import torch

from learnability.detection.samples import needed_by_gradients
from learnability.evidence.gradients import Numbers
from learnability.evidence.statistics import SequenceGradients, statistics


def measured(s, g, size=5):
    """Give the statistics of S (sequence, parameter) and G, some at a time."""
    probes, losses = torch.from_numpy(s)[:, None], torch.from_numpy(g)
    starts = range(0, len(s), size)
    places = [slice(start, min(start + size, len(s))) for start in starts]

    def chunks(rows):
        return (Numbers(p, probes[p, rows], losses[p]) for p in places)

    made = SequenceGradients(len(s), 1, s.shape[1], s.nbytes, chunks)
    return [values[0] for values in statistics(made)]


def projections(s, g, weight):
    """Give ``G_n . w_n``, w_n along the weighted sum of all sequences but n."""
    total = weight @ s
    others = total - weight[:, None] * s
    return (g * others).sum(axis=1) / np.linalg.norm(others, axis=1)


def test_statistics_by_brute_force():
    random, n, size, h = np.random.default_rng(0), 200, 6, 1e-6
    s, g = random.normal(0.4, 1, (n, size)), random.normal(size=(n, size))
    g[:, 0] *= 3
    square, dot, projection, tilt = measured(s, g)
    np.testing.assert_allclose(square, (s**2).sum(axis=1), rtol=1e-12)
    np.testing.assert_allclose(dot, s @ s.sum(axis=0), rtol=1e-10)
    base = projections(s, g, np.ones(n))
    np.testing.assert_allclose(projection, base, rtol=1e-10)
    slopes = []
    for i in range(n):
        lighter = np.ones(n)
        lighter[i] -= h
        p = projections(s, g, lighter)
        p[i] = base[i]  # has no part in its own direction
        slopes.append((((p - p.mean()) ** 2).sum() - n * base.var()) / h)
    # The directions S - S_n are close to S: the tilt is right to terms of 1/n.
    assert np.corrcoef(tilt, slopes)[0, 1] > 0.9999
    assert np.abs(tilt - slopes).max() < 0.05 * np.abs(slopes).max()


def test_statistics_do_not_know_the_order_of_the_sequences():
    random, n = np.random.default_rng(2), 40
    s, g = random.normal(0.4, 1, (n, 6)), random.normal(size=(n, 6))
    order = random.permutation(n)
    for one, two in zip(measured(s, g), measured(s[order], g[order], 7), strict=True):
        np.testing.assert_allclose(two, one[order], rtol=1e-9, atol=1e-12)


def test_intervals_know_that_the_direction_is_an_estimate():
    """Noise much larger along one axis: the spread that is told is the true one.

    A jackknife at fixed directions tells too little.
    """
    random, n, repetitions = np.random.default_rng(1), 200, 400
    size, mean = np.array([1.0, 3.0, 0.3, 0.3]), np.array([0.8, 0.0, 0.3, 0.0])
    logs, told, deaf = [], [], []
    for _ in range(repetitions):
        s = mean + random.normal(size=(n, 4)) * 0.8
        g = random.normal(size=(n, 4)) * size
        square, dot, p, tilt = (v[None] for v in measured(s, g, n))
        for found, own in ((told, tilt[:, None]), (deaf, 0.0)):
            need = needed_by_gradients(square, dot, p[:, None], own, effect_size=1.0)
            assert need.resolved.all()
            found.append(np.log(need.upper / need.lower)[0] / 2 / 1.96)
        logs.append(np.log(need.noise**2 / need.signal)[0])
    true = np.std(logs)  # its own standard error is 3.5 %
    assert abs(np.sqrt(np.mean(np.square(told))) / true - 1) < 0.15
    assert np.sqrt(np.mean(np.square(deaf))) < 0.92 * true
