"""`learnability list`, `show`, `export` and `compare`: what studies found."""

from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
from upath import UPath

from ..report import COMPARED, comparison_table, difference, formatted, table
from ..storage import place, replace_file, tree_bytes
from ..study.store import Store
from ..study.tables import as_tree, by_lag, by_sequences, compared, index
from .app import CHOICE, Folder, Output
from .terminal import answer, named_store, output_file, over_seeds, print_table, say

Format = Literal["csv", "parquet", "netcdf"]
Records = Literal["lags", "windows"]
ENDINGS: dict[Format, str] = {"csv": ".csv", "parquet": ".parquet", "netcdf": ".nc"}


def list_studies(folder: str = "runs", /) -> None:
    """List the studies in a folder, and how far each of them is.

    For example: `learnability list`

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
        runs, left = len(settings.runs()), len(store.missing(settings))
        rows.append((settings.title, str(path), f"{runs - left} of {runs}"))
    print_table(("study", "folder", "runs finished"), rows)


def show(folder: Folder, /) -> None:
    """Print the answer of a study, the tables of its runs, and where its runs lie.

    For example: `learnability show quick`
    """
    store = named_store(folder)
    settings, runs = store.load_settings(), store.load()
    answer(settings, runs)
    trees = {name: run.tree for name, run in runs.items()}
    text = formatted(table(trees, settings.n_sequences))
    print_table(tuple(text.columns), text.values.tolist(), settings.title)
    if len(settings.seeds) > 1:
        over = over_seeds(settings, runs)
        print_table(tuple(over.columns), over.values.tolist(), "over seeds")
    files = index(settings)
    print_table(("run", "folder"), files[["run", "folder"]].values.tolist())


def export(
    folder: Folder,
    /,
    *,
    format: Annotated[Format | None, CHOICE] = None,
    records: Annotated[Records | None, CHOICE] = None,
    output: Output = None,
) -> None:
    """Write the results of a study to one file that other programs read.

    For example: `learnability export quick --records windows --output windows.csv`

    Parameters
    ----------
    format
        csv, parquet, or netcdf (all results, a group a run); what the output's ending
        says, or csv, unless given.
    records
        For csv and parquet: lags (a row a run and lag) or windows (a row a run and
        n_sequences); lags unless given.
    output
        File to write, ending in .csv, .parquet or .nc; lags.csv or the like in the
        study's folder unless given.
    """
    store = named_store(folder)
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
        rows = (by_lag if what == "lags" else by_sequences)(settings, runs)
        content = _table_bytes(rows, kind)
    replace_file(path, content)
    say(str(path))


def compare(first: str, second: str, /) -> None:
    """Print which of two studies sees farther, and their windows side by side.

    Where the terminal is too narrow for all columns five are shown.

    For example: `learnability compare quick runs/other`

    Parameters
    ----------
    first
        Folder of one study, or its name in runs/.
    second
        That of another.
    """
    studies = [(s.load_settings(), s.load()) for s in map(named_store, (first, second))]
    numbers = compared(*studies)
    for sentence in difference(numbers):
        say(sentence, wrapped=True)
    a, b = (settings.title for settings, _ in studies)
    say(f"A is {a}, B is {b}.", wrapped=True)
    rows = comparison_table(numbers)
    places = [list(rows.columns).index(name) for name in COMPARED]
    print_table(rows.columns, rows.values.tolist(), first=places)


def _kind(path: Path | UPath) -> Format:
    """Return the kind of file that an ending stands for."""
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
