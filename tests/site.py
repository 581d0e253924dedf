"""Whether a built site holds together: ``python -m tests.site build/docs/html``.

Every link inside leads to a page and a place in it, and no page asks another site for
anything: scripts, styles, fonts and pictures lie beside it.
"""

import re
import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

OWN = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}
STYLE = re.compile(r"""url\(["']?((?:https?:)?//[^)"']+)|@import""")


@dataclass
class Page(HTMLParser):
    """What a page holds: places, links, and what it loads."""

    places: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.places |= {found[name] for name in ("id", "name") if name in found}
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        if OWN.get(tag) in found:
            self.loads.append(found[OWN[tag]])


def read(path: Path) -> Page:
    """Return what a page holds."""
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def faults(folder: Path) -> list[str]:
    """Return what is wrong, a sentence each."""
    pages = {path.resolve(): read(path) for path in sorted(folder.rglob("*.html"))}
    found = [] if pages else [f"{folder} holds no pages; build the site first"]
    for path, page in pages.items():
        name = path.relative_to(folder.resolve())
        found += [f"{name} loads {load}" for load in page.loads if _elsewhere(load)]
        for link in filter(lambda link: not _elsewhere(link), page.links):
            to = (path.parent / unquote(urlsplit(link).path)).resolve()
            to = path if to == path.parent else to
            place = unquote(urlsplit(link).fragment)
            if not to.exists():
                found.append(f"{name} leads to {link}, which is not there")
            elif place and to in pages and place not in pages[to].places:
                found.append(f"{name} leads to {link}, a place that is not there")
    for style in folder.rglob("*.css"):
        if STYLE.search(style.read_text(encoding="utf-8")):
            found.append(f"{style.name} asks another site")
    return found


def _elsewhere(link: str) -> bool:
    parts = urlsplit(link)
    return bool(parts.netloc) or parts.scheme not in ("", "file")


if __name__ == "__main__":
    wrong = faults(Path(sys.argv[1]))
    sys.exit("\n".join(wrong) or None)
