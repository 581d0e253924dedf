"""Figures as files and inside pages: the same drawing, the same bytes."""

import re
from functools import cache
from html import unescape
from xml.etree.ElementTree import fromstring

import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure

from learnability import plots
from learnability.plots._parts import Group
from learnability.plots.style import INKS, Shown
from learnability.summaries import Summary, summed
from tests.plots.records import extreme, measured, training_group


@cache
def found() -> Summary:
    full = measured(training=training_group()).tree
    return summed({"GRU": [full], '<b onload="x">': [extreme().tree]}, [10.0, 1000.0])


@cache
def inside(name: str) -> str:
    picture = next(p for p in plots.pictures(found()) if p.name == name)
    with plots.theme("light"):
        return str(plots.inline(next(picture.draw_panels(3.9)), "one-", "A <figure>"))


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_the_same_figure_gives_the_same_bytes(kind):
    first, second = (
        plots.rendered(plots.draw("samples", found(), width=plots.COLUMN), kind)
        for _ in range(2)
    )
    assert first == second


def test_a_dark_figure_saved_outside_its_theme_stays_dark():
    made = plots.draw("tail_index", found(), look="dark")
    made.draw_without_rendering()
    ink = INKS["dark"]
    for axis in (made.axes[0].xaxis, made.axes[0].yaxis):
        for tick in axis.get_major_ticks():
            assert tick.label1.get_color() == ink.text
            assert tick.gridline.get_color() == ink.grid


def test_files_leave_pyplot_alone_and_show_the_largest_number_of_sequences():
    before = pyplot.get_fignums()
    made = plots.draw("answer", found())
    text = plots.rendered(made, "svg").decode()
    assert pyplot.get_fignums() == before
    shown = {
        Group.of(one).budget
        for one in made.findobj()
        if Group.of(one) is not None and one.get_visible()
    }
    assert shown == {None, 1}
    assert "href" not in re.sub(r'xlink:href="#[^"]*"|xmlns:\S+', "", text)


def test_a_notebook_shows_a_figure_in_its_own_width():
    made = plots.draw("samples", found())
    assert isinstance(made, Shown)
    content, about = made._repr_png_()
    assert content[1:4] == b"PNG"
    assert about["width"] == made.get_figwidth() * made.get_dpi()


def test_letters_of_an_svg_are_text_and_of_a_pdf_truetype():
    made = plots.draw("windows", found(), width=plots.COLUMN)
    assert re.search(r"<text[^>]*>GRU</text>", plots.rendered(made, "svg").decode())
    raw = plots.rendered(made, "pdf")
    assert b"/FontFile2" in raw
    assert b"/Type3" not in raw


def test_an_svg_is_written_to_hundredths():
    text = plots.rendered(plots.draw("samples", found()), "svg").decode()
    paths = " ".join(re.findall(r' d="([^"]*)"', text))
    assert not re.search(r"(?<![\d.])[1-9]\d*\.\d{3}", paths)


def test_wrong_looks_and_kinds_are_refused():
    with pytest.raises(ValueError, match="no theme"):
        plots.draw("windows", found(), look="sepia")
    with pytest.raises(ValueError, match="no kind"):
        plots.rendered(Figure(), "gif")


NAMES = [picture.name for picture in plots.pictures(found())]


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_inside_a_page_is_whole_and_points_at_itself_alone(name):
    text = inside(name)
    tree = fromstring(text.replace("xlink:href", "href"))
    assert tree.get("role") == "img"
    assert tree.get("aria-label") == "A <figure>"
    ids = [one.get("id") for one in tree.iter() if one.get("id")]
    assert len(ids) == len(set(ids))
    assert all(one.startswith("one-") for one in ids)
    targets = re.findall(r'(?:url\(#|xlink:href="#)([^)"]+)', text)
    assert set(targets) == set(ids)
    assert not any("onload" in one.attrib for one in tree.iter())


@pytest.mark.parametrize("name", NAMES)
def test_its_colours_are_the_page_s_and_its_parts_belong_to_lines(name):
    text = inside(name)
    assert not re.search(r"#[0-9a-fA-F]{6}\b", text)
    assert "font-family" not in text
    assert 'data-m="0"' in text
    hidden = re.findall(r'data-b="(\d)"( class="off")?', text)
    assert all(bool(off) == (place == "0") for place, off in hidden)


def test_every_point_says_what_it_is():
    text = inside("samples")
    says = [unescape(one) for one in re.findall(r'data-say="([^"]*)"', text)]
    needed = found().samples["GRU"]
    assert len(says) == sum(len(t) for t in found().samples.values()) - 1
    for lag, row in needed.iterrows():
        own = next(s for s in says if s.startswith(f"GRU at lag {lag}:"))
        assert ("not resolved" in own) == (row["needed"] == float("inf"))
