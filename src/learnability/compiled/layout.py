"""Where each parameter of a cell lies in the one matrix that the loops multiply by.

The rows of that matrix are sections, one a gate, each padded to whole vectors; its
columns are h (padded), 1 and x: ``pre = weight (h, 1, x)`` is every pre-activation.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from torch import Tensor

from ..cells import GRU, LSTM, Cell, ConstGate, DiagGate, SharedGate, TorchGRU, TorchRNN
from ._pointwise import AFTER, BEFORE, CONST, MEMORY, OWN, PLAIN, SHARED, Recurrence
from ._vectors import WIDTH, zeros

Arrays = Mapping[str, np.ndarray]
Section = tuple[str | None, str | None, str]  # names of the h, x and 1 columns


@dataclass(frozen=True)
class Kind:
    """How a class of cells becomes a `Recurrence`: its map and its sections."""

    gate: int
    reset: int
    mixing: int
    sections: tuple[Section, ...]


def _gates(suffixes: str) -> tuple[Section, ...]:
    return tuple((f"U_{g}", f"W_{g}", f"b_{g}") for g in suffixes)


_CANDIDATE: tuple[Section, ...] = (("W_h", "W_x", "b_x"),)

KINDS: dict[type[Cell], Kind] = {
    ConstGate: Kind(CONST, PLAIN, 1, _CANDIDATE),
    TorchRNN: Kind(CONST, PLAIN, 1, _CANDIDATE),  # tanh alone, see `compiles`
    SharedGate: Kind(SHARED, PLAIN, 2, (*_CANDIDATE, ("u_s", "w_s", "b_s"))),
    DiagGate: Kind(OWN, PLAIN, 2, _CANDIDATE + _gates("s")),
    GRU: Kind(OWN, BEFORE, 2, _gates("gzr")),
    TorchGRU: Kind(
        OWN, AFTER, 2, ((None, "W_g", "b_g"), *_gates("zr"), ("U_g", None, "b_u"))
    ),
    LSTM: Kind(MEMORY, PLAIN, 3, _gates("gifo")),
}


def arrays(tensors: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    """Give tensors on a CPU as arrays, without a copy."""
    return {name: tensor.detach().numpy() for name, tensor in tensors.items()}


def compiles(cell: Cell) -> bool:
    """Tell whether the loops know the cell; they have tanh and no other candidate."""
    return type(cell) in KINDS and getattr(cell, "nonlinearity", "tanh") == "tanh"


class Layout:
    """The places of one cell's parameters.

    Args:
        cell: a cell of one of the classes in `KINDS`.
        dtype: the dtype that its parameters have.
    """

    def __init__(self, cell: Cell, dtype: np.dtype) -> None:
        self.kind, self.dtype = KINDS[type(cell)], dtype
        self.units, self.inputs = cell.units, cell.inputs
        self.lanes = WIDTH // dtype.itemsize
        # A cell without a gate is one that keeps nothing: its gate stands at 1.
        self.constant = float(cell.s) if isinstance(cell, ConstGate) else 1.0
        self.panels = -(-self.units // self.lanes)
        self.wide = self.panels * self.lanes
        self.depth = self.wide + 1 + self.inputs
        self.starts = [0]
        for name, _, _ in self.kind.sections:
            own = self.lanes if name == "u_s" else self.wide
            self.starts.append(self.starts[-1] + own)

    @property
    def height(self) -> int:
        """Scalars of all sections together."""
        return self.starts[-1]

    def blocks(self, matrix: np.ndarray) -> dict[str, np.ndarray]:
        """Give the views of a (section scalar, column) matrix that hold parameters."""
        views = {}
        for (h, x, one), start in zip(self.kind.sections, self.starts, strict=False):
            rows = matrix[start] if h == "u_s" else matrix[start : start + self.units]
            views[one] = rows[..., self.wide]
            if h:
                views[h] = rows[..., : self.units]
            if x:
                views[x] = rows[..., self.wide + 1 : self.depth]
        return views

    def stack(self, values: Arrays) -> np.ndarray:
        """Give the matrix of given parameters (or of a direction among them)."""
        matrix = np.zeros((self.height, self.depth), self.dtype)
        for name, block in self.blocks(matrix).items():
            if name in values:
                block[...] = values[name]
        return matrix

    def by_section(self, matrix: np.ndarray) -> np.ndarray:
        """Give the matrix as (panel of sections, column, lane)."""
        panels = matrix.reshape(-1, self.lanes, self.depth).swapaxes(1, 2)
        return self._aligned(panels.shape, panels)

    def by_column(self, matrix: np.ndarray, start: int, stop: int) -> np.ndarray:
        """Give some of its columns as (panel of columns, section scalar, lane)."""
        columns = matrix[:, start:stop]
        gap = -columns.shape[1] % self.lanes
        if gap:
            columns = np.pad(columns, ((0, 0), (0, gap)))
        panels = columns.reshape(self.height, -1, self.lanes).swapaxes(0, 1)
        return self._aligned(panels.shape, panels)

    def _aligned(self, shape: tuple[int, ...], values: np.ndarray) -> np.ndarray:
        found = zeros.py_func(shape, self.dtype)
        found[...] = values
        return found

    def kept(self, *, layernorm: bool) -> int:
        """Give the vectors of activations that are kept of one row."""
        return self.height // self.lanes + int(layernorm)

    def slots(self, *, layernorm: bool) -> int:
        """Give the vectors of partial derivatives of one row."""
        extra = self.kind.gate == MEMORY or self.kind.reset != PLAIN
        own = self.panels * (self.kind.mixing + (3 if extra else 1))
        return own + (self.panels + 1 if layernorm else 0)

    @property
    def gradient_shape(self) -> tuple[int, int, int]:
        """Shape of the weights' gradient: (column, padded; panel of sections, lane)."""
        depth = self.lanes * -(-self.depth // self.lanes)
        return depth, self.height // self.lanes, self.lanes

    def gradients(self, weight: np.ndarray, gains: np.ndarray) -> dict[str, np.ndarray]:
        """Give each parameter's part of the gradient."""
        named = self.blocks(weight.reshape(len(weight), -1).T)
        gain, bias, read = gains.reshape(len(gains), -1)[:, : self.units]
        return named | {"ln_weight": gain, "ln_bias": bias, "read": read}

    def direction(self, direction: Arrays) -> tuple[np.ndarray, np.ndarray]:
        """Give a direction among the parameters as panels, and LayerNorm's as rows."""
        still = np.zeros(self.units, self.dtype)
        norm = [direction.get(name, still) for name in ("ln_weight", "ln_bias")]
        weight = self.by_section(self.stack(direction))
        return weight, np.concatenate([self.row(values) for values in norm])

    def row(self, values: np.ndarray | None) -> np.ndarray:
        """Give a vector over units as (1, panel, lane); without panels for None."""
        if values is None:
            return np.zeros((1, 0, self.lanes), self.dtype)
        padded = zeros.py_func((1, self.panels, self.lanes), self.dtype)
        padded.reshape(-1)[: self.units] = values
        return padded

    def products(self) -> np.ndarray:
        """Give the table of products; see `Recurrence`."""
        p, depth = self.panels, self.depth
        last = self.height // self.lanes
        if self.kind.reset == BEFORE:
            table = [(0, p, last, 0, depth), (1, 0, p, 0, depth)]
        elif self.kind.reset == AFTER:
            table = [
                (0, p, 3 * p, 0, depth),
                (0, 3 * p, last, 0, self.wide + 1),
                (0, 0, p, self.wide, depth),
            ]
        else:
            table = [(0, 0, last, 0, depth)]
        return np.array(table, dtype=np.int64)

    def recurrence(self, matrix: np.ndarray, values: Arrays) -> Recurrence:
        """Give what the loops need, from the stacked matrix and LayerNorm's weights."""
        kind = self.kind
        return Recurrence(
            gate=kind.gate,
            reset=kind.reset,
            mixing=kind.mixing,
            constant=self.constant,
            units=self.units,
            share=1 / self.units,
            products=self.products(),
            weight=self.by_section(matrix),
            gain=self.row(values.get("ln_weight")),
            bias=self.row(values.get("ln_bias")),
            live=self.row(np.ones(self.units, self.dtype)),
        )


class Prepared(NamedTuple):
    """A cell's parameters as loops read them.

    Attributes:
        layout: where each lies.
        rec: the recurrence.
        matrix: all weights; see `Layout.stack`.
    """

    layout: Layout
    rec: Recurrence
    matrix: np.ndarray

    def transposed(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the columns of h and those of x as panels."""
        of_h = self.layout.by_column(self.matrix, 0, self.layout.wide)
        start, stop = self.layout.wide + 1, self.layout.depth
        return of_h, self.layout.by_column(self.matrix, start, stop)


def prepared(
    cell: Cell, dtype: np.dtype, values: Mapping[str, Tensor] | None = None
) -> Prepared:
    """Return a cell's parameters, or others of their names, as loops read them."""
    layout = Layout(cell, dtype)
    given = arrays(dict(cell.named_parameters()) if values is None else values)
    matrix = layout.stack(given)
    return Prepared(layout, layout.recurrence(matrix, given), matrix)
