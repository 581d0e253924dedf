"""Recurrent modules of any origin, recognised by how a model calls them.

A cell is called step by step and is given, beside its inputs, a state that it gave in
the call before; a layer is called with steps and gives steps and a state. Both are
seen in one run of the model.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, final

import torch
from torch import Tensor, nn

from .batches import Batch, called
from .quiet import quiet
from .record import WRONG
from .trees import placed

CALLS = 2  # of a cell in a forward pass, at least


@final
@dataclass
class _Calls:
    """What was seen of one module.

    Attributes:
        count: of calls.
        handed_on: whether every call but the first was given what the last one gave.
        layer: whether it takes steps and gives as many, with something beside them.
    """

    count: int = 0
    handed_on: bool = True
    layer: bool = False
    given: list[Tensor] = field(default_factory=list)

    def see(self, taken: Any, given: Any) -> None:
        inputs = [v for _, v in placed(taken) if isinstance(v, Tensor)]
        outputs = [v.detach() for _, v in placed(given) if isinstance(v, Tensor)]
        if self.count:
            self.handed_on &= any(
                v.shape == g.shape and torch.equal(v, g)
                for v in inputs[1:]
                for g in self.given
            )
        self.given, self.count = outputs, self.count + 1
        steps = inputs and inputs[0].ndim == 3 and isinstance(given, tuple)
        first = outputs[0] if outputs else None
        if steps and first is not None and len(outputs) > 1 and first.ndim == 3:
            self.layer = first.shape[:2] == inputs[0].shape[:2]

    @property
    def recurrent(self) -> bool:
        return self.layer or (self.count >= CALLS and self.handed_on)


def recognised(model: nn.Module, batch: Batch) -> list[str]:
    """Return the names of modules that are called as cells or recurrent layers are.

    Of modules one in another the outermost counts.

    Args:
        model: the model.
        batch: some items, on its device.

    Example:
        >>> class Loop(nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.cell = nn.Sequential()
        ...         self.cell.forward = lambda x, h: 0.5 * h + x
        ...         self.cell.weight = nn.Parameter(torch.ones(1))
        ...     def forward(self, x):
        ...         h = torch.zeros(len(x), 2)
        ...         for step in x.unbind(1):
        ...             h = self.cell(step, h)
        ...         return h
        >>> recognised(Loop(), (torch.randn(4, 5, 2), torch.zeros(4)))
        ['cell']
    """
    seen: dict[str, _Calls] = {}

    def watch(name: str, module: nn.Module) -> Any:
        def hook(_: nn.Module, args: tuple, kwargs: dict, given: Any) -> None:
            seen.setdefault(name, _Calls()).see((args, kwargs), given)

        return module.register_forward_hook(hook, with_kwargs=True)

    args, kwargs = called(model, batch)
    with ExitStack() as stack:
        stack.enter_context(quiet(model))
        for name, module in _watched(model):
            stack.callback(watch(name, module).remove)
        try:
            with torch.no_grad():
                model(*args, **kwargs)
        except WRONG:
            return []  # what is wrong is said when the model is read
    names = [name for name, calls in seen.items() if calls.recurrent]
    return [n for n in names if not any(n.startswith(f"{o}.") for o in names)]


def _watched(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    for name, module in model.named_modules():
        if name and next(module.parameters(), None) is not None:
            yield name, module
