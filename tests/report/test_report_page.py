"""The page as text: whole, self-contained, safe with any name, talks to nobody."""

import re
from base64 import b64encode
from functools import cache
from hashlib import sha256
from html import escape, unescape
from html.parser import HTMLParser
from urllib.parse import unquote

import pandas as pd
import pytest

from learnability.report import (
    Table,
    formatted,
    model_page,
    model_study,
    monitor_page,
    render,
    study_page,
    table,
    write_page,
)
from learnability.study import Settings, load_settings
from learnability.study.pages import study_of
from tests.plots.records import diagnosis, extreme, history, measured, training_group
from tests.report.kinds import HOSTILE, KINDS, TITLE, model, strange, study

VOID = {"meta", "link", "img", "source", "br", "input"}


RUNS = {"GRU": measured(training=training_group()), "DiagGate": extreme()}


@cache
def numbers() -> pd.DataFrame:
    trees = {name: run.tree for name, run in RUNS.items()}
    return table(trees, load_settings("quick").n_sequences)


@cache
def written() -> str:
    return study("quick", RUNS)


@cache
def every() -> dict[str, str]:
    """Return a page of every kind."""
    own = {"study": written(), "model": model("mine", {"encoder": RUNS["GRU"]}, NOTE)}
    return {kind: own.get(kind) or strange(kind) for kind in KINDS}


NOTE = "do <b>this</b>"


class Outline(HTMLParser):
    """Collect tags with their attributes; refuse tags that do not close."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for found, attributes in self.tags if found == tag]


@pytest.mark.parametrize("kind", KINDS)
def test_every_tag_closes_no_id_comes_twice_and_every_link_has_an_end(kind):
    outline = Outline(every()[kind])
    ids = [a["id"] for _, a in outline.tags if "id" in a]
    assert len(ids) == len(set(ids))
    for link in outline.named("a"):
        if str(link["href"]).startswith("#"):
            assert link["href"][1:] in ids


@pytest.mark.parametrize("kind", KINDS)
def test_the_policy_names_the_one_script(kind):
    text = every()[kind]
    outline = Outline(text)
    policy = str(outline.named("meta")[2]["content"])
    assert "default-src 'none'" in policy
    (script,) = re.findall(r"<script>(.*?)</script>", text, flags=re.DOTALL)
    known = b64encode(sha256(script.encode()).digest()).decode()
    assert policy.endswith(f"script-src 'sha256-{known}'")
    assert len(outline.named("script")) == 1


WAYS_OUT = [
    r"\bfetch\s*\(",
    "XMLHttpRequest",
    "sendBeacon",
    "WebSocket",
    "EventSource",
    r"\bimport\s*\(",
    "importScripts",
    r"\bWorker\s*\(",
    r"window\.open",
    r"\blocation\b",
    r"\.submit\s*\(",
    r"\.src\s*=",
    r"\.href\s*=",
    "@import",
]


@pytest.mark.parametrize("kind", KINDS)
def test_no_address_is_on_the_page_that_a_browser_would_ask(kind):
    text = unquote(every()[kind])
    addresses = re.findall(r"""(?:\w+:)?//[\w.-]+\.\w\w[^\s"'<>)]*""", text)
    assert set(addresses) <= {"https://arxiv.org/abs/2512.05790"}
    for way in WAYS_OUT:
        assert not re.search(way, text), way
    assert set(re.findall(r"url\((.)", text)) <= {"#"}
    outline = Outline(every()[kind])
    for tag in ("iframe", "object", "embed", "base", "video", "audio", "img"):
        assert not outline.named(tag)
    for tag, attributes in outline.tags:
        assert {"action", "formaction", "ping", "background", "src"}.isdisjoint(
            attributes
        )
        assert not any(name.startswith("on") for name in attributes)
        target = str(attributes.get("href") or attributes.get("xlink:href") or "#")
        assert tag == "a" or target.startswith(("#", "data:")), (tag, target)


@pytest.mark.parametrize("kind", KINDS)
def test_every_figure_speaks_to_who_cannot_see_it_and_is_one_stop(kind):
    outline = Outline(every()[kind])
    plots = [a for a in outline.named("svg") if a.get("class") == "plot"]
    assert plots
    captions = re.findall(
        r"<figcaption[^>]*>(.*?)</figcaption>", every()[kind], re.DOTALL
    )
    assert len(captions) == len(outline.named("figure"))
    assert min(map(len, captions)) > 60
    for plot in plots:
        assert plot["role"] == "img"
        assert " against " in str(plot["aria-label"])
        assert "tabindex" not in plot
    stops = [a for a in outline.named("div") if a.get("class") == "panels"]
    assert len(stops) == len(outline.named("figure"))
    ids = {a["id"] for _, a in outline.tags if "id" in a}
    for stop in stops:
        assert stop["tabindex"] == "0"
        assert {stop["aria-labelledby"], stop["aria-describedby"]} <= ids
    boxes = [a for a in outline.named("div") if a.get("class") == "scroll"]
    assert all(box["tabindex"] == "0" and box["aria-label"] for box in boxes)


def test_every_number_of_the_table_is_on_the_page():
    text = formatted(numbers())
    for value in text.to_numpy().ravel():
        assert escape(str(value)) in written()
    for column in text.columns:
        assert re.search(
            rf'<th scope="col"[^>]*>{re.escape(escape(column))}</th>', written()
        )


def test_the_answer_comes_before_the_figures():
    text = written()
    places = [text.index(p) for p in ('class="headline"', "<figure", 'id="figures"')]
    assert places == sorted(places)
    assert "With 1,000 sequences" in text[: places[1]]


def test_a_caption_speaks_of_no_mark_that_its_figure_lacks():
    def caption(page: str) -> str:
        return page.partition('<figcaption id="keys-answer">')[2].partition("</fig")[0]

    layer = {"gru": measured().tree}
    plain = model_page(model_study(layer, title="mine", n_sequences=[5]))
    assert "Full circles" in caption(written())
    assert "Full circles" not in caption(plain)
    for page in (written(), plain):
        assert "Dotted lines are the lags" in caption(page)
        assert "diamond" not in caption(page)


def test_a_history_says_how_the_windows_moved():
    text = unescape(every()["history"])
    moves = {"10": ("0 to 2", "8 to 10"), "1,000": ("1 to 3", "9 to 11")}
    for n, (before, after) in moves.items():
        said = f"With {n} sequences the window is {before} steps at step 0 of the "
        assert f"{said}training and {after} at step 99." in text
    assert "9 (8 to 11)" in text
    assert "9 at step 99" in text
    assert 'id="figure-fading"' in text
    assert "tail index" not in text
    record = history()
    record["window"][-1] = float("nan")
    assert "no window is defined" in monitor_page(record, title="training")


def test_what_specialists_ask_is_folded_away():
    before, _, after = written().partition("For specialists")
    for name in ("tail_index", "time_scales", "law", "estimators", "envelope_split"):
        assert f'<figure id="figure-{name}"' in after
    for name in ("answer", "samples", "windows", "envelope", "noise_floor", "learning"):
        assert f'<figure id="figure-{name}"' in before


def test_every_switch_names_lines_that_there_are():
    boxes = [a for a in Outline(written()).named("input") if a["type"] == "checkbox"]
    assert [a["data-members"] for a in boxes] == ["0", "1"]
    found = set(re.findall(r'data-m="([\d ]+)"', written()))
    assert {m for one in found for m in one.split()} == {"0", "1"}


# A study's folder bears its name, which therefore has no slash.
@pytest.mark.parametrize(
    "name",
    [TITLE, "x" * 200, "شبكة عصبية", "$title {{ style }} &amp;"],
)
def test_hostile_study_names_are_text(name):
    text = study(name, {"GRU": diagnosis()})
    outline = Outline(text)
    assert len(outline.named("script")) == 1
    title = re.search(r"<title>(.*?)</title>", text, re.S)
    assert title is not None
    assert unescape(title.group(1)) == name
    assert outline.named("h1")[0]["dir"] == "auto"


@pytest.mark.parametrize("name", [HOSTILE, "x" * 200, '" onload="x'])
def test_hostile_names_of_lines_are_text(name):
    text = study_page(study_of(load_settings("quick"), {name: diagnosis()}))
    outline = Outline(text)
    assert len(outline.named("script")) == 1
    assert not any("onload" in attributes for _, attributes in outline.tags)
    assert name in unescape(text)


def test_notes_of_a_model_s_page_are_text():
    text = every()["model"]
    assert "do &lt;b&gt;this&lt;/b&gt;" in text
    assert "dependencies were found at 3 lags (1 to 4)" in text
    labels = re.findall(r'name="budget" value="\d"[^>]*> ([\d,]+)</label>', text)
    assert labels == ["5", "50", "500"]
    assert "layer" in text
    with pytest.raises(ValueError, match="no layers"):
        model_study({}, title="mine", n_sequences=[5])


def test_a_page_is_written_whole_and_only_as_html(tmp_path):
    path = write_page("<p>", tmp_path / "a.html")
    assert path.read_text() == "<p>"
    with pytest.raises(ValueError, match=r"a\.pdf is no page"):
        write_page("<p>", tmp_path / "a.pdf")


def test_the_settings_can_be_saved_and_give_the_same_study():
    link = next(a for a in Outline(written()).named("a") if "download" in a)
    saved = unquote(str(link["href"]).split(",", 1)[1])
    assert Settings.from_toml(saved, "study.toml") == load_settings("quick")


def test_the_command_names_the_preset_or_the_saved_file():
    assert "<code>learnability run quick</code>" in written()
    settings = load_settings("quick").changed(seeds=[8])
    (again,) = study_of(settings, {"GRU": diagnosis()}).again
    assert again.command == "learnability run study.toml"


def test_the_same_study_gives_the_same_bytes():
    settings = load_settings("quick")
    assert study_page(study_of(settings, RUNS), rows=numbers()) == written()


@pytest.mark.parametrize("heads", [1, 2, 3])
def test_a_row_has_as_many_names_as_heads(heads):
    rows = pd.DataFrame({"a": [1, 2], "b": ["x", "<y>"], "c": [None, 0.5]})
    source = '{% import "parts.html" as p with context %}{{ p.table(one) }}'
    text = render("a", source=source, one=Table.of(rows, "numbers", heads=heads))
    outline = Outline(text)
    named = [a for a in outline.named("th") if a["scope"] == "row"]
    assert len(named) == 2 * heads
    assert len(outline.named("td")) == 2 * (3 - heads)
    assert "&lt;y&gt;" in text
