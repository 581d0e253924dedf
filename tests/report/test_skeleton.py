"""The frame that all pages have in common."""

from base64 import b64encode
from hashlib import sha256

import pandas as pd
import pytest

from learnability.report.skeleton import skeleton
from learnability.report.tables import html_table
from tests.report.test_report_page import Outline


def framed(title: str = "a page", **more) -> str:
    section = '<section id="answer"><h2>One</h2></section>'
    return skeleton(title, section, kicker="kind", navigation={"answer": "One"}, **more)


def test_a_page_without_scripts_allows_none():
    text = framed()
    assert not Outline(text).named("script")
    assert "script-src" not in text
    assert "default-src 'none'" in text


def test_the_policy_names_the_scripts_and_no_other():
    scripts = ["let a = 1;", "let b = 2;"]
    text = framed(scripts=scripts, data="{}")
    policy = text.split("script-src ")[1].split('"')[0].split()
    known = [b64encode(sha256(s.encode()).digest()).decode() for s in scripts]
    assert policy == [f"'sha256-{one}'" for one in known]
    # Data are no script: they need no leave.
    assert len(Outline(text).named("script")) == 3


def test_no_title_breaks_out_of_its_place():
    text = framed('"><script>alert(1)</script>')
    assert not Outline(text).named("script")
    assert text.count("&lt;script&gt;") == 3


def test_every_way_through_the_page_has_an_end():
    outline = Outline(framed())
    ids = {a["id"] for _, a in outline.tags if "id" in a}
    assert {str(a["href"])[1:] for a in outline.named("a")} <= ids


@pytest.mark.parametrize("heads", [1, 2, 3])
def test_a_row_has_as_many_names_as_heads(heads):
    rows = pd.DataFrame({"a": [1, 2], "b": ["x", "y"], "c": [None, 0.5]})
    outline = Outline(html_table(rows, "numbers", heads=heads))
    named = [a for a in outline.named("th") if a["scope"] == "row"]
    assert len(named) == 2 * heads
    assert len(outline.named("td")) == 2 * (3 - heads)
