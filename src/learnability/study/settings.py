"""One frozen record of everything that decides a study's numbers."""

import itertools
import tomllib
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Self, final

import tomlkit
from pydantic import AfterValidator, BaseModel, Field, ValidationError, model_validator

from .. import checked
from ..diagnosis.options import DiagnosisOptions
from ..grid import checked_lags
from ..recipe import Recipe
from ..storage import check_format, stamp
from ..tasks import Task
from .run import (
    FEWEST_DIAGNOSED,
    Diagnosed,
    Further,
    NetworkSettings,
    RunSettings,
    network_names,
)

# Bytes of a study's name, which with its scale is that of a folder.
LONGEST_NAME = 200


def _named(name: str) -> str:
    """Check a study's name, as its folder bears it."""
    if name.strip() in ("", ".", ".."):
        raise ValueError(f"{name!r} names no folder; give a name like my-study")
    if name != name.strip() or not name.isprintable() or {"/", "\\"} & set(name):
        raise ValueError(
            f"{name!r} cannot name a folder; leave out slashes, control characters "
            "and outer spaces"
        )
    if len(name.encode()) > LONGEST_NAME:
        raise ValueError(
            f"{name[:20]!r}... has {len(name.encode())} bytes; take at most "
            f"{LONGEST_NAME}"
        )
    return name


Name = Annotated[str, AfterValidator(_named)]


@final
class Settings(BaseModel):
    """A study: a grid of networks, optimizers and seeds on one task.

    Every cell of the grid is a run: a network is trained and diagnosed.

    Attributes:
        name: what the study is called; its folder bears it.
        scale: share of the epochs and sequences that was kept of a larger study; it
            says so in every output and decides no number.
        seeds: from each of them every random stream of its runs is derived.
        task: the sequences, of `MultiLag` or `Recall`; lags in steps.
        training_sequences: N of training.
        validation_sequences: how many choose the best epoch and tell what is learnt.
        diagnosis_sequences: how many the diagnosis sees, fresh ones.
        recipe: how to train; epochs in passes, batches in sequences.
        further_optimizers: optimizers besides the recipe's; each once.
        networks: the networks, a cell any number of times with other settings. In a
            file a list ``cells`` stands for networks with none of their own.
        lags: lags in steps at which to diagnose.
        n_sequences: numbers of sequences N whose windows are reported.
        options: how finely to diagnose.
        device: where to train, such as "cuda"; the CPU unless given. What was trained
            is diagnosed on the CPU. Like the number of threads it makes no other run.
    """

    model_config = checked.STRICT

    name: Name
    scale: Annotated[float, Field(gt=0, le=1)] = 1.0
    seeds: Annotated[checked.Several[checked.StudySeed], Field(min_length=1)] = (0,)
    task: Task
    training_sequences: checked.Count
    validation_sequences: checked.Count
    diagnosis_sequences: Diagnosed
    recipe: Recipe
    further_optimizers: checked.Several[Further] = ()
    networks: Annotated[checked.Several[NetworkSettings], Field(min_length=1)]
    lags: checked.Several[checked.Whole]
    n_sequences: Annotated[checked.Several[checked.Positive], Field(min_length=1)]
    options: DiagnosisOptions = DiagnosisOptions()
    device: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _with_cells(cls, given: Any) -> Any:
        """Take a plain list of cells for networks."""
        if not isinstance(given, dict) or not isinstance(given.get("cells"), list):
            return given
        plain = [{"cell": cell} for cell in given["cells"]]
        rest = {name: value for name, value in given.items() if name != "cells"}
        return {**rest, "networks": [*plain, *rest.get("networks", ())]}

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        checked_lags(self.lags, self.task.steps)
        largest = self.recipe.largest_batch
        if largest > self.training_sequences:
            raise ValueError(
                f"a batch of {largest} does not fit into {self.training_sequences} "
                "training sequences; make one smaller or the other larger"
            )
        checked.check_unique("network", self.names)
        checked.check_unique("optimizer", [r.optimizer for r in self.recipes])
        checked.check_unique("seed", self.seeds)
        checked.check_unique("number of sequences", self.n_sequences)
        first: dict[RunSettings, str] = {}
        for name, run in self._named_runs():
            if first.setdefault(run, name) != name:
                raise ValueError(
                    f"{first[run]} and {name} are the same network; leave one out"
                )
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Return what the networks are called in tables and figures."""
        return network_names(self.networks)

    @property
    def recipes(self) -> tuple[Recipe, ...]:
        """Return the recipe, and what every further optimizer makes of it."""
        changes = (f.model_dump(exclude_none=True) for f in self.further_optimizers)
        changed = (self.recipe.model_copy(update=change) for change in changes)
        return (self.recipe, *changed)

    def runs(self) -> tuple[RunSettings, ...]:
        """Return the runs of the grid, the first seed's all before the second's."""
        return tuple(run for _, run in self._named_runs())

    def _named_runs(self) -> list[tuple[str, RunSettings]]:
        """Return the runs, each with the name of its network."""
        pairs = zip(self.names, self.networks, strict=True)
        grid = itertools.product(self.seeds, pairs, self.recipes)
        return [(name, self._run(n, recipe, seed)) for seed, (name, n), recipe in grid]

    def _run(self, network: NetworkSettings, recipe: Recipe, seed: int) -> RunSettings:
        shared = RunSettings.model_fields.keys() & type(self).model_fields.keys()
        own = {"recipe": network.trained_by(recipe), "seed": seed}
        own |= {"architecture": network.architecture}
        return RunSettings(**{name: getattr(self, name) for name in shared} | own)

    def network(self, run: RunSettings) -> str:
        """Return the name of a run's network.

        Args:
            run: one of `runs`.
        """
        return next(
            name
            for name, network in zip(self.names, self.networks, strict=True)
            if network.architecture == run.architecture
            and run.recipe in map(network.trained_by, self.recipes)
        )

    def label(self, run: RunSettings) -> str:
        """Name a run among those of the study: by what differs between them.

        Args:
            run: one of `runs`.
        """
        several = self.group(run)
        return several if len(self.seeds) == 1 else f"{several}, seed {run.seed}"

    def group(self, run: RunSettings) -> str:
        """Name what a run shares with those of other seeds.

        Args:
            run: one of `runs`.
        """
        if not self.further_optimizers:
            return self.network(run)
        return f"{self.network(run)}, {run.recipe.optimizer}"

    def scaled(self, scale: float) -> Self:
        """Return the study with fewer epochs and sequences, and the scale noted in it.

        A batch that no longer fits shrinks to the training sequences.

        Args:
            scale: share of epochs and sequences to keep, above 0, at most 1.

        Raises:
            ValueError: if the scale is out of range.
        """
        if not 0 < scale <= 1:
            raise ValueError(
                f"the scale {scale:g} is not above 0 and at most 1; 0.1 keeps a tenth"
            )

        def kept(count: int, least: int = 1) -> int:
            return min(count, max(least, round(count * scale)))

        training = kept(self.training_sequences, least=2)
        last = self.recipe.final_batch_size
        return self.changed(
            scale=self.scale * scale,
            training_sequences=training,
            validation_sequences=kept(self.validation_sequences, least=2),
            diagnosis_sequences=kept(self.diagnosis_sequences, FEWEST_DIAGNOSED),
            recipe={
                "epochs": kept(self.recipe.epochs),
                "batch_size": min(self.recipe.batch_size, training),
                "final_batch_size": None if last is None else min(last, training),
            },
        )

    @property
    def title(self) -> str:
        """Return the name, with the scale if it is not 1."""
        if self.scale == 1:
            return self.name
        return f"{self.name} (scale {self.scale:g}: fewer epochs and sequences)"

    def to_toml(self) -> str:
        """Return the settings as a TOML document that `from_toml` reads back."""
        return tomlkit.dumps(self.model_dump(mode="json", exclude_none=True))

    @classmethod
    def from_toml(cls, text: str, source: str, *, kept: bool = False) -> Self:
        """Read settings.

        Args:
            text: a TOML document.
            source: what to call it in an error.
            kept: whether a study's folder kept it, so that it states its format.

        Raises:
            ValueError: one sentence, if it is no TOML, of another format, or a value is
                wrong.
        """
        try:
            given = tomllib.loads(text)
            stamped = {name: given.pop(name, None) for name in stamp()}
            if kept or stamped["format"] is not None:
                check_format(stamped, source)
            return cls.model_validate(given)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise ValueError(f"{source} is no TOML: {error}; mend it") from error
        except ValidationError as error:
            raise ValueError(f"{source}: {checked.in_a_sentence(error)}") from error

    def changed(self, **changes: object) -> Self:
        """Return the settings with some fields replaced, checked anew.

        Args:
            changes: by field; None leaves a field alone, and a dict changes fields of
                a field.

        Raises:
            ValueError: one sentence, if a value is wrong.
        """
        merged = self.model_dump(mode="json")
        for name, value in changes.items():
            if isinstance(value, dict):
                given = {k: v for k, v in value.items() if v is not None}
                merged[name] = merged[name] | given
            elif value is not None:
                merged[name] = value
        try:
            return type(self).model_validate(merged)
        except ValidationError as error:
            raise ValueError(checked.in_a_sentence(error)) from error

    def identity(self) -> str:
        """Return a short hash of everything that decides the numbers.

        Names and scale decide none, and no more do the device and the order of the
        grid.
        """
        ordered = self.model_dump(mode="json", exclude={"name", "scale", "device"})
        for network in ordered["networks"]:
            del network["name"]
        ordered["networks"].sort(key=checked.digest)
        ordered["further_optimizers"].sort(key=lambda o: o["optimizer"])
        ordered["seeds"].sort()
        return checked.digest(ordered)


def preset_names() -> list[str]:
    """Return the names of the presets in the package."""
    folder = resources.files("learnability.study") / "presets"
    return sorted(
        f.name.removesuffix(".toml")
        for f in folder.iterdir()
        if f.name.endswith(".toml")
    )


def load_settings(preset: str) -> Settings:
    """Return the settings of a preset, or of a TOML file.

    Args:
        preset: a preset's name or the path of a file ending in .toml.

    Raises:
        ValueError: if there is no such preset or file, or a value is wrong.
    """
    if preset.endswith(".toml"):
        try:
            # Some editors mark the beginning of a file.
            text = Path(preset).read_text(encoding="utf-8-sig")
        except (OSError, ValueError) as error:  # binary, or no path at all
            why = error.strerror if isinstance(error, OSError) else error
            raise ValueError(
                f"{preset} cannot be read ({why}); name a study's TOML file"
            ) from error
        return Settings.from_toml(text, preset)
    try:
        name = checked.chosen_name("preset", preset, preset_names())
    except ValueError as error:
        raise ValueError(f"{error} or the path of a .toml file") from error
    file = resources.files("learnability.study") / "presets" / f"{name}.toml"
    return Settings.from_toml(file.read_text(encoding="utf-8"), name)
