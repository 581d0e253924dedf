"""PyTorch's recurrent layers as this package's cells, and gradients the way back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast, final

import torch
from jaxtyping import Float
from torch import Tensor, nn, optim

from ..cells import LSTM, Cell, TorchGRU, TorchRNN
from ..cells.leaky import Nonlinearity
from ..evidence.rates import NoRates, parameter_rates

INNER = "weight_hh"
OUTER = "weight_ih"
BIASES = ("bias_ih", "bias_hh")


@dataclass(frozen=True)
class Piece:
    """One of a cell's parameters: the signed sum of rows of a layer's parameters.

    Attributes:
        sources: names of the layer's parameters, without their layer's suffix.
        part: which of the equal parts that their rows have.
        sign: -1 where PyTorch's gate is 1 minus this package's.
    """

    sources: tuple[str, ...]
    part: int = 0
    sign: int = 1


def _affine(name: str, part: int, sign: int = 1) -> dict[str, Piece]:
    """Give W, U and b of one gate; PyTorch has two biases, which add up."""
    return {
        f"W_{name}": Piece((OUTER,), part, sign),
        f"U_{name}": Piece((INNER,), part, sign),
        f"b_{name}": Piece(BIASES, part, sign),
    }


# PyTorch's z is the share of the old state that a GRU keeps: 1 - z, and so -W, -U, -b.
PIECES: dict[str, dict[str, Piece]] = {
    "RNN": {"W_x": Piece((OUTER,)), "W_h": Piece((INNER,)), "b_x": Piece(BIASES)},
    "GRU": _affine("r", 0)
    | _affine("z", 1, -1)
    | _affine("g", 2)
    | {"b_g": Piece(("bias_ih",), 2), "b_u": Piece(("bias_hh",), 2)},
    "LSTM": _affine("i", 0) | _affine("f", 1) | _affine("g", 2) | _affine("o", 3),
}
# Rounding that a recurrence may enlarge; a wrong convention differs by far more.
CLOSE = 1e-2
KNOWN_TYPES = (torch.float32, torch.float64, torch.complex64, torch.complex128)
PARTS = {"RNN": 1, "GRU": 3, "LSTM": 4}
Layer = nn.RNNBase | nn.RNNCellBase


def kind_of(layer: nn.Module) -> str | None:
    """Give ``RNN``, ``GRU`` or ``LSTM`` for a recurrent layer or cell of PyTorch."""
    kinds = {
        "RNN": (nn.RNN, nn.RNNCell),
        "GRU": (nn.GRU, nn.GRUCell),
        "LSTM": (nn.LSTM, nn.LSTMCell),
    }
    return next((k for k, types in kinds.items() if isinstance(layer, types)), None)


@final
@dataclass(frozen=True)
class Conversion:
    """A cell, and where in a model its parameters come from.

    Attributes:
        cell: the cell, on the CPU, a copy.
        layer: the model's own layer.
        kind: ``RNN``, ``GRU`` or ``LSTM``; None where the layer is a cell already.
        suffix: what the layer's parameters of this recurrence end with, ``_l0``.
    """

    cell: Cell
    layer: nn.Module
    kind: str | None = None
    suffix: str = ""

    @property
    def pieces(self) -> dict[str, Piece]:
        """Give where each of the cell's parameters comes from."""
        return {} if self.kind is None else PIECES[self.kind]

    def back(self, named: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Give gradients by the cell's parameters as those by the layer's own.

        Args:
            named: gradients by the cell's names, all of them.
        """
        if self.kind is None:
            return dict(named)
        parts: dict[str, dict[int, Tensor]] = {}
        for name, piece in self.pieces.items():
            for source in piece.sources:
                parts.setdefault(source, {})[piece.part] = piece.sign * named[name]
        return {
            source + self.suffix: torch.cat([rows[k] for k in sorted(rows)])
            for source, rows in parts.items()
            if hasattr(self.layer, source + self.suffix)
        }

    def rates(self, optimizer: optim.Optimizer) -> Float[Tensor, "matrix unit unit"]:
        """Give the optimizer's step size of every recurrent weight.

        Raises:
            NoRates: as `evidence.parameter_rates`, and where the cell has no recurrent
                weights.
        """
        if not self.cell.recurrent:
            raise NoRates(self.cell.no_rates)
        found = []
        for name in self.cell.recurrent:
            piece = self.pieces.get(name)
            source = name if piece is None else piece.sources[0] + self.suffix
            rates = parameter_rates(optimizer, getattr(self.layer, source))
            part = 0 if piece is None else piece.part
            own = rates.chunk(len(rates) // self.cell.units)[part]
            found.append(own if own.ndim > 1 else own[:, None].expand(-1, len(own)))
        return torch.stack(found).detach().cpu()


def converted(layer: Layer, *, place: int = 0, backward: bool = False) -> Conversion:
    """Give a layer's recurrence, with its weights, as a cell of this package.

    Args:
        layer: `torch.nn` RNN, GRU or LSTM, or one of their cells.
        place: which layer of several.
        backward: the backward direction of a bidirectional layer.

    Raises:
        ValueError: if the layer has projections, weights that are not finite, or
            another dtype than float32 or float64.

    Example:
        >>> import torch
        >>> converted(torch.nn.GRU(2, 3)).cell.U_z.shape
        torch.Size([3, 3])
    """
    kind = kind_of(layer)
    if kind is None:
        raise ValueError(f"{type(layer).__name__} is no RNN, GRU or LSTM of PyTorch")
    if getattr(layer, "proj_size", 0):
        raise ValueError(
            f"an LSTM with projections (proj_size={layer.proj_size}) cannot be "
            "diagnosed; train one with proj_size=0"
        )
    single = isinstance(layer, nn.RNNCellBase)
    suffix = "" if single else f"_l{place}" + ("_reverse" if backward else "")
    weight = getattr(layer, OUTER + suffix)
    _check(layer, suffix)
    cell = _empty(kind, layer, weight.shape[1]).to(weight.dtype)
    with torch.no_grad():
        for name, piece in PIECES[kind].items():
            parameter = getattr(cell, name)
            parameter.zero_()
            for source in piece.sources:
                values = getattr(layer, source + suffix, None)
                if values is not None:
                    rows = values.chunk(PARTS[kind])[piece.part]
                    parameter.add_(rows.to(parameter.device), alpha=piece.sign)
    return Conversion(cell.requires_grad_(False), layer, kind, suffix)


def _check(layer: nn.Module, suffix: str) -> None:
    for source in (OUTER, INNER, *BIASES):
        values = getattr(layer, source + suffix, None)
        if values is not None:
            check_values(f"{source}{suffix}", values)


def check_values(name: str, values: Tensor) -> None:
    """Say what is wrong with a weight, if anything.

    Raises:
        ValueError: if the weight is not finite, or of a type that is not diagnosed;
            whole numbers are none.
    """
    real = values.is_floating_point() or values.is_complex()
    if real and values.dtype not in KNOWN_TYPES:
        raise ValueError(
            f"the weights {name} are {values.dtype}; call model.float() first"
        )
    if not torch.isfinite(values).all():
        raise ValueError(
            f"the weights {name} are not finite; go back to a checkpoint before they "
            "diverged"
        )


def _empty(kind: str, layer: Layer, inputs: int) -> Cell:
    units = layer.hidden_size
    if kind == "GRU":
        return TorchGRU(inputs, units, init="uniform")
    if kind == "LSTM":
        return LSTM(inputs, units, init="uniform")
    nonlinearity = cast(Nonlinearity, layer.nonlinearity)
    return TorchRNN(inputs, units, nonlinearity=nonlinearity, init="uniform")
