"""What leaving a sequence out does to the other half's spread, by brute force."""

import numpy as np

from learnability.detection.samples import requirement
from learnability.evidence.spread import Spread


def deviations(halves, gradients):
    """Give the sum over both halves of squared deviations along the other's sum."""
    found = []
    for half in (0, 1):
        other = halves[1 - half]
        p = gradients[half::2] @ (other / np.linalg.norm(other))
        found.append(((p - p.mean()) ** 2).sum())
    return found


def test_tilt_is_the_derivative_by_a_sequence_s_weight():
    random, n, size, h = np.random.default_rng(0), 14, 6, 1e-6
    s, g = random.normal(0.4, 1, (n, size)), random.normal(size=(n, size))
    g[:, 0] *= 3
    halves = np.stack([s[::2].sum(axis=0), s[1::2].sum(axis=0)])
    spread = Spread.along(halves[None])
    for start in (0, 5):  # in two uneven parts
        stop = 5 if start == 0 else n
        spread.add(np.arange(start, stop), g[start:stop])
    q = spread.across()[0]
    places = np.arange(n)
    product = (s * q[1 - places % 2]).sum(axis=1)
    tilt = spread.tilt(product[None])[0]
    base = deviations(halves, g)
    for i in range(n):
        moved = halves.copy()
        moved[i % 2] -= h * s[i]
        other = 1 - i % 2
        slope = (deviations(moved, g)[other] - base[other]) / h
        assert abs(tilt[i] - slope) < 1e-4 * max(base)
    # Every sequence a little lighter turns no direction.
    assert abs(tilt[::2].sum()) < 1e-9 * np.abs(tilt).max()
    p = spread.projection(n)[0]
    wanted = g[::2] @ halves[1] / np.linalg.norm(halves[1])
    np.testing.assert_allclose(p[::2], wanted, rtol=1e-12)


def test_intervals_know_that_the_direction_is_an_estimate():
    """Noise much larger along one axis: the spread that is told is the true one.

    A jackknife at fixed directions tells too little.
    """
    random, n, repetitions = np.random.default_rng(1), 200, 400
    size, mean = np.array([1.0, 3.0, 0.3, 0.3]), np.array([0.8, 0.0, 0.3, 0.0])
    places, logs, told, deaf = np.arange(n), [], [], []
    for _ in range(repetitions):
        s = mean + random.normal(size=(n, 4)) * 0.8
        spread = Spread.along(np.stack([s[::2].sum(0), s[1::2].sum(0)])[None])
        spread.add(places, random.normal(size=(n, 4)) * size)
        q = spread.across()[0]
        tilt = spread.tilt((s * q[1 - places % 2]).sum(axis=1)[None])
        p = spread.projection(n)[:, None]
        parts = (s**2).sum(axis=1)[None], (s @ s.sum(axis=0))[None], p
        for found, own in ((told, tilt[:, None]), (deaf, 0.0)):
            need = requirement(*parts, own, strength=1.0)
            assert need.resolved.all()
            found.append(np.log(need.upper / need.lower)[0] / 2 / 1.96)
        logs.append(np.log(need.noise**2 / need.signal)[0])
    true = np.std(logs)  # its own standard error is 3.5 %
    assert abs(np.sqrt(np.mean(np.square(told))) / true - 1) < 0.15
    assert np.sqrt(np.mean(np.square(deaf))) < 0.92 * true
