"""Tolerances, parts and what is computed from replicates."""

import numpy as np
import pytest

from experiments.claims import (
    FAILED,
    HELD,
    RESTRICTED,
    Claim,
    Measured,
    Part,
    Tolerance,
    chosen_letters,
    run,
    run_claims,
)
from experiments.claims.simulate import (
    bootstrap,
    needed,
    octaves,
    running_means,
    slope,
    windows,
)


@pytest.mark.parametrize(
    ("rule", "number", "value", "holds"),
    [
        ("equal", 3, 1.29, True),
        ("equal", 3, 0.71, True),
        ("equal", 3, 1.31, False),
        ("equal", 3, 0.69, False),
        ("above", 3, 1.31, True),
        ("above", 3, 1.29, False),
        ("below", 3, 0.69, True),
        ("below", 3, 0.71, False),
        ("not below", 3, 0.71, True),
        ("not below", 3, 0.69, False),
        ("factor", 2, 1.99, True),
        ("factor", 2, 0.51, True),
        ("factor", 2, 2.01, False),
        ("factor", 2, 0.49, False),
        ("factor", 2, -1.0, False),
        ("equal", 3, np.nan, False),
        ("not below", 3, np.inf, False),
    ],
)
def test_tolerance(rule, number, value, holds):
    tolerance = Tolerance(rule, float(number))
    assert tolerance.holds(Measured("x", float(value), 0.1, 1.0)) == holds
    assert f"{number}" in tolerance.words


@pytest.mark.parametrize(
    ("rule", "value", "holds"),
    [
        ("equal", 1.0, True),
        ("equal", 1.1, False),
        ("above", 1.0, False),
        ("below", 0.9, True),
        ("not below", 1.0, True),
        ("not below", 0.9, False),
    ],
)
def test_a_number_without_error_is_exact(rule, value, holds):
    assert Tolerance(rule).holds(Measured("x", value, 0.0, 1.0)) == holds


def part(verdict: str) -> Part:
    rule = "above" if verdict == HELD else "below"
    one = (Measured("x", 1.0, 0.1, 0.0),)
    return Part(verdict, "", Tolerance(rule), one, ("well", "badly"))


@pytest.mark.parametrize(
    ("made", "verdict", "explanation"),
    [
        ([HELD, HELD], HELD, "Well; well."),
        ([HELD, FAILED], RESTRICTED, "Well; badly."),
        ([FAILED, FAILED], FAILED, "Badly; badly."),
    ],
)
def test_the_verdict_follows_from_the_parts(made, verdict, explanation):
    claim = Claim("x", "", "", "", tuple(part(v) for v in made), (), "")
    assert claim.verdict == verdict
    assert claim.explanation == explanation


def test_a_part_without_numbers_is_refused():
    with pytest.raises(ValueError, match="no numbers"):
        Part("x", "", Tolerance("equal"), (), ("", ""))


def test_letters():
    assert chosen_letters(["J", "a", "a"]) == ["a", "j"]
    with pytest.raises(ValueError, match="no claim 'k'; choose among a, b"):
        chosen_letters(["k"])
    with pytest.raises(ValueError, match="no claim was chosen"):
        chosen_letters([])
    with pytest.raises(ValueError, match="seed is -1"):
        run_claims(-1, ["g"])


def test_progress_ends_at_one(monkeypatch):
    claim = Claim("x", "", "", "", (part(HELD),), (), "")
    monkeypatch.setattr(run, "EXPERIMENTS", dict.fromkeys("abc", lambda seed: claim))
    shares = []
    assert len(run_claims(0, ["a", "b"], progress=shares.append)) == 2
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_running_means_are_those_of_the_first_values():
    values = np.random.default_rng(1).normal(size=(5, 13, 2))
    rows = iter([values[:3], values[3:]])
    sizes = np.array([1, 4, 13])
    from experiments.claims import simulate

    chunk, simulate.CHUNK = simulate.CHUNK, 3 * 13 * 2
    try:
        found = running_means(lambda r, n: next(rows), sizes, 5, width=2)
    finally:
        simulate.CHUNK = chunk
    expected = np.stack([values[:, :n].mean(axis=1) for n in sizes], axis=1)
    np.testing.assert_allclose(found, expected)


def test_needed_on_a_known_curve():
    sizes = octaves(1, 64)
    share = 0.5 / sizes  # crosses 0.1 at N = 5: the curve is a line in logarithms
    wrong = np.arange(6400)[:, None, None] < 6400 * share[None, :, None]
    found = needed(sizes, np.concatenate([wrong, wrong * 0 > 0], axis=2), 0.1)
    assert abs(found[0] - 5) < 0.01
    assert np.isnan(found[1])  # never errs: N lies below the first size


def test_windows_count_lags():
    f = 1 / np.arange(2.0, 12.0)
    np.testing.assert_array_equal(
        windows(f, np.array([0.6, 0.5, 0.24, 0.01])), [0, 1, 3, 10]
    )


def test_bootstrap_of_a_mean_and_slope():
    rng = np.random.default_rng(3)
    value, error = bootstrap(lambda x: x.mean(0), rng.normal(size=(900, 2)), rng)
    assert (abs(value) < 4 / 30).all()
    assert (abs(error * 30 - 1) < 0.2).all()
    assert slope(np.array([0.0, 1.0, 2.0]), np.array([1.0, -1.0, -3.0])) == -2.0
