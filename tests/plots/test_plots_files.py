"""Whole figures: every one drawn, nothing outside its paper, the same bytes twice."""

import re
import warnings
from functools import cache

import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure
from matplotlib.text import Text

from learnability import plots
from learnability.plots.style import INKS, KNOWN, recoloured

from .records import diagnosis, extreme, nothing_resolved, training_group

FULL = {name: diagnosis(training=training_group()) for name in KNOWN}
CASES = {
    "five": FULL,
    "one": {"GRU": FULL["GRU"]},
    "unresolved": {"GRU": nothing_resolved(), "LSTM": nothing_resolved()},
    "one lag": {"GRU": diagnosis(lags=(4,), training=training_group(1))},
    "extreme": {"GRU": extreme(), "LSTM": FULL["LSTM"]},
    "extreme alone": {"GRU": extreme()},
    "names": {
        "x" * 200: diagnosis(),
        "<script>": diagnosis(f=np.ones(5)),
        "شبكة": diagnosis(),
        "_$x$_$": diagnosis(tau=np.full(8, np.inf)),
    },
}


# Narrow figures are the hard ones; the page's width is looked at once.
LAID_OUT = [(case, plots.COLUMN) for case in CASES] + [("five", plots.PAGE)]


@cache
def laid_out(case: str, width: float) -> dict[str, Figure]:
    """Give the figures of a case after their layout; a warning is an error."""
    figures = dict(plots.draw_all(CASES[case], width=width))
    with plots.theme("light"), warnings.catch_warnings():
        warnings.simplefilter("error")
        for made in figures.values():
            made.draw_without_rendering()
    return figures


@pytest.mark.parametrize(("case", "width"), LAID_OUT)
def test_nothing_reaches_beyond_the_paper(case, width):
    for name, made in laid_out(case, width).items():
        room = made.bbox.padded(3)
        inside = made.get_tightbbox().transformed(made.dpi_scale_trans)
        assert inside.x0 > room.x0, name
        assert inside.x1 < room.x1, name
        assert inside.y0 > room.y0, name
        assert inside.y1 < room.y1, name


@pytest.mark.parametrize(("case", "width"), LAID_OUT)
def test_no_tick_labels_overlap(case, width):
    for name, made in laid_out(case, width).items():
        for ax in made.axes:
            for axis, across in ((ax.xaxis, "x"), (ax.yaxis, "y")):
                ends = visible_extents(axis, across)
                assert (ends[1:, 0] >= ends[:-1, 1]).all(), (name, across)


@pytest.mark.parametrize(("case", "width"), LAID_OUT)
def test_no_panel_is_empty(case, width):
    for name, made in laid_out(case, width).items():
        for ax in made.axes:
            assert ax.has_data() or ax.texts, name


def visible_extents(axis, across: str) -> np.ndarray:
    """Give where the labels of an axis begin and end, in the order of the axis."""
    low, high = sorted(axis.get_view_interval())
    boxes = [
        tick.label1.get_window_extent()
        for tick in axis.get_major_ticks()
        if low <= tick.get_loc() <= high and tick.label1.get_text()
    ]
    ends = [(getattr(b, f"{across}0"), getattr(b, f"{across}1")) for b in boxes]
    return np.array(sorted(ends)).reshape(-1, 2)


def test_every_figure_has_a_group_and_is_drawn():
    assert set(plots.FIGURES) == set(plots.GROUPS)
    assert [name for name, _ in plots.draw_all(FULL)] == list(plots.FIGURES)


def test_what_no_run_holds_is_not_drawn():
    assert "learning" not in dict(plots.draw_all({"GRU": diagnosis()}))


def test_a_diverged_run_says_so_in_the_legend():
    made = plots.FIGURES["learning"]({"GRU": extreme()})
    assert len(made.axes) == 1
    texts = [t.get_text() for t in made.legends[0].get_texts()]
    assert texts == ["GRU (diverged)"]


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_the_same_figure_gives_the_same_bytes(kind):
    draw = plots.FIGURES["samples" if kind == "png" else "tail_index"]
    first, second = (
        plots.rendered(draw(CASES["extreme"], width=plots.COLUMN), kind)
        for _ in range(2)
    )
    assert first == second


def test_a_dark_figure_saved_outside_its_theme_stays_dark():
    with plots.theme("dark"):
        made = plots.FIGURES["tail_index"]({"GRU": FULL["GRU"]})
    made.draw_without_rendering()
    ink = INKS["dark"]
    for axis in (made.axes[0].xaxis, made.axes[0].yaxis):
        for tick in axis.get_major_ticks():
            assert tick.label1.get_color() == ink.text
            assert tick.label1.get_fontsize() == 7.5
            assert tick.gridline.get_color() == ink.grid


def test_order_of_the_runs_changes_the_legend_alone():
    turned = dict(reversed(FULL.items()))
    one, other = (plots.FIGURES["envelope"](runs) for runs in (FULL, turned))
    colours = [
        {line.get_color() for line in made.axes[0].lines} for made in (one, other)
    ]
    assert colours[0] == colours[1]


def test_light_and_dark_differ_in_colours_only():
    looks = []
    for look in ("light", "dark"):
        with plots.theme(look):
            made = plots.FIGURES["windows"](FULL, width=plots.PAGE)
        looks.append(plots.rendered(made, "svg").decode())
    # Names inside an SVG are hashes that know of colours.
    nameless = [re.sub(r"[mpc][0-9a-f]{10}", "", text) for text in looks]
    assert recoloured(nameless[0]) == nameless[1]
    assert "#ffffff" not in looks[1]


def test_files_leave_pyplot_alone():
    before = pyplot.get_fignums()
    for _, made in plots.draw_all(FULL):
        assert isinstance(made, Figure)
    assert pyplot.get_fignums() == before


def test_axes_are_made_where_none_are_given():
    ax = plots.windows(FULL)
    assert ax.figure.number in pyplot.get_fignums()
    ax.figure.draw_without_rendering()
    legend = ax.get_legend().get_window_extent()
    assert legend.x1 < ax.figure.bbox.x1
    assert legend.y1 < ax.figure.bbox.y1
    pyplot.close(ax.figure)


def test_given_axes_are_the_ones_returned():
    ax = Figure().subplots()
    assert plots.samples({"GRU": FULL["GRU"]}, ax) is ax


def test_wrong_looks_and_kinds_are_refused():
    with pytest.raises(ValueError, match="no theme"):
        list(plots.draw_all(FULL, look="sepia"))
    with pytest.raises(ValueError, match="no kind"):
        plots.rendered(Figure(), "gif")
    with pytest.raises(ValueError, match="no runs"):
        list(plots.draw_all({}))


@pytest.mark.parametrize("case", ["five", "extreme", "names"])
def test_letters_have_6_points_at_a_column_s_width(case):
    for name, made in laid_out(case, plots.COLUMN).items():
        texts = made.findobj(Text)
        sizes = [t.get_fontsize() for t in texts if t.get_text() and t.get_visible()]
        # A journal's column of 3.35 inches shrinks 3.4 a little.
        assert min(sizes) * 3.35 / plots.COLUMN >= 6, name


def test_letters_of_an_svg_are_text_unless_outlined():
    made = plots.FIGURES["windows"]({"GRU": FULL["GRU"]}, width=plots.COLUMN)
    text = plots.rendered(made, "svg").decode()
    assert re.search(r"<text[^>]*>GRU</text>", text)
    lines = plots.rendered(made, "svg", outlined=True).decode()
    assert "<text" not in lines


def test_letters_of_a_pdf_are_truetype():
    with plots.theme("light"):
        made = plots.FIGURES["windows"]({"GRU": FULL["GRU"]}, width=plots.COLUMN)
    raw = plots.rendered(made, "pdf")
    assert b"/FontFile2" in raw
    assert b"/Type3" not in raw


def test_an_svg_is_written_to_hundredths_and_its_small_numbers_whole():
    made = plots.FIGURES["samples"]({"GRU": FULL["GRU"]})
    text = plots.rendered(made, "svg", outlined=True).decode()
    paths = " ".join(re.findall(r' d="([^"]*)"', text))
    assert not re.search(r"(?<![\d.])[1-9]\d*\.\d{3}", paths)
    scales = re.findall(r"scale\(([\d.]+)", text)
    assert {"0.075", "0.08"} & set(scales)
