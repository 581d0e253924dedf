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
from ..storage import place, replace_file
from .app import CHOICE, NUMBER, Output, Reals, Whole, Wholes, Words
from .terminal import Display, answered, output_file, say

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
    loss: Annotated[Literal["mse", "ce"], CHOICE],
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

    For example: `learnability diagnose weights.pt --model mymodels:make --data data.npz
    --loss mse`

    It ends with the answer, a picture and a page; all numbers lie in the file beside
    them.

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
        Numbers of sequences N whose windows are reported; a hundredth, a tenth and all
        of the data's unless given.
    target
        Column of a series to predict; the last unless given.
    window
        Steps of a window cut from a series; 128 unless given.
    stride
        Steps from one window to the next; half a window unless given.
    output
        NetCDF file for all numbers, ending in .nc, beside which the picture (.png) and
        the page (.html) are put; the weights' name with -diagnosis.nc, in the current
        folder, unless given.
    seed
        Seed from which every random stream is derived.
    """
    from ..compiled import tune_process
    from ..diagnosis import diagnose as measured
    from ..models.files import load_data, load_weights

    checked_seed(seed)
    check_unique("number of sequences", n_sequences or [])
    check_unique("layer", layers or [])
    for number in n_sequences or []:
        if number <= 0:
            raise ValueError(f"--n-sequences has {number:g}; give numbers above 0")
    name = f"{weights.stem}-diagnosis.nc" if output is None else output
    output_file(name, ".nc")
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
    diagnoses.save(name)  # first: what follows can be had again from the file
    _show(diagnoses, name, n_sequences)


def _show(found: "Diagnosis", name: str, n_sequences: list[float] | None) -> None:
    """Write a picture and a page beside the numbers; print the answer and the paths."""
    from ..plots import draw, rendered
    from ..summaries import summed

    study = found.study(n_sequences)
    picture, page = (place(name).with_suffix(end) for end in (".png", ".html"))
    drawn = draw("answer", summed(study.lines, study.n_sequences))
    replace_file(picture, rendered(drawn))
    found.report(str(page), n_sequences=n_sequences)
    answered(study)
    for sentence in found.refused.values():
        say(sentence)
    for what, file in (("numbers", name), ("picture", picture), ("page", page)):
        say(f"{what}: {file}")


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
