"""A tap on a cell: on its calls, step by step, or on `unroll`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, final

import torch
from torch import Tensor, nn

from ..cells import Cell
from .convert import kind_of
from .refusal import UnsupportedLayerError, UnsupportedModelError
from .runs import beneath, going_on
from .stepping import Called, Convention, joined
from .taps import (
    Asked,
    Edge,
    Gradients,
    Seen,
    Tap,
    filled,
    marked,
    passed_over,
    refuse_start,
)
from .trees import leaves, mapped, replaced


@final
@dataclass
class _Run:
    """Calls of a cell, each but the first with the state that the last one gave.

    Attributes:
        inputs: of each call, all that is behind the first axis as one axis.
        states: that each call gave; aliases: as which they were handed on.
        edges: the places of the aliases in the graph.
        single: whether a call takes one sequence, without an axis of sequences.
    """

    inputs: list[Tensor] = field(default_factory=list)
    states: list[tuple[Tensor, ...]] = field(default_factory=list)
    aliases: list[tuple[Tensor, ...]] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    single: bool = False

    def _joined(self, parts: Sequence[Tensor]) -> Tensor:
        """Return the parts of a state as one tensor, sequences first."""
        return joined([p[None] if self.single else p for p in parts]).detach()

    def seen(self) -> Seen:
        """Return what they took and gave."""
        x = torch.stack(self.inputs, dim=1)
        states = [self._joined(parts) for parts in self.states]
        lengths = torch.full((len(x),), x.shape[1])
        return Seen(x, lengths, torch.stack(states, dim=1))

    def asked(self, gradients: Gradients) -> Tensor:
        """Return gradients by the aliases as those by the states."""
        parts, rows = len(self.states[0]), []
        for t, states in enumerate(self.states):
            own = gradients[t * parts : (t + 1) * parts]
            rows.append(self._joined(filled(own, states)))
        return torch.stack(rows, dim=1)


@final
class StepTap(Tap):
    """A tap on a cell that the model calls step by step, or `unroll` for it.

    A state that a cell gives goes two ways: to the cell's next call and elsewhere. It
    is handed on as an alias, and the next call is handed the state itself: the
    gradient by the alias is that of the loss at a fixed future of the states. Calls
    that start from zero again begin other sequences.

    A user's own module is a cell only if it is called as one, ``module(state, x)``,
    and gives a state again: any other with a method ``step`` is left alone. A cell
    inside another, whose states the other changes, is a part of the other's step.

    Attributes:
        convention: how a cell of others is called; None where that is known.
        within: a tap on an own cell that this one lies in.
    """

    within: "StepTap | None" = None

    def __init__(
        self, path: str, module: nn.Module, convention: Convention | None = None
    ) -> None:
        self.convention = convention
        super().__init__(path, module)

    def clear(self) -> None:
        self._runs: list[_Run] = []
        self._run = _Run()  # of the call that is being made
        self._wholes: list[tuple[Seen, Edge]] = []
        self._refusal: UnsupportedModelError | None = None
        self._other = False  # called otherwise than a cell is
        self.form: Any = None  # the last state, with its nesting
        self.last = torch.zeros(0)  # the inputs that it was made of
        self._taken: tuple[tuple, dict] = (), {}  # by the last call

    @property
    def stepping(self) -> nn.Module:
        """Return the cell with ``step(state, x)``."""
        if self.convention is None:
            return self.module
        return Called(self.module, self.convention, self._taken)

    @property
    def carried(self) -> int | None:
        """How many of the state's parts the next call is given; None where all."""
        return None if self.convention is None else len(self.convention.state)

    @property
    def _own(self) -> bool:
        """Whether the arguments are (state, x), as this package's cells have them."""
        return kind_of(self.module) is None

    @property
    def _axes(self) -> Sequence[int]:
        """Return how many axes inputs may have: a torch cell takes a single sequence.

        Those of a cell whose equation is unknown may have more, as images do.
        """
        if isinstance(self.module, nn.RNNCellBase):
            return (1, 2)
        return range(2, 9) if self._free else (2,)

    @property
    def _free(self) -> bool:
        """Whether its equation is unknown."""
        return not isinstance(self.module, nn.RNNCellBase | Cell)

    def _read(self, args: tuple, kwargs: dict) -> tuple[Any, Any]:
        """Return x and the state."""
        if self.convention is not None:
            return self.convention.read(args, kwargs)
        names = ("state", "x") if self._own else ("input", "hx")
        both = dict(zip(names, args, strict=False)) | kwargs
        return both.get("x" if self._own else "input"), both.get(
            names[0 if self._own else 1]
        )

    def _idle(self) -> bool:
        return self._other or self._refusal is not None or passed_over()

    def _refuse(self, sentence: str) -> None:
        """Refuse at once, or, inside an own cell, unless that one is a cell."""
        self._refusal = UnsupportedLayerError(self.path, sentence)
        if self.within is None:
            raise self._refusal

    def _before(self, module: nn.Module, args: tuple, kwargs: dict) -> Any:
        if self._idle():
            return None
        x, state = self._read(args, kwargs)
        given = tuple(leaves(state))
        run, begins = going_on(given, self._runs, self._handed)
        if begins or not self._runs:
            self._run = _Run()
            if not self._free or self.convention:
                self._begin(x, state)
            elif not self._runs:
                self._other = not called_as_cell(args, kwargs, x, state)
            return None
        if run is None:
            number = sum(len(one.states) for one in self._runs) + 1
            return self._refuse(
                f"call {number} of {self.path} in a forward pass starts "
                "from another state than the last call gave"
            )
        self._run = run
        if any(map(bent, given)):
            return self._refuse(
                f"a hook on the states of {self.path} changes gradients on their way "
                "back in time; leave it out, or say a factor c in the forward pass, "
                "h = c * h + (1 - c) * h.detach()"
            )
        if self.convention is not None:
            before = list(run.states[-1][: self.carried])
            return self.convention.passed((args, kwargs), before)
        own = iter(run.states[-1])
        passed = mapped(state, lambda _: next(own))
        return ((passed, x) if self._own else (x, passed)), {}

    def _handed(self, run: _Run) -> tuple[Tensor, ...]:
        return run.aliases[-1][: self.carried]

    def _begin(self, x: Tensor, state: Any) -> None:
        """Refuse a first call that cannot be diagnosed."""
        try:
            if not isinstance(x, Tensor) or x.ndim not in self._axes:
                what = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
                raise UnsupportedLayerError(
                    self.path,
                    f"{self.path} is called with inputs of shape {what}, not "
                    "(sequence, input)",
                )
            refuse_start(self.path, state)
        except UnsupportedModelError as refusal:
            self._refuse(str(refusal))

    def _after(self, module: nn.Module, args: tuple, kwargs: dict, given: Any) -> Any:
        if self._idle():
            return None
        x, state = self._read(args, kwargs)
        if self._free and not (self.convention or self._runs):
            self._other = not gives_state(x, state, given)
            if not self._other:
                check_state(self.path, given, len(x))
                self._begin(x, state)
            if self._idle():
                return None
        states = tuple(leaves(given))
        if self.convention is not None:
            states = self.convention.given(given)
            check_state(self.path, states, len(x))
        aliases, edges = zip(*(marked(s.view_as(s)) for s in states), strict=True)
        if not self._run.states:
            self._run.single = x.ndim == 1
            self._runs.append(self._run)
        self.last = x.detach().clone()
        rows = self.last[None] if self._run.single else self.last.flatten(1)
        self._run.inputs.append(rows)
        self._run.states.append(states)
        self._run.aliases.append(aliases)
        self._run.edges.extend(edges)
        self._taken = replaced((args, kwargs), lambda _, leaf: leaf.detach())
        if self.convention is None:
            self.form = mapped(given, Tensor.detach)
            own = iter(aliases)
            return mapped(given, lambda _: next(own))
        self.form = mapped(states, Tensor.detach)
        handed = {id(s): alias for s, alias in zip(states, aliases, strict=True)}
        return replaced(given, lambda _, leaf: handed.get(id(leaf), leaf))

    def unrolled(self, x: Tensor, state: Tensor | None, states: Tensor) -> Tensor:
        """See what `unroll` gives the model for this cell."""
        refuse_start(self.path, state)
        states, edge = marked(states)
        lengths = torch.full((len(x),), x.shape[1])
        x, given = x.detach().clone(), states.detach().clone()
        self._wholes.append((Seen(x, lengths, given, whole=True), edge))
        return states

    def seen(self) -> Seen | None:
        if self._refusal is not None:
            if self.within is None or self.within.seen() is None:
                raise self._refusal
            return None
        every = [own for own, _ in self._wholes] + [run.seen() for run in self._runs]
        if not every:
            return None
        return Seen(
            beneath([own.x for own in every]),
            torch.cat([own.lengths for own in every]),
            beneath([own.output for own in every]),
            whole=not self._runs,
        )

    @property
    def pieces(self) -> list[int]:
        wholes = [own.x.shape[1] for own, _ in self._wholes]
        return wholes + [len(run.states) for run in self._runs]

    def edges(self) -> list[Edge]:
        own = [edge for run in self._runs for edge in run.edges]
        whole = [edge for _, edge in self._wholes]
        return whole + own if self._refusal is None else []

    def asked(self, gradients: Gradients) -> Asked:
        count = len(self._wholes)
        parts = filled(gradients[:count], [own.output for own, _ in self._wholes])
        for run in self._runs:
            size = len(run.edges)
            parts.append(run.asked(gradients[count : count + size]))
            count += size
        return Asked(beneath(parts))


def called_as_cell(args: tuple, kwargs: dict, x: Any, state: Any) -> bool:
    """Tell whether a module is called with a state, or None, and inputs."""
    if len(args) + len(kwargs) != 2 or not isinstance(x, Tensor) or not x.ndim:
        return False
    return state is None or any(part.ndim for part in leaves(state))


def bent(state: Tensor) -> bool:
    """Tell whether a hook of a tensor gives another gradient than it was given."""
    hooks = state._backward_hooks or {}  # pyright: ignore[reportAttributeAccessIssue]
    gradient = torch.linspace(-1, 1, state.numel()).reshape(state.shape).to(state)
    for hook in hooks.values():
        given = hook(gradient.clone())
        if given is not None and not torch.equal(given, gradient):
            return True
    return False


def gives_state(x: Tensor, state: Any, given: Any) -> bool:
    """Tell whether what a module gives has the form of the state that it took."""
    parts = list(leaves(given))
    if state is None:
        return bool(parts) and all(p.ndim and len(p) == len(x) for p in parts)
    before = list(leaves(state))
    alike = [p.shape for p in before] == [p.shape for p in parts]
    # Two tensors with steps are a pair of sequences rather than a state and inputs.
    return alike and (x.ndim != 3 or all(p.ndim == 2 for p in before))


def check_state(path: str, state: Any, count: int) -> None:
    """Refuse a state that is more than floating-point tensors, sequences first."""
    if isinstance(state, dict | tuple | list):
        for part in state.values() if isinstance(state, dict) else state:
            check_state(path, part, count)
        return
    what = type(state).__name__
    if isinstance(state, Tensor):
        if state.is_floating_point() and state.ndim and len(state) == count:
            return
        what = f"{state.dtype} and shape {tuple(state.shape)}"
    raise UnsupportedLayerError(
        path,
        f"the state of {path} has a part of type {what}; let every part be a tensor of "
        f"floating-point numbers, the {count} sequences first",
    )
