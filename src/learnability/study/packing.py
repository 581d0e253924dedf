"""Nested records with tensors as one file of bytes that never runs code."""

import json
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor


def packed(record: object) -> bytes:
    """Give a record as safetensors, its structure as JSON in the header.

    Args:
        record: dicts, lists, tuples, numbers, text, None and tensors, nested.

    Example:
        >>> import torch
        >>> unpacked(packed({0: (1.5, None), "w": torch.ones(2)}))
        {0: (1.5, None), 'w': tensor([1., 1.])}
    """
    tensors: dict[str, Tensor] = {}
    structure = json.dumps(_taken_apart(record, tensors))
    return safetensors.torch.save(tensors, {"structure": structure})


def unpacked(content: bytes) -> Any:
    """Give back what `packed` made.

    Args:
        content: the bytes.

    Raises:
        ValueError: if they are not from `packed`.
    """
    try:
        tensors = safetensors.torch.load(content)
        size = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + size])
        structure = json.loads(header["__metadata__"]["structure"])
    except (SafetensorError, KeyError, ValueError) as error:
        raise ValueError(f"this is no packed record ({error})") from error
    return _put_together(structure, tensors)


def _taken_apart(record: object, tensors: dict[str, Tensor]) -> object:
    """Give a record as JSON knows it; tensors go aside, under numbers."""
    match record:
        case Tensor():
            name = f"{len(tensors):06d}"
            # A copy: safetensors takes no two tensors that share their memory.
            tensors[name] = record.detach().clone().contiguous()
            return {"tensor": name}
        case dict():
            pairs = [[k, _taken_apart(v, tensors)] for k, v in record.items()]
            return {"dict": pairs}
        case tuple():
            return {"tuple": [_taken_apart(v, tensors) for v in record]}
        case list():
            return [_taken_apart(v, tensors) for v in record]
        case None | bool() | int() | float() | str():
            return record
    raise TypeError(f"a {type(record).__name__} cannot be packed")


def _put_together(structure: Any, tensors: dict[str, Tensor]) -> Any:
    match structure:
        case {"tensor": name}:
            return tensors[name]
        case {"dict": pairs}:
            return {k: _put_together(v, tensors) for k, v in pairs}
        case {"tuple": values}:
            return tuple(_put_together(v, tensors) for v in values)
        case list():
            return [_put_together(v, tensors) for v in structure]
    return structure
