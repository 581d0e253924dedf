"""`learnability diagnose`: a trained model from files."""

import importlib
import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import torch
from rich.console import Console
from torch import nn

from ..checked import check_unique, checked_seed
from ..grid import spread_lags
from .app import NUMBER, Output, Reals, Whole, Wholes, Words
from .terminal import Display, output_file, print_table, say

if TYPE_CHECKING:
    from ..diagnosis import Diagnosis

# Lags measured unless they are given, spread evenly in logarithm.
FEW_LAGS = 24


def diagnose(
    weights: Path,
    /,
    *,
    model: str,
    data: Path,
    loss: Literal["mse", "ce"],
    lags: Wholes = None,
    layers: Words = None,
    n_sequences: Reals = None,
    target: str | None = None,
    window: Whole = None,
    stride: Whole = None,
    output: Output = None,
    seed: Annotated[int, NUMBER] = 0,
) -> None:
    """Diagnose the recurrent layers of a trained PyTorch model.

    Weights and data never run code; --model imports the module that it names, and so
    does run that module's code.

    Parameters
    ----------
    weights
        The trained weights: safetensors, or a state dict that `torch.save` wrote.
    model
        Where to find what makes the model, such as `mypackage.models:make`; it is
        imported from the current folder or the installed packages and called without
        arguments. Inputs are batch first.
    data
        NPZ or NetCDF with x (sequence, step, input) and y; or one long series as NPY,
        CSV or Parquet, which is cut into windows whose target is the next value.
    loss
        mse: mean square error; ce: cross-entropy of classes.
    lags
        Lags in steps; 24 of them over the windows unless given.
    layers
        Names of recurrent layers; all unless given.
    n_sequences
        Numbers of sequences N whose windows H_N are reported.
    target
        Column of a series to predict; the last unless given.
    window
        Steps of a window cut from a series; 128 unless given.
    stride
        Steps from one window to the next; half a window unless given.
    output
        NetCDF file for the diagnoses, ending in .nc.
    seed
        Seed from which every random stream is derived.
    """
    from ..compiled import tune_process
    from ..diagnosis import diagnose as measured
    from ..models.files import load_data, load_weights

    checked_seed(seed)
    numbers = [100.0, 1_000.0, 10_000.0] if n_sequences is None else n_sequences
    check_unique("number of sequences", numbers)
    check_unique("layer", layers or [])
    for number in numbers:
        if number <= 0:
            raise ValueError(f"--n-sequences has {number:g}; give numbers above 0")
    if output is not None:
        output_file(output, ".nc")
    found = load_data(data, target=target, window=window, stride=stride)
    say(found.said)
    made = factory(model)
    load_weights(made, weights)
    steps = found.x.shape[1]
    chosen = spread_lags(max(1, steps - 1), FEW_LAGS) if lags is None else lags
    tune_process()
    with Display(Console()) as display:
        diagnoses = measured(
            made,
            (found.x, found.y),
            loss,
            chosen,
            layers=layers,
            seed=seed,
            progress=display.begin("diagnosis"),
        )
    if output is not None:  # first: what follows can be had again from the file
        diagnoses.save(output)
    _show(diagnoses, numbers)
    for sentence in diagnoses.advice():
        say(sentence)
    if output is not None:
        say(f"saved: {output}")


def factory(name: str) -> nn.Module:
    """Import a module and let it make the model.

    Args:
        name: such as ``mypackage.models:make``.

    Raises:
        ValueError: if the name is no such thing, or the factory makes no module.
    """
    module, colon, attribute = name.partition(":")
    if not colon or not all(p.isidentifier() for p in (*module.split("."), attribute)):
        raise ValueError(f"--model is {name!r}; write it as module:factory")
    if "" not in sys.path:  # a console script does not look into the current folder
        sys.path.insert(0, "")
    try:
        made = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"--model {name} could not be imported ({error}); see that it can be from "
            "the current folder"
        ) from error
    if not isinstance(made, nn.Module):
        made = _called(name, made)
    if not isinstance(made, nn.Module):
        raise ValueError(
            f"--model {name} made a {type(made).__name__}; it must make a "
            "torch.nn.Module"
        )
    return made.to(torch.float32)


def _called(name: str, make: Any) -> Any:
    """Let a factory make a model; what its own code raises is shown as it is."""
    try:
        inspect.signature(make).bind()
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"--model {name} is not called without arguments ({error}); name a factory "
            "that needs none"
        ) from error
    return make()


def _show(diagnoses: "Diagnosis", n_sequences: list[float]) -> None:
    """Print what is seen, kept and learnt and windows, a row per layer."""
    from ..summaries.progress import COLUMNS, progress

    rows = []
    for name, one in diagnoses.items():
        found: Any = one.window(n_sequences).itertuples()
        cells = (
            f"{'≥' if row.censored else ''}{row.window} ({row.lower} to {row.upper})"
            for row in found
        )
        rows.append([name, *progress(one.tree).cells().values(), *cells])
    heads = ["layer", *COLUMNS, *(f"H at N = {n:g}" for n in n_sequences)]
    print_table(heads, rows, "windows")
