"""A page's first screen as a picture: ``python -m tests.report.picture PAGE PNG``."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

PATIENCE = 600_000
"""Milliseconds that tell a page that hangs from a machine that is busy."""
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SCREEN = {"width": 1280, "height": 1300}


def browser_path() -> str | None:
    """Return where a browser of the system lies, None if there is none."""
    return next((p for name in BROWSERS if (p := shutil.which(name))), None)


@contextmanager
def launched(path: str) -> Iterator[Any]:
    """Start a browser without a window.

    Args:
        path: of its program.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as found:
        opened = found.chromium.launch(
            executable_path=path, args=["--no-sandbox"], timeout=PATIENCE
        )
        yield opened
        opened.close()


def take(page: Path, picture: Path) -> None:
    """Write the first screen of a page as a PNG of few colours."""
    path = browser_path()
    if path is None:
        raise SystemExit(f"no browser is installed; install one of {BROWSERS}")
    with launched(path) as browser:
        shown = browser.new_page(viewport=SCREEN)
        shown.goto(page.resolve().as_uri())
        shown.screenshot(path=picture)
    with Image.open(picture) as whole:
        whole.convert("RGB").save(picture, optimize=True)


if __name__ == "__main__":
    take(Path(sys.argv[1]), Path(sys.argv[2]))
