"""The owner of every path below a study's folder."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import final

from upath import UPath

from ..diagnosis import Diagnosis
from ..storage import lock_held, place, replace_file, sweep_out, tree_from
from .folder import Damaged, RunFolder
from .joined import joined
from .settings import Settings
from .single import RunSettings
from .stages import stage_keys


@final
@dataclass(frozen=True, init=False)
class Store:
    """A study on disk: settings, a folder a run, table, figures, report.

    Attributes:
        folder: the study's folder, a local path or one of any `fsspec` file system.
    """

    folder: Path | UPath

    def __init__(self, folder: str | PathLike[str]) -> None:
        object.__setattr__(self, "folder", place(folder))

    @property
    def address(self) -> str:
        """The folder as text that means the same to every process."""
        path = self.folder
        return str(path.absolute() if isinstance(path, Path) else path)

    @property
    def settings_file(self) -> Path | UPath:
        return self.folder / "settings.toml"

    @property
    def table(self) -> Path | UPath:
        return self.folder / "table.csv"

    @property
    def across(self) -> Path | UPath:
        return self.folder / "across_seeds.csv"

    @property
    def report(self) -> Path | UPath:
        return self.folder / "report.html"

    @property
    def index(self) -> Path | UPath:
        return self.folder / "index.csv"

    @property
    def timing(self) -> Path | UPath:
        return self.folder / "timing.json"

    @property
    def log(self) -> Path | UPath:
        return self.folder / "log.jsonl"

    def run(self, run: RunSettings) -> RunFolder:
        """Give the folder of one run, named by the hash of what decides its weights."""
        return RunFolder(self.folder / "runs" / run.identity())

    def results(self, run: RunSettings) -> Path | UPath:
        """Give the file of one run's diagnosis."""
        return self.run(run).file("fit.nc")

    def weights(self, run: RunSettings) -> Path | UPath:
        """Give the file of one run's best weights."""
        return self.run(run).file("weights.safetensors")

    def figure(self, name: str) -> Path | UPath:
        return self.folder / "figures" / f"{name}.png"

    def write(self, path: Path | UPath, content: str | bytes) -> None:
        """Write one file of the study, whole or not at all.

        Raises:
            ValueError: if the place cannot be written.
        """
        raw = content.encode() if isinstance(content, str) else content
        replace_file(path, raw)

    def begin(self, settings: Settings) -> Settings:
        """Take the folder for a study; give the study that it then holds.

        A study in it of which this is a part stays as it is, and one that is a part of
        this grows. What was made with other settings stays where it is; what they have
        in common is used.

        Raises:
            ValueError: if the folder cannot be written, or holds a study that has no
                training in common with this one.
        """
        with self._held():
            self.check(settings)
            there = self.load_settings() if self.settings_file.exists() else settings
            study = joined(there, settings) or settings
            self.write(self.settings_file, study.to_toml())
        for folder in (self.folder, self.folder / "figures"):
            if isinstance(folder, Path):
                sweep_out(folder)
        return study

    def _held(self) -> AbstractContextManager[object]:
        """Hold the settings against other processes; only local files know locks."""
        if not isinstance(self.folder, Path):
            return nullcontext()
        return lock_held(self.folder / ".settings.toml.lock")

    def check(self, settings: Settings) -> None:
        """Find out whether the folder is free for a study; write nothing.

        Raises:
            ValueError: if it holds a study that has no training in common with this
                one.
        """
        if self.settings_file.exists():
            there = {run.identity() for run in self.load_settings().runs()}
            if there.isdisjoint(run.identity() for run in settings.runs()):
                raise ValueError(
                    f"{self.folder} holds a study with other settings; choose another "
                    "folder with --output, or remove it"
                )

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

    def finished(self, run: RunSettings, scale: float = 1.0) -> Diagnosis | None:
        """Give a run's diagnosis if it was made with these settings by this version.

        Raises:
            Damaged: if its file does not agree with its checksum.
        """
        folder = self.run(run)
        files = folder.find("fit", stage_keys(run, scale)["fit"])
        if files is None:
            return None
        return Diagnosis(tree_from(files["fit.nc"], str(self.results(run))))

    def load(self) -> dict[str, Diagnosis]:
        """Read the diagnoses of all runs of the settings, by label.

        Raises:
            ValueError: if one is missing or damaged.
        """
        settings = self.load_settings()
        return {
            settings.label(run): self.load_run(settings, run) for run in settings.runs()
        }

    def load_run(self, settings: Settings, run: RunSettings) -> Diagnosis:
        """Read the diagnosis of one run.

        Raises:
            ValueError: if it is missing or damaged.
        """
        label = settings.label(run)
        again = "run the study again, which makes what is missing"
        try:
            found = self.finished(run, settings.scale)
        except Damaged as error:
            raise ValueError(
                f"the results of {label} are damaged: {error}; {again}"
            ) from error
        if found is None:
            raise ValueError(
                f"the results of {label} are not there ({self.results(run)}); {again}"
            )
        return found
