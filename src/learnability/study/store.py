"""The owner of every path below a study's folder, and which studies share a folder."""

import json
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, final

import tomlkit
from pydantic import BaseModel
from upath import UPath

from .. import storage
from ..checked import check_unique, chosen_name
from ..diagnosis import LayerDiagnosis
from ..recipe import Recipe
from ..storage import stamp, tree_from
from .folder import Damaged, RunFolder
from .run import Further, NetworkSettings, RunSettings, stage_keys
from .settings import Settings


@final
@dataclass(frozen=True)
class _Below:
    """A file of a study, by the name that it has below the study's folder."""

    name: str

    def __get__(self, store: "Store", kind: type | None = None) -> Path | UPath:
        return store.folder / self.name


@final
@dataclass(frozen=True, init=False)
class Store:
    """A study on disk: settings, a folder a run, table, figures, report.

    Attributes:
        folder: the study's folder, a local path or one of any `fsspec` file system.
    """

    folder: Path | UPath

    def __init__(self, folder: str | PathLike[str]) -> None:
        object.__setattr__(self, "folder", storage.place(folder))

    @property
    def address(self) -> str:
        """The folder as text that means the same to every process."""
        path = self.folder
        return str(path.absolute() if isinstance(path, Path) else path)

    settings_file = _Below("settings.toml")
    table = _Below("table.csv")
    across = _Below("across_seeds.csv")
    report = _Below("report.html")
    index = _Below("index.csv")
    times = _Below("times.jsonl")
    log = _Below("log.jsonl")

    def run(self, run: RunSettings) -> RunFolder:
        """Return the folder of one run."""
        return RunFolder.below(self.folder, run.identity())

    def results(self, run: RunSettings) -> Path | UPath:
        """Return the file of one run's diagnosis."""
        return self.run(run).file("fit.nc")

    def figure(self, name: str) -> Path | UPath:
        """Return the path of a figure."""
        return self.folder / "figures" / f"{name}.png"

    def write(self, path: Path | UPath, content: str | bytes) -> None:
        """Write one file of the study, whole or not at all.

        Raises:
            ValueError: if the storage.place cannot be written.
        """
        raw = content.encode() if isinstance(content, str) else content
        storage.replace_file(path, raw)

    def begin(self, settings: Settings) -> Settings:
        """Take the folder for a study, and return the study that it then holds.

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
            self.write(self.settings_file, tomlkit.dumps(stamp()) + study.to_toml())
        for folder in (self.folder, self.folder / "figures"):
            if isinstance(folder, Path):
                storage.sweep_out(folder)
        return study

    def _held(self) -> AbstractContextManager[object]:
        """Hold the settings against other processes; only local files know locks."""
        if not isinstance(self.folder, Path):
            return nullcontext()
        return storage.lock_held(self.folder / ".settings.toml.lock")

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
                f"{self.folder} holds no study (no readable settings.toml); see those "
                "there are by `learnability list`, make one by `learnability run quick`"
            ) from error
        return Settings.from_toml(text, str(self.settings_file), kept=True)

    def whole(self, run: RunSettings, scale: float = 1.0) -> bool:
        """Say whether all stages of a run are there, without reading results.

        Args:
            run: the run.
            scale: of its study.

        Raises:
            Damaged: if a file is missing or has another size than its record says.
        """
        folder, keys = self.run(run), stage_keys(run, scale)
        return all(folder.whole(stage, key) for stage, key in keys.items())

    def missing(self, settings: Settings) -> list[RunSettings]:
        """Return the runs of a study whose results are not there, or cut off.

        Args:
            settings: the study.
        """
        found = []
        for run in settings.runs():
            try:
                there = self.whole(run, settings.scale)
            except Damaged:
                there = False
            if not there:
                found.append(run)
        return found

    def add_time(self, run: RunSettings, seconds: float) -> None:
        """Keep the seconds that a whole run took.

        Raises:
            ValueError: if the storage.place cannot be written.
        """
        line = json.dumps({"run": run.identity(), "seconds": round(seconds, 3)}) + "\n"
        storage.append_lines(self.times, line.encode())

    def load_times(self) -> dict[str, float]:
        """Return the seconds that whole runs took, by their identity.

        Raises:
            ValueError: if the file cannot be read.
        """
        if not self.times.exists():
            return {}
        try:
            lines = map(json.loads, self.times.read_text("utf-8").splitlines())
            return {line["run"]: float(line["seconds"]) for line in lines}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{self.times} cannot be read ({error}); remove it: it holds nothing "
                "but how long runs took"
            ) from error

    def finished(self, run: RunSettings, scale: float = 1.0) -> LayerDiagnosis | None:
        """Return a run's diagnosis if it was made with these settings by this version.

        Raises:
            Damaged: if its file does not agree with its checksum.
        """
        folder = self.run(run)
        files = folder.find("fit", stage_keys(run, scale)["fit"])
        if files is None:
            return None
        return LayerDiagnosis(tree_from(files["fit.nc"], str(self.results(run))))

    def load(self) -> dict[str, LayerDiagnosis]:
        """Read the diagnoses of all runs of the settings, by label.

        Raises:
            ValueError: if one is missing or damaged.
        """
        settings = self.load_settings()
        return {
            settings.label(run): self.load_run(settings, run) for run in settings.runs()
        }

    def load_run(self, settings: Settings, run: RunSettings) -> LayerDiagnosis:
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


# Settings of a study whose product is the grid of its runs.
GRID = {"networks", "seeds", "recipe", "further_optimizers"}


def part_of(
    settings: Settings, cells: list[str] | None, optimizers: list[str] | None
) -> Settings:
    """Return a study with some of its networks and optimizers, in the order given.

    Args:
        settings: the whole study.
        cells: in any case, names of networks or cells, which stand for all networks of
            theirs; all unless given.
        optimizers: in any case; all unless given.

    Raises:
        ValueError: if there is no such cell or optimizer, or one is named twice.
    """
    if cells is not None:
        settings = settings.changed(networks=_plain(_picked(settings, cells)))
    if optimizers is None:
        return settings
    recipes = {r.optimizer: r for r in settings.recipes}
    names = [chosen_name("optimizer", word, recipes) for word in optimizers]
    check_unique("optimizer", names)
    first, *rest = (recipes[name] for name in names)
    return settings.changed(
        recipe=first.model_dump(mode="json"), further_optimizers=_further(rest)
    )


def _picked(settings: Settings, words: Sequence[str]) -> list[NetworkSettings]:
    """Return networks under the names that they have in the whole study."""
    there = dict(zip(settings.names, settings.networks, strict=True))
    known = dict.fromkeys([*there, *(n.cell for n in settings.networks)])
    asked = [chosen_name("cell", word, known) for word in words]
    check_unique("cell", asked)
    picked = {
        name: network.model_copy(update={"name": _given(name, network)})
        for word in asked
        for name, network in there.items()
        if name == word or (word not in there and network.cell == word)
    }
    return list(picked.values())


def _given(name: str, network: NetworkSettings) -> str | None:
    """Return a name as settings give it, which leave out that of the cell."""
    return None if name == network.cell else name


def joined(there: Settings, asked: Settings) -> Settings | None:
    """Return the study whose runs are those of two studies, if there is one.

    Nothing but the grid may differ, and the runs of both must fill one.

    Args:
        there: one study, whose order is kept; and its networks' names, unless the other
            holds more of them.
        asked: the other, whose device is taken.
    """
    if differing(there, asked):
        return None
    more = sorted((there, asked), key=lambda study: -len(study.networks))
    networks: dict[NetworkSettings, NetworkSettings] = {}
    for network in (n for study in more for n in study.networks):
        networks.setdefault(network.model_copy(update={"name": None}), network)
    known = {recipe.optimizer for recipe in there.recipes}
    new = [recipe for recipe in asked.recipes if recipe.optimizer not in known]
    both = there.changed(
        networks=_plain(networks.values()),
        seeds=list(dict.fromkeys((*there.seeds, *asked.seeds))),
        further_optimizers=[*_plain(there.further_optimizers), *_further(new)],
    ).model_copy(update={"device": asked.device})
    wanted = {run.identity() for study in (there, asked) for run in study.runs()}
    return both if wanted == {run.identity() for run in both.runs()} else None


def differing(there: Settings, asked: Settings) -> list[str]:
    """Return the names of settings besides grid and device in which studies differ.

    Args:
        there: one study.
        asked: the other.
    """
    out = GRID | {"device"}
    one, two = (s.model_dump(mode="json", exclude=out) for s in (there, asked))
    return [name for name in one if one[name] != two[name]]


def _plain(models: Iterable[BaseModel]) -> list[dict[str, Any]]:
    return [model.model_dump(mode="json") for model in models]


def _further(recipes: Iterable[Recipe]) -> list[dict[str, Any]]:
    """Return what further optimizers change of a study's recipe."""
    return [r.model_dump(include=set(Further.model_fields)) for r in recipes]
