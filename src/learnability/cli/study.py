"""`learnability run` and `learnability report`: studies."""

import json
import time
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from rich.console import Console

from ..diagnosis import Diagnosis
from ..display import Display
from ..storage import output_file
from ..study.cluster import LOCAL, dask_pool
from ..study.estimate import estimate
from ..study.executors import Pool, checked_threads, processes
from ..study.joined import differing, joined
from ..study.logs import check_logs, make_logger
from ..study.memory import check_memory
from ..study.published import read_published
from ..study.settings import Settings, load_settings
from ..study.store import Store
from ..study.sweep import draw_by_seed, draw_files, missing, run_study, write_results
from ..unroll import warm_up
from ..workers import using_threads
from .app import MANY, NUMBER, WHOLE, app
from .shown import show

DRAWING = "figures and report"
WIDTH = 3.35
"""Inches of a column in most journals."""


@app.command
def run(
    preset: str,
    /,
    *,
    output: Annotated[str | None, Parameter(name=["--output", "-o"])] = None,
    scale: Annotated[float | None, NUMBER] = None,
    seeds: Annotated[
        list[int] | None,
        MANY,
        WHOLE,
        Parameter(name=["--seeds", "--seed"]),
    ] = None,
    cells: Annotated[list[str] | None, MANY] = None,
    optimizers: Annotated[list[str] | None, MANY] = None,
    lags: Annotated[list[int] | None, MANY, WHOLE] = None,
    budgets: Annotated[list[float] | None, MANY, NUMBER] = None,
    epochs: Annotated[int | None, WHOLE] = None,
    sequences: Annotated[int | None, WHOLE] = None,
    error: Annotated[float | None, NUMBER] = None,
    workers: Annotated[int | None, WHOLE] = None,
    threads: Annotated[int | None, WHOLE] = None,
    cluster: str | None = None,
    log: Annotated[list[str] | None, MANY] = None,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Train and diagnose the networks of a study, print its table, write its report.

    States first how long it will take. What is there already, made with the same
    settings, is kept; an interrupted study goes on where it was.

    Parameters
    ----------
    preset
        Name of a preset (`quick`, `standard`, `livi-2026-03`, `livi-2026-final`), or
        path of a TOML file with a study's settings.
    output
        Folder for results, figures and report, a path or an fsspec URL; runs/NAME
        unless given.
    scale
        Share of the epochs and sequences to keep, such as 0.1.
    seeds
        Seeds from which every random stream is derived; a run each.
    cells
        Which of the study's networks to run, such as `GRU LSTM`.
    optimizers
        Which of the study's optimizers to run, such as `adamw sgd`.
    lags
        Lags in steps at which to diagnose.
    budgets
        Numbers of sequences N whose windows H_N are reported.
    epochs
        Passes over the training sequences.
    sequences
        Number of training sequences.
    error
        Size of the detection test, such as 0.05.
    workers
        Runs at a time, each in a process of its own.
    threads
        Threads of each run; unless given those of PyTorch (OMP_NUM_THREADS, or the
        machine's cores), of which workers on this machine have an equal share.
    cluster
        Address of a Dask scheduler, or local:N for N worker processes here.
    log
        Where to log what every run learnt: jsonl (log.jsonl in the folder; the one
        used unless given), tensorboard, mlflow.
    dry_run
        Stop after the estimate.
    """
    chosen = _chosen(load_settings(preset), cells, optimizers).changed(
        seeds=seeds,
        lags=lags,
        budgets=budgets,
        training_sequences=sequences,
        recipe={"epochs": epochs},
        measures={"error": error},
    )
    settings = chosen if scale is None else chosen.scaled(scale)
    default = str(Path("runs") / _folder_name(settings))
    store = Store(default if output is None else output)
    console, started = Console(), time.monotonic()
    if cluster is None or cluster.startswith(LOCAL):
        check_memory(settings.runs())
    # All that may be refused is asked for before anything is written.
    store.check(settings)
    names = log or ["jsonl"]
    check_logs(names)
    pool = _pool(workers, cluster, threads)
    loggers = [] if dry_run else [make_logger(name, store) for name in names]
    with Display(console) as display, using_threads(None if pool else threads):
        if not dry_run:
            _begin(settings, store, display)
        _announce(settings, store, display, pool)
        if dry_run:
            return
        runs = run_study(settings, store, display, pool=pool, loggers=loggers)
        settings, runs = _shown(settings, runs, store, display)
        rows = write_results(settings, runs, store, display.stage(DRAWING))
    seconds = round(time.monotonic() - started, 1)
    store.write(store.timing, json.dumps({"seconds": seconds}) + "\n")
    show(rows, settings, runs, store, console)
    console.print(f"{seconds:.0f} s in all", highlight=False)


def _folder_name(settings: Settings) -> str:
    """Give a study's folder; a scaled study does not lie where the whole one does."""
    if settings.scale == 1:
        return settings.name
    return f"{settings.name}-scale-{settings.scale:g}"


def _begin(settings: Settings, store: Store, display: Display) -> None:
    """Take the folder; say where that replaces the study that it held."""
    there = store.load_settings() if store.settings_file.exists() else settings
    store.begin(settings)
    if joined(there, settings) is None:
        names = " and ".join(differing(there, settings))
        how = f"with other {names}" if names else "with runs that fill no grid"
        display.tell(
            f"{store.folder} held the study {how}; settings, table and report are now "
            "those of this command, and what was trained is kept"
        )


def _shown(
    settings: Settings, runs: dict[str, Diagnosis], store: Store, display: Display
) -> tuple[Settings, dict[str, Diagnosis]]:
    """Give the study that the folder holds, of which a part may have been asked for.

    Where other parts are missing, give what was asked for.
    """
    study = store.load_settings()
    asked = {run.identity() for run in settings.runs()}
    others = [r for r in study.runs() if r.identity() not in asked]
    if not others:
        return settings, runs
    more = f"{store.folder} holds a study of {len(study.runs())} runs"
    left = missing(study, store)
    if left:
        display.tell(
            f"{more}, {len(left)} of them still missing: table and report show the "
            f"{len(runs)} of this command"
        )
        return settings, runs
    display.tell(f"{more}: table and report show all of them")
    return study, store.load()


def _announce(
    settings: Settings, store: Store, display: Display, pool: Pool | None
) -> None:
    """Say what the missing runs will take."""
    left = missing(settings, store)
    if not left:
        return
    warm_up(on_wait=display.tell)
    workers = None if pool is None else pool.workers
    found = estimate(settings, left, None if pool is None else pool.threads)
    display.tell(f"{settings.title}: {found.sentence(workers)}")
    warning = found.warning(workers)
    if warning is not None:
        display.tell(warning)


def _pool(workers: int | None, cluster: str | None, threads: int | None) -> Pool | None:
    """Give what the runs run in, or None for this process."""
    if cluster is not None:
        if workers is not None:
            raise ValueError("--workers and --cluster exclude each other; give one")
        return dask_pool(cluster, threads)
    if workers is not None:
        return processes(workers, threads)
    if threads is not None:
        checked_threads(threads)
    return None


@app.command
def report(
    folder: str,
    other: str | None = None,
    /,
    *,
    published: Annotated[list[str] | None, MANY] = None,
    by_seed: Annotated[bool, Parameter(negative="")] = False,
    format: Annotated[list[Literal["png", "svg", "pdf"]] | None, MANY] = None,
    width: float | None = None,
    output: Annotated[str | None, Parameter(name=["--output", "-o"])] = None,
) -> None:
    """Draw the figures and the report of a study again, or lay two studies over it.

    Parameters
    ----------
    folder
        Folder that `learnability run` wrote, such as runs/quick.
    other
        Folder of another study; the page then compares both.
    published
        Result folders of the published programme (with seed_* folders), whose runs are
        laid over ours.
    by_seed
        Draw every figure of every seed and optimizer by itself, too.
    format
        Kinds of files to draw the figures in for print, too: pdf, svg, png.
    width
        Width in inches of the figures for print; 3.35, a column, unless given.
    output
        Page of a comparison, ending in .html; comparison.html in the first folder
        unless given.
    """
    if other is None and output is not None:
        raise ValueError("--output is for a comparison; name a second folder, too")
    if other is not None and (by_seed or published is not None or format is not None):
        raise ValueError(
            "--by-seed, --published and --format draw one study; leave them out of a "
            "comparison"
        )
    if width is not None and format is None:
        raise ValueError("--width is of figures for print; give --format pdf, too")
    store, console = Store(folder), Console()
    if other is not None:
        _compare(store, Store(other), output, console)
        return
    settings, runs = store.load_settings(), store.load()
    with Display(console) as display:
        theirs = None if published is None else read_published(published)
        step = display.stage(DRAWING)
        rows = write_results(settings, runs, store, step, theirs)
        if format is not None:
            inches = WIDTH if width is None else width
            names = draw_files(settings, runs, store, format, inches)
            display.tell(f"{len(names)} files for print in {store.figure('').parent}")
        if by_seed:
            names = draw_by_seed(settings, runs, store)
            display.tell(f"{len(names)} figures by seed in {store.figure('').parent}")
    show(rows, settings, runs, store, console)


def _compare(first: Store, second: Store, output: str | None, console: Console) -> None:
    """Write the page that compares two studies."""
    from ..report import comparison_page
    from ..study.collected import compared
    from ..study.pages import both_of

    chosen = None if output is None else output_file(output, ".html", ".htm")
    one, two = ((s.load_settings(), s.load()) for s in (first, second))
    path = first.folder / "comparison.html" if chosen is None else chosen
    titles = [settings.title for settings, _ in (one, two)]
    page = comparison_page(both_of(one, two), compared(one, two), titles)
    first.write(path, page)
    console.print(f"report: {path}", highlight=False, soft_wrap=True, markup=False)


def _chosen(
    settings: Settings, cells: list[str] | None, optimizers: list[str] | None
) -> Settings:
    """Give the settings with some of their architectures and optimizers."""
    if cells is not None:
        there = {a.cell: a for a in settings.architectures}
        _check("cell", cells, list(there))
        picked = [there[cell].model_dump(mode="json") for cell in cells]
        settings = settings.changed(architectures=picked)
    if optimizers is None:
        return settings
    recipes = {r.optimizer: r for r in settings.recipes}
    _check("optimizer", optimizers, list(recipes))
    first, *rest = (recipes[name] for name in optimizers)
    further = [
        {"optimizer": r.optimizer, "rate": r.rate, "weight_decay": r.weight_decay}
        | {"momentum": r.momentum}
        for r in rest
    ]
    return settings.changed(
        recipe=first.model_dump(mode="json"), further_optimizers=further
    )


def _check(what: str, asked: list[str], there: list[str]) -> None:
    for name in asked:
        if name not in there:
            raise ValueError(
                f"the study has no {what} {name!r}; it has {', '.join(there)}"
            )
