"""One frozen record of everything that decides a study's numbers."""

import hashlib
import tomllib
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal, Self, final

import tomlkit
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ..cells import (
    CELLS,
    GRU,
    LSTM,
    Cell,
    ConstGate,
    DiagGate,
    Initialisation,
    SharedGate,
)
from ..diagnosis import Measures
from ..grid import checked_lags
from ..randomness import Seed
from ..tasks import MultiLag
from ..training import Recipe

GATE_ARGUMENT: dict[type[Cell], str] = {
    ConstGate: "s",
    SharedGate: "s0",
    DiagGate: "s0",
    GRU: "z0",
    LSTM: "f0",
}

CellName = Literal["ConstGate", "SharedGate", "DiagGate", "GRU", "LSTM"]
Count = Annotated[int, Field(ge=1)]
Budget = Annotated[float, Field(gt=0, allow_inf_nan=False)]


@final
class Architecture(BaseModel):
    """One network of a study.

    Attributes:
        cell: which recurrence.
        units: H.
        layernorm: whether the candidate's pre-activation is normalised.
        gate: where the gate that makes the leak starts: s of ConstGate (for good), s0
            of SharedGate and DiagGate, z0 of the GRU, f0 of the LSTM.
        init: how the weights start.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cell: CellName
    units: Count = 32
    layernorm: bool = True
    gate: Annotated[float, Field(gt=0, lt=1)] = 0.05
    init: Initialisation = "published"

    def build(self, inputs: int, seed: Seed) -> Cell:
        """Give the cell with new weights."""
        kind = CELLS[self.cell]
        options = {GATE_ARGUMENT[kind]: self.gate}
        return kind(
            inputs,
            self.units,
            layernorm=self.layernorm,
            init=self.init,
            seed=seed,
            **options,  # pyright: ignore[reportArgumentType]
        )


@final
class Settings(BaseModel):
    """A study: several architectures on one task, each trained and diagnosed.

    Attributes:
        name: what the study is called.
        seed: from which every random stream is derived.
        task: the sequences.
        training_sequences: N of training.
        validation_sequences: how many choose the best epoch and give R².
        diagnosis_sequences: how many the diagnosis sees, fresh ones.
        recipe: how to train.
        architectures: the networks; each cell once.
        lags: lags in steps at which to diagnose.
        budgets: numbers of sequences N whose windows are reported.
        measures: how finely to diagnose.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=200)]
    seed: Annotated[int, Field(ge=0)] = 0
    task: MultiLag
    training_sequences: Count
    validation_sequences: Count
    diagnosis_sequences: Annotated[int, Field(ge=50)]
    recipe: Recipe
    architectures: Annotated[tuple[Architecture, ...], Field(min_length=1)]
    lags: tuple[int, ...]
    budgets: Annotated[tuple[Budget, ...], Field(min_length=1)]
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
        cells = [a.cell for a in self.architectures]
        for cell in cells:
            if cells.count(cell) > 1:
                raise ValueError(f"{cell} appears twice; name each cell once")
        return self

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
        except tomllib.TOMLDecodeError as error:
            raise ValueError(f"{source} is no TOML: {error}") from error
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
        """Give a short hash of everything that decides the numbers; the name does not.

        The order of the architectures does not decide any number either.
        """
        ordered = self.model_dump(mode="json", exclude={"name"})
        ordered["architectures"].sort(key=lambda a: a["cell"])
        return hashlib.sha256(repr(ordered).encode()).hexdigest()[:12]


def _sentence(error: ValidationError) -> str:
    """Give the first complaint of a validation as one sentence."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    value = f" (got {first['input']!r})" if first["type"] != "value_error" else ""
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
            text = Path(preset).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"{preset} cannot be read ({error})") from error
        return Settings.from_toml(text, preset)
    if preset not in preset_names():
        raise ValueError(
            f"there is no preset {preset!r}; choose {', '.join(preset_names())} "
            "or the path of a .toml file"
        )
    file = resources.files("learnability.study") / "presets" / f"{preset}.toml"
    return Settings.from_toml(file.read_text(encoding="utf-8"), preset)
