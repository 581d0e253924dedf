"""What a model or its data have that cannot be diagnosed."""

from typing import Any

import torch
from torch import nn

# What goes wrong inside other people's code when shapes or types do not fit.
WRONG = (RuntimeError, TypeError, ValueError, IndexError, KeyError, AttributeError)


class UnsupportedModelError(ValueError):
    """What cannot be diagnosed: one sentence that says why, and what to do about it."""


class UnsupportedLayerError(UnsupportedModelError):
    """What one module has that its equation does not say.

    The model can be diagnosed without knowing it: see `modules`.

    Args:
        path: the module's name.
        sentence: what is wrong and what to do about it.
    """

    def __init__(self, path: str, sentence: str) -> None:
        super().__init__(sentence)
        self.path = path

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return UnsupportedLayerError, (self.path, str(self))


def first_line(error: BaseException) -> str:
    """Give the first line of an error's words."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def remedy(error: BaseException) -> str:
    """Return what to do where a model does not take what it is given."""
    words = str(error)
    if "enforce_sorted" in words:
        return (
            "pack with pack_padded_sequence(..., enforce_sorted=False), which gives "
            "the same in any order, or give a loader whose batches are sorted"
        )
    if "positional argument" in words:
        return (
            "all of a batch but its last part goes into the model: put what the loss "
            "takes together, (inputs, (targets, mask)), with loss(outputs, (targets, "
            "mask))"
        )
    return (
        "give batches (inputs, ..., targets) that fit, or dictionaries whose entries "
        "bear the names of its arguments"
    )


def checked_model(model: Any) -> nn.Module:
    """Return a model, or say that it is none.

    Raises:
        ValueError: if it is no module of PyTorch, or one of TorchScript.
    """
    if not isinstance(model, nn.Module):
        raise UnsupportedModelError(
            f"the model is {model!r}; give an instance of nn.Module"
        )
    refuse_scripted("the model", model)
    return model


def refuse_scripted(name: str, module: Any) -> None:
    """Refuse a module of TorchScript, whose calls cannot be seen.

    Raises:
        ValueError: if it is one.
    """
    if isinstance(module, torch.jit.ScriptModule):
        raise UnsupportedModelError(
            f"{name} is scripted: TorchScript lets nobody see its calls; give the "
            "module that was handed to torch.jit.script, with the weights of its "
            "state_dict()"
        )
