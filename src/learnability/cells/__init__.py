"""Recurrences as PyTorch modules: an equation a class."""

from .base import Cell, Steps, previous
from .closed import ClosedForm, Initialisation, Options, OuterProductFactor
from .delta import GatedDeltaNet
from .diagonal import DiagRNN
from .gated import GRU, LSTM, TorchGRU
from .leaky import ConstGate, DiagGate, SharedGate, TorchRNN
from .lru import LRU, RGLRU
from .minimal import MinGRU, MinLSTM
from .s6 import S6
from .xlstm import MLSTM, SLSTM

CELLS: dict[str, type[ClosedForm]] = {
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
        S6,
        SLSTM,
        MLSTM,
        GatedDeltaNet,
    )
}

__all__ = [
    "CELLS",
    "GRU",
    "LRU",
    "LSTM",
    "MLSTM",
    "RGLRU",
    "S6",
    "SLSTM",
    "Cell",
    "ConstGate",
    "DiagGate",
    "DiagRNN",
    "GatedDeltaNet",
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
