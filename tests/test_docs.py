"""The pages of the site say what is so, and their code and links are good."""

import json
import re
import shlex
import shutil
import tomllib
from pathlib import Path

import pytest

import learnability as lw
from benchmarks.table import markdown
from experiments.cli import app as experiments
from learnability.cli import app as product
from learnability.study import load_settings
from tests.site import faults

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
NUMBERS = DOCS / "explanation/numbers.md"
CALIBRATION = "../evidence/calibration.md"
FENCE = re.compile(r"^```(\S*)[^\n]*\n(.*?)^```", re.M | re.S)
PROGRAMS = {"learnability": product, "python -m experiments": experiments}
NOT_RUN = "# not run: "
RUN = {"howto", "frameworks"}  # folders and pages whose Python another test runs
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)


def fenced(page: Path, *kinds: str) -> list[str]:
    """Return the blocks of a page that are of one of these kinds."""
    found = FENCE.findall(page.read_text(encoding="utf-8"))
    return [text for kind, text in found if kind in kinds]


@every_page
def test_python_runs_or_says_why_not(page, tmp_path, monkeypatch, request):
    blocks = fenced(page, "python", "py")
    if not blocks or RUN & {page.parent.name, page.stem}:
        return
    monkeypatch.chdir(tmp_path)
    if page.stem == "studies":  # it looks into one, which is larger than ours
        done, _ = request.getfixturevalue("finished")
        shutil.copytree(done / "runs/small", "runs/quick")
    names = {"__name__": page.stem}
    for code in blocks:
        made = compile(code, page.name, "exec")
        if NOT_RUN not in code:
            exec(made, names)


@every_page
def test_commands_are_ones_that_the_programs_take(page):
    lines = "\n".join(fenced(page, "", "console", "bash")).replace("\\\n", " ")
    for program, app in PROGRAMS.items():
        for line in re.findall(rf"^ *(?:\$ )?{program} (.+)$", lines, re.M):
            words = shlex.split(line, comments=True)
            app.parse_args(words, print_error=True, exit_on_error=False)
    targets = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^make ([\w-]+)", lines, re.M):
        assert re.search(rf"^{target}:", targets, re.M), target


@every_page
def test_settings_in_pages_are_toml(page):
    for text in fenced(page, "toml"):
        tomllib.loads(text)


def test_the_first_page_shows_what_a_tested_page_prints():
    (shown,) = fenced(DOCS / "index.md", "text")
    assert shown in fenced(DOCS / "howto/sees-lag.md", "text")


def test_every_public_name_has_a_place_in_the_reference():
    pages = (DOCS / "reference").glob("*.md")
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    made = set(re.findall(r"\.\. auto\w+:: (?:learnability\.)?(\w+(?:\.\w+)*)", text))
    made |= {"decay"} if "detection.decay" in made else set()
    assert set(lw.__all__) <= made


def test_the_speed_table_is_the_latest_measurement():
    latest = json.loads((ROOT / "benchmarks/latest.json").read_text(encoding="utf-8"))
    table = markdown({row["name"]: row for row in latest["rows"]})
    assert table in (DOCS / "speed.md").read_text(encoding="utf-8")


def rows_of_the_page() -> list[list[str]]:
    """Return the cells of the table *In short* of the calibration's page."""
    text = (NUMBERS.parent / CALIBRATION).read_text(encoding="utf-8")
    table = text.split("## In short")[1].split("\n## ")[0]
    return re.findall(r"^\| \*\*(.+?)\*\* \| (.+?) \| (.+?) \| (.+?) \|$", table, re.M)


def test_statements_on_windows_point_to_rows():
    from experiments.calibration.in_short import ROWS

    text = NUMBERS.read_text(encoding="utf-8")
    pointed = re.findall(rf"\[([^]]+)\]\({re.escape(CALIBRATION)}#in-short\)", text)
    assert {" ".join(name.split()) for name in pointed} == set(ROWS)
    assert [row[0] for row in rows_of_the_page()] == list(ROWS)


def test_numbers_on_windows_are_those_of_the_rows():
    words = " ".join(NUMBERS.read_text(encoding="utf-8").split())
    for row, _, seen, _ in rows_of_the_page():
        before = words.split(f"[{row}]({CALIBRATION}#in-short)")[0][-300:]
        said, known = (re.findall(r"\d+(?:\.\d+)?", t) for t in (before, seen))
        assert len(set(known) & set(said)) >= 2, row


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub and Sphinx make of a page's headings."""
    heads = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    plain = (re.sub(r"[^\w -]", "", head.lower()) for head in heads)
    return {head.replace(" ", "-") for head in plain}


def test_links_point_to_files_and_to_headings():
    pages = [ROOT / "README.md", *PAGES]
    for folder in ("experiments", "benchmarks"):
        pages += sorted((ROOT / folder).rglob("*.md"))
    for page in pages:
        text = page.read_text(encoding="utf-8")
        for link, anchor in re.findall(r"\]\(([^)#\s]*)#?([^)\s]*)\)", text):
            if "://" in link:
                continue
            to = page.parent / link if link else page
            assert to.exists(), f"{page.name}: {link}"
            if anchor and to.suffix == ".md":
                assert anchor in anchors(to), f"{page.name}: {link}#{anchor}"


def test_a_site_with_a_broken_link_or_a_foreign_script_is_at_fault(tmp_path):
    (tmp_path / "a.html").write_text('<a href="b.html#x"></a><img src="p.png">')
    (tmp_path / "b.html").write_text('<p id="x"><a href="https://example.org">')
    assert faults(tmp_path) == []
    (tmp_path / "b.html").write_text(
        '<a href="c.html"><a href="a.html#y"><script src="//example.org/s.js">'
    )
    (tmp_path / "s.css").write_text("@import url(https://example.org/f.css);")
    assert len(faults(tmp_path)) == 5


def test_the_sizes_of_quick_are_those_of_its_file():
    quick = load_settings("quick")
    words = " ".join((ROOT / "docs/studies.md").read_text(encoding="utf-8").split())
    lags = ", ".join(str(lag) for lag in quick.task.lags[:-1])
    for said in (
        f"{quick.networks[0].units} units",
        f"{quick.training_sequences:,} sequences of {quick.task.steps} steps",
        f"{lags} and {quick.task.lags[-1]} steps ago",
        ", ".join(f"{c:g}" for c in quick.task.coefficients),
        f"deviation {quick.task.noise:g}",
        f"{quick.recipe.epochs} epochs",
        f"{quick.diagnosis_sequences} fresh sequences",
        f"{len(quick.lags)} lags up to {quick.lags[-1]}",
    ):
        assert said in words
