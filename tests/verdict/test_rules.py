"""The table of rules: each verdict where it belongs, the first that fits."""

from dataclasses import replace
from math import inf, nan

import pytest

from learnability.verdict.explanation import WORDS, explanation
from learnability.verdict.rules import RULES, Case, Z, verdict, with_progress

OPEN = Case(
    lag=40,
    layer="rnn.gru[layer 0, forward]",
    cell="TorchGRU",
    units=32,
    sequences=512,
    strength=0.4,
    found=True,
    smallest=0.05,
    share=0.2,
    share_lower=0.1,
    share_upper=0.3,
    needed=40.0,
    envelope=0.2,
    kept=0.5,
    kept_error=0.05,
    gain=0.03,
    gain_error=0.001,
    b=0.02,
    b_error=0.004,
    rel=0.8,
    unfitted=0.9,
    train_fall=0.05,
    train_fall_error=0.01,
    held_fall=0.04,
    held_fall_error=0.005,
)
FLAT = {"train_fall": 0.01, "held_fall": 0.005, "gain": -0.01}
CASES = [
    ("too few steps", {}),
    ("too few steps", {"gain": nan}),
    ("too few steps", {"gain": -0.01}),
    ("too few steps", {"held_fall": -0.009}),
    ("too few steps", {"train_fall": 0.01}),
    ("too few steps", FLAT | {"progress": 0.02}),
    ("not in the data", {"found": False}),
    ("not in the data", {"found": False, "together": True}),
    ("not resolved", {"found": False, "others": True}),
    ("too few steps", {"found": False, "together": True, "others": True}),
    ("vanishes", {"needed": nan, "past": 7}),
    ("learnt", {"needed": nan, "past": 7, "share": 0.8, "share_lower": 0.6}),
    ("too few steps", {"needed": nan, "past": 40}),
    ("not resolved", {"found": False, "smallest": 0.6}),
    ("not resolved", {"found": False, "smallest": nan}),
    ("too few steps", {"found": False, "smallest": 0.6, "together": True}),
    ("learnt", {"share": 0.8, "share_lower": 0.6}),
    ("too few steps", {"share": 0.8, "share_lower": 0.2}),
    ("vanishes", {"needed": 5000.0, "envelope": 1e-6}),
    ("vanishes", {"needed": nan, "envelope": 1e-6}),
    ("vanishes", {"needed": 100.0, "envelope": 1e-6}),
    ("vanishes", {"needed": inf, "envelope": 1e-9}),
    ("too few steps", {"needed": 0.01, "envelope": 1e-9}),
    ("too few steps", {"needed": 5000.0}),
    ("too few steps", {"envelope": 1e-6}),
    ("too few sequences", {"held_fall": -0.011}),
    ("too few sequences", FLAT | {"held_fall": -0.011}),
    ("forgotten", FLAT | {"kept": 0.02}),
    ("not resolved", FLAT),
    ("not resolved", FLAT | {"train_fall": -0.02, "held_fall": -0.025}),
    ("too few sequences", FLAT | {"train_fall": -0.02, "held_fall": -0.031}),
    ("not resolved", FLAT | {"held_fall": -0.009}),
    ("not resolved", FLAT | {"kept": nan}),
    ("not resolved", {"share": nan, "held_fall": nan}),
    ("not resolved", {"held_fall": nan}),
    ("too few steps", {"share": nan}),
]


@pytest.mark.parametrize(("said", "change"), CASES)
def test_each_verdict_is_given_where_it_belongs(said, change):
    case = replace(OPEN, **change)
    assert verdict(case) == said
    lines = str(explanation(case)).splitlines()
    assert lines[0] == f"lag 40 of rnn.gru[layer 0, forward]: {said}"
    assert 2 <= len(lines) <= 6
    assert "nan" not in str(explanation(case)).replace("dominant", "")


@pytest.mark.parametrize(
    ("kept", "error", "holds"),
    [
        (0.5, 0.05, True),
        (0.1, 0.05, True),
        (0.1, 0.06, False),  # not told from 0
        (0.09, 0.001, False),  # little is no memory, however well it is known
        (nan, nan, False),
    ],
)
def test_what_a_state_holds_it_has_not_forgotten(kept, error, holds):
    case = replace(OPEN, **FLAT, kept=kept, kept_error=error)
    assert case.holds == holds
    assert not holds or verdict(case) != "forgotten"
    assert replace(case, share=0.7, share_lower=0.6).holds  # what is learnt is there


def test_every_rule_has_words_and_a_case():
    rules = {rule.verdict for rule in RULES}
    assert rules == set(WORDS) == {said for said, _ in CASES}


def test_what_is_learnt_at_other_lags_is_progress_and_what_is_known_is_none():
    flat = replace(OPEN, **FLAT)
    rising = replace(flat, lag=2, gain=0.03)
    falling = replace(flat, lag=4, gain=-0.02)
    done = replace(OPEN, lag=8, share=0.9, share_lower=0.8, gain=0.5)
    found = with_progress({c.lag: c for c in (rising, falling, done)})
    assert {c.progress for c in found.values()} == {0.03 - Z * OPEN.gain_error}
    assert verdict(found[4]) == "too few steps"
    assert verdict(with_progress({4: falling, 8: done})[4]) == "not resolved"
    chance = replace(rising, gain_error=0.02)
    assert verdict(with_progress({2: chance, 4: falling})[2]) == "not resolved"


def test_lag_0_never_vanishes():
    assert verdict(replace(OPEN, lag=0, needed=nan, envelope=0.0)) != "vanishes"


@pytest.mark.parametrize(("cell", "said"), [("LSTM", "gate_bias(40"), ("TorchRNN", "")])
def test_gates_are_set_where_there_are_some(cell, said):
    case = replace(OPEN, needed=nan, envelope=1e-6, cell=cell)
    code = explanation(case).code
    assert said in code
    assert ("model.rnn.gru" in code) == bool(said)


def test_what_is_too_small_for_numbers_vanishes_too():
    case = replace(OPEN, needed=nan, envelope=nan, below=True)
    assert verdict(case) == "vanishes"
    assert "f(40)/f(0) is too small for its numbers" in explanation(case).evidence
