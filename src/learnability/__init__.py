"""Measure how far back in time a recurrent network can learn."""

import sys
from importlib import import_module
from importlib.metadata import version
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what `__getattr__` loads when it is used
    from . import design, detection, evidence, models, stable, transport
    from .cells import (
        GRU,
        LRU,
        LSTM,
        MLSTM,
        RGLRU,
        S6,
        SLSTM,
        Cell,
        ConstGate,
        DiagGate,
        DiagRNN,
        GatedDeltaNet,
        MinGRU,
        MinLSTM,
        SharedGate,
        TorchGRU,
        TorchRNN,
    )
    from .detection import decay
    from .diagnosis import (
        Diagnosis,
        DiagnosisOptions,
        LayerDiagnosis,
        Monitor,
        diagnose,
    )
    from .models.refusal import UnsupportedModelError
    from .models.stepping import cell
    from .recipe import GradientNoise, Recipe
    from .tasks import MultiLag, Recall, Sequences
    from .training import Training, train
    from .unroll import Classifier, Network, unroll
    from .verdict import dependence

__version__ = version("learnability")

__all__ = [
    "GRU",
    "LRU",
    "LSTM",
    "MLSTM",
    "RGLRU",
    "S6",
    "SLSTM",
    "Cell",
    "Classifier",
    "ConstGate",
    "DiagGate",
    "DiagRNN",
    "Diagnosis",
    "DiagnosisOptions",
    "GatedDeltaNet",
    "GradientNoise",
    "LayerDiagnosis",
    "MinGRU",
    "MinLSTM",
    "Monitor",
    "MultiLag",
    "Network",
    "Recall",
    "Recipe",
    "Sequences",
    "SharedGate",
    "TorchGRU",
    "TorchRNN",
    "Training",
    "UnsupportedModelError",
    "cell",
    "decay",
    "dependence",
    "design",
    "detection",
    "diagnose",
    "evidence",
    "models",
    "stable",
    "train",
    "transport",
    "unroll",
]

_CELLS = """
Cell ConstGate DiagGate DiagRNN GRU GatedDeltaNet LRU LSTM MLSTM MinGRU MinLSTM RGLRU S6
SLSTM SharedGate TorchGRU TorchRNN
"""
_RESULTS = "Diagnosis DiagnosisOptions LayerDiagnosis Monitor diagnose"
_HOMES = {
    **dict.fromkeys(_CELLS.split(), "cells"),
    "decay": "detection",
    **dict.fromkeys(_RESULTS.split(), "diagnosis"),
    "cell": "models.stepping",
    "UnsupportedModelError": "models.refusal",
    "dependence": "verdict",
    **dict.fromkeys(("GradientNoise", "Recipe"), "recipe"),
    **dict.fromkeys(("MultiLag", "Recall", "Sequences"), "tasks"),
    **dict.fromkeys(("Training", "train"), "training"),
    **dict.fromkeys(("Classifier", "Network", "unroll"), "unroll"),
}
"""The module of every public name that is no module itself."""


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used (PEP 562): torch takes seconds."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in _HOMES:
        found = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    else:
        found = import_module(f".{name}", __name__)
    if name != "unroll":
        globals()[name] = found
    return found


class _Package(ModuleType):
    """This package, of which ``unroll`` is the function and not its module."""

    @property
    def unroll(self) -> Any:
        return __getattr__("unroll")

    @unroll.setter
    def unroll(self, module: ModuleType) -> None:
        """Leave alone what Python sets when the module is imported."""


def __dir__() -> list[str]:
    """Return the public names, loaded or not."""
    return sorted({*globals(), *__all__})


sys.modules[__name__].__class__ = _Package
