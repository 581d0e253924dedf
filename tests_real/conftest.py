"""Settings of all tests on other people's modules, and the table of what was found."""

import os
import time
from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)
# Read when transformers and Keras are imported: nothing is loaded from anywhere.
os.environ |= {"HF_HUB_OFFLINE": "1", "KERAS_BACKEND": "torch"}
HEAD = (
    "| what | measured | against | farthest apart | seconds |\n|---|---|---|---|---|\n"
)


class Table:
    """Rows of a table, one per thing, written one after the other to a file.

    Attributes:
        began: when the test began.
    """

    def __init__(self) -> None:
        self.began = time.perf_counter()

    def row(self, what: str, measured: str, against: str, apart: str) -> None:
        """Add a row, to the folder that TABLE names if there is one."""
        taken = time.perf_counter() - self.began
        cells = (what, measured, against, apart, f"{taken:.1f}")
        folder = os.environ.get("TABLE")
        if folder:
            name = "".join(c if c.isalnum() else "-" for c in f"{what} {measured}")
            Path(folder, f"{name}.row").write_text(f"| {' | '.join(cells)} |\n")


@pytest.fixture
def table() -> Table:
    return Table()
