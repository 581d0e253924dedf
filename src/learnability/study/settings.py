"""One frozen record of everything that decides a study's numbers."""

import tomllib
from importlib import resources
from pathlib import Path
from typing import Annotated, Self, final

import tomlkit
from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    ValidationError,
    model_validator,
)

from ..checked import STRICT, Count, Several, StudySeed, Whole, digest
from ..fitting import Measures
from ..grid import checked_lags
from ..recipe import OptimizerName, Recipe
from ..tasks import MultiLag
from .single import (
    FEWEST_DIAGNOSED,
    Architecture,
    Diagnosed,
    RunSettings,
    once,
)

LONGEST_SHOWN = 100
"""Characters of a wrong value that an error repeats."""
LONGEST_NAME = 200
"""Bytes of a study's name, which with its scale is that of a folder."""


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


Budget = Annotated[float, Field(gt=0)]
Name = Annotated[str, AfterValidator(_named)]


@final
class Further(BaseModel):
    """Another optimizer of a study: what of the recipe it changes.

    Attributes:
        optimizer: which of the four.
        rate: learning rate; the recipe's unless given.
        weight_decay: the recipe's unless given.
        momentum: of the optimizer ``momentum``; the recipe's unless given.
    """

    model_config = STRICT

    optimizer: OptimizerName
    rate: Annotated[float, Field(gt=0)] | None = None
    weight_decay: Annotated[float, Field(ge=0)] | None = None
    momentum: Annotated[float, Field(ge=0, lt=1)] | None = None


@final
class Settings(BaseModel):
    """A study: a grid of architectures, optimizers and seeds on one task.

    Every cell of the grid is a run: a network is trained and diagnosed.

    Attributes:
        name: what the study is called; its folder bears it.
        scale: share of the epochs and sequences that was kept of a larger study; it
            says so in every output and decides no number.
        seeds: from each of them every random stream of its runs is derived.
        task: the sequences; lags in steps, noise in units of the targets.
        training_sequences: N of training.
        validation_sequences: how many choose the best epoch and give R².
        diagnosis_sequences: how many the diagnosis sees, fresh ones.
        recipe: how to train; epochs in passes, batch in sequences.
        further_optimizers: optimizers besides the recipe's; each once.
        architectures: the networks; each cell once.
        lags: lags in steps at which to diagnose.
        budgets: numbers of sequences N whose windows are reported.
        measures: how finely to diagnose.
    """

    model_config = STRICT

    name: Name
    scale: Annotated[float, Field(gt=0, le=1)] = 1.0
    seeds: Annotated[Several[StudySeed], Field(min_length=1)] = (0,)
    task: MultiLag
    training_sequences: Count
    validation_sequences: Count
    diagnosis_sequences: Diagnosed
    recipe: Recipe
    further_optimizers: Several[Further] = ()
    architectures: Annotated[Several[Architecture], Field(min_length=1)]
    lags: Several[Whole]
    budgets: Annotated[Several[Budget], Field(min_length=1)]
    measures: Measures = Measures()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        checked_lags(self.lags, self.task.steps)
        largest = self.recipe.final_batch or self.recipe.batch
        if largest > self.training_sequences:
            raise ValueError(
                f"a batch of {largest} does not fit into {self.training_sequences} "
                "training sequences; make one smaller or the other larger"
            )
        once("cell", [a.cell for a in self.architectures])
        once("optimizer", [r.optimizer for r in self.recipes])
        once("seed", list(self.seeds))
        once("budget", list(self.budgets))
        return self

    @property
    def recipes(self) -> tuple[Recipe, ...]:
        """Give the recipe, and what every further optimizer makes of it."""
        changes = (f.model_dump(exclude_none=True) for f in self.further_optimizers)
        changed = (self.recipe.model_copy(update=change) for change in changes)
        return (self.recipe, *changed)

    def runs(self) -> tuple[RunSettings, ...]:
        """Give the runs of the grid, the first seed's all before the second's."""
        return tuple(
            RunSettings(
                task=self.task,
                training_sequences=self.training_sequences,
                validation_sequences=self.validation_sequences,
                diagnosis_sequences=self.diagnosis_sequences,
                recipe=recipe,
                architecture=architecture,
                seed=seed,
                lags=self.lags,
                measures=self.measures,
            )
            for seed in self.seeds
            for architecture in self.architectures
            for recipe in self.recipes
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
            return run.architecture.cell
        return f"{run.architecture.cell}, {run.recipe.optimizer}"

    def scaled(self, scale: float) -> Self:
        """Give the study with fewer epochs and sequences, and the scale noted in it.

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
        last = self.recipe.final_batch
        return self.changed(
            scale=self.scale * scale,
            training_sequences=training,
            validation_sequences=kept(self.validation_sequences, least=2),
            diagnosis_sequences=kept(self.diagnosis_sequences, FEWEST_DIAGNOSED),
            recipe={
                "epochs": kept(self.recipe.epochs),
                "batch": min(self.recipe.batch, training),
                "final_batch": None if last is None else min(last, training),
            },
        )

    @property
    def title(self) -> str:
        """Give the name, with the scale if it is not 1."""
        if self.scale == 1:
            return self.name
        return f"{self.name} (scale {self.scale:g}: fewer epochs and sequences)"

    def to_toml(self) -> str:
        """Give the settings as a TOML document that `from_toml` reads back."""
        return tomlkit.dumps(self.model_dump(mode="json", exclude_none=True))

    @classmethod
    def from_toml(cls, text: str, source: str) -> Self:
        """Read settings.

        Args:
            text: a TOML document.
            source: what to call it in an error.

        Raises:
            ValueError: one sentence, if it is no TOML or a value is wrong.
        """
        try:
            return cls.model_validate(tomllib.loads(text))
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise ValueError(f"{source} is no TOML: {error}; mend it") from error
        except ValidationError as error:
            raise ValueError(f"{source}: {_sentence(error)}") from error

    def changed(self, **changes: object) -> Self:
        """Give the settings with some fields replaced, checked anew.

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
            raise ValueError(_sentence(error)) from error

    def identity(self) -> str:
        """Give a short hash of everything that decides the numbers.

        Name and scale decide none, and no more does the order of the grid.
        """
        ordered = self.model_dump(mode="json", exclude={"name", "scale"})
        ordered["architectures"].sort(key=lambda a: a["cell"])
        ordered["further_optimizers"].sort(key=lambda o: o["optimizer"])
        ordered["seeds"].sort()
        return digest(ordered)


def _sentence(error: ValidationError) -> str:
    """Give the first complaint of a validation as one sentence."""
    # A wrong name leaves another setting missing: it is the cause.
    first = min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"{where}: there is no such setting; mend its name or take it out"
    if first["type"] == "missing":
        return f"{where}: it is missing; give it a value"
    message = first["msg"].removeprefix("Value error, ").replace(" tuple", " list")
    message = message.removesuffix(" after validation, not 0")
    if message[1:2].islower():  # a word, and no name like GRU
        message = message[0].lower() + message[1:]
    given = repr(first["input"])
    given = given if len(given) <= LONGEST_SHOWN else f"{given[:LONGEST_SHOWN]}..."
    value = f" (got {given})" if first["type"] != "value_error" else ""
    return f"{where}: {message}{value}" if where else f"{message}{value}"


def preset_names() -> list[str]:
    """Give the names of the presets in the package."""
    folder = resources.files("learnability.study") / "presets"
    return sorted(
        f.name.removesuffix(".toml")
        for f in folder.iterdir()
        if f.name.endswith(".toml")
    )


def load_settings(preset: str) -> Settings:
    """Give the settings of a preset, or of a TOML file.

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
    if preset not in preset_names():
        raise ValueError(
            f"there is no preset {preset!r}; choose {', '.join(preset_names())} "
            "or the path of a .toml file"
        )
    file = resources.files("learnability.study") / "presets" / f"{preset}.toml"
    return Settings.from_toml(file.read_text(encoding="utf-8"), preset)
