"""The page, the tables and the command."""

import re

import pandas as pd
import pytest

from experiments.claims import FAILED, markdown, numbers, verdicts
from experiments.claims.page import claims_page
from tests.experiments.claims.test_claims_experiments import SMALL, small
from tests.experiments.test_cli import call
from tests.report.test_report_page import Outline

LETTERS = "dg"


@pytest.fixture(scope="module")
def page() -> str:
    return claims_page([small(letter) for letter in LETTERS], seed=0)


def test_the_same_seed_gives_the_same_page(page):
    again = [SMALL[letter]() for letter in LETTERS]
    assert claims_page(again, seed=0) == page


def test_the_page_loads_nothing(page):
    outline = Outline(page)
    assert len(outline.named("script")) == 1
    for tag, attributes in outline.tags:
        for name in ("src", "srcset", "href"):
            target = attributes.get(name)
            if target is not None and tag != "a":
                assert target.startswith("data:"), (tag, target)
    links = [str(a["href"]) for a in outline.named("a")]
    outside = [link for link in links if not link.startswith("#")]
    assert outside == ["https://arxiv.org/abs/2512.05790"]
    assert "default-src 'none'" in page
    # Pictures point at parts of themselves only.
    assert "url(" not in page.replace("url(#", "")
    ids = [a["id"] for _, a in outline.tags if "id" in a]
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in links if link.startswith("#")} <= set(ids)


def test_every_verdict_tolerance_and_number_is_on_the_page(page):
    assert len(Outline(page).named("figure")) == len(LETTERS)
    for letter in LETTERS:
        for part in small(letter).parts:
            assert part.tolerance.words in page
            for number in part.numbers:
                assert number.quantity.replace(">", "&gt;") in page
    failed = sum(p.verdict == FAILED for x in LETTERS for p in small(x).parts)
    assert page.count('class="verdict failed"') == failed == 1


def test_no_claims_no_page():
    with pytest.raises(ValueError, match="no claims"):
        claims_page([], seed=0)


def test_tables_hold_every_number_with_its_error():
    claims = [small(letter) for letter in LETTERS]
    rows = numbers(claims)
    assert len(rows) == sum(len(p.numbers) for c in claims for p in c.parts)
    assert (rows["standard_error"] > 0).all()
    whole = verdicts(claims)
    assert whole["within"].sum() == rows["within"].sum()
    text = markdown(claims, seed=0)
    table = [line for line in text.splitlines() if line.startswith("|")]
    for line in table:
        assert re.sub(r"\\\|", "", line).count("|") in (4, 5)


def test_command_writes_and_prints(tmp_path):
    done = call("claims", "--only", "g", "-o", "here", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "claims: done in" in done.stdout
    assert "held" in done.stdout
    names = {p.name for p in (tmp_path / "here").iterdir()}
    assert names == {"claims.html", "claims.md", "numbers.csv", "table.csv"}
    table = pd.read_csv(tmp_path / "here/table.csv")
    assert set(table["claim"]) == {"g"}
    assert "python -m experiments claims --seed 0 --only g" in (
        tmp_path / "here/claims.html"
    ).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--only", "z"], "there is no claim 'z'"),
        (["--only"], "needs at least one value"),
        (["--seed", "-1"], "seed is -1"),
        (["--seed", "x"], "--seed"),
        (["-o", "taken"], "taken cannot be written"),
        (["-o", "taken/below"], "cannot be written"),
    ],
)
def test_wrong_calls_end_in_one_line(tmp_path, words, message):
    (tmp_path / "taken").write_text("a file")
    done = call("claims", *words, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert message in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["taken"]
