"""What a study is said to take: its parts, its memory, its words."""

from itertools import count
from types import SimpleNamespace

import pytest

from learnability.chunks import STATE_BYTES
from learnability.study import load_settings, tried
from learnability.study.estimate import Estimate, estimate
from learnability.study.memory import HELD, own_bytes
from tests.study.small import small_settings

LIBRARY = 0.6e9  # bytes of a process that has loaded everything


def test_workers_share_the_runs_and_nothing_else():
    found = Estimate(90.0, 1e9, 45, start=5.0, after=30.0)
    assert found.total() == 120.0  # this process has started
    assert found.total(2) == 5 + 45 + 30
    assert found.total(1000) == 5 + 2 + 30
    assert found.sentence(2) == "45 runs, about 80 s in all, 2.0 GB of memory"


def test_every_stage_is_timed(monkeypatch):
    # Each look at this clock is a second later than the last, on any machine.
    clock = SimpleNamespace(perf_counter=count(0.0).__next__)
    monkeypatch.setattr(tried, "time", clock)
    settings = small_settings()
    found = estimate(settings, settings.runs(), threads=1)
    assert found.runs == 5
    assert min(found.seconds, found.start, found.after, found.bytes) > 0
    fewer = estimate(settings, settings.runs()[:1])
    assert fewer.seconds < found.seconds
    assert estimate(settings, []).total() == 0


@pytest.mark.parametrize("preset", ["livi-2026-03", "livi-2026-final"])
def test_the_large_presets_fit_into_a_small_machine(preset):
    for run in load_settings(preset).runs():
        # An LSTM's training batch alone takes 10 GB: two states a unit.
        most = 14e9 if run.architecture.cell == "LSTM" else 12e9
        assert LIBRARY + own_bytes(run) < most


def test_more_diagnosed_sequences_take_no_more_states():
    run = load_settings("livi-2026-final").runs()[0]
    more = run.model_copy(update={"diagnosis_sequences": 2 * run.diagnosis_sequences})
    added = own_bytes(more) - own_bytes(run)
    states = run.diagnosis_sequences * run.task.steps * run.architecture.units * 4
    assert states > HELD * STATE_BYTES
    assert added < states / 8
