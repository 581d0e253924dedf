"""Data of any form as batches, walked once."""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from ..randomness import Seed, torch_generator
from ..tasks import Sequences
from .record import Batch
from .refusal import Refusal

SIZE = 64  # sequences of a batch, where the data come whole


def batches(data: Any, seed: Seed, most: int) -> Iterator[Batch]:
    """Yield batches (inputs, ..., targets).

    Args:
        data: `Sequences`; a tuple of tensors, sequences first; or anything that yields
            batches, such as a DataLoader.
        seed: NumPy-style seed of the choice among whole data.
        most: of whole data so many sequences come first, chosen at random and in
            order, if there are more.

    Raises:
        ValueError: if there is no batch, or a batch is no tuple or list of at least
            two.
    """
    if isinstance(data, Sequences):
        data = (data.x, data.y)
    if isinstance(data, tuple) and all(isinstance(part, Tensor) for part in data):
        return dealt(data, seed, most)
    if not isinstance(data, Iterable) or isinstance(data, Tensor | str | dict):
        raise Refusal(
            f"the data are a {type(data).__name__}; give (inputs, targets), Sequences, "
            "or something that yields batches (inputs, ..., targets)"
        )
    return checked(iter(data))


def dealt(data: tuple[Tensor, ...], seed: Seed, most: int) -> Iterator[Batch]:
    """Yield whole tensors as batches, a random choice of sequences before the rest."""
    sizes = [len(part) if part.ndim else 0 for part in data]
    if len(data) < 2 or len(set(sizes)) > 1 or not sizes[0]:
        raise Refusal(
            f"the data hold {sizes} sequences; give inputs and targets of equally many"
        )
    order = torch.arange(sizes[0])
    if most < sizes[0]:
        order = torch.randperm(sizes[0], generator=torch_generator(seed))
        order = torch.cat([part.sort().values for part in order.tensor_split([most])])
    for chosen in order.split(SIZE):
        yield tuple(part[chosen.to(part.device)] for part in data)


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
    """Give where a model's weights lie."""
    first = next(model.parameters(), None)
    return torch.device("cpu") if first is None else first.device
