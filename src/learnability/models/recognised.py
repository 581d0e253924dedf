"""Recurrent modules of any origin, recognised by how a model calls them.

A cell is called step by step and is given, beside its inputs, a state that it gave in
the call before; a layer is called with steps and gives steps and a state. Both are
seen in one run of the model.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, final

import torch
from torch import Tensor, nn

from .batches import Batch, called
from .quiet import quiet
from .refusal import WRONG
from .stepping import Convention, DeclaredCell
from .trees import Place, leaves, placed

CALLS = 2  # of a cell in a forward pass, at least


@final
@dataclass
class _Calls:
    """What was seen of one module.

    Attributes:
        state: picks the state of what a call gives; None where its values tell.
        count: of calls.
        links: of places in what a call takes those in what the last one gave at which
            the same lay, in every call but the first.
        layer: whether it takes steps and gives as many, with something beside them.
        inputs: what the last call took, by place.
        given: what it gave, likewise.
        picked: the places of the state therein.
    """

    state: Callable[[Any], Any] | None = None
    count: int = 0
    links: dict[Place, set[Place]] = field(default_factory=dict)
    layer: bool = False
    inputs: dict[Place, Tensor] = field(default_factory=dict)
    given: dict[Place, Tensor] = field(default_factory=dict)
    picked: set[Place] = field(default_factory=set)

    def see(self, taken: Any, given: Any) -> None:
        self.inputs = {p: v for p, v in placed(taken) if isinstance(v, Tensor)}
        if self.count and not self._begins():
            now = {p: self._equal(v) for p, v in self.inputs.items()}
            before = self.links or now
            self.links = {p: now[p] & before.get(p, set()) for p in now}
        outputs = {p: v.detach() for p, v in placed(given) if isinstance(v, Tensor)}
        self.given, self.count = outputs, self.count + 1
        picked = given if self.state is None else self.state(given)
        own = {id(leaf) for leaf in leaves(picked)}
        self.picked = {p for p, v in placed(given) if id(v) in own}
        steps = next(iter(self.inputs.values()), None)
        first = next(iter(outputs.values()), None)
        if steps is None or first is None or steps.ndim != 3 or first.ndim != 3:
            return
        if isinstance(given, tuple) and len(outputs) > 1:
            self.layer = first.shape[:2] == steps.shape[:2]

    def _begins(self) -> bool:
        """Tell whether all that was a state is 0 or missing: another sequence."""
        states = [p for p, found in self.links.items() if found]
        given = [self.inputs[p] for p in states if p in self.inputs]
        return bool(states) and not any(bool(v.any()) for v in given)

    def _equal(self, value: Tensor) -> set[Place]:
        """Return where of the state that the last call gave the same lies."""
        if not value.is_floating_point() or not value.any():
            return set()
        return {
            place
            for place in self.picked
            if self.given[place].shape == value.shape
            and torch.equal(self.given[place], value)
        }

    def states(self) -> dict[Place, Place]:
        """Return where a call takes what the last one gave, and where that lay.

        Where all that it takes was given before, or the first is more than one step,
        the first is its inputs: a layer that is called on what it gave is no cell.
        """
        found = {p: min(q, key=str) for p, q in self.links.items() if q}
        first = next(iter(self.inputs), None)
        if first in found and (
            len(found) == len(self.inputs) or self.inputs[first].ndim > 2
        ):
            found.pop(first)
        return found

    @property
    def recurrent(self) -> bool:
        return self.layer or (self.count >= CALLS and bool(self.states()))

    def convention(self, declared: DeclaredCell | None) -> Convention | None:
        """Return how a cell is called; None of what takes more than state and x."""
        states = self.states()
        rest = [p for p in self.inputs if p not in states]
        step = declared.step if declared else None
        floats = [p for p in rest if self.inputs[p].is_floating_point()]
        if not states or not floats or (len(rest) > 1 and step is None):
            return None
        held = [self.given[q] for q in states.values()]
        beside = [
            p
            for p, v in self.given.items()
            if p not in states.values()
            and v.is_floating_point()
            and not any(_same(v, own) for own in held)
        ]
        of_parts: dict[Place, list[Place]] = {}
        for place, part in states.items():
            of_parts.setdefault(part, []).append(place)
        taken = tuple(map(tuple, of_parts.values()))
        return Convention(floats[0], taken, (*of_parts, *beside), step)


def _same(one: Tensor, other: Tensor) -> bool:
    """Tell whether two tensors are the same memory."""
    return one.data_ptr() == other.data_ptr() and one.shape == other.shape


def recognised(
    model: nn.Module, batch: Batch, declared: Iterable[DeclaredCell] = ()
) -> dict[str, Convention | None]:
    """Return the names of modules that are called as cells or recurrent layers are.

    Of modules one in another the outermost counts, unless one is declared.

    Args:
        model: the model.
        batch: some items, on its device.
        declared: cells of which something is known.

    Returns:
        How each is called; None of layers, and of cells that take more than a state and
        inputs.

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
        >>> found = recognised(Loop(), (torch.randn(4, 5, 2), torch.zeros(4)))
        >>> {name: way.x for name, way in found.items()}
        {'cell': (0, 0)}
    """
    known = {id(one.module): one for one in declared}
    seen: dict[str, _Calls] = {}

    def watch(name: str, module: nn.Module) -> Any:
        one = known.get(id(module))
        calls = _Calls(one.state if one else None)

        def hook(_: nn.Module, args: tuple, kwargs: dict, given: Any) -> None:
            seen.setdefault(name, calls).see((args, kwargs), given)

        return module.register_forward_hook(hook, with_kwargs=True)

    args, kwargs = called(model, batch)
    modules = dict(_watched(model))
    with ExitStack() as stack:
        stack.enter_context(quiet(model))
        for name, module in modules.items():
            stack.callback(watch(name, module).remove)
        try:
            with torch.no_grad():
                model(*args, **kwargs)
        except WRONG:
            return {}  # what is wrong is said when the model is read
    own = {name: known.get(id(modules[name])) for name in seen}
    names = [name for name, calls in seen.items() if calls.recurrent]
    outer = [n for n in names if not any(n.startswith(f"{o}.") for o in names)]
    return {
        name: None if seen[name].layer else seen[name].convention(own[name])
        for name in names
        if name in outer or own[name] is not None
    }


def _watched(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    for name, module in model.named_modules():
        scripted = isinstance(module, torch.jit.ScriptModule)
        if name and not scripted and next(module.parameters(), None) is not None:
            yield name, module
