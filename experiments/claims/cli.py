"""`claims`: the theory's statements put to the test."""

import time
from pathlib import Path
from typing import Annotated

import pandas as pd
from cyclopts import Parameter
from rich.console import Console
from rich.table import Table
from upath import UPath

from learnability.checked import checked_seed
from learnability.cli.app import MANY, NUMBER
from learnability.cli.terminal import Display
from learnability.storage import place, replace_file

from . import Claim, chosen_letters, markdown, numbers, run_claims, verdicts
from .record import FAILED, HELD, RESTRICTED, Verdict

COLOURS: dict[Verdict, str] = {HELD: "green", RESTRICTED: "yellow", FAILED: "red"}


def claims(
    *,
    output: Annotated[str, Parameter(name=["--output", "-o"])] = "runs/claims",
    seed: Annotated[int, NUMBER] = 0,
    only: Annotated[list[str] | None, MANY] = None,
) -> None:
    """Put each statement of the theory to the test by simulation, with a verdict.

    Writes claims.html (one page that needs no network), table.csv (a row a part of a
    claim), numbers.csv (every measured number with its standard error) and claims.md,
    and prints the table. The same seed gives the same files.

    Parameters
    ----------
    output
        Folder for the page and the tables.
    seed
        Seed from which every random stream is derived.
    only
        Letters of the claims to test, such as `a c`; all unless given.
    """
    letters = chosen_letters(only)
    checked_seed(seed)
    console, started = Console(), time.monotonic()
    folder = place(output)
    _make_folder(folder)
    with Display(console) as display:
        found = run_claims(seed, letters, progress=display.stage("claims"))
        page = _page(found, seed, display)
    rows = verdicts(found)
    files = {
        "table.csv": rows.to_csv(index=False),
        "numbers.csv": numbers(found).to_csv(index=False),
        "claims.md": markdown(found, seed=seed),
        "claims.html": page,
    }
    for name, content in files.items():
        replace_file(folder / name, content.encode())
    _show(rows, console)
    spent = time.monotonic() - started
    console.print(f"page: {folder / 'claims.html'}", highlight=False, soft_wrap=True)
    console.print(f"{spent:.0f} s in all", highlight=False)


def _make_folder(folder: Path | UPath) -> None:
    """Find out before the work whether its results can be kept."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(
            f"{folder} cannot be written ({error.strerror or error}); "
            "choose another folder with --output"
        ) from error


def _page(found: list[Claim], seed: int, display: Display) -> str:
    from .page import claims_page  # loads plotting libraries: only here

    progress = display.stage("figures and page")
    page = claims_page(found, seed=seed)
    progress(1.0)
    return page


def _show(rows: pd.DataFrame, console: Console) -> None:
    """Print a line a part under the line of its claim."""
    shown = Table("", "claim and its parts", "verdict", "met", title="claims")
    for letter, part in rows.groupby("claim", sort=False):
        first = part.iloc[0]
        head = f"[bold]{first['title']}[/bold]"
        shown.add_row(str(letter), head, _coloured(first["claim_verdict"]), "")
        for row in part.to_dict("records"):
            met = f"{row['within']}/{row['numbers']}"
            text = f"  {row['statement']}"
            shown.add_row("", text, _coloured(row["verdict"]), met)
        shown.add_section()
    wide = console if console.is_terminal else Console(width=120)
    wide.print(shown)


def _coloured(verdict: Verdict) -> str:
    return f"[{COLOURS[verdict]}]{verdict}[/]"
