"""The owner of every path below a calibration's folder."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from pydantic import BaseModel

from learnability import __version__
from learnability.storage import replace_file


@final
@dataclass(frozen=True)
class Store:
    """Results by the hash of their settings, a JSON file each, and one page.

    Attributes:
        folder: the calibration's folder.
    """

    folder: Path

    @property
    def page(self) -> Path:
        return self.folder / "calibration.html"

    @property
    def table(self) -> Path:
        return self.folder / "windows.csv"

    @property
    def rows(self) -> Path:
        return self.folder / "in-short.md"

    def _result(self, kind: str, identity: str) -> Path:
        return self.folder / kind / f"{identity}.json"

    def save(self, kind: str, identity: str, record: dict[str, Any]) -> None:
        """Keep a record, whole or not at all.

        Raises:
            ValueError: if the place cannot be written.
        """
        text = json.dumps({"learnability": __version__, **record})
        replace_file(self._result(kind, identity), text.encode())

    def load(self, kind: str, identity: str) -> dict[str, Any] | None:
        """Give a record if this version made it.

        Raises:
            ValueError: if there is a file that cannot be read.
        """
        path = self._result(kind, identity)
        if not path.exists():
            return None
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ValueError(
                f"{path} cannot be read ({error}); remove it to make it again"
            ) from error
        if not isinstance(record, dict) or record.get("learnability") != __version__:
            return None
        return record

    def write(self, path: Path, text: str) -> None:
        """Write the page or the table."""
        replace_file(path, text.encode())


def identity_of(settings: BaseModel, *words: str) -> str:
    """Give a short hash of settings and of words beside them."""
    text = settings.model_dump_json() + "\n".join(words)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
