"""`interventions`: train, change one thing, train again, and score the verdicts."""

from pathlib import Path
from typing import Annotated

import pandas as pd
import torch
from cyclopts import Parameter
from rich.console import Console

from learnability.cli.app import Wholes
from learnability.cli.terminal import Display, local_folder

from ..provenance import commit
from .measure import run
from .plan import PARTS, SEEDS, plan
from .score import decided, helped, precision, records, scores, taken_for

FEWEST = 10  # decided trainings, below which a family counts as not tested


def interventions(
    part: str,
    /,
    *,
    output: Annotated[str, Parameter(name=["--output", "-o"])] = "runs/interventions",
    seeds: Wholes = None,
    score: bool = False,
) -> None:
    """Train models as they are and with one thing changed, and score the verdicts.

    Finished trainings are kept, one file each: stop whenever you like and start again.

    Parameters
    ----------
    part
        developed (rules and thresholds were set on it), held-out, far or shapes.
    output
        Folder of the trainings.
    seeds
        Which of the seeds 0, 1, 2 to train; all unless given.
    score
        Score what is there already, without training.
    """
    if part not in PARTS:
        raise ValueError(f"{part} is no part; give one of {', '.join(PARTS)}")
    folder = Path(local_folder(output)) / part
    console = Console()
    if not score:
        torch.set_num_threads(1)
        with Display(console) as display:
            show = display.stage("trainings")
            run(plan(part, tuple(seeds or SEEDS)), folder, show)
    console.print(f"scored at commit {commit()}", highlight=False)
    for title, table in tables(records(folder)).items():
        console.print(f"\n{title}\n{table.round(2).to_string()}", highlight=False)


def tables(cases: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the tables of the page by title."""
    some = decided(cases)
    keys = ["given", "length", "cell", "seed"]
    trainings = some.groupby("family")[keys].apply(lambda g: len(g.drop_duplicates()))
    tested = trainings.reindex(sorted(cases["family"].unique()), fill_value=0)
    return {
        "Which way to choose helps": scores(some),
        "What the trainings say of a verdict": precision(cases),
        "Trainings in which what a verdict advises helps": helped(cases),
        "Verdicts where a change is the best": taken_for(some),
        f"Decided trainings of each family ({FEWEST} or more: tested)": tested.to_frame(
            "trainings"
        ),
    }
