"""`foretold`: say after 5 % of the updates what will be learnt, and see."""

from pathlib import Path
from typing import Annotated

import torch
from cyclopts import Parameter
from rich.console import Console

from learnability.cli.terminal import Display, local_folder

from .measure import run_all
from .rules import LAWS, PRIMARY
from .score import TWIN, as_near, confusion, constant, reliable, rows_of, scores


def foretold(
    *,
    output: Annotated[str, Parameter(name=["--output", "-o"])] = "runs/foretold",
    score: bool = False,
) -> None:
    """Say after 5 % of the updates what will be learnt, from the kernel over all lags.

    Finished trainings are kept, one file each: stop whenever you like and start again.

    Parameters
    ----------
    output
        Folder of the trainings.
    score
        Score the pairs of trainings that are there already, without training.
    """
    folder, console = Path(local_folder(output)), Console()
    if not score:
        torch.set_num_threads(1)
        with Display(console) as display:
            run_all(folder, display.stage("trainings"))
    rows = rows_of(folder)
    table = scores(rows)
    names = [*LAWS, *map(constant, LAWS)]
    tables = {
        "All methods, on average over families": table[table["family"] == "average"],
        "By family": table[["method", "family", "area", "error", "right"]],
        "As near as the twin": {name: as_near(table, name) for name in names},
        f"Bands by family: {PRIMARY}": confusion(rows, PRIMARY),
        f"Bands by family: {TWIN}": confusion(rows, TWIN),
        f"Reliability: {PRIMARY}": reliable(rows, PRIMARY),
        f"Reliability: {TWIN}": reliable(rows, TWIN),
    }
    console.print(f"{rows['run'].nunique()} trainings", highlight=False)
    for title, found in tables.items():
        text = found if isinstance(found, dict) else found.round(2).to_string()
        console.print(f"\n{title}\n{text}", highlight=False, soft_wrap=True)
