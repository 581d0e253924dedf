"""A page of every kind, of diagnoses with chosen numbers."""

from collections.abc import Mapping
from functools import cache

import numpy as np

from learnability import LayerDiagnosis
from learnability.report import (
    comparison_page,
    model_page,
    model_study,
    monitor_page,
    study_page,
    table,
)
from learnability.study import Settings, load_settings
from learnability.study.pages import both_of, study_of
from learnability.study.tables import compared
from tests.plots.records import diagnosis, history, measured, training_group

KINDS = ("study", "comparison", "model", "history")
HOSTILE = '<script>alert("x")</script><img src=x onerror=alert(1)>'
TITLE = HOSTILE.replace("/", "")  # a study is named like a folder
NAMED = {
    "GRU": measured(training=training_group()),
    "DiagGate": diagnosis(training=training_group(r2=0.5), strength=0.3),
    HOSTILE: diagnosis(training=training_group()),
    "شبكة عصبية" + "x" * 200: diagnosis(),
}
"""Runs some of which have names that no page should meet."""
Study = tuple[Settings, Mapping[str, LayerDiagnosis]]


def study(name: str, runs: Mapping[str, LayerDiagnosis]) -> str:
    """Return the page of a study with the settings of `quick`.

    Args:
        name: of the study.
        runs: its diagnoses by label.
    """
    settings = load_settings("quick").changed(name=name)
    trees = {label: run.tree for label, run in runs.items()}
    rows = table(trees, settings.n_sequences)
    return study_page(study_of(settings, runs), rows=rows)


def comparison(first: Study, second: Study) -> str:
    """Return the page of two studies."""
    titles = [settings.title for settings, _ in (first, second)]
    return comparison_page(both_of(first, second), compared(first, second), titles)


def model(title: str, layers: Mapping[str, LayerDiagnosis], note: str = "") -> str:
    """Return the page of an own model."""
    trees = {name: layer.tree for name, layer in layers.items()}
    about = model_study(trees, title=title, n_sequences=[5, 50, 500])
    return model_page(about, notes=[note] if note else [])


@cache
def usual(kind: str) -> str:
    """Return a page of a kind as people meet it."""
    match kind:
        case "study":
            return study_page(study_of(*_grid("short", 1)))
        case "comparison":
            return comparison(_grid("short", 1), _grid("long", 2))
        case "model":
            layers = {"encoder": _run(1.0), "decoder": _run(0.2)}
            return model("my model", layers, NOTE)
        case _:
            return monitor_page(history(), title="training")


NOTE = "Five times the sequences would show lag 16 to the decoder."


@cache
def strange(kind: str) -> str:
    """Return a page of a kind with names that no page should meet."""
    match kind:
        case "study":
            return study(TITLE, NAMED)
        case "comparison":
            settings = load_settings("quick").changed(name=TITLE)
            return comparison((settings, NAMED), (settings, NAMED))
        case "model":
            return model(TITLE, {"encoder": NAMED["GRU"], HOSTILE: NAMED["GRU"]})
        case _:
            return monitor_page(history(("gru", HOSTILE)), title=TITLE)


def _grid(name: str, farther: float) -> Study:
    """Return a study of five cells and two seeds, each of which sees its own way."""
    settings = load_settings("quick").changed(name=name, seeds=[7, 8])
    sizes = farther * np.array([1, 1.2])[:, None] * SIZES
    labels = [settings.label(run) for run in settings.runs()]
    return settings, dict(zip(labels, map(_run, sizes.ravel()), strict=True))


SIZES = np.array([0.05, 0.2, 0.4, 1.0, 3.0])
"""Of the signal, by cell."""


def _run(size: float) -> LayerDiagnosis:
    return measured(scale=size, training=training_group(r2=0.6 * size / (0.3 + size)))
