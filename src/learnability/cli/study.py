"""`learnability run` and `learnability report`: studies."""

import json
import time
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from ..display import Display
from ..study.settings import Settings, load_settings
from ..study.store import Store
from ..study.sweep import run_study, write_results
from ..unroll import warm_up
from .app import MANY, app
from .shown import show

DRAWING = "figures and report"


@app.command
def run(
    preset: str,
    /,
    *,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    seed: int | None = None,
    cells: Annotated[list[str] | None, MANY] = None,
    lags: Annotated[list[int] | None, MANY] = None,
    budgets: Annotated[list[float] | None, MANY] = None,
    epochs: int | None = None,
    sequences: int | None = None,
) -> None:
    """Train and diagnose the networks of a study, print its table, write its report.

    What is there already, made with the same settings, is kept.

    Parameters
    ----------
    preset
        Name of a preset (`quick`), or path of a TOML file with a study's settings.
    output
        Folder for results, figures and report; runs/NAME unless given.
    seed
        Seed from which every random stream is derived.
    cells
        Which of the study's networks to run, such as `GRU LSTM`.
    lags
        Lags in steps at which to diagnose.
    budgets
        Numbers of sequences N whose windows H_N are reported.
    epochs
        Passes over the training sequences.
    sequences
        Number of training sequences.
    """
    settings = _chosen(load_settings(preset), cells).changed(
        seed=seed,
        lags=lags,
        budgets=budgets,
        training_sequences=sequences,
        recipe={"epochs": epochs},
    )
    store = Store(output or Path("runs") / settings.name)
    console, started = Console(), time.monotonic()
    warm_up(on_wait=lambda sentence: console.print(sentence, highlight=False))
    with Display(console) as display:
        runs = run_study(settings, store, display)
        rows = write_results(settings, runs, store, display.stage(DRAWING))
    seconds = round(time.monotonic() - started, 1)
    store.write(store.timing, json.dumps({"seconds": seconds}) + "\n")
    show(rows, settings, store, console)
    console.print(f"{seconds:.0f} s in all", highlight=False)


@app.command
def report(folder: Path, /) -> None:
    """Draw the figures and the report of a study again, from its stored results.

    Parameters
    ----------
    folder
        Folder that `learnability run` wrote, such as runs/quick.
    """
    store = Store(folder)
    settings, runs, console = store.load_settings(), store.load(), Console()
    with Display(console) as display:
        rows = write_results(settings, runs, store, display.stage(DRAWING))
    show(rows, settings, store, console)


def _chosen(settings: Settings, cells: list[str] | None) -> Settings:
    """Give the settings with some of their architectures."""
    if cells is None:
        return settings
    there = {a.cell: a for a in settings.architectures}
    for cell in cells:
        if cell not in there:
            raise ValueError(f"the study has no {cell!r}; it has {', '.join(there)}")
    return settings.changed(
        architectures=[there[cell].model_dump(mode="json") for cell in cells]
    )
