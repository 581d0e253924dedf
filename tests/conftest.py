"""Checks the shapes in the annotations while tests run, keeps threads few.

How fast or busy the machine is decides no test: none has a deadline.
"""

import os

import jaxtyping
import torch
from hypothesis import HealthCheck, settings

import tests.typecheck

collect_ignore = [] if os.name == "posix" else ["study/test_survival.py"]  # signals
# Modules with compiled functions are left out: a compiler cannot read the checks.
CHECKED = [
    "experiments",
    "learnability.cells",
    "learnability.diagnosis",
    "learnability.detection.samples",
    "learnability.detection.heavy_noise",
    "learnability.evidence",
    "learnability.models",
    "learnability.study.tables",
    "learnability.summaries",
    "learnability.tasks",
    "learnability.training",
    "learnability.transport.orders",
    "learnability.transport.livi2025",
    "learnability.transport.lyapunov",
    "learnability.unroll.network",
    "learnability.unroll.reference",
    "learnability.verdict",
]
jaxtyping.jaxtyped = tests.typecheck.sparing  # what the hook below decorates with
jaxtyping.install_import_hook(CHECKED, "tests.typecheck.check")
torch.set_num_threads(1)
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")


def pytest_terminal_summary(terminalreporter):
    """Tell what tests of pages measured; it decides nothing."""
    for report in terminalreporter.getreports("passed"):
        for what, said in report.user_properties:
            if what == "page":
                terminalreporter.write_line(f"{what} {said}")
