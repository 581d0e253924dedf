"""How long the rest takes: a range, from the first epoch and from finished runs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learnability.study import cost, load_settings
from learnability.study.cost import Pace, Seconds, work
from tests.study.small import small_settings

QUICK = load_settings("quick")
RUNS = QUICK.changed(seeds=[1, 2, 3]).runs()
SOME = st.lists(
    st.tuples(st.sampled_from(RUNS), st.floats(1e-3, 1e5)), min_size=1, max_size=6
)


def known(seen, at_once: int = 1) -> Pace:
    found = Pace(at_once)
    for run, seconds in seen:
        found.finish(run, seconds)
    return found


@given(SOME, st.sets(st.sampled_from(RUNS), min_size=1), st.integers(1, 20))
def test_more_workers_take_no_longer_and_more_runs_no_less(seen, runs, workers):
    alone, together = known(seen).left(runs), known(seen, workers).left(runs)
    all_of_them = known(seen).left(RUNS)
    assert alone is not None
    assert together is not None
    assert all_of_them is not None
    assert 0 < alone.low <= alone.high
    for one, many in zip(alone, together, strict=True):
        assert one / workers <= many * (1 + 1e-9)
        assert many <= one
    assert alone.low <= all_of_them.low * (1 + 1e-9)


@given(SOME)
def test_what_was_seen_lies_in_the_range_of_the_next_alike(seen):
    run, seconds = seen[-1]
    left = known(seen).left([run])
    assert left is not None
    assert left.low < seconds < left.high


def test_twice_the_work_takes_twice_as_long():
    (run, *_) = RUNS
    recipe = run.recipe.model_copy(update={"epochs": 2 * run.recipe.epochs})
    longer = run.model_copy(update={"recipe": recipe})
    assert work(longer) == 2 * work(run)
    one, two = (known([(run, 8.0)]).left([r]) for r in (run, longer))
    assert one is not None
    assert two == pytest.approx(one.times(2, 2))


def test_nothing_is_said_before_anything_is_known():
    assert Pace().left(RUNS) is None
    assert Pace.of(QUICK, {}).left(RUNS) is None
    times = {QUICK.runs()[0].identity(): 3.0, "another": 5.0}
    assert list(Pace.of(QUICK, times).seen) == [QUICK.runs()[0]]


@pytest.mark.parametrize("begun", [0.0, 0.5])
def test_the_first_epoch_tells_once(monkeypatch, begun):
    now, told, shares = [0.0], [], []
    monkeypatch.setattr(cost.time, "monotonic", lambda: now[0])
    found, (run, other, *_) = Pace(), small_settings().runs()

    def heard(stage, share):
        shares.append((stage, share))

    watched = found.watch(run, heard, lambda: told.append(found.left([run])))
    watched("training", begun)
    assert told == []
    for epoch in (1, 2):
        now[0] += 7.0
        watched("training", begun + 0.1 * epoch)
    now[0] += 1.0
    watched("envelope", 1.0)
    assert len(told) == 1
    assert len(shares) == 4
    # A tenth of the training took 7 s; what follows it is not known yet.
    low, high = told[0]
    assert 70 < low < high < 300
    less, more = found.left([other]) or (low, high)
    assert less < low < high < more
    found.finish(run, 100.0)
    assert found.left([run]) == Seconds(80.0, 125.0)


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.2, 0.4, "about 0 s"),
        (3, 9, "3 to 9 s"),
        (0.7, 12, "1 to 12 s"),
        (28, 190, "30 s to 3 min"),
        (170, 320, "3 to 5 min"),
        (50, 52, "about 50 s"),
        (2.1 * 3600, 3.8 * 3600, "2 to 4 h"),
        (5 * 86400, 30 * 86400, "5 to 30 days"),
        (1e9, 2e9, "11575 to 23150 days"),
    ],
)
def test_times_are_said_as_ranges(low, high, said):
    assert str(Seconds(low, high)) == said
