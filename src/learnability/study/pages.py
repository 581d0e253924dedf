"""What a study's page, table and figures are made of: plain records of its settings."""

from collections.abc import Mapping

from ..diagnosis import LayerDiagnosis
from ..report import Again, Study
from ..summaries import Trees
from ..words import number, percent, span
from .settings import Settings, load_settings, preset_names
from .tables import identified

Runs = Mapping[str, LayerDiagnosis]


def lines_of(settings: Settings, runs: Runs) -> dict[str, Trees]:
    """Return the diagnoses of all seeds, by network and optimizer.

    Args:
        settings: the study.
        runs: its diagnoses by label.
    """
    known, found = identified(settings), {}
    for label, run in runs.items():
        name = str(known[label]["group"]) if label in known else label
        found.setdefault(name, []).append(run.tree)
    return found


def study_of(settings: Settings, runs: Runs) -> Study:
    """Return what the page of a study is about.

    Args:
        settings: the study.
        runs: its diagnoses by label.
    """
    return Study(
        title=settings.title,
        lines=lines_of(settings, runs),
        budgets=settings.budgets,
        level=settings.options.level,
        facets=_facets(settings),
        asked=_asked(settings, runs),
        again=[_again(settings, runs)],
    )


def both_of(first: tuple[Settings, Runs], second: tuple[Settings, Runs]) -> Study:
    """Return what the page that compares two studies is about.

    Args:
        first: settings and diagnoses of one study.
        second: those of another.
    """
    lines, facets, again = {}, {}, []
    for letter, (settings, runs) in zip("AB", (first, second), strict=True):
        study = f"{letter}: {settings.title}"
        for name, trees in lines_of(settings, runs).items():
            lines[f"{letter}: {name}"] = trees
        for name, known in _facets(settings).items():
            facets[f"{letter}: {name}"] = {**known, "study": study}
        again.append(_again(settings, runs))
    return Study(
        title=" / ".join(settings.title for settings, _ in (first, second)),
        lines=lines,
        budgets=sorted({*first[0].budgets, *second[0].budgets}),
        level=first[0].options.level,
        facets=facets,
        again=again,
    )


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
    what = f"dependencies of strength {span(min(strengths), max(strengths), 3)}"
    if not max(strengths) > 0:
        what = "any dependency (these targets hold none that can be measured)"
    first = min(int(need["lag"].min()) for need in needs)
    last = max(int(need["lag"].max()) for need in needs)
    options = settings.options
    return (
        f"Asked for here: {what}, with {percent(options.significance)} false alarms "
        f"and {percent(1 - options.power)} misses, at lags from {number(first)} to "
        f"{number(last)} steps. The task's own lags are "
        f"{', '.join(map(str, settings.task.lags))}."
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
