"""Data of any form as batches, walked once, and cut into parts of some items."""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from ..randomness import Seed, torch_generator
from ..tasks import Sequences
from .items import Items
from .record import Batch
from .refusal import Refusal

SIZE = 64  # items of a part, about


def whole(data: Any) -> tuple[Tensor, ...] | None:
    """Return data that are whole tensors, sequences first; None if they are not.

    Raises:
        ValueError: if the tensors hold different numbers of sequences.
    """
    if isinstance(data, Sequences):
        data = (data.x, data.y)
    if not isinstance(data, tuple) or not all(isinstance(p, Tensor) for p in data):
        return None
    sizes = [len(part) if part.ndim else 0 for part in data]
    if len(data) < 2 or len(set(sizes)) > 1 or not sizes[0]:
        raise Refusal(
            f"the data hold {sizes} sequences; give inputs and targets of equally many"
        )
    return data


def batches(data: Any) -> Iterator[Batch]:
    """Yield batches (inputs, ..., targets) as they come.

    Args:
        data: anything that yields batches, such as a DataLoader.

    Raises:
        ValueError: if there is no batch, or a batch is no tuple or list of at least
            two.
    """
    if not isinstance(data, Iterable) or isinstance(data, Tensor | str | dict):
        raise Refusal(
            f"the data are a {type(data).__name__}; give (inputs, targets), Sequences, "
            "or something that yields batches (inputs, ..., targets)"
        )
    return checked(iter(data))


def kept(data: Any, sequences: int, seed: Seed) -> Any:
    """Return data that hold some sequences and can be walked again.

    Args:
        data: as for `diagnose`.
        sequences: how many, about.
        seed: NumPy-style seed of the choice among whole tensors.
    """
    together = whole(data)
    if together is not None:
        count = len(together[0])
        generator = torch_generator(seed)
        chosen = torch.randperm(count, generator=generator)[:sequences].sort().values
        return tuple(part[chosen.to(part.device)] for part in together)
    found, held = [], 0
    for batch in batches(data):
        found.append(batch)
        held += len(batch[-1]) if hasattr(batch[-1], "__len__") else 1
        if held >= sequences:
            break
    return found


def parts(walked: Iterable[Batch], items: Items, size: int = SIZE) -> Iterator[Batch]:
    """Yield the items of batches in parts of about one size, whatever the batches.

    Batches whose items have other shapes are not put together.

    Args:
        walked: the batches.
        items: their items.
        size: items of a part; the last one is up to half as large again.
    """
    held: Batch | None = None
    for batch in walked:
        both = batch if held is None else items.together(held, batch)
        if both is None and held is not None:
            yield from _cut(held, items, size)
        held = batch if both is None else both
        count = items.count(held)
        if count >= 2 * size:
            stop = count // size * size - size
            yield from _cut(items.take(held, torch.arange(stop)), items, size)
            held = items.take(held, torch.arange(stop, count))
    if held is not None:
        yield from _cut(held, items, size)


def _cut(batch: Batch, items: Items, size: int) -> Iterator[Batch]:
    count = items.count(batch)
    number = max(1, round(count / size))
    for chosen in torch.arange(count).tensor_split(number):
        yield items.take(batch, chosen) if number > 1 else batch


def checked(found: Iterator[Any]) -> Iterator[Batch]:
    """Yield batches that have the form of one."""
    empty = True
    for batch in found:
        empty = False
        if not isinstance(batch, tuple | list) or len(batch) < 2:
            raise Refusal(
                f"a batch is a {type(batch).__name__} that is no tuple "
                "(inputs, ..., targets); wrap the loader to give one, and turn arrays "
                "into tensors"
            )
        yield batch
    if empty:
        raise Refusal(
            "the data gave no batch; a generator can be walked only once: pass a list, "
            "a DataLoader or a new generator"
        )


def device_of(model: torch.nn.Module) -> torch.device:
    """Return where a model's weights lie."""
    first = next(model.parameters(), None)
    return torch.device("cpu") if first is None else first.device
