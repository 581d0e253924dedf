"""Figures for print: their files, their width, and what is refused."""

import re

import pytest

from learnability.study import Store, load_settings
from learnability.study.pages import draw_files
from tests.plots.records import diagnosis, training_group

GRID = load_settings("quick").changed(networks=[{"cell": "GRU"}])
RUNS = {"GRU": diagnosis(training=training_group())}


def test_every_figure_is_a_file_of_each_kind_at_the_width(tmp_path):
    store = Store(str(tmp_path))
    names = draw_files(GRID, RUNS, store, ["pdf", "svg"], 3.35)
    assert {"windows-3.35in.pdf", "windows-3.35in.svg"} <= set(names)
    assert len(names) == 16
    assert sorted(p.name for p in (tmp_path / "figures").iterdir()) == sorted(names)
    text = (tmp_path / "figures/samples-3.35in.svg").read_text(encoding="utf-8")
    width = re.search(r'<svg [^>]*width="([\d.]+)pt"', text)
    assert width is not None
    assert float(width[1]) == pytest.approx(72 * 3.35, abs=0.1)


@pytest.mark.parametrize("width", [1.0, 40.0, float("nan")])
def test_widths_that_hold_no_figure_are_refused(tmp_path, width):
    with pytest.raises(ValueError, match="inches wide"):
        draw_files(GRID, RUNS, Store(str(tmp_path)), ["pdf"], width)
