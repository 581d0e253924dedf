"""`learnability run` and `learnability report`: studies."""

import time
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from rich.console import Console

from ..compiled import tune_process, using_threads, warm_up
from ..diagnosis import LayerDiagnosis
from ..study.cost import check_memory
from ..study.logs import check_logs, make_logger
from ..study.pool import LOCAL, Pool, checked_threads, dask_pool, processes
from ..study.settings import Settings, load_settings
from ..study.store import Store, differing, joined, part_of
from ..study.sweep import check_device, outlook, run_study
from ..summaries.published import read_published
from .app import CHOICE, MANY, Flag, Folder, Output, Real, Reals, Whole, Wholes, Words
from .terminal import Display, answer, named_store, output_file, say

DRAWING = "figures and report"
# Inches of a column in most journals.
WIDTH = 3.35


def run(
    preset: str,
    /,
    *,
    output: Output = None,
    scale: Real = None,
    seeds: Annotated[Wholes, Parameter(name=["--seeds", "--seed"])] = None,
    cells: Words = None,
    optimizers: Words = None,
    lags: Wholes = None,
    n_sequences: Reals = None,
    epochs: Whole = None,
    sequences: Whole = None,
    significance: Real = None,
    workers: Whole = None,
    threads: Whole = None,
    device: str | None = None,
    cluster: str | None = None,
    log: Words = None,
    dry_run: Flag = False,
) -> None:
    """Train and diagnose the networks of a study, print the answer, write its report.

    For example: `learnability run quick --cells GRU LSTM --seeds 0 1 2`

    What is there already, made with the same settings, is kept; an interrupted study
    goes on where it was. How long the rest takes is said once the first epoch is done.

    Parameters
    ----------
    preset
        Name of a preset (`quick`, `standard`, `today`, `today-recall`, `livi-2026-03`,
        `livi-2026-final`, `livi-2026-width`), or path of a TOML file with a study's
        settings.
    output
        Folder for results, figures and report, a path or an fsspec URL; runs/NAME
        unless given.
    scale
        Share of the epochs and sequences to keep, such as 0.1.
    seeds
        Seeds from which every random stream is derived; a run each.
    cells
        Which of the study's networks to run, such as `GRU LSTM`; a cell stands for all
        networks of its kind.
    optimizers
        Which of the study's optimizers to run, such as `adamw sgd`.
    lags
        Lags in steps at which to diagnose.
    n_sequences
        Numbers of sequences N whose windows H_N are reported.
    epochs
        Passes over the training sequences.
    sequences
        Number of training sequences.
    significance
        Size of the detection test, such as 0.05.
    workers
        Runs at a time, each in a process of its own.
    threads
        Threads of each run; unless given those of PyTorch (OMP_NUM_THREADS, or the
        machine's cores), of which workers on this machine have an equal share.
    device
        Where to train, such as cuda; the CPU unless the settings say otherwise. What
        was trained is diagnosed on the CPU.
    cluster
        Address of a Dask scheduler, or local:N for N worker processes here.
    log
        Where to log what every run learnt: jsonl (log.jsonl in the folder; the one
        used unless given), tensorboard, mlflow.
    dry_run
        Say what is to do, and how long it takes where runs have finished; do nothing.
    """
    chosen = part_of(load_settings(preset), cells, optimizers).changed(
        seeds=seeds,
        lags=lags,
        n_sequences=n_sequences,
        training_sequences=sequences,
        recipe={"epochs": epochs},
        options={"significance": significance},
        device=device,
    )
    settings = chosen if scale is None else chosen.scaled(scale)
    default = str(Path("runs") / _folder_name(settings))
    store = Store(default if output is None else output)
    tune_process()
    started = time.monotonic()
    if cluster is None or cluster.startswith(LOCAL):
        check_memory(settings.runs())
    # All that may be refused is asked for before anything is written.
    store.check(settings)
    names = log or ["jsonl"]
    check_logs(names)
    pool = _pool(workers, cluster, threads)
    check_device(settings, pool)
    loggers = [] if dry_run else [make_logger(name, store) for name in names]
    with Display(Console()) as display, using_threads(None if pool else threads):
        if not dry_run:
            _begin(settings, store, display)
        display.tell(outlook(settings, store, pool))
        if dry_run:
            return
        if store.missing(settings):
            warm_up(on_wait=display.tell)
        runs = run_study(settings, store, display, pool=pool, loggers=loggers)
        settings, runs = _shown(settings, runs, store, display)
        from ..study import pages  # it loads plotting libraries

        pages.write_results(settings, runs, store, display.stage(DRAWING))
    answer(settings, runs)
    say(f"{time.monotonic() - started:.0f} s in all; every run: {store.table}")
    say(f"report: {store.report}")


def _folder_name(settings: Settings) -> str:
    """Return a study's folder; a scaled study does not lie where the whole one does."""
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
    settings: Settings, runs: dict[str, LayerDiagnosis], store: Store, display: Display
) -> tuple[Settings, dict[str, LayerDiagnosis]]:
    """Return the study that the folder holds, of which a part may have been asked for.

    Where other parts are missing, give what was asked for.
    """
    study = store.load_settings()
    asked = {run.identity() for run in settings.runs()}
    others = [r for r in study.runs() if r.identity() not in asked]
    if not others:
        return settings, runs
    more = f"{store.folder} holds a study of {len(study.runs())} runs"
    left = store.missing(study)
    if left:
        display.tell(
            f"{more}, {len(left)} of them still missing: table and report show the "
            f"{len(runs)} of this command"
        )
        return settings, runs
    display.tell(f"{more}: table and report show all of them")
    return study, store.load()


def _pool(workers: int | None, cluster: str | None, threads: int | None) -> Pool | None:
    """Return what the runs run in, or None for this process."""
    if cluster is not None:
        if workers is not None:
            raise ValueError("--workers and --cluster exclude each other; give one")
        return dask_pool(cluster, threads)
    if workers is not None:
        return processes(workers, threads)
    if threads is not None:
        checked_threads(threads)
    return None


def report(
    folder: Folder,
    other: str | None = None,
    /,
    *,
    published: Words = None,
    by_seed: Flag = False,
    format: Annotated[list[Literal["png", "svg", "pdf"]] | None, MANY, CHOICE] = None,
    width: Real = None,
    output: Output = None,
) -> None:
    """Draw the figures and the report of a study again, or lay two studies over it.

    For example: `learnability report quick --format pdf --width 3.35`

    Parameters
    ----------
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
    store = named_store(folder)
    if other is not None:
        _compare(store, named_store(other), output)
        return
    from ..study import pages  # it loads plotting libraries

    inches = WIDTH if width is None else width
    pages.check_width(inches)
    settings, runs = store.load_settings(), store.load()
    with Display(Console()) as display:
        theirs = None if published is None else read_published(published)
        step = display.stage(DRAWING)
        pages.write_results(settings, runs, store, step, theirs)
        if format is not None:
            names = pages.draw_files(settings, runs, store, format, inches)
            display.tell(f"{len(names)} files for print in {store.figure('').parent}")
        if by_seed:
            names = pages.draw_by_seed(settings, runs, store)
            display.tell(f"{len(names)} figures by seed in {store.figure('').parent}")
    answer(settings, runs)
    say(f"report: {store.report}")


def _compare(first: Store, second: Store, output: str | None) -> None:
    """Write the page that compares two studies."""
    from ..report import comparison_page
    from ..study.pages import both_of
    from ..study.tables import compared

    chosen = None if output is None else output_file(output, ".html", ".htm")
    one, two = ((s.load_settings(), s.load()) for s in (first, second))
    path = first.folder / "comparison.html" if chosen is None else chosen
    titles = [settings.title for settings, _ in (one, two)]
    page = comparison_page(both_of(one, two), compared(one, two), titles)
    first.write(path, page)
    say(f"report: {path}")
