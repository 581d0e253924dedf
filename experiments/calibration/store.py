"""The owner of every path below a calibration's folder."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from learnability import __version__
from learnability.checked import digest
from learnability.storage import replace_file
from learnability.study.folder import Damaged, RunFolder

STAGE, FILE = "done", "record.json"


@final
@dataclass(frozen=True)
class Store:
    """Records by the hash of their settings, a folder each as of a study, and one page.

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

    def place(self, kind: str, identity: str) -> RunFolder:
        """Give the folder of one record."""
        return RunFolder(self.folder / kind / identity)

    def save(self, kind: str, identity: str, record: dict[str, Any]) -> None:
        """Keep a record, whole or not at all.

        Raises:
            ValueError: if the place cannot be written.
        """
        files = {FILE: json.dumps(record).encode()}
        self.place(kind, identity).keep(STAGE, _key(identity), files)

    def find(self, kind: str, identity: str) -> dict[str, Any] | None:
        """Give a record if this version made it.

        Raises:
            Damaged: if it does not agree with its checksum.
        """
        files = self.place(kind, identity).find(STAGE, _key(identity))
        return None if files is None else json.loads(files[FILE])

    def load(self, kind: str, identity: str) -> dict[str, Any] | None:
        """Give a record if this version made it.

        Raises:
            ValueError: if it is damaged.
        """
        try:
            return self.find(kind, identity)
        except Damaged as error:
            raise ValueError(
                f"{error}; run the calibration again, which makes what is damaged"
            ) from error

    def write(self, path: Path, text: str) -> None:
        """Write the page or the table."""
        replace_file(path, text.encode())


def _key(identity: str) -> str:
    return digest([__version__, identity])
