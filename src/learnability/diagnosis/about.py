"""What is to be known of a diagnosis beside its numbers."""

from importlib.metadata import version

import torch

from ..models.layer import Layer
from .options import DiagnosisOptions


def attributes(
    layer: Layer,
    seed: int,
    options: DiagnosisOptions,
    given: int,
    counted: str = "sequences",
) -> dict[str, str | int]:
    """Return what is to be known of a diagnosis beside its numbers.

    Args:
        layer: what was measured.
        seed: of everything drawn.
        options: how finely, and with how much work.
        given: sequences that the data held.
        counted: what a sample is.
    """
    track = layer.track
    if track.conversion is None:
        x = next(iter(layer.parts()))
        about = {
            "cell": "unknown",
            "units": x.states.shape[-1],
            "inputs": x.x.shape[-1],
        }
    else:
        cell = track.cell
        about = {
            "cell": type(cell).__name__,
            "layernorm": int(cell.layernorm),
            "units": cell.units,
            "inputs": cell.inputs,
        }
    return {
        "title": "learnability diagnosis",
        "learnability": version("learnability"),
        "torch": str(torch.__version__),
        "layer": track.name,
        "direction": "backward" if track.backward else "forward",
        **about,
        "sequences": given,
        "sample": len(layer),
        "counted": counted,
        "steps": int(layer.lengths.max()),
        "seed": seed,
        "options": options.model_dump_json(),
    }
