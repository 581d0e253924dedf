"""The page: whole, self-contained, safe against hostile names, the same bytes twice."""

import re
from base64 import b64decode, b64encode
from functools import cache
from hashlib import sha256
from html import escape, unescape
from html.parser import HTMLParser
from urllib.parse import unquote
from xml.etree.ElementTree import fromstring

import pytest

from learnability.report import formatted, page, pictures, table
from learnability.report.interactive import library
from learnability.study import Settings, load_settings
from tests.plots.records import diagnosis, extreme, training_group

HOSTILE = '<script>alert("x")</script>'
LONG = "x" * 200
RIGHT_TO_LEFT = "شبكة عصبية"
VOID = {"meta", "link", "img", "source", "br", "input"}


def words(lags, envelope) -> str:
    del lags, envelope
    return "exponential, τ = 5 (90 %)"


RUNS = {
    "GRU": diagnosis(training=training_group()),
    "DiagGate": extreme(),
}


@cache
def drawn() -> list[str]:
    return pictures(RUNS)


@cache
def written(name: str = "quick") -> str:
    settings = load_settings("quick").changed(name=name)
    rows = table(settings, RUNS, fitted=words)
    return page(settings, RUNS, rows=rows, drawn=drawn())


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

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for found, attributes in self.tags if found == tag]


def test_every_tag_closes_and_no_id_comes_twice():
    outline = Outline(written())
    ids = [a["id"] for _, a in outline.tags if "id" in a]
    assert len(ids) == len(set(ids))
    for link in outline.named("a"):
        if str(link["href"]).startswith("#"):
            assert link["href"][1:] in ids


def test_nothing_is_loaded_from_elsewhere():
    outline = Outline(written())
    assert all("src" not in script for script in outline.named("script"))
    assert not outline.named("iframe")
    for tag, attributes in outline.tags:
        for name in ("src", "srcset", "href", "poster", "action"):
            target = attributes.get(name)
            if target is None:
                continue
            outside = re.match(r"\w+:", target) and not target.startswith("data:")
            assert not outside or tag == "a", (tag, target)
    markup = re.sub(r"<script.*?</script>", "", written(), flags=re.DOTALL)
    # What pictures point at is looked at below.
    markup = re.sub(r'src="data:[^"]*"', "", markup)
    assert "url(" not in markup
    assert "@import" not in markup
    policy = outline.named("meta")[2]
    assert "default-src 'none'" in str(policy["content"])
    scripts = re.findall(r"<script>(.*?)</script>", written(), flags=re.DOTALL)
    assert len(scripts) == 2
    for script in scripts:
        known = b64encode(sha256(script.encode()).digest()).decode()
        assert f"'sha256-{known}'" in str(policy["content"])


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
]
NAMES_ALONE = (
    "http://www.w3.org/",
    "http://purl.org/dc/",
    "http://creativecommons.org/ns#",
    "https://arxiv.org/abs/2512.05790",
)
"""Addresses that are names in a picture's markup, and the citation."""


def own_text() -> str:
    """Give the page without plotly's script, and with its pictures readable."""
    text = unquote(written().replace(library(), ""))
    return re.sub(
        r"data:[\w/+]+;base64,([\w+/=]+)",
        lambda found: b64decode(found[1]).decode("latin-1"),
        text,
    )


def test_no_address_is_on_the_page_that_a_browser_would_ask():
    text = own_text()
    addresses = re.findall(r"""(?:\w+:)?//[\w.-]+\.\w\w[^\s"'<>)]*""", text)
    assert {a for a in addresses if not a.startswith(NAMES_ALONE)} == set()
    for way in WAYS_OUT:
        assert not re.search(way, text), way
    outline = Outline(written())
    for tag in ("form", "iframe", "object", "embed", "base", "video", "audio"):
        assert not outline.named(tag)
    for _, attributes in outline.tags:
        assert {"action", "formaction", "ping", "background"}.isdisjoint(attributes)
        assert not any(name.startswith("on") for name in attributes)


def test_plotly_is_told_to_share_nothing():
    """Its own default is a button that uploads a figure to a company."""
    assert "showSendToCloud: false" in own_text()
    assert 'plotlyServerURL: ""' in own_text()


def test_the_only_way_out_is_the_citation():
    links = [str(a["href"]) for a in Outline(written()).named("a")]
    outside = [link for link in links if link.startswith("http")]
    assert outside == ["https://arxiv.org/abs/2512.05790"]


def test_it_is_small_enough_to_send():
    assert len(written().encode()) < 8e6


def test_every_number_of_the_table_is_on_the_page():
    settings = load_settings("quick")
    text = formatted(table(settings, RUNS, fitted=words))
    for value in text.to_numpy().ravel():
        assert escape(str(value)) in written()
    for column in text.columns:
        assert re.search(
            rf'<th scope="col"[^>]*>{re.escape(escape(column))}</th>', written()
        )


def test_the_answer_comes_before_the_figures():
    text = written()
    assert text.index('id="answer"') < text.index("<table") < text.index("<figure")
    assert text.index('class="answers"') < text.index("<figure")
    assert text.index("with 1,000 sequences") < text.index("<figure")


def test_every_figure_comes_in_light_and_dark_wide_and_narrow_with_words():
    outline = Outline(written())
    images = outline.named("img")
    looks = {str(image["class"]) for image in images}
    assert looks == {"wide light", "wide dark", "narrow light", "narrow dark"}
    assert len(images) == 4 * len(outline.named("figure")) == 28
    for image in images:
        assert len(str(image["alt"])) > 60
        kind, data = str(image["src"]).split(",", 1)
        assert kind == "data:image/svg+xml"
        assert fromstring(unquote(data)).tag.endswith("svg")


def test_pictures_load_nothing_either():
    for uri in (str(a["src"]) for a in Outline(written()).named("img")):
        svg = unquote(uri.split(",", 1)[1])
        targets = re.findall(r"(?:href|src)='([^']*)'", svg)
        assert targets
        assert all(target.startswith("#") for target in targets)
        inside = re.findall(r"url\(([^)]*)\)", svg)
        assert all(target.startswith("#") for target in inside)
        assert "<script" not in svg


# A study's folder bears its name, which therefore has no slash.
@pytest.mark.parametrize(
    "name",
    [HOSTILE.replace("/", ""), LONG, RIGHT_TO_LEFT, "$title ${style} &amp;"],
)
def test_hostile_study_names_are_text(name):
    text = written(name)
    outline = Outline(text)
    assert all("src" not in script for script in outline.named("script"))
    title = re.search(r"<title>(.*?)</title>", text, re.S)
    assert title is not None
    assert unescape(title.group(1)) == name
    assert outline.named("h1")[0]["dir"] == "auto"


@pytest.mark.parametrize("name", [HOSTILE, LONG, RIGHT_TO_LEFT, '" onload="x'])
def test_hostile_architecture_names_are_text(name):
    settings, runs = load_settings("quick"), {name: diagnosis()}
    rows = table(settings, runs, fitted=words)
    figures = pictures(runs) if name == HOSTILE else []
    text = page(settings, runs, rows=rows, drawn=figures)
    outline = Outline(text)
    assert all("src" not in script for script in outline.named("script"))
    assert not any("onload" in attributes for _, attributes in outline.tags)
    assert f"<bdi>{escape(name)}</bdi>" in text


def test_a_diverged_run_is_told_in_the_answer():
    assert "diverged in epoch 1 of 40" in written().split("<figure")[0]


def test_the_settings_can_be_saved_and_give_the_same_study():
    link = next(a for a in Outline(written()).named("a") if "download" in a)
    saved = unquote(str(link["href"]).split(",", 1)[1])
    again = Settings.from_toml(saved, "study.toml")
    assert again == load_settings("quick")


def test_the_command_names_the_preset_or_the_saved_file():
    assert "learnability run quick" in written()
    settings = load_settings("quick").changed(seeds=[8])
    runs = {"GRU": diagnosis()}
    rows = table(settings, runs, fitted=words)
    other = page(settings, runs, rows=rows, drawn=[])
    assert "learnability run study.toml" in other


def test_the_same_study_gives_the_same_bytes():
    settings = load_settings("quick")
    rows = table(settings, RUNS, fitted=words)
    assert page(settings, RUNS, rows=rows) == written()


def test_boxes_that_scroll_take_the_keyboard_s_focus():
    boxes = [a for a in Outline(written()).named("div") if a.get("class") == "scroll"]
    assert len(boxes) == 1 + len(RUNS)
    assert all(box["tabindex"] == "0" and box["aria-label"] for box in boxes)
