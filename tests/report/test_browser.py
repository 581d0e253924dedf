"""The page in a real browser: switches, read-out, sorting, paper, no scripts."""

import pytest

from learnability.words import short
from tests.report.kinds import NAMED, TITLE, strange
from tests.report.picture import PATIENCE


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(strange("study"), encoding="utf-8")
    return path


@pytest.fixture
def shown(visit, file):
    """The page of a study with names that no page should meet."""
    return visit(file)


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
    needed = float(NAMED["GRU"].group("detection")["needed"].sel(lag=2))
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
