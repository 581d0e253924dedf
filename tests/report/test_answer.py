"""The first screen in words: true for studies that found nothing, all, or half."""

import numpy as np
import pandas as pd
import pytest

from learnability.report.answer import (
    difference,
    diverged,
    headline,
    nothing_seen,
    seeds_said,
)
from learnability.report.overview import (
    cell,
    learnt_lags,
    overview,
    spread_of,
    stopped,
)
from learnability.study import load_settings
from learnability.study.pages import study_of
from learnability.summaries import summed
from learnability.summaries.shares import share_spread
from learnability.verdict.explanation import Explanation
from tests.plots.records import diagnosis, extreme, nothing_resolved, training_group


def lines(**groups):
    return {name: [run.tree for run in runs] for name, runs in groups.items()}


def told(budget: float, **groups) -> str:
    return headline(summed(lines(**groups), [budget]), budget)


def needing(*needed: float, factor: float = 1.05, training=None):
    """Give a diagnosis with these numbers of sequences, known up to a factor."""
    counts = np.array(needed)
    ends = {"lower": counts / factor, "upper": counts * factor}
    return diagnosis(needed=counts, training=training, **ends)


FAR = needing(5, 20, 50, 200, 900)
NEAR = needing(5, 900, 5e3, 5e3, 5e3)
VAGUE = needing(5, 20, 50, 400, 900, factor=9)


def test_one_seed_names_no_winner():
    said = told(300.0, GRU=[FAR], LSTM=[NEAR])
    assert said == ("With 300 sequences the 2 networks see between 1 and 8 steps back.")
    note = seeds_said(lines(GRU=[FAR]), 0.95).replace("\u202f", " ")
    assert "95 % intervals over the choice of sequences. There is one seed" in note
    assert "no network is named the best" in note
    of_layers = seeds_said(lines(gru=[FAR]), 0.95, "layer")
    assert "seed" not in of_layers


def test_several_seeds_say_who_sees_farthest_and_who_is_told_apart():
    said = told(300.0, GRU=[FAR] * 2, LSTM=[NEAR] * 2)
    assert "GRU sees farthest: 8 ± 0 steps back (8 to 8)" in said
    assert "told apart and shorter: LSTM 1 ± 0 steps back (1 to 1)" in said


def test_networks_whose_intervals_overlap_are_not_ranked():
    said = told(300.0, GRU=[FAR] * 2, LSTM=[VAGUE] * 2, DiagGate=[NEAR] * 2)
    assert "not told apart from that, as intervals overlap: LSTM" in said
    assert "told apart and shorter: DiagGate" in said
    every = told(300.0, GRU=[FAR] * 2, LSTM=[VAGUE] * 2)
    assert "intervals overlap, so that no other is told apart from that" in every
    for text in (said, every):
        assert "least" not in text


def test_equal_networks_are_called_equal_and_one_alone_is_not_the_farthest():
    assert "both networks see equally far: 1 step back" in told(
        10.0, GRU=[FAR], LSTM=[NEAR]
    )
    assert (
        told(300.0, GRU=[FAR]) == "With 300 sequences GRU sees 8 steps back (8 to 8)."
    )


def test_where_all_see_every_dependency_it_names_no_winner():
    other = needing(50, 60, 70, 80, 90)
    said = told(2000.0, GRU=[FAR] * 2, LSTM=[other] * 2)
    assert said == (
        "With 2,000 sequences both networks see every dependency, the farthest 16 "
        "steps back (16 to 16)."
    )


def test_where_nothing_is_seen_it_says_so_and_what_it_would_take():
    blind = summed(lines(GRU=[nothing_resolved()], LSTM=[nothing_resolved()]), [1e3])
    said = headline(blind, 1e3)
    assert "no network sees even the nearest dependency (none to 8)" in said
    assert "No lag is resolved" in " ".join(nothing_seen(blind))
    some = summed(lines(GRU=[needing(5e4, 6e4, 7e4, 8e4, 9e4)]), [1e3])
    said = " ".join(nothing_seen(some))
    assert "The easiest lag of all is 1 for GRU: it would need 50,000 sequences" in said
    assert nothing_seen(summed(lines(GRU=[FAR]), [1e3])) == []


def test_lags_without_a_dependency_do_not_end_what_is_seen():
    needed = np.array([5, 900, 50, 900, 2e3])
    run = diagnosis(needed=needed, found=(True, False, True, False, True))
    assert "GRU sees 4 steps back" in told(300.0, GRU=[run])
    gone = diagnosis(found=(False,) * 5)
    said = told(10.0, GRU=[gone])
    assert cell(summed(lines(GRU=[gone])).reached["GRU"], 10.0) == "n/a: none found"
    assert "no window is defined; GRU: no dependency was found at these lags" in said
    said = told(300.0, GRU=[run], LSTM=[gone])
    assert "GRU sees 4 steps back (4 to 4); LSTM: no dependency was found" in said
    # A seed in which none was found says nothing of the others.
    assert "GRU sees 4 steps back" in told(300.0, GRU=[run, gone])


def test_where_all_is_learnt_no_window_is_defined():
    gone = np.full(5, np.nan)
    run = diagnosis(needed=gone, lower=gone, upper=gone)
    assert "no window is defined" in told(10.0, GRU=[run])


def test_several_seeds_give_a_deviation_and_the_ends_of_all_intervals():
    runs = [FAR, needing(5, 20, 600, 900, 2e3)]
    found = summed(lines(GRU=runs), [300.0])
    assert "GRU sees 5 ± 4.2 steps back (2 to 8)" in headline(found, 300.0)
    assert cell(found.reached["GRU"], 300.0) == "5 ± 4.2 (2 to 8)"
    same = summed(lines(GRU=[diagnosis()] * 2), [1000.0]).reached["GRU"]
    assert cell(same, 1000.0) == "16 ± 0 (16 to 16)"


def judged(**verdicts: str) -> dict[int, Explanation]:
    """Give what verdicts say, by lag."""
    return {
        int(name[1:]): Explanation(int(name[1:]), "gru", said, "since", f"do {said}")
        for name, said in verdicts.items()
    }


def test_verdicts_say_what_stops_a_lag_and_most_seeds_decide():
    one = judged(l1="learnt", l2="vanishes", l4="vanishes", l8="not in the data")
    other = one | judged(l2="forgotten", l4="forgotten")
    found = stopped([one, other, other], [1, 2, 4, 8, 16])
    assert found == {"forgotten": ([2, 4], "do forgotten")}
    trees = lines(GRU=[diagnosis(training=training_group())])
    said = headline(summed(trees, [1e3]), 1e3, judged={"GRU": [one]})
    assert said.endswith(
        "what stops the others: their gradient vanishes (lags 2 and 4)."
    )


def test_of_several_networks_the_pairs_of_network_and_lag_are_counted():
    trees = lines(**{key: [diagnosis(training=training_group())] for key in "AB"})
    stops = {
        "A": [judged(l2="learnt", l4="vanishes", l8="vanishes")],
        "B": [judged(l2="learnt", l4="too few steps", l8="vanishes")],
    }
    said = headline(summed(trees, [1e3]), 1e3, judged=stops)
    assert said.endswith(
        "what stops the other 4 pairs of network and lag: their gradient vanishes (3), "
        "too few training steps (1)."
    )


def test_the_first_table_lays_seen_and_learnt_beside_each_other():
    group = training_group()
    both = lines(GRU=[needing(5, 20, 50, 200, 900, training=group)], LSTM=[FAR])
    said = {"GRU": [judged(l2="learnt", l4="learnt", l8="too few steps")]}
    found = summed(both, [300.0])
    (gru, lstm) = overview(found, both, 300.0, judged=said).to_dict("records")
    assert gru == {
        "network": "GRU",
        "sees, N = 300": "8 (8 to 8)",
        "learnt": "2 and 4",
        "what stops the rest": "too few steps at lag 8: do too few steps",
    }
    assert lstm["learnt"] == lstm["what stops the rest"] == "n/a"
    said = {"GRU": [judged(l2="learnt", l4="learnt", l8="learnt")]}
    (gru, _) = overview(found, both, 300.0, judged=said).to_dict("records")
    assert gru["what stops the rest"] == "learnt by its verdict at lag 8"


def test_the_headline_says_what_was_learnt_beside_what_is_seen():
    said = told(300.0, GRU=[needing(5, 20, 50, 200, 900, training=training_group())])
    assert "; of the task's 3 lags training learnt 2" in said


def test_trainings_that_diverged_are_counted_and_named():
    fine = diagnosis(training=training_group())
    (said,) = diverged(lines(GRU=[fine, extreme()], LSTM=[fine, fine]))
    assert "1 of 4 trainings diverged (GRU; training diverged in epoch 1" in said
    assert diverged(lines(GRU=[fine])) == []


def test_lags_count_as_learnt_in_all_or_some_seeds():
    one, other = training_group(), training_group()
    other["learnt_share"] = ("task_lag", np.array([0.9, 0.1, 0.1]))
    trees = [diagnosis(training=group).tree for group in (one, other)]
    assert learnt_lags(share_spread(trees[:1])) == "2 and 4"
    assert learnt_lags(share_spread(trees)) == "2 (4 in some)"
    assert learnt_lags(share_spread([extreme().tree])) == "none"
    assert learnt_lags(None) == "n/a"


def test_a_spread_is_as_precise_as_it_can_be():
    assert spread_of(np.array([0.6])) == "0.600"
    assert spread_of(np.array([0.61234, 0.61235])) == "0.612345 ± 0.000007"
    assert spread_of(np.array([np.nan])) == "n/a"


def compared(**changes) -> dict:
    row = {"group": "GRU", "n_sequences": 10.0, "difference": 10.0, "error": 1.0}
    row |= {"lower_first": 4, "upper_first": 6, "lower_second": 14, "upper_second": 16}
    return row | changes


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "B sees farther than A: GRU (by 10 ± 1 steps)"),
        (
            {"difference": -10.0, "lower_first": 17},
            "A sees farther than B: GRU (by 10 ± 1 steps)",
        ),
        ({"error": 0.0, "upper_first": 14}, "not told apart: GRU (+10 ± 0 steps)"),
        ({"difference": 1.0}, "not told apart: GRU (+1 ± 1 steps)"),
        ({"error": np.nan}, "cannot be judged"),
    ],
)
def test_a_difference_counts_from_two_standard_errors_on(changes, expected):
    assert expected in difference(pd.DataFrame([compared(**changes)]))[0]


def test_of_studies_without_verdicts_nothing_is_said_to_stop_no_lag():
    settings = load_settings("quick").changed(networks=[{"cell": "GRU"}], seeds=[1])
    (label,) = (settings.label(run) for run in settings.runs())
    study = study_of(settings, {label: diagnosis(training=training_group())})
    assert "what stops the rest" not in study.overview(summed(study.lines), 100.0)
