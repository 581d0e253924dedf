"""`learnability list`, `show`, `export` and `compare`: what studies found."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
from cyclopts import Parameter
from rich.console import Console
from rich.table import Table
from rich.text import Text
from upath import UPath

from ..report import comparison_table, formatted, table
from ..storage import output_file, place, replace_file, tree_bytes
from ..study.collected import as_tree, by_budget, by_lag, compared
from ..study.store import Store
from ..study.sweep import index, missing
from .app import app
from .shown import over_seeds

Format = Literal["csv", "parquet", "netcdf"]
Records = Literal["lags", "windows"]
ENDINGS: dict[Format, str] = {"csv": ".csv", "parquet": ".parquet", "netcdf": ".nc"}


@app.command(name="list")
def list_studies(folder: str = "runs", /) -> None:
    """List the studies in a folder, and how far each of them is.

    Parameters
    ----------
    folder
        Folder that holds studies.
    """
    found = sorted(p.parent for p in place(folder).glob("*/settings.toml"))
    if not found:
        raise ValueError(
            f"{folder} holds no studies; make one with `learnability run quick`"
        )
    rows = []
    for path in found:
        store = Store(str(path))
        try:
            settings = store.load_settings()
        except ValueError as error:  # one damaged study hides no other
            rows.append(("cannot be read", str(path), " ".join(str(error).split())))
            continue
        runs, left = len(settings.runs()), len(missing(settings, store))
        rows.append((settings.title, str(path), f"{runs - left} of {runs}"))
    _print(("study", "folder", "runs finished"), rows)


@app.command
def show(folder: str, /) -> None:
    """Print the table of a study, its windows across seeds, and where its runs lie.

    Parameters
    ----------
    folder
        Folder that `learnability run` wrote, such as runs/quick.
    """
    store = Store(folder)
    settings, runs = store.load_settings(), store.load()
    trees = {name: run.tree for name, run in runs.items()}
    text = formatted(table(trees, settings.budgets))
    _print(tuple(text.columns), text.values.tolist(), settings.title)
    if len(settings.seeds) > 1:
        over = over_seeds(settings, runs)
        _print(tuple(over.columns), over.values.tolist(), "over seeds")
    files = index(settings, store)
    _print(("run", "folder"), files[["run", "folder"]].values.tolist())


@app.command
def export(
    folder: str,
    /,
    *,
    format: Format | None = None,
    records: Records | None = None,
    output: Annotated[str | None, Parameter(name=["--output", "-o"])] = None,
) -> None:
    """Write the results of a study to one file that other programs read.

    Parameters
    ----------
    folder
        Folder that `learnability run` wrote, such as runs/quick.
    format
        csv, parquet, or netcdf (all results, a group a run); what the output's ending
        says, or csv, unless given.
    records
        For csv and parquet: lags (a row a run and lag) or windows (a row a run and
        budget); lags unless given.
    output
        File to write, ending in .csv, .parquet or .nc; lags.csv or the like in the
        study's folder unless given.
    """
    store = Store(folder)
    endings = ENDINGS.values() if format is None else [ENDINGS[format]]
    chosen = None if output is None else output_file(output, *endings)
    kind = format or ("csv" if chosen is None else _kind(chosen))
    if kind == "netcdf" and records is not None:
        raise ValueError("--records is for csv and parquet; netcdf holds all results")
    settings, runs = store.load_settings(), store.load()
    what = "results" if kind == "netcdf" else records or "lags"
    path = chosen or store.folder / f"{what}{ENDINGS[kind]}"
    if kind == "netcdf":
        content = tree_bytes(as_tree(settings, runs))
    else:
        rows = (by_lag if what == "lags" else by_budget)(settings, runs)
        content = _table_bytes(rows, kind)
    replace_file(path, content)
    Console().print(f"{path}", highlight=False, soft_wrap=True, markup=False)


@app.command
def compare(first: str, second: str, /) -> None:
    """Print the windows of two studies side by side, with their difference.

    Parameters
    ----------
    first
        Folder of one study.
    second
        Folder of another.
    """
    studies = [(s.load_settings(), s.load()) for s in (Store(first), Store(second))]
    rows = comparison_table(compared(*studies))
    titles = {
        s: f"{s}: {study.title}" for s, (study, _) in zip("AB", studies, strict=True)
    }
    head = tuple(titles.get(str(c), str(c)) for c in rows.columns)
    _print(head, rows.values.tolist())


def _kind(path: Path | UPath) -> Format:
    """Give the kind of file that an ending stands for."""
    return next(kind for kind, end in ENDINGS.items() if end == path.suffix.lower())


def _table_bytes(rows: pd.DataFrame, format: Format) -> bytes:
    if format == "csv":
        return rows.to_csv(index=False).encode()
    try:
        return rows.to_parquet(index=False) or b""
    except ImportError as error:
        raise ValueError(
            "pyarrow is not installed; install it with "
            "pip install 'learnability[parquet]', or export csv"
        ) from error


def _print(
    head: tuple[str, ...], rows: Iterable[Iterable[object]], title: str = ""
) -> None:
    """Print a table whose words are taken as they are."""
    console = Console()
    shown = Table(title=Text(title) if title else None)
    for name in head:
        shown.add_column(Text(name))
    for row in rows:
        shown.add_row(*(Text(str(value)) for value in row))
    (console if console.is_terminal else Console(width=160)).print(shown)
