"""Where each parameter of a cell lies in the one matrix that the loops multiply by.

The rows of that matrix are sections, one a gate, each padded to whole vectors; its
columns are h (padded), 1 and x: ``pre = weight (h, 1, x)`` is every pre-activation.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..cells import (
    GRU,
    LSTM,
    Cell,
    ConstGate,
    DiagGate,
    SharedGate,
    TorchGRU,
    TorchRNN,
)
from .pointwise import AFTER, BEFORE, CONST, MEMORY, OWN, PLAIN, SHARED, Recurrence
from .vectors import WIDTH

Section = tuple[str | None, str | None, str]  # names of the h, x and 1 columns


@dataclass(frozen=True)
class Recipe:
    """How a class of cells becomes a `Recurrence`: its map and its sections."""

    gate: int
    reset: int
    mixing: int
    sections: tuple[Section, ...]


def _gates(suffixes: str) -> tuple[Section, ...]:
    return tuple((f"U_{g}", f"W_{g}", f"b_{g}") for g in suffixes)


_CANDIDATE: tuple[Section, ...] = (("W_h", "W_x", "b_x"),)

RECIPES: dict[type[Cell], Recipe] = {
    ConstGate: Recipe(CONST, PLAIN, 1, _CANDIDATE),
    TorchRNN: Recipe(CONST, PLAIN, 1, _CANDIDATE),  # tanh alone, see `compiles`
    SharedGate: Recipe(SHARED, PLAIN, 2, (*_CANDIDATE, ("u_s", "w_s", "b_s"))),
    DiagGate: Recipe(OWN, PLAIN, 2, _CANDIDATE + _gates("s")),
    GRU: Recipe(OWN, BEFORE, 2, _gates("gzr")),
    TorchGRU: Recipe(
        OWN, AFTER, 2, ((None, "W_g", "b_g"), *_gates("zr"), ("U_g", None, "b_u"))
    ),
    LSTM: Recipe(MEMORY, PLAIN, 3, _gates("gifo")),
}


def compiles(cell: Cell) -> bool:
    """Tell whether the loops know the cell; they have tanh and no other candidate."""
    return type(cell) in RECIPES and getattr(cell, "nonlinearity", "tanh") == "tanh"


class Layout:
    """The places of one cell's parameters.

    Args:
        cell: a cell of one of the classes in `RECIPES`.
        dtype: the dtype that its parameters have.
    """

    def __init__(self, cell: Cell, dtype: torch.dtype) -> None:
        self.recipe, self.dtype = RECIPES[type(cell)], dtype
        self.units, self.inputs = cell.units, cell.inputs
        self.lanes = WIDTH // dtype.itemsize
        fixed = isinstance(cell, ConstGate | TorchRNN)
        self.constant = float(cell.s) if fixed else 0.0
        self.panels = -(-self.units // self.lanes)
        self.wide = self.panels * self.lanes
        self.depth = self.wide + 1 + self.inputs
        self.starts = [0]
        for name, _, _ in self.recipe.sections:
            own = self.lanes if name == "u_s" else self.wide
            self.starts.append(self.starts[-1] + own)

    @property
    def height(self) -> int:
        """Scalars of all sections together."""
        return self.starts[-1]

    def blocks(self, matrix: Tensor) -> dict[str, Tensor]:
        """Give the views of a (section scalar, column) matrix that hold parameters."""
        views = {}
        for (h, x, one), start in zip(self.recipe.sections, self.starts, strict=False):
            rows = matrix[start] if h == "u_s" else matrix[start : start + self.units]
            views[one] = rows[..., self.wide]
            if h:
                views[h] = rows[..., : self.units]
            if x:
                views[x] = rows[..., self.wide + 1 : self.depth]
        return views

    def stack(self, values: Mapping[str, Tensor]) -> Tensor:
        """Give the matrix of given parameters (or of a direction among them)."""
        matrix = torch.zeros(self.height, self.depth, dtype=self.dtype)
        for name, block in self.blocks(matrix).items():
            if name in values:
                block.copy_(values[name])
        return matrix

    def by_section(self, matrix: Tensor) -> np.ndarray:
        """Give the matrix as (panel of sections, column, lane)."""
        panels = matrix.unflatten(0, (-1, self.lanes)).transpose(1, 2)
        return panels.contiguous().numpy()

    def by_column(self, matrix: Tensor, start: int, stop: int) -> np.ndarray:
        """Give some of its columns as (panel of columns, section scalar, lane)."""
        columns = matrix[:, start:stop]
        gap = -columns.shape[1] % self.lanes
        columns = torch.nn.functional.pad(columns, (0, gap))
        return (
            columns.unflatten(1, (-1, self.lanes)).transpose(0, 1).contiguous().numpy()
        )

    def kept(self, *, layernorm: bool) -> int:
        """Give the vectors of activations that are kept of one row."""
        return self.height // self.lanes + int(layernorm)

    def slots(self, *, layernorm: bool) -> int:
        """Give the vectors of partial derivatives of one row."""
        extra = self.recipe.gate == MEMORY or self.recipe.reset != PLAIN
        own = self.panels * (self.recipe.mixing + (3 if extra else 1))
        return own + (self.panels + 1 if layernorm else 0)

    def transposed(self, matrix: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Give the columns of h and those of x as panels."""
        of_h = self.by_column(matrix, 0, self.wide)
        return of_h, self.by_column(matrix, self.wide + 1, self.depth)

    @property
    def gradient_shape(self) -> tuple[int, int, int]:
        """Shape of the weights' gradient: (column, padded; panel of sections, lane)."""
        depth = self.lanes * -(-self.depth // self.lanes)
        return depth, self.height // self.lanes, self.lanes

    def gradients(self, weight: np.ndarray, gains: np.ndarray) -> dict[str, Tensor]:
        """Give each parameter's part of the gradient."""
        named = self.blocks(torch.from_numpy(weight).flatten(1).T)
        gain, bias, read = torch.from_numpy(gains).flatten(1)[:, : self.units]
        return named | {"ln_weight": gain, "ln_bias": bias, "read": read}

    def direction(
        self, direction: Mapping[str, Tensor]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Give a direction among the parameters as panels, and LayerNorm's as rows."""
        direction = {name: value.detach() for name, value in direction.items()}
        still = torch.zeros(self.units, dtype=self.dtype)
        norm = [direction.get(name, still) for name in ("ln_weight", "ln_bias")]
        weight = self.by_section(self.stack(direction))
        return weight, np.concatenate([self.row(values) for values in norm])

    def row(self, values: Tensor | None) -> np.ndarray:
        """Give a vector over units as (1, panel, lane); without panels for None."""
        if values is None:
            return torch.zeros(1, 0, self.lanes, dtype=self.dtype).numpy()
        padded = torch.nn.functional.pad(values, (0, self.wide - self.units))
        return padded.view(1, self.panels, self.lanes).numpy()

    def products(self) -> np.ndarray:
        """Give the table of products; see `Recurrence`."""
        p, depth = self.panels, self.depth
        last = self.height // self.lanes
        if self.recipe.reset == BEFORE:
            table = [(0, p, last, 0, depth), (1, 0, p, 0, depth)]
        elif self.recipe.reset == AFTER:
            table = [
                (0, p, 3 * p, 0, depth),
                (0, 3 * p, last, 0, self.wide + 1),
                (0, 0, p, self.wide, depth),
            ]
        else:
            table = [(0, 0, last, 0, depth)]
        return np.array(table, dtype=np.int64)

    def recurrence(self, matrix: Tensor, values: Mapping[str, Tensor]) -> Recurrence:
        """Give what the loops need, from the stacked matrix and LayerNorm's weights."""
        recipe = self.recipe
        return Recurrence(
            gate=recipe.gate,
            reset=recipe.reset,
            mixing=recipe.mixing,
            constant=self.constant,
            units=self.units,
            share=1 / self.units,
            products=self.products(),
            weight=self.by_section(matrix),
            gain=self.row(values.get("ln_weight")),
            bias=self.row(values.get("ln_bias")),
            live=self.row(matrix.new_ones(self.units)),
        )
