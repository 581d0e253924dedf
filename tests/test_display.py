"""What long work shows where there is no terminal."""

import io
from types import SimpleNamespace

from rich.console import Console

from learnability.cli import terminal


def test_a_stage_that_reports_once_says_how_long_it_took(monkeypatch):
    now = [100.0]
    clock = SimpleNamespace(monotonic=lambda: now[0])
    monkeypatch.setattr(terminal, "time", clock)
    shown = io.StringIO()
    with terminal.Display(Console(file=shown)) as lines:
        progress = lines.begin("GRU")
        for spent, stage, share in (
            (7.0, "training", 1.0),
            (2.0, "envelopes", 0.5),
            (1.0, "envelopes", 1.0),
        ):
            now[0] += spent
            progress(stage, share)
    assert shown.getvalue().splitlines() == [
        "GRU: training: done in 7.0 s",
        "GRU: envelopes: done in 3.0 s",
    ]
