"""Checks the shapes in the annotations while tests run, keeps threads few.

How fast or busy the machine is decides no test: none has a deadline.
"""

import contextlib
import gc
import io
import os
from pathlib import Path

import jaxtyping
import pytest
import scipy.linalg  # noqa: F401, it has a BLAS of its own, which is limited below
import torch
from filelock import FileLock
from hypothesis import HealthCheck, settings
from threadpoolctl import threadpool_limits

import tests.typecheck

collect_ignore = ["study/warm.py"]  # it does a study when it is imported
if os.name != "posix":
    collect_ignore += ["study/test_survival.py"]  # signals
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
threadpool_limits(1, "blas")  # two workers with two threads each wait for each other
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")


def pytest_collection_finish():
    """Let no collection of garbage go through all that was loaded, again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> tuple[Path, str]:
    """A folder in which the small study was run, and what the command said.

    It is run once for all processes of a test run; who changes the folder copies it.
    """
    below = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:  # each has a folder of its own in there
        below = below.parent
    folder, said = below / "finished", below / "finished.txt"
    with FileLock(below / "finished.lock"):
        if not said.exists():
            said.write_text(_run_small(folder))
    return folder, said.read_text()


def _run_small(folder: Path) -> str:
    """Run the small study in a folder; return what the command says."""
    from learnability.cli import main  # the hook above comes first
    from tests.study.small import small_settings

    folder.mkdir()
    (folder / "small.toml").write_text(small_settings().to_toml())
    with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()) as out:
        main(["run", "small.toml"])
    return out.getvalue()


def pytest_terminal_summary(terminalreporter):
    """Tell what tests of pages measured; it decides nothing."""
    for report in terminalreporter.getreports("passed"):
        for what, said in report.user_properties:
            if what == "page":
                terminalreporter.write_line(f"{what} {said}")
