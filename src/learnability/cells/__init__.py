"""Recurrences as PyTorch modules: an equation a class."""

from .base import Cell, Steps, previous
from .closed import Initialisation, Options, OuterProductFactor
from .diagonal import DiagRNN
from .gated import GRU, LSTM, TorchGRU
from .leaky import ConstGate, DiagGate, SharedGate, TorchRNN
from .lru import LRU, RGLRU
from .minimal import MinGRU, MinLSTM

CELLS: dict[str, type[Cell]] = {
    cell.__name__: cell
    for cell in (
        ConstGate,
        SharedGate,
        DiagGate,
        GRU,
        LSTM,
        MinGRU,
        MinLSTM,
        DiagRNN,
        RGLRU,
        LRU,
    )
}

__all__ = [
    "CELLS",
    "GRU",
    "LRU",
    "LSTM",
    "RGLRU",
    "Cell",
    "ConstGate",
    "DiagGate",
    "DiagRNN",
    "Initialisation",
    "MinGRU",
    "MinLSTM",
    "Options",
    "OuterProductFactor",
    "SharedGate",
    "Steps",
    "TorchGRU",
    "TorchRNN",
    "previous",
]
