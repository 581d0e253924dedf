"""The first screen in words: true for studies that found nothing, all, or half."""

import numpy as np
import pandas as pd
import pytest

from learnability.report import page
from learnability.report.answer import difference, headline, learnt, spread_of
from learnability.report.reach import reached, summed_cell
from learnability.report.seeds import spoken, summary
from learnability.study import load_settings
from tests.plots.records import (
    LAGS,
    diagnosis,
    extreme,
    nothing_resolved,
    training_group,
)

BUDGETS = [10.0, 100.0, 1000.0]


def told(groups, budgets=BUDGETS) -> str:
    return " ".join(headline(groups, budgets, 0.95)).replace("\u202f", " ")


def needing(*needed: float, factor: float = 1.05):
    """Give a diagnosis with these numbers of sequences, known up to a factor."""
    counts = np.array(needed)
    return diagnosis(needed=counts, lower=counts / factor, upper=counts * factor)


FAR = needing(5, 20, 50, 200, 900)
NEAR = needing(5, 900, 5e3, 5e3, 5e3)


def test_who_sees_farthest_and_least_comes_with_its_interval():
    said = told({"GRU": [FAR], "LSTM": [NEAR]}, [10.0, 300.0])
    assert "With 300 sequences GRU sees farthest: 8 steps back (8 to 8)" in said
    assert "LSTM sees least: 1 step back (1 to 1)" in said
    assert "all 2 networks see equally far: 1 step back" in said
    assert "95 % intervals over the choice of sequences. There is one seed" in said


def test_networks_whose_intervals_overlap_are_not_ranked():
    vague = needing(5, 20, 50, 400, 900, factor=9)
    said = told({"GRU": [FAR], "LSTM": [vague], "DiagGate": [NEAR]}, [300.0])
    assert "not told apart from that, as intervals overlap: LSTM" in said
    assert "DiagGate sees least" in said
    every = told({"GRU": [FAR], "LSTM": [vague]}, [300.0])
    assert "Intervals overlap: no other network is told apart from that" in every


def test_where_nothing_is_seen_it_says_so_and_what_it_would_take():
    blind = {"GRU": [nothing_resolved()], "LSTM": [nothing_resolved()]}
    said = told(blind)
    assert said.startswith("No window was found. No network sees even lag 1")
    assert "No lag is resolved" in said
    assert "sees farthest" not in said
    some = told({"GRU": [needing(5e4, 6e4, 7e4, 8e4, 9e4)]})
    assert "GRU does not see even lag 1 with up to 1,000 sequences" in some
    assert "The easiest lag of all is 1 for GRU: it would need 50,000 seq" in some
    none = diagnosis(needed=np.full(5, np.inf), upper=np.full(5, np.inf), strength=0.0)
    assert "there is nothing to be seen" in told({"GRU": [none]})


def test_where_all_reach_the_last_lag_it_names_no_winner_and_looks_at_fewer():
    groups = {"GRU": [FAR], "LSTM": [needing(50, 60, 70, 80, 90)]}
    said = told(groups, [100.0, 2000.0, 4000.0])
    assert "With 2,000 to 4,000 sequences all 2 networks see 16 or more steps" in said
    assert "only longer lags can tell" in said
    assert "With 100 sequences LSTM sees farthest: 16 or more steps back" in said


def test_one_network_is_not_called_the_farthest():
    said = told({"GRU": [FAR]}, [300.0])
    assert said.startswith("With 300 sequences GRU sees 8 steps back (8 to 8).")


def test_several_seeds_give_a_deviation_and_the_ends_of_all_intervals():
    groups = {"GRU": [FAR, needing(5, 20, 600, 900, 2e3)]}
    said = told(groups, [300.0])
    assert "GRU sees 5 ± 4.2 steps back (2 to 8)" in said
    assert "± is a standard deviation over 2 seeds" in said
    found = reached("GRU", groups["GRU"], 300.0)
    assert summed_cell(found) == "5 ± 4.2 (2 to 8)"
    assert summary(groups, [300.0]).iloc[0].tolist() == [
        "GRU",
        "not trained here",
        "5 ± 4.2 (2 to 8)",
    ]
    # Two seeds at the last lag do not differ, but their intervals do not end there.
    same = reached("GRU", [diagnosis(), diagnosis()], 1000.0)
    assert summed_cell(same) == "≥16 ± 0 (16 to ≥16)"


def test_trainings_that_diverged_are_counted_and_named():
    fine = diagnosis(training=training_group())
    said = told({"GRU": [fine, extreme()], "LSTM": [fine, fine]})
    assert "1 of 4 trainings diverged (GRU)" in said
    assert "Its training diverged" in told({"GRU": [extreme()]})
    assert "diverged" not in told({"GRU": [fine]})


def test_lags_count_as_learnt_in_all_or_some_seeds():
    one, other = training_group(), training_group()
    other["learnt_share"] = ("task_lag", np.array([0.9, 0.1, 0.1]))
    runs = [diagnosis(training=group) for group in (one, other)]
    assert learnt(runs[:1]).startswith(" Of the task's lags 2, 4, 8 training learnt")
    assert "training learnt lags 2 and 4 (R² 0.600 of at most 0.700)" in learnt(
        runs[:1]
    )
    assert "training learnt lag 2, in some seeds 4 (R²" in learnt(runs)
    assert learnt([diagnosis()]) == ""


def test_predictions_no_better_than_the_mean_have_learnt_nothing():
    group = training_group(r2=-0.01)
    group["learnt_share"] = ("task_lag", np.array([6000.0, 2.0, 0.9]))
    assert "training learnt none" in learnt([diagnosis(training=group)])


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([0.1234], "0.123"),
        ([0.1, 0.1], "0.100 ± 0.000"),
        ([-0.015, 0.0083], "-0.003 ± 0.016"),
        ([np.nan], "n/a"),
    ],
)
def test_a_mean_is_as_precise_as_its_deviation(values, said):
    assert spread_of(np.array(values)) == said


def test_names_are_listed_by_commas_that_they_do_not_hold():
    groups = {f"{cell}, sgd": [FAR] for cell in ("GRU", "LSTM", "DiagGate")}
    said = told({**groups, "ConstGate, sgd": [NEAR]}, [300.0])
    assert "GRU, sgd; LSTM, sgd and DiagGate, sgd see farthest" in said
    many = {f"{name}, sgd": [FAR] for name in "abcdefgh"}
    assert "d, sgd and 4 more see farthest" in told({**many, "z": [NEAR]}, [300.0])


COLUMNS = (
    "group",
    "budget",
    "difference",
    "error",
    "censored_first",
    "censored_second",
)


def differing(*rows) -> str:
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table["censored"] = table["censored_first"] + table["censored_second"]
    return " ".join(difference(table))


def test_a_comparison_judges_by_its_standard_error():
    said = differing(
        ("GRU", 100.0, 9.0, 2.0, 0, 0),
        ("LSTM", 100.0, -3.0, 1.0, 0, 0),
        ("DiagGate", 100.0, 1.0, 1.0, 0, 0),
        ("ConstGate", 100.0, 5.0, np.nan, 0, 0),
        ("SharedGate", 100.0, 5.0, 1.0, 2, 0),
        ("GRU", 10.0, -9.0, 0.1, 0, 0),
    )
    assert said.startswith("With 100 sequences B sees farther than A: GRU (by 9 ± 2 st")
    assert "A sees farther than B: LSTM (by 3 ± 1 steps)." in said
    assert "Not told apart: DiagGate (+1 ± 1 steps)." in said
    assert "longest lag: ConstGate and SharedGate." in said
    assert "-9" not in said


def test_a_window_at_the_last_lag_can_only_widen_a_lead():
    said = differing(("GRU", 100.0, 4.0, 1.0, 0, 3), ("LSTM", 100.0, 4.0, 1.0, 3, 0))
    assert "B sees farther than A: GRU (by at least 4 ± 1 steps)" in said
    assert "longest lag: LSTM." in said
    assert "longest lag: GRU." in differing(("GRU", 100.0, 0.0, 0.0, 3, 3))


def test_a_comparison_speaks_of_the_number_that_tells_most():
    said = differing(
        ("GRU", 1000.0, 0.0, 0.0, 3, 3),
        ("GRU", 100.0, -2.0, 0.5, 0, 0),
        ("GRU", 10.0, 3.0, 0.5, 0, 0),
    )
    assert said == "With 100 sequences A sees farther than B: GRU (by 2 ± 0.5 steps)."


def test_hostile_names_are_text_in_the_answer():
    name = "<script>alert(1)</script>"
    settings = load_settings("quick")
    text = page(settings, {name: diagnosis()}, drawn=[])
    answer = text.split('class="headline">')[1].split("</p>")[0]
    assert "&lt;script&gt;" in answer
    assert "<" not in answer
    assert "&lt;script&gt;" in spoken({name: [diagnosis()]}, [10.0])[0]


def test_the_lead_of_a_task_without_any_dependency_names_no_strength():
    settings = load_settings("quick")
    text = page(settings, {"GRU": diagnosis(strength=0.0)}, drawn=[])
    assert "strength 0" not in text.split('class="headline"')[0]
    assert f"from 1 to {LAGS[-1]} steps" in text
