"""The page in a real browser: switches, read-out, sorting, paper, phones, dark."""

import shutil

import pytest

from learnability.report import (
    model_page,
    model_study,
    monitor_page,
    study_page,
    table,
)
from learnability.study import load_settings
from learnability.study.pages import study_of
from learnability.words import short
from tests.plots.records import diagnosis, history, measured, training_group

HOSTILE = '<script>alert("x")</script><img src=x onerror=alert(1)>'
TITLE = HOSTILE.replace("/", "")  # a study is named like a folder
RUNS = {
    "GRU": measured(training=training_group()),
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
HEIGHTS = {1440: 900, 390: 844}
"""Of a desk's screen and of a phone's, by width."""
WIDTHS, LOOKS = tuple(HEIGHTS), ("light", "dark")


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
    trees = {name: run.tree for name, run in RUNS.items()}
    rows = table(trees, settings.n_sequences)
    page = study_page(study_of(settings, RUNS), rows=rows)
    path.write_text(page, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    """Pages of the other kinds."""
    folder = tmp_path_factory.mktemp("pages")
    model = {"encoder": RUNS["GRU"].tree, HOSTILE: RUNS["GRU"].tree}
    pages = {
        "model": model_page(model_study(model, title=TITLE, n_sequences=[5, 500])),
        "history": monitor_page(history(("gru", HOSTILE)), title=TITLE),
    }
    for name, page in pages.items():
        (folder / f"{name}.html").write_text(page, encoding="utf-8")
    return folder


@pytest.fixture
def shown(browser, file):
    """The page of a study, and what its console said and it asked for."""
    yield from _opened(browser, file)


@pytest.fixture(params=["model", "history"])
def other(browser, others, request):
    """A page of another kind, in the same way."""
    yield from _opened(browser, others / f"{request.param}.html")


def _opened(browser, file):
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(PATIENCE)
    said, asked = [], []
    context.on("request", lambda request: asked.append(request.url))
    opened = context.new_page()
    opened.on("console", lambda m: said.append(m.text) if m.type == "error" else None)
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("dialog", lambda dialog: said.append(dialog.message))
    opened.goto(file.as_uri())
    yield opened
    assert said == []
    assert [u for u in asked if not u.startswith("data:")] == [file.as_uri()]
    context.close()


def count(shown, query: str) -> int:
    """Count parts that a reader sees, folded ones as well."""
    return shown.locator(f"{query}:not(.off)").count()


def test_a_switch_hides_a_line_in_every_figure_and_table(shown):
    figures = shown.locator("figure")
    with_line = [f.locator("[data-m='0']:not(.off)").count() for f in figures.all()]
    assert min(with_line) > 0
    shown.locator("input[data-members='0']").focus()
    shown.keyboard.press("Space")
    assert count(shown, "[data-m='0']") == 0
    assert not shown.locator("#answer tbody tr").first.is_visible()
    assert count(shown, "[data-m='1']") > 0
    shown.keyboard.press("Enter")
    assert [
        f.locator("[data-m='0']:not(.off)").count() for f in figures.all()
    ] == with_line


def test_the_number_of_sequences_switches_everything_and_no_axis(shown):
    ticks = "() => [...document.querySelectorAll('.plot text')].map(t => t.textContent)"
    before = shown.evaluate(ticks)
    assert "1,000 sequences" in shown.locator(".headline span:not(.off)").inner_text()
    shown.locator("input[name=budget][value='0']").check()
    assert "10 sequences" in shown.locator(".headline span:not(.off)").inner_text()
    for query in ("[data-b='2']", "[data-b='1']"):
        assert count(shown, query) == 0
    for figure in ("answer", "windows", "samples", "noise_floor"):
        assert count(shown, f"#figure-{figure} [data-b='0']") > 0
    assert shown.evaluate(ticks) == before


def test_the_arrow_keys_read_points_out_and_light_up_the_same_lag(shown):
    shown.locator("#figure-samples .panels").focus()
    shown.keyboard.press("ArrowRight")
    shown.keyboard.press("ArrowRight")
    said = shown.locator("#figure-samples .said")
    needed = float(RUNS["GRU"].group("detection")["needed"].sel(lag=2))
    assert said.inner_text().startswith(f"GRU at lag 2: {short(needed)} sequences")
    assert "GRU" in shown.locator("#figure-envelope .said").inner_text()
    assert shown.locator("#figure-envelope circle.on").count() == 1
    shown.keyboard.press("ArrowDown")
    assert said.inner_text().startswith("DiagGate at lag 2:")


def test_pointing_reads_the_nearest_point_out(shown):
    mark = shown.locator("#figure-answer .marks circle[data-b='2']").first
    mark.scroll_into_view_if_needed()
    box = mark.bounding_box()
    shown.mouse.move(box["x"] + box["width"] / 2 + 3, box["y"] + box["height"] / 2)
    said = shown.locator("#figure-answer .said").inner_text()
    assert said == mark.get_attribute("data-say")
    assert said.startswith("GRU with 1,000 sequences: ")


def test_tab_goes_through_the_page_from_top_to_bottom_once_a_figure(shown):
    order = shown.evaluate(
        """() => [...document.querySelectorAll('a, input, button, summary, [tabindex]')]
             .filter(e => e.checkVisibility()).length"""
    )
    places, figures = [], []
    for _ in range(order):
        shown.keyboard.press("Tab")
        place, figure = shown.evaluate(
            """() => {
                 const all = [...document.querySelectorAll('*')];
                 const figure = document.activeElement.closest('figure');
                 return [all.indexOf(document.activeElement), figure && figure.id];
               }"""
        )
        if places and place <= places[-1]:
            break
        places.append(place)
        figures.append(figure)
    stops = [figure for figure in figures if figure]
    assert stops == list(dict.fromkeys(stops))
    assert {"figure-answer", "figure-samples", "figure-learning"} <= set(stops)


def test_tables_sort(shown):
    head, column = shown.locator("#answer thead th").first, "#answer tbody th"
    head.locator("button").click()
    up = shown.locator(column).all_text_contents()
    head.locator("button").click()
    assert shown.locator(column).all_text_contents() == up[::-1]
    assert head.get_attribute("aria-sort") == "descending"


def test_hostile_names_stay_text(shown):
    assert TITLE in shown.title()
    assert shown.locator("script").count() == 1
    assert shown.locator("img").count() == 0


def test_paper_shows_figures_and_no_switches(shown):
    shown.emulate_media(media="print", color_scheme="dark")
    assert shown.locator("#figure-answer .plot").is_visible()
    assert not shown.locator(".switches").is_visible()
    colour = "() => getComputedStyle(document.body).backgroundColor"
    assert shown.evaluate(colour) == "rgb(255, 255, 255)"


CONTRAST = """() => {
  const of = (text) => text.match(/[\\d.]+/g).slice(0, 3).map((v) => {
    const c = v / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  });
  const light = (c) => 0.2126 * c[0] + 0.7152 * c[1] + 0.0722 * c[2];
  const paper = light(of(getComputedStyle(document.body).backgroundColor));
  const seen = [...document.querySelectorAll('.plot text, p, td, th, a, label')]
    .filter((e) => e.checkVisibility()).map((e) => {
      const style = getComputedStyle(e);
      const one = light(of(e.closest('svg') ? style.fill : style.color));
      return (Math.max(one, paper) + 0.05) / (Math.min(one, paper) + 0.05);
    });
  return Math.min(...seen);
}"""


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("width", WIDTHS)
def test_it_fits_and_can_be_read_at_every_width_in_every_light(
    shown, width, look, tmp_path
):
    check_legible(shown, width, look)
    shown.screenshot(path=tmp_path / f"first-screen-{width}-{look}.png")


def test_every_kind_of_page_fits_and_can_be_read(other, tmp_path):
    for width in WIDTHS:
        for look in LOOKS:
            check_legible(other, width, look)
            other.screenshot(path=tmp_path / f"first-screen-{width}-{look}.png")


def check_legible(shown, width: int, look: str) -> None:
    """Check that a page fits, that letters stand out and are large enough."""
    shown.set_viewport_size({"width": width, "height": HEIGHTS[width]})
    shown.emulate_media(color_scheme=look)
    assert shown.evaluate("document.documentElement.scrollWidth") <= width
    assert shown.evaluate(CONTRAST) >= 4.5
    letters = shown.evaluate(
        """() => Math.min(...[...document.querySelectorAll('.plot text')]
             .filter(t => !t.closest('details, .off') && t.textContent.trim())
             .map(t => parseFloat(getComputedStyle(t).fontSize)
               * Math.hypot(t.getScreenCTM().a, t.getScreenCTM().b)))"""
    )
    assert letters >= 8.5
    headline, plot = (
        shown.locator(query).first.bounding_box() for query in (".headline", ".plot")
    )
    assert headline["y"] + headline["height"] < plot["y"]
    assert plot["y"] < HEIGHTS[width]


@pytest.mark.parametrize("name", ["noise_floor", "answer"])
def test_who_cannot_see_a_figure_hears_of_the_number_chosen(shown, name):
    panels = shown.locator(f"#figure-{name} .panels")
    assert "With 1,000 sequences" in panels.aria_snapshot().splitlines()[0]
    shown.locator("input[name=budget][value='0']").check()
    assert "With 10 sequences" in panels.aria_snapshot().splitlines()[0]


def test_without_scripts_the_largest_number_of_sequences_is_shown(browser, file):
    context = browser.new_context(java_script_enabled=False)
    context.set_default_timeout(PATIENCE)
    plain = context.new_page()
    plain.goto(file.as_uri())
    assert plain.locator("#figure-answer .plot").is_visible()
    assert not plain.locator(".switches").is_visible()
    assert "With 1,000 sequences" in plain.locator(".headline").inner_text()
    assert "With 10 sequences" not in plain.locator(".headline").inner_text()
    context.close()
