"""Settings of all tests on other people's modules, and the table of what was found."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

torch.set_num_threads(1)
# Read when these are imported: nothing is loaded from anywhere, and nothing told.
os.environ |= {
    "HF_HUB_OFFLINE": "1",
    "KERAS_BACKEND": "torch",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "WANDB_ERROR_REPORTING": "false",
}
HEAD = "| what | measured | against | apart | seconds |\n|---|---|---|---|---|\n"
BEGIN = "<!-- written by make real-table -->\n"

Row = Callable[[str, str, str, str], None]


@pytest.fixture
def row(record_property: Callable[[str, Any], None]) -> Row:
    """Note what was measured of a thing, against what, and how far apart they were."""

    def note(what: str, measured: str, against: str, apart: str) -> None:
        record_property("row", (what, measured, against, apart))

    return note


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--table", type=Path, help="a page whose table is written anew")


def pytest_terminal_summary(
    terminalreporter: Any, exitstatus: int, config: pytest.Config
) -> None:
    """Write the rows of all tests behind the page's own words."""
    page = config.getoption("--table")
    if page is None or exitstatus:
        return
    rows = []
    for report in terminalreporter.stats["passed"]:
        for _, cells in report.user_properties:
            rows.append("| " + " | ".join([*cells, f"{report.duration:.1f}"]) + " |\n")
    words = page.read_text().partition(BEGIN)[0]
    page.write_text(words + BEGIN + HEAD + "".join(sorted(rows, key=str.lower)))
