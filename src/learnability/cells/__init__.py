"""Recurrences as PyTorch modules: an equation a class."""

from .base import Cell, Steps, previous
from .closed import Initialisation, Options, OuterProductFactor
from .gated import GRU, LSTM, TorchGRU
from .leaky import ConstGate, DiagGate, SharedGate, TorchRNN

CELLS: dict[str, type[Cell]] = {
    cell.__name__: cell for cell in (ConstGate, SharedGate, DiagGate, GRU, LSTM)
}

__all__ = [
    "CELLS",
    "GRU",
    "LSTM",
    "Cell",
    "ConstGate",
    "DiagGate",
    "Initialisation",
    "Options",
    "OuterProductFactor",
    "SharedGate",
    "Steps",
    "TorchGRU",
    "TorchRNN",
    "previous",
]
