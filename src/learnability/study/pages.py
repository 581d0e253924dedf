"""What a study's page, table and figures are made of, and their files."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import pandas as pd

from .. import plots, report
from ..diagnosis import LayerDiagnosis
from ..diagnosis.verdicts import judged
from ..report import Again, Study
from ..report.overview import Judged
from ..summaries import Published, summed
from ..summaries.spread import Trees
from ..tasks import Recall, Task
from ..words import number, percent, span
from .settings import Settings, load_settings, preset_names
from .store import Store
from .tables import across_seeds, grouped, identified, index

Runs = Mapping[str, LayerDiagnosis]


def lines_of(settings: Settings, runs: Runs) -> dict[str, Trees]:
    """Return the diagnoses of all seeds, by network and optimizer.

    Args:
        settings: the study.
        runs: its diagnoses by label.
    """
    return {
        name: [run.tree for run in found]
        for name, found in grouped(settings, runs).items()
    }


def study_of(settings: Settings, runs: Runs) -> Study:
    """Return what the page of a study is about.

    Args:
        settings: the study.
        runs: its diagnoses by label.
    """
    return Study(
        title=settings.title,
        lines=lines_of(settings, runs),
        n_sequences=settings.n_sequences,
        level=settings.options.level,
        facets=_facets(settings),
        asked=_asked(settings, runs),
        again=[_again(settings, runs)],
        judged=_judged(settings, runs),
    )


def _judged(settings: Settings, runs: Runs) -> dict[str, list[Judged]]:
    """Return what stops each lag of every seed that has verdicts, by line."""
    every: dict[str, list[Judged]] = {}
    for name, found in grouped(settings, runs).items():
        said: list[Judged] = [judged({name: run}) for run in found]
        if any(said):
            every[name] = [lags for lags in said if lags]
    return every


def both_of(first: tuple[Settings, Runs], second: tuple[Settings, Runs]) -> Study:
    """Return what the page that compares two studies is about.

    Args:
        first: settings and diagnoses of one study.
        second: those of another.
    """
    lines, facets, stopped, again = {}, {}, {}, []
    for letter, (settings, runs) in zip("AB", (first, second), strict=True):
        study = f"{letter}: {settings.title}"
        for name, trees in lines_of(settings, runs).items():
            lines[f"{letter}: {name}"] = trees
        for name, verdicts in _judged(settings, runs).items():
            stopped[f"{letter}: {name}"] = verdicts
        for name, known in _facets(settings).items():
            facets[f"{letter}: {name}"] = {**known, "study": study}
        again.append(_again(settings, runs))
    return Study(
        title=" / ".join(settings.title for settings, _ in (first, second)),
        lines=lines,
        n_sequences=sorted({*first[0].n_sequences, *second[0].n_sequences}),
        level=first[0].options.level,
        facets=facets,
        again=again,
        judged=stopped,
    )


def write_results(
    settings: Settings,
    runs: Runs,
    store: Store,
    progress: Callable[[float], None],
    published: Published | None = None,
) -> pd.DataFrame:
    """Write the table, the figures and the report page of a study; return the table.

    Args:
        settings: the study.
        runs: its diagnoses by label.
        store: where it lies.
        progress: called with the share of the work that is done.
        published: runs of the published programme to lay over ours.
    """
    study = study_of(settings, runs)
    rows = report.table(
        {name: run.tree for name, run in runs.items()}, study.n_sequences
    )
    store.write(store.table, rows.to_csv(index=False))
    store.write(store.index, index(settings).to_csv(index=False))
    if len(runs) > len(settings.networks):
        store.write(store.across, across_seeds(settings, runs).to_csv(index=False))
    found = summed(study.lines, study.n_sequences)
    every = plots.pictures(found)
    for place, (name, figure) in enumerate(plots.draw_all(found)):
        progress(place / (2 * len(every)))
        store.write(store.figure(name), plots.rendered(figure))
    progress(0.5)
    page = report.study_page(
        study,
        rows=rows,
        found=found,
        published=published,
        notes=() if published is None else published.notes,
    )
    store.write(store.report, page)
    progress(1.0)
    return rows


def check_width(width: float) -> None:
    """Refuse a width that no figure for print has.

    Args:
        width: in inches.

    Raises:
        ValueError: if it is too small or large.
    """
    if not plots.NARROWEST <= width <= plots.WIDEST:
        raise ValueError(
            f"a figure cannot be {width:g} inches wide; give {plots.NARROWEST:g} (a "
            f"column) to {plots.WIDEST:g}"
        )


def draw_files(
    settings: Settings,
    runs: Runs,
    store: Store,
    kinds: Sequence[Literal["png", "svg", "pdf"]],
    width: float,
) -> list[str]:
    """Draw the figures of a study as files for print; return their names.

    Args:
        settings: the study.
        runs: its diagnoses by label.
        store: where it lies; the figures go to figures/NAME-WIDTHin.KIND.
        kinds: png, svg or pdf.
        width: of the figures in inches.

    Raises:
        ValueError: if there is no such kind, or the width is too small or large.
    """
    check_width(width)
    found = summed(lines_of(settings, runs), settings.n_sequences)
    names = []
    for name, figure in plots.draw_all(found, width=width):
        for kind in kinds:
            path = store.figure(f"{name}-{width:g}in").with_suffix(f".{kind}")
            store.write(path, plots.rendered(figure, kind))
            names.append(path.name)
    return names


def draw_by_seed(settings: Settings, runs: Runs, store: Store) -> list[str]:
    """Draw every figure of every seed and optimizer by itself; return their names.

    Args:
        settings: the study.
        runs: its diagnoses by label.
        store: where it lies; the figures go to figures/OPTIMIZER-seed-SEED-NAME.png.
    """
    apart: dict[str, dict[str, Trees]] = {}
    for run in settings.runs():
        key = f"{run.recipe.optimizer}-seed-{run.seed}"
        found = runs[settings.label(run)]
        apart.setdefault(key, {})[settings.network(run)] = [found.tree]
    names = []
    for key, some in apart.items():
        for name, figure in plots.draw_all(summed(some, settings.n_sequences)):
            names.append(f"{key}-{name}")
            store.write(store.figure(names[-1]), plots.rendered(figure))
    return names


def _facets(settings: Settings) -> dict[str, dict[str, str]]:
    names = {"architecture": "network", "optimizer": "optimizer"}
    return {
        str(known["group"]): {names[n]: str(known[n]) for n in names}
        for known in identified(settings).values()
    }


def _asked(settings: Settings, runs: Runs) -> str:
    """Say in a sentence what was asked."""
    needs = [run.group("detection") for run in runs.values()]
    strengths = [float(need.attrs["effect_size"]) for need in needs]
    what = span(min(strengths), max(strengths), 3)
    first = min(int(need["lag"].min()) for need in needs)
    last = max(int(need["lag"].max()) for need in needs)
    options = settings.options
    return (
        "Asked for here: dependencies as they were found, and in curves over all lags "
        f"of one strength, {what}, with {percent(options.significance)} false alarms "
        f"and {percent(1 - options.power)} misses, at lags from {number(first)} to "
        f"{number(last)} steps. {_of_task(settings.task)}"
    )


def _of_task(task: Task) -> str:
    """Say in a sentence at which lags there is something to learn."""
    lags = ", ".join(map(str, task.lags))
    if not isinstance(task, Recall):
        return f"The task's own lags are {lags}."
    return (
        f"The token to be named at the end is one of {task.tokens}, of which a guess "
        f"names {percent(task.chance)}, and stands so many steps before it: {lags}."
    )


def _again(settings: Settings, runs: Runs) -> Again:
    """Return what it takes to run a study again."""
    attributes = [run.tree.attrs for run in runs.values()]
    facts = {
        "settings": settings.identity(),
        "seeds": ", ".join(map(str, settings.seeds)),
    }
    if settings.scale != 1:
        facts["scale"] = f"{settings.scale:g} of the epochs and sequences"
    for name in ("learnability", "torch"):
        versions = sorted({str(a[name]) for a in attributes if name in a})
        facts[name] = ", ".join(versions) or "not recorded"
    facts["level of intervals"] = percent(settings.options.level)
    return Again(_command(settings), settings.to_toml(), facts)


def _command(settings: Settings) -> str:
    """Return the command that makes the same study."""
    for name in preset_names():
        preset, scale = load_settings(name), settings.scale
        if preset.identity() == settings.identity():
            return f"learnability run {name}"
        if preset.scaled(scale).identity() == settings.identity():
            return f"learnability run {name} --scale {scale:g}"
    return "learnability run study.toml"
