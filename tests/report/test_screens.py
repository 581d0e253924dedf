"""Every kind of page on a desk and on a phone, by day and by night.

What was seen stays behind in ``build/screens``: the first screens as pictures, and what
was measured of them. How long a page took to load is told and decides nothing.
"""

import json
from pathlib import Path

import pytest

from tests.report.kinds import KINDS, strange, usual

FAULTS = (Path(__file__).with_name("faults.js")).read_text(encoding="utf-8")
FOCUS = (Path(__file__).with_name("focus.js")).read_text(encoding="utf-8")
SCREENS = Path(__file__).parents[2] / "build/screens"
HEIGHTS = {1440: 900, 390: 844}
"""Of a desk's screen and of a phone's, by width."""
VIEWS = [(width, look) for width in HEIGHTS for look in ("light", "dark")]
LARGEST = 1.5e6
"""Bytes of a page."""
LOADED = "performance.getEntriesByType('navigation')[0].loadEventEnd"


@pytest.fixture
def opened(visit, tmp_path):
    """Open a page from its text; return it and its file."""

    def opened(text: str):
        file = tmp_path / "page.html"
        file.write_text(text, encoding="utf-8")
        return visit(file), file

    return opened


def seen(page, width: int, look: str) -> dict:
    """Return what is wrong with a page in a view, and what was measured."""
    page.set_viewport_size({"width": width, "height": HEIGHTS[width]})
    page.emulate_media(color_scheme=look)
    found = page.evaluate(FAULTS)
    headline, plot = (
        page.locator(query).first.bounding_box() for query in (".headline", ".plot")
    )
    if not headline["y"] + headline["height"] < plot["y"] < HEIGHTS[width]:
        found["faults"].append("the first screen lacks the answer or its picture")
    return {"width": width, "look": look, **found}


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_is_small_fits_and_can_be_read(opened, kind, record_property):
    (page, file), rows = opened(usual(kind)), []
    size, loaded = file.stat().st_size, page.evaluate(LOADED)
    SCREENS.mkdir(parents=True, exist_ok=True)
    for width, look in VIEWS:
        rows.append(seen(page, width, look))
        page.screenshot(path=SCREENS / f"{kind}-{width}-{look}.png")
    record = {"bytes": size, "milliseconds": loaded, "views": rows}
    (SCREENS / f"{kind}.json").write_text(json.dumps(record, indent=1))
    record_property("page", f"{kind}: {size:,} bytes, loaded in {loaded:.0f} ms")
    assert [row for row in rows if row["faults"]] == []
    assert size <= LARGEST


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_fits_and_can_be_read_whatever_names_it_holds(opened, kind):
    page, _ = opened(strange(kind))
    rows = [seen(page, *view) for view in VIEWS]
    assert [row for row in rows if row["faults"]] == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("look", ["light", "dark"])
def test_tab_goes_from_top_to_bottom_once_a_figure_and_is_seen(opened, kind, look):
    page, _ = opened(usual(kind))
    page.emulate_media(color_scheme=look)
    figures, last = [], -1
    while True:
        page.keyboard.press("Tab")
        stop = page.evaluate(FOCUS)
        if stop["place"] <= last:  # round the page, and back at its top
            break
        last = stop["place"]
        assert stop["seen"], stop
        figures += [stop["figure"]] if stop["figure"] else []
    assert figures == page.evaluate(FIGURES)


FIGURES = """() => [...document.querySelectorAll("figure")]
  .filter((figure) => figure.checkVisibility()).map((figure) => figure.id)"""
BAD = """<body style="background: #fff"><h2>skipped</h2><h5>too</h5>
<p style="color: #0007">faint <b style="color: #000; opacity: .1">fainter</b></p>
<p style="color: #0008; font-size: 24px">large</p>
<svg class="plot" viewBox="0 0 9 9" width="9"><text font-size="5">small</text></svg>
<div style="width: 9999px">wide</div>"""
WRONG = {
    "the language is not said",
    "there is no title",
    "a phone is not asked for its width",
    "the body scrolls to the side",
    "there is not one first heading",
    "a heading skips a level",
    "<p> faint fainter",
    "<b> fainter",
    "<text> small",
    "<svg> small",
}


def test_what_is_wrong_with_a_page_is_found(browser):
    page = browser.new_page()
    page.set_content(BAD)
    faults = page.evaluate(FAULTS)["faults"]
    page.close()
    assert {fault.rpartition(": ")[2] for fault in faults} == WRONG
