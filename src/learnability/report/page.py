"""One HTML page with everything that a study found; it needs no network."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from html import escape
from string import Template
from urllib.parse import quote

import pandas as pd

from ..diagnosis import Diagnosis
from ..study.published import Published
from ..study.settings import Settings, load_settings, preset_names
from ..study.tables import compared, identified
from .across import Summed, summed
from .answer import Groups, difference, headline, learnt
from .interactive import Member, as_json, figures, library, thinned
from .limits import LARGEST, Keep
from .overlay import overlaid
from .pictures import pictures, pictures_across, pictures_overlaid
from .seeds import comparison_table, spoken, summary
from .skeleton import resource, skeleton
from .table import table
from .tables import all_by_lag, html_table
from .words import budgets, ended, formatted, number, sentence, short

WHAT = (
    "A network can learn from the past only what shows in the gradient of its training "
    'data. Its <a href="#term-window">window</a> is how many steps back a dependency '
    "still shows there, averaged over N sequences."
)

NAVIGATION = {
    "answer": "Answer",
    "figures": "Figures",
    "lags": "By lag",
    "meaning": "What the numbers mean",
    "again": "Run it again",
    "methods": "Methods",
}


def page(
    settings: Settings,
    runs: Mapping[str, Diagnosis],
    *,
    rows: pd.DataFrame | None = None,
    drawn: Sequence[str] | None = None,
    found: Summed | None = None,
    published: Published | None = None,
    keep: Keep | None = None,
) -> str:
    """Give the report of a study as one self-contained HTML page.

    The page holds no time, so that the same results give the same bytes.

    Args:
        settings: the study.
        runs: diagnoses by architecture.
        rows: the study's `table`, if it was made before; it is made unless given.
        drawn: the study's `pictures`, in the same way.
        found: what several seeds have in common, in the same way.
        published: runs of the published programme to lay over ours.
        keep: called with the name and the SVG of every still figure; keeps it as a file
            and gives its address as the page sees it.

    Returns:
        The page.

    Raises:
        ValueError: if there are no runs.
    """
    numbers = table(settings, runs) if rows is None else rows
    several, lines = _several(settings), members(settings, runs)
    groups = {line.name: line.runs for line in lines}
    level = settings.measures.level
    every = cache(lambda: found or summed(groups, settings.budgets))
    if drawn is None and several:
        drawn = pictures_across(every(), keep)
    made = pictures(runs, keep=keep) if drawn is None else list(drawn)
    laid_over: list[str] = []
    if published is not None:
        laid_over = pictures_overlaid(overlaid(every(), published), keep)
    parts = {
        "heading": "How far back each network can learn",
        "lead": _lead(settings, runs),
        "headline": _paragraph(headline(groups, settings.budgets, level)),
        "answers": "\n".join(
            spoken(groups, settings.budgets)
            if several
            else _answers(settings, runs, numbers)
        ),
        "table": _first_table(settings, groups, numbers, several),
        "figures": "\n".join(made + laid_over),
        "lags": all_by_lag(runs),
        "again": _again(settings, runs),
    }
    whole = _around(settings.title, lines, settings.budgets)
    text = whole(_sections(parts))
    if len(text.encode()) > LARGEST and drawn is None:
        made = pictures(runs, one_look=True, keep=keep)
        parts["figures"] = "\n".join(made + laid_over)
        text = whole(_sections(parts))
    return text


def comparison(
    first: tuple[Settings, Mapping[str, Diagnosis]],
    second: tuple[Settings, Mapping[str, Diagnosis]],
    *,
    keep: Keep | None = None,
) -> str:
    """Give a page that lays two studies over one another.

    Args:
        first: settings and diagnoses of one study.
        second: those of another.
        keep: as of `page`.

    Returns:
        The page.

    Raises:
        ValueError: if they have no network, optimizer and budget in common.
    """
    rows = comparison_table(first, second)
    lines = [
        line
        for place, (settings, runs) in enumerate((first, second))
        for line in members(settings, runs, study=f"{'AB'[place]}: {settings.title}")
    ]
    titles = [settings.title for settings, _ in (first, second)]
    a, b = map(escape, titles)
    found = summed({line.name: line.runs for line in lines})
    parts = {
        "heading": "Two studies, one over the other",
        "lead": f"{WHAT} A is <bdi>{a}</bdi>, B is <bdi>{b}</bdi>. "
        "Windows are means over seeds ± a deviation (≥: some reach the longest lag "
        "measured), differences B less A ± a standard error over seeds. A difference "
        "counts from two standard errors on.",
        "headline": _paragraph(difference(compared(first, second))),
        "answers": "",
        "table": html_table(rows, "windows of both studies"),
        "figures": "\n".join(pictures_across(found, keep)),
        "lags": all_by_lag(
            {
                f"{'AB'[place]}: {name}": run
                for place, (_, runs) in enumerate((first, second))
                for name, run in runs.items()
            }
        ),
        "again": "\n".join(_again(*study) for study in (first, second)),
    }
    numbers = sorted({*first[0].budgets, *second[0].budgets})
    return _around(" / ".join(titles), lines, numbers)(_sections(parts))


def _several(settings: Settings) -> bool:
    """Say whether a study has several optimizers or seeds."""
    return len(settings.runs()) > len(settings.networks)


def _around(
    title: str, lines: Sequence[Member], budgets: Sequence[float]
) -> Callable[[str], str]:
    """Give what makes an interactive page around sections."""
    return partial(
        skeleton,
        title,
        kicker="learnability report",
        navigation=NAVIGATION,
        scripts=(library(), resource("page.js")),
        data=as_json(thinned(figures(lines, budgets))),
    )


def _sections(parts: Mapping[str, str]) -> str:
    return Template(resource("page.html")).substitute(parts)


def _again(settings: Settings, runs: Mapping[str, Diagnosis]) -> str:
    """Give what it takes to run a study again."""
    toml = settings.to_toml()
    parts = {
        "command": escape(_command(settings)),
        "versions": _versions(settings, runs),
        "settings": escape(toml),
        "download": quote(toml, safe=""),
    }
    return Template(resource("again.html")).substitute(parts)


def members(
    settings: Settings, runs: Mapping[str, Diagnosis], *, study: str | None = None
) -> list[Member]:
    """Give the lines of the interactive figures: a network and optimizer each.

    Args:
        settings: the study.
        runs: diagnoses by label.
        study: what to call it among several.
    """
    known, found = identified(settings), {}
    for label, run in runs.items():
        about = known.get(label, {"group": label, "architecture": label})
        facets = {n: str(about[n]) for n in ("architecture", "optimizer") if n in about}
        if study is not None:
            facets["study"] = study
        found.setdefault(str(about["group"]), (facets, []))[1].append(run)
    before = "" if study is None else f"{study[0]}: "
    return [Member(before + n, facets, every) for n, (facets, every) in found.items()]


def _first_table(
    settings: Settings,
    groups: Groups,
    numbers: pd.DataFrame,
    several: bool,
) -> str:
    """Give the table of the first screen; that of all runs is folded away below it."""
    every = html_table(formatted(numbers), "numbers of the study, by run")
    if not several:
        return every
    rows = summary(groups, settings.budgets)
    over = html_table(rows, "windows of the study, over seeds")
    return f"{over}<details><summary>Every run</summary>{every}</details>"


def _lead(settings: Settings, runs: Mapping[str, Diagnosis]) -> str:
    """Say in a sentence what was asked."""
    strengths = [run.group("detection").attrs["strength"] for run in runs.values()]
    low, high = short(min(strengths)), short(max(strengths))
    strength = low if low == high else f"{low} to {high}"
    lags = [run.group("detection")["lag"].values for run in runs.values()]
    first, last = min(int(g.min()) for g in lags), max(int(g.max()) for g in lags)
    measures = settings.measures
    what = f"dependencies of strength {strength}"
    if not max(strengths) > 0:
        what = "any dependency (these targets hold none that can be measured)"
    asked = (
        f"Asked for here: {what}, with "
        f"{measures.error:.0%} false alarms and {measures.miss:.0%} misses, at lags "
        f"from {number(first)} to {number(last)} steps. The task's own lags are "
        f"{', '.join(map(str, settings.task.lags))}."
    ).replace("%", "\u202f%")
    return f"{WHAT} {asked}"


def _paragraph(sentences: Sequence[str]) -> str:
    """Give sentences as a paragraph that no name can break out of."""
    return " ".join(escape(sentence) for sentence in sentences)


def _answers(
    settings: Settings, runs: Mapping[str, Diagnosis], numbers: pd.DataFrame
) -> list[str]:
    """Give a list item an architecture."""
    items = []
    for row in numbers.to_dict("records"):
        first = int(runs[row["cell"]].group("detection")["lag"].min())
        said = sentence(row, budgets(numbers), settings.measures.level, first)
        said += ended(row) + learnt([runs[row["cell"]]])
        name = f"<strong><bdi>{escape(row['cell'])}</bdi></strong>"
        items.append(f"<li>{name}: {escape(said)}</li>")
    return items


def _command(settings: Settings) -> str:
    """Give the command that makes the same study."""
    for name in preset_names():
        preset, scale = load_settings(name), settings.scale
        if preset.identity() == settings.identity():
            return f"learnability run {name}"
        if preset.scaled(scale).identity() == settings.identity():
            return f"learnability run {name} --scale {scale:g}"
    return "learnability run study.toml"


def _versions(settings: Settings, runs: Mapping[str, Diagnosis]) -> str:
    """Give what the numbers were made with, as terms and descriptions."""
    attributes = [run.tree.attrs for run in runs.values()]
    facts = {
        "settings": settings.identity(),
        "seeds": ", ".join(map(str, settings.seeds)),
    }
    if settings.scale != 1:
        facts["scale"] = f"{settings.scale:g} of the epochs and sequences"
    for name in ("learnability", "torch"):
        found = sorted({str(a[name]) for a in attributes if name in a})
        facts[name] = ", ".join(found) or "not recorded"
    level = json.loads(settings.measures.model_dump_json())["level"]
    facts["level of intervals"] = f"{level:.0%}".replace("%", "\u202f%")
    return "\n".join(
        f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in facts.items()
    )
