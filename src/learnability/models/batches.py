"""Data of any form as batches: tensors, arrays, dictionaries, datasets, loaders.

A batch is a tuple (inputs, ..., targets), of which the model is called with all but the
last and the loss is given the last; or a mapping, of which the model is called with the
entries that its forward pass names, or with all as one argument, and the loss is given
all.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from inspect import Parameter, signature
from numbers import Number
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset

from ..randomness import Seed, torch_generator
from ..tasks import Sequences
from .items import Items
from .quiet import HALF
from .refusal import UnsupportedModelError
from .trees import Place, length_along, placed, remade, replaced

SIZE = 64  # items of a part, about
FIRST = 16  # items by which a model is asked what it takes
Batch = Sequence[Any] | Mapping[str, Any]
BY_PLACE = Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD

KINDS = (
    "give (inputs, targets) as tensors or arrays, a dictionary of them, Sequences, a "
    "Dataset, or something that yields batches (inputs, ..., targets)"
)


def called(model: nn.Module, batch: Batch) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments that a model is called with.

    The entries of a dictionary go to the arguments that have their names; the whole of
    it to a model that has none of these names and cannot be called without an argument.
    """
    if not isinstance(batch, Mapping):
        return tuple(batch[:-1]), {}
    asked = list(signature(model.forward).parameters.values())
    if any(p.kind is Parameter.VAR_KEYWORD for p in asked):
        return (), dict(batch)
    names = {p.name for p in asked}
    named = {name: value for name, value in batch.items() if name in names}
    needed = any(p.default is Parameter.empty and p.kind in BY_PLACE for p in asked)
    return ((dict(batch),), {}) if needed and not named else ((), named)


def judged(batch: Batch) -> Any:
    """Return what the loss is given of a batch beside the outputs."""
    return batch if isinstance(batch, Mapping) else batch[-1]


def is_judged(batch: Batch, place: Place) -> bool:
    """Tell whether the loss is given what lies at a place."""
    return isinstance(batch, Mapping) or place[0] == len(batch) - 1


def is_called(model: nn.Module, batch: Batch, place: Place) -> bool:
    """Tell whether the model is given what lies at a place."""
    if isinstance(batch, Mapping):
        whole, named = called(model, batch)
        return bool(whole) or place[0] in named
    return place[0] < len(batch) - 1


def whole(data: Any, dtype: torch.dtype = torch.float32) -> Batch | None:
    """Return data that are whole tensors, sequences first; None if they are not.

    Args:
        data: as for `diagnose`.
        dtype: of arrays of floating-point numbers.

    Raises:
        ValueError: if they hold different numbers of sequences.
    """
    if isinstance(data, Sequences):
        data = (data.x, data.y)
    if isinstance(data, tuple | list):
        if not any(map(_is_array, data)):
            return None
        if not all(_is_array(part) or isinstance(part, tuple) for part in data):
            return None
        data = tuple(data)
    elif not isinstance(data, Mapping):
        return None
    found = tensors(data, dtype)
    sizes = [len(leaf) if leaf.ndim else 0 for _, leaf in placed(found)]
    if len(sizes) < 2 or len(set(sizes)) > 1 or not sizes[0]:
        raise UnsupportedModelError(
            f"the data hold {sizes} sequences; give inputs and targets of equally many"
        )
    return found


def _is_array(value: Any) -> bool:
    """Tell whether a value is an array of numbers: a tensor, or what NumPy reads."""
    if isinstance(value, list):
        while isinstance(value, list) and value:
            value = value[0]
        return isinstance(value, Number)
    return isinstance(value, Tensor) or hasattr(value, "__array__")


def tensors(tree: Any, dtype: torch.dtype = torch.float32) -> Any:
    """Return the same tree with every array as a tensor.

    Args:
        tree: tensors, arrays, lists of numbers in tuples and mappings.
        dtype: of arrays of floating-point numbers and of tensors of half precision;
            whole numbers stay.

    Raises:
        ValueError: if an array holds no numbers.
    """
    if isinstance(tree, Tensor | PackedSequence):
        values = tree if isinstance(tree, Tensor) else tree.data
        return tree.to(dtype) if values.dtype in HALF else tree
    if isinstance(tree, Mapping):
        return remade(tree, {name: tensors(v, dtype) for name, v in tree.items()})
    if _is_array(tree):
        if np.ma.is_masked(tree):
            raise UnsupportedModelError(
                "an array of the data has masked values; fill them in, or leave out "
                "what holds them"
            )
        values = np.asarray(tree)
        if values.dtype.kind not in "fiub":
            raise UnsupportedModelError(
                f"an array of the data holds {values.dtype}; give real numbers"
            )
        found = torch.from_numpy(np.array(values))  # a copy: others may be read-only
        return found.to(dtype) if values.dtype.kind == "f" else found
    if isinstance(tree, tuple | list):
        inside = [tensors(value, dtype) for value in tree]
        named = isinstance(tree, tuple) and hasattr(tree, "_fields")
        return type(tree)(*inside) if named else type(tree)(inside)
    return tree


def windows(data: Any, steps: int, dtype: torch.dtype) -> tuple[Batch, torch.Tensor]:
    """Cut one long series into windows, the next one from the middle of the last.

    Args:
        data: inputs (step, input) and targets, steps first.
        steps: of a window.
        dtype: of arrays of floating-point numbers.

    Returns:
        All windows, sequences first, and the step at which each begins.

    Raises:
        ValueError: if the data are no series, or too short a one.
    """
    series = whole(data, dtype)
    if series is None:
        raise UnsupportedModelError(
            "window= is for one long series; give (inputs, targets) with steps first, "
            "or leave it out"
        )
    length = next(len(leaf) for _, leaf in placed(series))
    if not 2 <= steps <= length:
        raise UnsupportedModelError(
            f"window {steps} does not fit a series of {length} steps; give at least 2 "
            "and at most as many"
        )
    starts = torch.arange(0, length - steps + 1, max(1, steps // 2))
    at = starts[:, None] + torch.arange(steps)
    return replaced(series, lambda _, leaf: leaf[at.to(leaf.device)]), starts


def walked(
    data: Any, dtype: torch.dtype, sequences: int, seed: Seed
) -> Iterator[Batch]:
    """Yield batches as they come.

    Args:
        data: anything that yields batches, such as a DataLoader; or a Dataset, of which
            some items are taken at random.
        dtype: of arrays of floating-point numbers.
        sequences: how many items to take of a Dataset.
        seed: NumPy-style seed of the choice.

    Raises:
        ValueError: if there is no batch, or a batch is none.
    """
    if isinstance(data, Dataset) and not isinstance(data, IterableDataset):
        generator = torch_generator(seed)
        order = torch.randperm(len(data), generator=generator)  # pyright: ignore
        chosen = Subset(data, order[:sequences].sort().values.tolist())
        data = DataLoader(chosen, batch_size=SIZE)
    if not isinstance(data, Iterable) or isinstance(data, Tensor | str | np.ndarray):
        raise UnsupportedModelError(f"the data are a {type(data).__name__}; {KINDS}")
    empty = True
    for batch in data:
        empty = False
        pair = isinstance(batch, tuple | list) and len(batch) >= 2
        if not pair and not isinstance(batch, Mapping):
            raise UnsupportedModelError(
                f"a batch is a {type(batch).__name__} that is no tuple "
                "(inputs, ..., targets) and no dictionary; wrap the loader to give one"
            )
        yield tensors(batch, dtype)
    if empty:
        raise UnsupportedModelError(
            "the data gave no batch; a generator can be walked only once: pass a list, "
            "a DataLoader or a new generator"
        )


def first_items(data: Any, dtype: torch.dtype) -> Batch:
    """Return some items of whole tensors, or the first batch of a loader."""
    together = whole(data, dtype)
    if together is None:
        return next(walked(data, dtype, FIRST, 0))
    return replaced(together, lambda _, leaf: leaf[:FIRST])


def kept(data: Any, sequences: int, seed: Seed) -> Any:
    """Return data that hold some sequences and can be walked again.

    Args:
        data: as for `diagnose`.
        sequences: how many, about.
        seed: NumPy-style seed of the choice among whole tensors.
    """
    together = whole(data)
    if together is not None:
        count = items_of(together)
        generator = torch_generator(seed)
        chosen = torch.randperm(count, generator=generator)[:sequences].sort().values
        return replaced(together, lambda _, leaf: leaf[chosen.to(leaf.device)])
    found, held = [], 0
    for batch in walked(data, torch.float32, sequences, seed):
        found.append(batch)
        held += items_of(batch)
        if held >= sequences:
            break
    return found


def items_of(batch: Batch) -> int:
    """Return how many items a batch holds, sequences first."""
    return next((length_along(leaf, 0) or 1 for _, leaf in placed(batch)), 1)


def parts(walked: Iterable[Batch], items: Items) -> Iterator[Batch]:
    """Yield the items of batches in parts of about one size, whatever the batches.

    The last part is up to half as large again. Batches whose items have other shapes
    are not put together.

    Args:
        walked: the batches.
        items: their items.
    """
    held: Batch | None = None
    for batch in walked:
        both = batch if held is None else items.together(held, batch)
        if both is None and held is not None:
            yield from _cut(held, items)
        held = batch if both is None else both
        count = items.count(held)
        if count >= 2 * SIZE:
            stop = count // SIZE * SIZE - SIZE
            yield from _cut(items.take(held, torch.arange(stop)), items)
            held = items.take(held, torch.arange(stop, count))
    if held is not None:
        yield from _cut(held, items)


def _cut(batch: Batch, items: Items) -> Iterator[Batch]:
    count = items.count(batch)
    number = max(1, round(count / SIZE))
    for chosen in torch.arange(count).tensor_split(number):
        yield items.take(batch, chosen) if number > 1 else batch


def device_of(model: nn.Module) -> torch.device:
    """Return where a model's weights lie."""
    first = next(model.parameters(), None)
    return torch.device("cpu") if first is None else first.device


def dtype_of(model: nn.Module) -> torch.dtype:
    """Return the type of a model's weights; half precision counts as single."""
    floats = (p.dtype for p in model.parameters() if p.is_floating_point())
    found = next(floats, torch.float32)
    return torch.float64 if found == torch.float64 else torch.float32
