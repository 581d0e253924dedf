"""One run of a study: what is trained, on what, and how it is diagnosed."""

from collections.abc import Sequence
from typing import Annotated, Literal, final

import tomlkit
from pydantic import BaseModel, Field

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
from ..checked import LARGEST, STRICT, Count, Several, StudySeed, Whole, digest
from ..fitting import Measures
from ..randomness import Seed
from ..recipe import Recipe
from ..tasks import MultiLag

GATE_ARGUMENT: dict[type[Cell], str] = {
    ConstGate: "s",
    SharedGate: "s0",
    DiagGate: "s0",
    GRU: "z0",
    LSTM: "f0",
}

CellName = Literal["ConstGate", "SharedGate", "DiagGate", "GRU", "LSTM"]
FEWEST_DIAGNOSED = 50
"""Sequences below which no interval of a diagnosis means anything."""
Diagnosed = Annotated[Whole, Field(ge=FEWEST_DIAGNOSED, le=LARGEST)]


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

    model_config = STRICT

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
class RunSettings(BaseModel):
    """Everything that decides the numbers of one run.

    Attributes:
        task: the sequences.
        training_sequences: N of training.
        validation_sequences: how many choose the best epoch and give R².
        diagnosis_sequences: how many the diagnosis sees, fresh ones.
        recipe: how to train.
        architecture: the network.
        seed: from which every random stream is derived.
        lags: lags in steps at which to diagnose.
        measures: how finely to diagnose.
    """

    model_config = STRICT

    task: MultiLag
    training_sequences: Count
    validation_sequences: Count
    diagnosis_sequences: Diagnosed
    recipe: Recipe
    architecture: Architecture
    seed: StudySeed
    lags: Several[Whole]
    measures: Measures

    def identity(self) -> str:
        """Give a short hash of everything that decides the weights.

        The diagnosis does not: a run diagnosed in another way keeps its training.
        """
        deciding = {"lags", "measures", "diagnosis_sequences"}
        return digest(self.model_dump(mode="json", exclude=deciding))

    def to_toml(self) -> str:
        """Give the settings as a TOML document."""
        return tomlkit.dumps(self.model_dump(mode="json", exclude_none=True))


def once(what: str, names: Sequence[object]) -> None:
    """Check that every name of one axis of a grid is there once.

    Args:
        what: what the names stand for.
        names: of the axis.

    Raises:
        ValueError: if one appears twice.
    """
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{name} appears twice; name each {what} once")
