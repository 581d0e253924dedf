"""The page in a real browser: toggles, hover, cursor, sorting, paper, phones, names."""

import re
import shutil

import pytest

from learnability.report import page, pictures, table
from learnability.report.words import short
from learnability.study import load_settings
from tests.plots.records import diagnosis, training_group

HOSTILE = '<script>alert("x")</script><img src=x onerror=alert(1)>'
TITLE = HOSTILE.replace("/", "")  # a study is named like a folder
RUNS = {
    "GRU": diagnosis(training=training_group()),
    "DiagGate": diagnosis(training=training_group(r2=0.5), strength=0.3),
    HOSTILE: diagnosis(training=training_group()),
    "شبكة عصبية" + "x" * 200: diagnosis(),
}
PATIENCE = 600_000
"""Milliseconds that tell a page that hangs from a machine that is busy."""
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
NONE = (
    "NO BROWSER IS INSTALLED: the report's page was not tested in one; "
    "apt-get install chromium"
)


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium of the system."""
    api = pytest.importorskip("playwright.sync_api", reason=NONE)
    path = next((p for name in BROWSERS if (p := shutil.which(name))), None)
    if path is None:
        pytest.skip(NONE)
    with api.sync_playwright() as found:
        opened = found.chromium.launch(
            executable_path=path, args=["--no-sandbox"], timeout=PATIENCE
        )
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    settings = load_settings("quick").changed(name=TITLE)
    rows = table(settings, RUNS, fitted=lambda lags, f: "exponential")
    drawn = pictures({name: RUNS[name] for name in ("GRU", "DiagGate")})
    path.write_text(page(settings, RUNS, rows=rows, drawn=drawn), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def shown(browser, file):
    """The page, opened once, and what its console said."""
    opened = browser.new_page(viewport={"width": 1100, "height": 900})
    opened.set_default_timeout(PATIENCE)
    said = []
    opened.on("console", lambda m: said.append(m.text) if m.type == "error" else None)
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("dialog", lambda dialog: said.append(dialog.message))
    opened.goto(file.as_uri())
    opened.wait_for_selector(".js-plotly-plot")
    yield opened
    assert said == []


def visible(shown, figure: str) -> list[str]:
    return shown.evaluate(
        """name => document.querySelector(`[data-figure=${name}]`).data
             .filter(t => t.visible !== false).map(t => t.name)""",
        figure,
    )


def test_every_figure_is_alive(shown):
    assert shown.locator(".js-plotly-plot").count() == 6
    assert len(visible(shown, "windows")) == len(RUNS)
    assert not shown.locator("#windows img").first.is_visible()


def test_every_axis_has_numbers(shown):
    for figure in shown.locator(".js-plotly-plot").all():
        for axis in ("x", "y"):
            assert figure.locator(f".{axis}tick text").count() >= 2


def test_toggles_hide_a_network_everywhere(shown):
    box = shown.locator("#toggles input[data-value=GRU]")
    box.focus()
    shown.keyboard.press("Space")
    for figure in ("windows", "samples", "envelope", "learning"):
        assert "GRU" not in visible(shown, figure)
        assert "DiagGate" in visible(shown, figure)
    shown.keyboard.press("Space")
    assert "GRU" in visible(shown, "windows")


def test_enter_toggles_as_space_does_and_the_focus_is_seen(shown):
    box = shown.locator("#toggles input[data-value=DiagGate]")
    box.focus()
    shown.keyboard.press("Enter")
    assert "DiagGate" not in visible(shown, "windows")
    shown.keyboard.press("Enter")
    assert "DiagGate" in visible(shown, "windows")
    outline = box.evaluate("b => getComputedStyle(b).outlineWidth")
    assert float(outline.removesuffix("px")) >= 2


def test_the_keyboard_goes_through_the_page_from_top_to_bottom(shown):
    shown.evaluate("document.activeElement.blur(); window.scrollTo(0, 0)")
    places = []
    for _ in range(16):
        shown.keyboard.press("Tab")
        places.append(
            shown.evaluate(
                """() => {
                     const all = [...document.querySelectorAll('*')];
                     return all.indexOf(document.activeElement);
                   }"""
            )
        )
    assert places == sorted(places)
    assert len(set(places)) == len(places)


def test_every_figure_lists_its_lines_below_it_and_none_over_an_axis(shown):
    assert shown.locator(".js-plotly-plot .legend").count() == 0
    for figure in shown.locator("figure.live").all():
        names = figure.locator(".legend bdi").all_text_contents()
        assert set(RUNS) <= set(names)
    said = shown.locator("#windows .legend bdi").all_text_contents()
    assert said[len(RUNS) :] == ["there or beyond"]


def test_censored_points_are_outlines_on_paper(shown):
    found = shown.evaluate(
        """() => {
             const t = document.querySelector('[data-figure=windows]').data[0];
             const last = t.x.length - 1;
             return [t.marker.color[last], t.marker.symbol[last], t.marker.line.color];
           }"""
    )
    assert found[0] == "#ffffff"
    assert found[1] == "triangle-up"
    assert found[2] not in found[:1]


def test_hover_tells_what_the_table_says(shown):
    budget = 100
    place = shown.evaluate(
        """budget => {
             const box = document.querySelector('[data-figure=windows]');
             box.scrollIntoView();
             const point = box.data[0].x.indexOf(budget);
             Plotly.Fx.hover(box, [{curveNumber: 0, pointNumber: point}]);
             return point;
           }""",
        budget,
    )
    assert place >= 0
    text = shown.locator("[data-figure=windows] .hovertext").first.text_content()
    reach = RUNS["GRU"].window([budget])["window"].iloc[0]
    assert f"{reach} at {budget}" in text
    cell = shown.locator("#answer table tbody tr").first.locator("td").nth(5)
    assert cell.text_content().lstrip("≥").startswith(f"{reach} (")


def test_the_lag_cursor_is_linked_and_has_a_slider(shown):
    shown.locator("#lag").focus()
    shown.keyboard.press("ArrowRight")
    lag = 2
    needed = RUNS["GRU"].group("detection")["needed"].sel(lag=lag)
    assert f"lag {lag}: GRU {short(float(needed))}" in shown.text_content("#lag-values")
    lines = shown.evaluate(
        """() => [...document.querySelectorAll('[data-figure]')]
             .filter(b => b.layout && b.layout.shapes && b.layout.shapes.length)
             .map(b => b.dataset.figure)"""
    )
    assert sorted(lines) == ["envelope", "samples", "tail_index"]


def test_tables_sort_and_copy(shown):
    head = shown.locator("#answer thead th").first
    column = "#answer tbody th"
    head.locator("button").click()
    up = shown.locator(column).all_text_contents()
    head.locator("button").click()
    down = shown.locator(column).all_text_contents()
    assert up == down[::-1]
    assert head.get_attribute("aria-sort") == "descending"
    shown.locator("#answer button.copy").first.click()
    copied = shown.evaluate("document.querySelector('#answer table').dataset.copied")
    assert copied.splitlines()[0].startswith("architecture\t")
    assert len(copied.splitlines()) == len(RUNS) + 1


def test_hostile_names_stay_text(shown):
    assert TITLE in shown.title()
    assert shown.locator("script").count() == 3
    assert shown.locator("img[src=x]").count() == 0
    assert shown.evaluate("typeof x") == "undefined"


def test_paper_shows_still_figures(shown):
    shown.emulate_media(media="print")
    assert shown.locator("#windows img").first.is_visible()
    assert not shown.locator("#windows [data-figure]").is_visible()
    assert not shown.locator("#toggles").is_visible()
    shown.emulate_media(media="screen")


def test_what_the_screen_shows_otherwise_is_said_there_alone(shown):
    said = shown.locator("#envelope .reduced")
    assert "On the screen both axes are logarithmic" in said.inner_text()
    assert said.is_visible()
    shown.emulate_media(media="print")
    assert not said.is_visible()
    shown.emulate_media(media="screen")


def test_it_fits_a_phone(shown):
    shown.set_viewport_size({"width": 390, "height": 800})
    shown.evaluate(
        """() => Promise.all([...document.querySelectorAll('.js-plotly-plot')]
             .map(Plotly.Plots.resize))"""
    )
    assert shown.evaluate("document.documentElement.scrollWidth") <= 390
    shown.set_viewport_size({"width": 1100, "height": 900})


def test_the_page_talks_to_nobody_whatever_is_pressed(browser, file):
    context = browser.new_context(viewport={"width": 1100, "height": 900})
    context.set_default_timeout(PATIENCE)
    asked, opened = [], []
    context.on("request", lambda request: asked.append(request.url))
    page = context.new_page()
    context.on("page", lambda other: opened.append(other.url))
    page.goto(file.as_uri())
    buttons = page.locator("button, input, summary, .modebar-btn")
    said = buttons.evaluate_all("all => all.map(b => b.dataset.title || '')")
    assert len(said) > 40
    assert {"Zoom", "Pan", "Reset axes"} <= set(said)
    assert not [
        title for title in said if re.search("share|cloud|edit|studio", title, re.I)
    ]
    page.evaluate(
        """async () => {
             for (const part of document.querySelectorAll(
                 "button, input, summary, .modebar-btn")) {
               part.dispatchEvent(new MouseEvent("click", {bubbles: true}));
             }
             for (const box of document.querySelectorAll(".js-plotly-plot")) {
               await Plotly.toImage(box);  // what a button above has begun
             }
           }"""
    )
    outside = [url for url in asked if not url.startswith(("data:", "blob:"))]
    assert outside == [file.as_uri()]
    assert opened == []
    context.close()


def test_without_scripts_the_still_figures_are_there(browser, file):
    context = browser.new_context(java_script_enabled=False)
    context.set_default_timeout(PATIENCE)
    plain = context.new_page()
    plain.goto(file.as_uri())
    assert plain.locator("#windows img").first.is_visible()
    assert not plain.locator("#toggles").is_visible()
    context.close()
