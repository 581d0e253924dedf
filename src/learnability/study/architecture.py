"""The networks that a study can train: a cell, its size and its start."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, model_validator

from .. import checked
from ..cells import CELLS, Cell, Initialisation
from ..cells.closed import ClosedForm
from ..randomness import Seed

# What each cell calls the start of the gate that makes the leak.
GATE_ARGUMENT = {"ConstGate": "s", "SharedGate": "s0", "DiagGate": "s0"}
GATE_ARGUMENT |= {"GRU": "z0", "LSTM": "f0"}
# That of the cells whose own start is taken unless one is given, or what stands for it.
OWN_START = {"MinGRU": "z0", "MinLSTM": "f0", "DiagRNN": "w0", "RGLRU": "a0"}
OWN_START |= {"LRU": "r0", "S6": "dt0", "SLSTM": "f0", "MLSTM": "f0"}
OWN_START |= {"GatedDeltaNet": "a0"}
START = 0.05  # of the gate of all others

CellName = Annotated[
    Literal[
        "ConstGate",
        "SharedGate",
        "DiagGate",
        "GRU",
        "LSTM",
        "MinGRU",
        "MinLSTM",
        "DiagRNN",
        "RGLRU",
        "LRU",
        "S6",
        "SLSTM",
        "MLSTM",
        "GatedDeltaNet",
    ],
    checked.in_any_case(GATE_ARGUMENT | OWN_START),
]


class Architecture(BaseModel):
    """One network of a study.

    Attributes:
        cell: which recurrence.
        units: their number, H.
        layernorm: whether the candidate's pre-activation is normalised; so it is unless
            given, where the cell has a candidate of inputs and state.
        gate: where the gate that makes the leak starts: s of ConstGate (for good), s0
            of SharedGate and DiagGate, z0 of GRU and MinGRU, f0 of LSTM, MinLSTM, SLSTM
            and MLSTM, a0 of RGLRU and GatedDeltaNet; what stands for it: w0 of DiagRNN,
            r0 of the LRU, dt0 of S6. Unless given 0.05 in the first five cells, and
            each one's own start in the others.
        init: how the weights start.
    """

    model_config = checked.STRICT

    cell: CellName
    units: checked.Count = 32
    layernorm: bool = Field(default_factory=lambda given: _kind(given).normalises)
    gate: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        default_factory=lambda given: _start(given)
    )
    init: Initialisation = "published"

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.layernorm and not _kind(vars(self)).normalises:
            raise ValueError(
                f"{self.cell} has no candidate of inputs and state that LayerNorm "
                "could normalise; leave out layernorm"
            )
        if self.gate is None and self.cell in GATE_ARGUMENT:
            raise ValueError(f"the gate of {self.cell} has no start; give a number")
        if self.cell == "LRU" and self.units % 2:
            raise ValueError(
                f"an LRU of {self.units} units is not possible; it needs two for each "
                "complex number, an even number"
            )
        return self

    def build(self, inputs: int, seed: Seed) -> Cell:
        """Return the cell with new weights.

        Args:
            inputs: D, units of the input.
            seed: of the weights.
        """
        options: Any = self.model_dump(include={"layernorm", "init"})
        options |= {"seed": seed}
        if self.gate is not None:
            options |= {(GATE_ARGUMENT | OWN_START)[self.cell]: self.gate}
        return _kind(vars(self))(inputs, self.units, **options)


def _start(given: Mapping[str, Any]) -> float | None:
    """Return where the gate starts unless given; None for a cell's own start."""
    return START if given["cell"] in GATE_ARGUMENT else None


def _kind(given: Mapping[str, Any]) -> type[ClosedForm]:
    """Return the class of an architecture's cell."""
    return CELLS[given["cell"]]
