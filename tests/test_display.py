"""What long work shows where there is no terminal."""

import io
import re
import time

from rich.console import Console

from learnability.display import Display


def test_a_stage_that_reports_once_says_how_long_it_took():
    shown = io.StringIO()
    with Display(Console(file=shown)) as display:
        progress = display.begin("GRU")
        time.sleep(0.2)
        progress("training", 1.0)
        progress("envelopes", 0.5)
        progress("envelopes", 1.0)
    lines = shown.getvalue().splitlines()
    training, envelopes = (float(re.findall(r"([\d.]+) s", line)[0]) for line in lines)
    assert training >= 0.2
    assert envelopes < training
