"""One browser for all tests of pages."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.report.picture import PATIENCE, browser_path, launched

NONE = (
    "NO BROWSER IS INSTALLED: the report's page was not tested in one; "
    "apt-get install chromium"
)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless Chromium of the system."""
    pytest.importorskip("playwright.sync_api", reason=NONE)
    path = browser_path()
    if path is None:
        pytest.skip(NONE)
    with launched(path) as opened:
        yield opened


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[[Path], Any]]:
    """Open a page; in the end its console has said nothing and it asked nobody."""
    contexts, said, asked = [], [], []

    def opened(file: Path) -> Any:
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        context.on("request", lambda request: asked.append(request.url))
        page = context.new_page()
        page.on("console", lambda m: said.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: said.append(dialog.message))
        page.goto(file.as_uri())
        return page

    yield opened
    own = {page.url.partition("#")[0] for one in contexts for page in one.pages}
    assert said == []
    assert {url for url in asked if not url.startswith("data:")} <= own
    for context in contexts:
        context.close()
