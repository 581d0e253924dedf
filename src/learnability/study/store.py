"""The owner of every path below a study's folder."""

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import final

import safetensors.torch

from ..diagnosis import Diagnosis
from ..storage import replace_file
from .run import Run
from .settings import Settings


@final
@dataclass(frozen=True)
class Store:
    """A study on disk: settings, a results file and weights a cell, figures, report.

    Attributes:
        folder: the study's folder.
    """

    folder: Path

    @property
    def settings_file(self) -> Path:
        return self.folder / "settings.toml"

    @property
    def table(self) -> Path:
        return self.folder / "table.csv"

    @property
    def report(self) -> Path:
        return self.folder / "report.html"

    @property
    def timing(self) -> Path:
        return self.folder / "timing.json"

    def results(self, cell: str) -> Path:
        return self.folder / "results" / f"{cell}.nc"

    def weights(self, cell: str) -> Path:
        return self.folder / "weights" / f"{cell}.safetensors"

    def figure(self, name: str) -> Path:
        return self.folder / "figures" / f"{name}.png"

    def write(self, path: Path, content: str | bytes) -> None:
        """Write one file of the study, whole or not at all.

        Raises:
            ValueError: if the place cannot be written.
        """
        raw = content.encode() if isinstance(content, str) else content
        replace_file(path, raw)

    def begin(self, settings: Settings) -> None:
        """Take the folder for a study; a folder of another study is left alone.

        Raises:
            ValueError: if the folder holds other settings or cannot be written.
        """
        taken = self.settings_file.exists()
        if taken and self.load_settings().identity() != settings.identity():
            raise ValueError(
                f"{self.folder} holds a study with other settings; choose another "
                "folder with --output, or remove it"
            )
        self.write(self.settings_file, settings.to_toml())

    def load_settings(self) -> Settings:
        """Read the study's settings.

        Raises:
            ValueError: if the folder holds no study or its settings are damaged.
        """
        try:
            text = self.settings_file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(
                f"{self.folder} holds no study (no readable settings.toml); "
                "make one with `learnability run`"
            ) from error
        return Settings.from_toml(text, str(self.settings_file))

    def save(self, cell: str, run: Run) -> None:
        """Keep a run's results and weights."""
        run.diagnosis.save(self.results(cell))
        weights = {name: w.contiguous() for name, w in run.weights.items()}
        self.write(self.weights(cell), safetensors.torch.save(weights))

    def finished(self, cell: str, settings: Settings) -> Diagnosis | None:
        """Give a run's diagnosis if it was made with these settings by this version.

        Raises:
            ValueError: if there is a results file that cannot be read.
        """
        path = self.results(cell)
        if not path.exists():
            return None
        diagnosis = Diagnosis.load(path)
        made = (diagnosis.tree.attrs.get("identity"), diagnosis.version)
        current = (settings.identity(), version("learnability"))
        return diagnosis if made == current else None

    def load(self) -> dict[str, Diagnosis]:
        """Read the diagnoses of all architectures that the settings name.

        Raises:
            ValueError: if one is missing or damaged.
        """
        cells = [a.cell for a in self.load_settings().architectures]
        return {cell: Diagnosis.load(self.results(cell)) for cell in cells}
