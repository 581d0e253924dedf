"""However large a study, its page stays below 8 MB and says what it leaves out."""

import json
import re

import numpy as np
import pandas as pd

from learnability.report import page, pictures
from learnability.report.across import Summed, learning_spread
from learnability.report.interactive import thinned
from learnability.report.limits import embedded, kept
from learnability.study import load_settings
from learnability.summaries import ESTIMATORS, window_spread
from tests.plots.records import diagnosis, training_group

SETTINGS = load_settings("livi-2026-final")


def test_the_largest_pictures_become_pixels():
    made = []

    def pixels(name):
        return lambda: made.append(name) or b"p" * 10

    files = {name: f"figures/{name}&.svg" for name in "ab"}
    drawings = {n: (b"s" * size, pixels(n)) for n, size in (("a", 90), ("b", 3000))}
    found = embedded(drawings, 1000, files)
    assert made == ["b"]
    assert found["a"].address.startswith("data:image/svg+xml")
    assert found["b"].address.startswith("data:image/png")
    assert found["a"].said == ""
    link = '<a href="figures/b&amp;.svg">figures/b&amp;.svg</a>'
    said = f"in pixels, to keep this page small; its lines are in {link}"
    assert said in found["b"].said
    assert "learnability report" in embedded(drawings, 1000)["b"].said


def test_a_thinned_curve_keeps_its_ends_and_its_pairs():
    x = np.arange(1000.0)
    trace = {"member": 0, "x": x, "y": x**2, "low": x, "says": ["ab"] * 1000}
    short = {"member": 0, "x": x[:9], "y": x[:9]}
    every = {"f": {"traces": [trace], "axes": {}}, "g": {"traces": [short], "axes": {}}}
    found = thinned({"figures": every}, 109)
    (fewer,) = found["figures"]["f"]["traces"]
    assert [len(fewer[n]) for n in ("x", "y", "low", "says")] == [100] * 4
    assert (fewer["x"][0], fewer["x"][-1]) == (0.0, 999.0)
    assert np.array_equal(np.square(fewer["x"]), fewer["y"])
    assert "100 of up to 1000 points" in found["figures"]["f"]["note"]
    assert "note" not in found["figures"]["g"]
    assert thinned(found, 109) is found
    assert np.diff(kept(1000, 100)).max() <= 11


def test_one_look_of_every_figure_where_four_would_be_too_large():
    runs = {"GRU": diagnosis(training=training_group())}
    text = "".join(pictures(runs, one_look=True))
    assert text.count("in one look, light and as wide as a page") == 1
    assert text.count("<figure") == 7
    assert set(re.findall(r'<img class="([^"]*)"', text)) == {"wide light"}


def large_study():
    """Give a study of 75 runs with 192 lags, 1,500 epochs and 256 units each."""
    random, lags = np.random.default_rng(0), SETTINGS.lags
    grid = np.array(lags)
    trained = training_group(SETTINGS.recipe.epochs)
    runs, groups = {}, {}
    for run in SETTINGS.runs():
        f = np.exp(-grid / 90 + random.normal(size=grid.size) / 5)
        tau = np.exp(random.normal(4, 1, 256))
        made = diagnosis(lags=tuple(lags), f=f, tau=tau, training=trained)
        runs[SETTINGS.label(run)] = made
        groups.setdefault(SETTINGS.group(run), []).append(made)
    return runs, groups, random


def table(random, rows, *names):
    return pd.DataFrame({n: np.exp(random.normal(size=rows)) for n in names})


def summed_up(groups, random) -> Summed:
    lags, n = pd.Index(SETTINGS.lags, name="lag"), len(SETTINGS.lags)
    names = ("attenuation", "confounded", "log_needed", "log_noise")
    curves = {g: learning_spread(every) for g, every in groups.items()}
    # Two small figures show few groups: they take time to draw, and hardly any room.
    some, budgets = {g: groups[g] for g in list(groups)[:3]}, np.logspace(0, 6, 13)
    return Summed(
        groups=groups,
        windows={g: window_spread(v, budgets) for g, v in some.items()},
        envelopes={
            g: table(random, n, "mean", "lower", "upper", "fitted").set_index(lags)
            for g in groups
        },
        laws={
            g: table(random, 5 * n, *names).assign(censored=random.random(5 * n) < 0.3)
            for g in groups
        },
        scales={g: np.exp(random.normal(4, 1, 1280)) for g in some},
        curves=curves,
        estimators={
            g: {
                e: table(random, n, "alpha", "deviation").set_index(lags)
                for e in ESTIMATORS
            }
            for g in groups
        },
    )


def test_a_large_study_fits_into_8_megabytes():
    runs, groups, random = large_study()
    rows = pd.DataFrame({"cell": list(runs)})
    lines = {}

    def keep(name, svg):
        lines[name] = svg
        return f"figures/{name}.svg"

    found = summed_up(groups, random)
    text = page(SETTINGS, runs, rows=rows, found=found, keep=keep)
    assert 6e6 < len(text.encode()) < 8e6
    stills = re.findall(r'<figure id="(\w+)">(.*?)</figure>', text, re.DOTALL)
    pixels = {name for name, still in stills if "data:image/png" in still}
    assert {"law", "estimators"} <= pixels < set(lines)
    for name, still in stills:
        said = f'its lines are in <a href="figures/{name}.svg">' in still
        assert said == (name in pixels)
    assert text.count("To keep this page small the tables show") == 1
    data = re.search(r'id="figure-data"[^>]*>(.*?)</script>', text, re.DOTALL)
    assert data is not None
    figures = json.loads(data[1])["figures"]
    assert all(len(f["traces"]) == len(groups) for f in figures.values())
    assert figures["samples"]["traces"][0]["x"][-1] == 768
    assert "of up to 1500 points" in figures["learning"]["note"]
    assert "note" not in figures["windows"]
