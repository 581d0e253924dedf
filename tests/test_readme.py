"""The README's Python runs as printed, and its commands exist."""

import contextlib
import io
import json
import re
from pathlib import Path

import learnability as lw
from benchmarks.table import markdown
from learnability.study import Settings

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
CALIBRATION = "docs/evidence/calibration.md"
CLAIMS = "docs/evidence/claims.md"


def test_the_ten_lines_run(tmp_path):
    (code,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    printed = io.StringIO()
    with contextlib.chdir(tmp_path), contextlib.redirect_stdout(printed):
        exec(compile(code, "README.md", "exec"), {})
        assert lw.LayerDiagnosis.load("gru.nc").window([10, 100, 1000]).shape == (3, 5)
    assert "resolved" in printed.getvalue()


def test_the_sizes_of_quick_are_those_of_its_file():
    from learnability.study import load_settings

    quick: Settings = load_settings("quick")
    words = " ".join(README.split())
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


def test_every_public_name_is_on_the_first_page():
    for name in lw.__all__:
        assert hasattr(lw, name)
    assert sorted(lw.__all__) == sorted(set(lw.__all__))


def test_the_speed_table_is_the_latest_measurement():
    latest = json.loads((ROOT / "benchmarks/latest.json").read_text(encoding="utf-8"))
    assert markdown({row["name"]: row for row in latest["rows"]}) in README


def rows_of_the_page() -> list[list[str]]:
    """The cells of the table *In short* of the calibration's document."""
    text = (ROOT / CALIBRATION).read_text(encoding="utf-8")
    table = text.split("## In short")[1].split("\n## ")[0]
    return re.findall(r"^\| \*\*(.+?)\*\* \| (.+?) \| (.+?) \| (.+?) \|$", table, re.M)


def test_statements_on_windows_point_to_rows():
    from experiments.calibration.in_short import ROWS

    pointed = re.findall(rf"\[([^]]+)\]\({re.escape(CALIBRATION)}#in-short\)", README)
    names = {" ".join(name.split()) for name in pointed} - {CALIBRATION}
    assert names == set(ROWS)
    assert [row[0] for row in rows_of_the_page()] == list(ROWS)


def test_numbers_on_windows_are_those_of_the_rows():
    words = " ".join(README.split())
    for row, _, seen, _ in rows_of_the_page():
        before = words.split(f"[{row}]({CALIBRATION}#in-short)")[0][-300:]
        said, known = (re.findall(r"\d+(?:\.\d+)?", t) for t in (before, seen))
        assert len(set(known) & set(said)) >= 2, row


def test_pointers_to_claims_have_a_heading():
    heads = re.findall(r"^#+ (.+)$", (ROOT / CLAIMS).read_text(), re.M)
    anchors = {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in heads}
    pointed = re.findall(rf"\({re.escape(CLAIMS)}#([^)]+)\)", README)
    assert pointed
    assert set(pointed) <= anchors


def test_links_point_to_files():
    pages = [ROOT / "README.md"]
    for folder in ("docs", "experiments", "benchmarks"):
        pages += sorted((ROOT / folder).rglob("*.md"))
    for page in pages:
        for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text("utf-8")):
            if "://" not in link:
                assert (page.parent / link).exists(), f"{page.name}: {link}"
