"""The frame that all pages have in common: head, policy, style, navigation, scripts."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from html import escape
from importlib import resources
from string import Template


def skeleton(
    title: str,
    sections: str,
    *,
    kicker: str,
    navigation: Mapping[str, str],
    answer: str = "answer",
    style: str = "",
    scripts: Sequence[str] = (),
    data: str = "",
) -> str:
    """Return a self-contained page around some sections; it loads nothing.

    Args:
        title: of the page, as text.
        sections: HTML; the first one has the id ``answer``.
        kicker: what kind of page it is.
        navigation: words by the id that they point to.
        answer: what the first section is called where one skips to it.
        style: CSS beside that of all pages.
        scripts: JavaScript that may run; no other does.
        data: JSON that the scripts find in the element ``figure-data``.
    """
    parts = {
        "policy": _policy(scripts),
        "title": escape(title),
        "style": resource("page.css") + style,
        "answer": answer,
        "kicker": kicker,
        "navigation": "\n".join(_link(*entry) for entry in navigation.items()),
        "sections": sections.rstrip("\n"),
        "scripts": "\n".join(_scripts(scripts, data)),
    }
    return Template(resource("skeleton.html")).substitute(parts)


def resource(name: str) -> str:
    """Return the text of a file beside this module."""
    return (resources.files("learnability.report") / name).read_text(encoding="utf-8")


def _policy(scripts: Sequence[str]) -> str:
    """Return what the page may load and run: pictures in it, and these scripts."""
    if not scripts:
        return "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    hashes = " ".join(map(_hash, scripts))
    return (
        "default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; "
        f"script-src {hashes}"
    )


def _hash(script: str) -> str:
    """Return what the page's policy knows a script by."""
    raw = sha256(script.encode()).digest()
    return f"'sha256-{b64encode(raw).decode()}'"


def _link(anchor: str, words: str) -> str:
    return f'<li><a href="#{anchor}">{escape(words)}</a></li>'


def _scripts(scripts: Sequence[str], data: str) -> list[str]:
    block = [f'<script id="figure-data" type="application/json">{data}</script>']
    return [*(block if data else []), *(f"<script>{text}</script>" for text in scripts)]
