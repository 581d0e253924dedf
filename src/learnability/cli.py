"""The command line: parse, one call, print."""

import json
import sys
import time
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Annotated

import cyclopts
import pandas as pd
from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from . import __version__
from .detection import decay
from .detection.decay import Envelope, noise_level
from .display import Display
from .study.settings import Settings, load_settings
from .study.store import Store
from .study.sweep import run_study, write_results
from .unroll import warm_up

DRAWING = "figures and report"
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
    warm_up(on_wait=lambda sentence: console.print(sentence, highlight=False))
    with Display(console) as display:
        runs = run_study(settings, store, display)
        rows = write_results(settings, runs, store, display.stage(DRAWING))
    seconds = round(time.monotonic() - started, 1)
    store.write(store.timing, json.dumps({"seconds": seconds}) + "\n")
    _show(rows, settings, store, console)
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
    _show(rows, settings, store, console)


@app.command
def theory(
    family: str,
    /,
    *,
    samples: list[float],
    alpha: float = 2.0,
    error: float = 0.05,
    parameters: Annotated[list[str] | None, MANY] = None,
) -> None:
    """Give the window of an envelope family without any network.

    With one noise floor at all lags, H_N is where the envelope falls to the level
    that N samples can still tell from noise.

    Parameters
    ----------
    family
        Name of the envelope, such as Exponential or PowerLaw.
    samples
        Numbers of sequences N.
    alpha
        Tail index of the noise, above 1 and at most 2.
    error
        Probability to take the sign of the signal for the wrong one.
    parameters
        The family's parameters, such as `beta=0.8` or `tau=50`.
    """
    envelope = _family(family, parameters or [])
    shown = Table("N", "noise level", "H_N (steps)", title=repr(envelope))
    for n in samples:
        level = noise_level(n, alpha, error=error)
        window = envelope.window(samples=n, alpha=alpha, error=error)
        shown.add_row(f"{n:g}", f"{level:.6g}", f"{window:.6g}")
    Console().print(shown)


def _family(name: str, parameters: list[str]) -> Envelope:
    """Give an envelope from its name and words like ``tau=50``."""
    kinds = {k.__name__: k for k in vars(decay).values() if _is_family(k)}
    if name not in kinds:
        raise ValueError(f"there is no family {name!r}; choose {', '.join(kinds)}")
    known = {f.name: f.default is MISSING for f in fields(kinds[name])}
    given = dict(_number(word) for word in parameters)
    for parameter, required in known.items():
        if required and parameter not in given:
            raise ValueError(f"{name} needs a value: --parameters {parameter}=...")
    for parameter in given:
        if parameter not in known:
            raise ValueError(
                f"{name} has no parameter {parameter!r}; it has {', '.join(known)}"
            )
    return kinds[name](**given)


def _is_family(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Envelope) and is_dataclass(kind)


def _number(word: str) -> tuple[str, float]:
    name, _, value = word.partition("=")
    try:
        return name, float(value)
    except ValueError:
        raise ValueError(f"{word!r} is no NAME=NUMBER, such as tau=50") from None


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


def _show(
    rows: pd.DataFrame, settings: Settings, store: Store, console: Console
) -> None:
    """Print the table of a study and where its report lies."""
    from .report import formatted

    text = formatted(rows)
    shown = Table(*text.columns, title=settings.name)
    for row in text.itertuples(index=False):
        shown.add_row(*row)
    wide = console if console.is_terminal else Console(width=160)
    wide.print(shown)
    wide.print(f"report: {store.report}", highlight=False, soft_wrap=True)


def main(words: list[str] | None = None) -> None:
    """Run the command line; a wrong call ends in one sentence and exit code 2.

    Args:
        words: the words after the command's name; those of the process unless given.
    """
    try:
        app(words, exit_on_error=False, print_error=False)
    except (ValueError, cyclopts.CycloptsError) as error:
        sentence = " ".join(str(error).split())
        print(f"learnability: {sentence}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("learnability: stopped; finished runs are kept", file=sys.stderr)
        sys.exit(130)
