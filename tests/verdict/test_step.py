"""Does a step pay: against brute force and closed forms."""

from itertools import pairwise

import numpy as np
import pytest

from learnability.verdict.step import gradient_sums, step

RATES = np.array([0.5, 2.0, 1.0])


def grouped(gradients, sizes):
    """Return sums over groups of given sizes."""
    edges = np.cumsum([0, *sizes])
    return [(gradients[a:b].sum(0), int(b - a)) for a, b in pairwise(edges)]


def drawn(seed, count, mean=(1.0, 0.5, -0.5)):
    r = np.random.default_rng(seed)
    return np.array(mean) + r.normal(size=(count, 3)) * [1.0, 2.0, 3.0]


def test_sizes_are_those_of_pairs_of_different_sequences():
    g = drawn(0, 10)
    sums = gradient_sums(grouped(g, [1] * 10), RATES, np.zeros(3))
    pairs = [g[i] @ (RATES * g[j]) for i in range(10) for j in range(10) if i != j]
    assert sums.size(RATES) == pytest.approx(np.mean(pairs))
    noise = (RATES * g.var(axis=0, ddof=1)).sum()
    assert sums.noise(RATES) == pytest.approx(noise)


def test_groups_of_any_size_tell_the_same_on_average():
    found = []
    for seed in range(400):
        sums = gradient_sums(grouped(drawn(seed, 24), [2, 6, 4, 4, 8]), RATES, RATES)
        found.append((sums.size(RATES), sums.noise(RATES)))
    expected = RATES @ np.square([1.0, 0.5, -0.5]), RATES @ np.square([1.0, 2.0, 3.0])
    error = np.std(found, axis=0) / np.sqrt(len(found))
    assert (np.abs(np.mean(found, axis=0) - expected) < 4 * error).all()


def facts(train, held, sequences):
    one = [1] * len(train), [1] * len(held)
    own = gradient_sums(grouped(train, one[0]), RATES, np.zeros(3))
    other = gradient_sums(grouped(held, one[1]), RATES, own.mean)
    return step(own, other, RATES, sequences)


def test_a_step_on_new_data_pays_h_and_its_error_is_that_of_held_out_sequences():
    found = [facts(drawn(2 * k, 16), drawn(2 * k + 1, 64), 16) for k in range(300)]
    b, h = np.array([f.b for f in found]), np.array([f.h for f in found])
    assert abs(np.mean(b - h)) < 4 * np.std(b - h) / np.sqrt(len(b))
    c = np.array([f.c - f.h - f.tau for f in found])
    assert abs(c.mean()) < 4 * c.std() / np.sqrt(len(c))
    train = drawn(0, 16)
    given = [facts(train, drawn(k + 1000, 64), 16) for k in range(300)]
    spread = np.std([f.b for f in given])
    assert np.mean([f.b_error for f in given]) == pytest.approx(spread, rel=0.15)


def test_some_of_the_sequences_tell_what_all_of_them_do():
    every = drawn(0, 200)
    whole = facts(every, drawn(1, 50), 200).c
    r = np.random.default_rng(2)
    some = [
        facts(every[r.permutation(200)[:40]], drawn(1, 50), 200).c for _ in range(400)
    ]
    assert abs(np.mean(some) - whole) < 4 * np.std(some) / np.sqrt(len(some))


def test_fitted_data_have_no_ratio():
    train = drawn(0, 32)
    train -= train.mean(axis=0)
    found = facts(train, drawn(1, 32), 32)
    assert np.isnan(found.rel)
    assert found.fitted == pytest.approx(1 + found.b / found.tau)
