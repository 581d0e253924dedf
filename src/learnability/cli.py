"""The command line: parse, one call, print."""

import json
import sys
import time
from pathlib import Path
from typing import Annotated

import cyclopts
from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from . import __version__
from .display import Display
from .study.settings import Settings, load_settings
from .study.store import Store
from .study.sweep import run_study, write_results

MANY = Parameter(consume_multiple=True, negative="")

app = App(
    name="learnability",
    help=(
        "Measure how far back in time a recurrent network can learn.\n\n"
        "Start with `learnability run quick`: it trains five small gated networks on "
        "a task with known lags, measures how many sequences each lag needs before "
        "its gradient shows, and writes a report."
    ),
    version=__version__,
    result_action="return_value",
)


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
    with Display(console) as display:
        runs = run_study(settings, store, display)
        write_results(settings, runs, store, display.stage("figures and report"))
    seconds = round(time.monotonic() - started, 1)
    store.write(store.timing, json.dumps({"seconds": seconds}) + "\n")
    _show(settings, store, console)
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
        write_results(settings, runs, store, display.stage("figures and report"))
    _show(settings, store, console)


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


def _show(settings: Settings, store: Store, console: Console) -> None:
    """Print the table of a study and where its report lies."""
    from .report import formatted, table

    rows = formatted(table(settings, store.load()))
    shown = Table(title=settings.name)
    for column in rows.columns:
        shown.add_column(str(column))
    for row in rows.itertuples(index=False):
        shown.add_row(*(str(value) for value in row))
    wide = console if console.is_terminal else Console(width=160)
    wide.print(shown)
    wide.print(f"report: {store.report}", highlight=False, soft_wrap=True)


def main() -> None:
    """Run the command line; a wrong call ends in one sentence and exit code 2."""
    try:
        app(exit_on_error=False, print_error=False)
    except (ValueError, cyclopts.CycloptsError) as error:
        sentence = " ".join(str(error).split())
        print(f"learnability: {sentence}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("learnability: stopped; finished runs are kept", file=sys.stderr)
        sys.exit(130)
