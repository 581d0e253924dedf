"""One browser for all tests of pages."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

PATIENCE = 600_000
"""Milliseconds that tell a page that hangs from a machine that is busy."""
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
NONE = (
    "NO BROWSER IS INSTALLED: the report's page was not tested in one; "
    "apt-get install chromium"
)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless Chromium of the system."""
    api = pytest.importorskip("playwright.sync_api", reason=NONE)
    path = next((p for name in BROWSERS if (p := shutil.which(name))), None)
    if path is None:
        pytest.skip(NONE)
    with api.sync_playwright() as found:
        opened = found.chromium.launch(
            executable_path=path, args=["--no-sandbox"], timeout=PATIENCE
        )
        yield opened
        opened.close()


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
