"""Taps on recurrent layers and on cells, and which of them a model needs."""

from collections.abc import Sequence
from inspect import Parameter, isfunction, ismethod, signature
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from ..cells import Cell
from .convert import kind_of
from .refusal import LayerRefusal, Refusal
from .taps import Asked, Edge, Gradients, Seen, Tap, marked, passed_over, refuse_start
from .trees import leaves, mapped


@final
class SequenceTap(Tap):
    """A tap on `torch.nn` RNN, GRU or LSTM."""

    module: nn.RNNBase

    def clear(self) -> None:
        self._seen: Seen | None = None
        self._edges: list[Edge] = []
        self._form: PackedSequence | int = 3

    def attach(self) -> list[Any]:
        return [
            self.module.register_forward_hook(self._hook, with_kwargs=True),
        ]

    def _arguments(self, args: tuple, kwargs: dict) -> dict[str, Any]:
        if self._seen is not None:
            raise LayerRefusal(
                self.path,
                f"{self.path} is called more than once in a forward pass",
            )
        both: dict[str, Any] = dict(zip(("input", "hx"), args, strict=False))
        both |= kwargs
        refuse_start(self.path, both.get("hx"))
        return both

    def seen(self) -> Seen | None:
        return self._seen

    def edges(self) -> list[Edge]:
        return self._edges

    def _hook(self, module: nn.Module, args: tuple, kwargs: dict, given: Any) -> Any:
        both = self._arguments(args, kwargs)
        output, state = given
        flat = output.data if isinstance(output, PackedSequence) else output
        finals = state if isinstance(state, tuple) else (state,)
        (flat, *finals), self._edges = zip(  # type: ignore[assignment]
            *(marked(value) for value in (flat, *finals)), strict=True
        )
        self._edges = list(self._edges)
        if isinstance(output, PackedSequence):
            output = self._form = PackedSequence(flat, *output[1:])
        else:
            output, self._form = flat, flat.ndim
        x, lengths = self._unfolded(both["input"])
        shown, _ = self._unfolded(output)
        packed = isinstance(output, PackedSequence)
        self._seen = Seen(x.detach().clone(), lengths, shown.detach().clone(), packed)
        return output, tuple(finals) if isinstance(state, tuple) else finals[0]

    def _unfolded(self, value: Tensor | PackedSequence) -> tuple[Tensor, Tensor]:
        """Give values as (sequence, step, feature), and the lengths."""
        if isinstance(value, PackedSequence):
            return pad_packed_sequence(value, batch_first=True)
        if value.ndim == 2:  # one sequence without an axis of sequences
            value = value[None]
        elif not self.module.batch_first:
            value = value.transpose(0, 1)
        return value, torch.full((len(value),), value.shape[1])

    def asked(self, gradients: Gradients) -> Asked:
        assert self._seen is not None
        by_output, *by_finals = gradients
        form = self._form
        if by_output is None:
            output = torch.zeros_like(self._seen.output)
        elif isinstance(form, PackedSequence):
            output, _ = self._unfolded(PackedSequence(by_output, *form[1:]))
        else:
            output, _ = self._unfolded(by_output)
        return Asked(output, self._final(by_finals))

    def _final(self, gradients: Gradients) -> Tensor:
        layer, seen = self.module, self._seen
        assert seen is not None
        places = layer.num_layers * (2 if layer.bidirectional else 1)
        shape = (places, len(seen.x), layer.hidden_size)
        zero = seen.output.new_zeros(shape)
        parts = [zero if g is None else g.reshape(shape) for g in gradients]
        return torch.cat(parts, dim=-1)


@final
class StepTap(Tap):
    """A tap on a cell that the model calls step by step, or `unroll` for it.

    A state that a cell gives goes two ways: to the cell's next call and elsewhere. It
    is handed on as an alias, and the next call is handed the state itself: the
    gradient by the alias is that of the loss at a fixed future of the states.

    A user's own module is a cell only if it is called as one, ``module(state, x)``,
    and gives a state again: any other with a method ``step`` is left alone. A cell
    inside another, whose states the other changes, is a part of the other's step.

    Attributes:
        within: a tap on an own cell that this one lies in.
    """

    within: "StepTap | None" = None

    def clear(self) -> None:
        self._inputs: list[Tensor] = []
        self._states: list[tuple[Tensor, ...]] = []
        self._aliases: list[tuple[Tensor, ...]] = []
        self._edges: list[Edge] = []
        self._whole: Seen | None = None
        self._refusal: Refusal | None = None
        self._other = False  # called otherwise than a cell is
        self.form: Any = None  # the last state, with its nesting

    def attach(self) -> list[Any]:
        return [
            self.module.register_forward_pre_hook(self._before, with_kwargs=True),
            self.module.register_forward_hook(self._after, with_kwargs=True),
        ]

    @property
    def _own(self) -> bool:
        """Whether the arguments are (state, x), as this package's cells have them."""
        return kind_of(self.module) is None

    def _read(self, args: tuple, kwargs: dict) -> tuple[Any, Any]:
        """Give x and the state."""
        names = ("state", "x") if self._own else ("input", "hx")
        both = dict(zip(names, args, strict=False)) | kwargs
        return both.get("x" if self._own else "input"), both.get(
            names[0 if self._own else 1]
        )

    def _idle(self) -> bool:
        return self._other or self._refusal is not None or passed_over()

    def _refuse(self, sentence: str) -> None:
        """Refuse at once, or, inside an own cell, unless that one is a cell."""
        self._refusal = LayerRefusal(self.path, sentence)
        if self.within is None:
            raise self._refusal

    def _before(self, module: nn.Module, args: tuple, kwargs: dict) -> Any:
        if self._idle():
            return None
        x, state = self._read(args, kwargs)
        if not self._states:
            if isinstance(module, nn.RNNCellBase | Cell):
                self._begin(x, state)
            else:
                self._other = not called_as_cell(args, kwargs, x, state)
            return None
        given, last = tuple(leaves(state)), self._aliases[-1]
        if len(given) != len(last) or any(
            a is not b for a, b in zip(given, last, strict=True)
        ):
            return self._refuse(
                f"call {len(self._states) + 1} of {self.path} in a forward pass starts "
                "from another state than the last call gave"
            )
        own = iter(self._states[-1])
        passed = mapped(state, lambda _: next(own))
        return ((passed, x) if self._own else (x, passed)), {}

    def _begin(self, x: Tensor, state: Any) -> None:
        """Refuse a first call that cannot be diagnosed."""
        try:
            if x.ndim != 2:
                raise LayerRefusal(
                    self.path,
                    f"{self.path} is called with inputs of shape {tuple(x.shape)}, not "
                    "(sequence, input)",
                )
            refuse_start(self.path, state)
        except Refusal as refusal:
            self._refuse(str(refusal))

    def _after(self, module: nn.Module, args: tuple, kwargs: dict, given: Any) -> Any:
        if self._idle():
            return None
        x, state = self._read(args, kwargs)
        if not isinstance(module, nn.RNNCellBase | Cell) and not self._states:
            self._other = not gives_state(x, state, given)
            if not self._other:
                check_state(self.path, given, len(x))
                self._begin(x, state)
            if self._idle():
                return None
        states = tuple(leaves(given))
        aliases, edges = zip(*(marked(s.view_as(s)) for s in states), strict=True)
        self._inputs.append(x.detach().clone())
        self._states.append(states)
        self._aliases.append(aliases)
        self._edges.extend(edges)
        self.form = mapped(given, Tensor.detach)
        handed = iter(aliases)
        return mapped(given, lambda _: next(handed))

    def unrolled(self, x: Tensor, state: Tensor | None, states: Tensor) -> Tensor:
        """See what `unroll` gives the model for this cell."""
        if self._whole is not None or self._states:
            raise LayerRefusal(
                self.path,
                f"{self.path} is unrolled more than once in a forward pass",
            )
        refuse_start(self.path, state)
        states, edge = marked(states)
        self._edges = [edge]
        lengths = torch.full((len(x),), x.shape[1])
        x, given = x.detach().clone(), states.detach().clone()
        self._whole = Seen(x, lengths, given, whole=True)
        return states

    def seen(self) -> Seen | None:
        if self._refusal is not None:
            if self.within is None or self.within.seen() is None:
                raise self._refusal
            return None
        if self._whole is not None or not self._states:
            return self._whole
        x = torch.stack(self._inputs, dim=1)
        states = [_joined(parts).detach() for parts in self._states]
        lengths = torch.full((len(x),), x.shape[1])
        return Seen(x, lengths, torch.stack(states, dim=1))

    def edges(self) -> list[Edge]:
        return self._edges if self._refusal is None else []

    def asked(self, gradients: Gradients) -> Asked:
        if self._whole is not None:
            (whole,) = gradients
            return Asked(
                torch.zeros_like(self._whole.output) if whole is None else whole
            )
        parts, rows = len(self._states[0]), []
        for t, states in enumerate(self._states):
            own = gradients[t * parts : (t + 1) * parts]
            filled = [
                torch.zeros_like(s) if g is None else g
                for s, g in zip(states, own, strict=True)
            ]
            rows.append(_joined(filled).detach())
        return Asked(torch.stack(rows, dim=1))


def _joined(parts: Sequence[Tensor]) -> Float[Tensor, "sequence state"]:
    return torch.cat([part.flatten(1) for part in parts], dim=-1)


def called_as_cell(args: tuple, kwargs: dict, x: Any, state: Any) -> bool:
    """Tell whether a module is called with a state, or None, and inputs."""
    if len(args) + len(kwargs) != 2 or not isinstance(x, Tensor) or not x.ndim:
        return False
    return state is None or any(part.ndim for part in leaves(state))


def gives_state(x: Tensor, state: Any, given: Any) -> bool:
    """Tell whether what a module gives has the form of the state that it took."""
    parts = list(leaves(given))
    if state is None:
        return bool(parts) and all(p.ndim and len(p) == len(x) for p in parts)
    before = list(leaves(state))
    alike = [p.shape for p in before] == [p.shape for p in parts]
    # Two tensors with steps are a pair of sequences rather than a state and inputs.
    return alike and (x.ndim == 2 or all(p.ndim == 2 for p in before))


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
    raise LayerRefusal(
        path,
        f"the state of {path} has a part of type {what}; let every part be a tensor of "
        f"floating-point numbers, the {count} sequences first",
    )


def taps_of(model: nn.Module) -> list[Tap]:
    """Give a tap for every recurrent module of a model."""
    found: list[Tap] = []
    own: list[StepTap] = []
    for path, module in model.named_modules():
        name = path or "model"
        if isinstance(module, nn.RNNBase):
            found.append(SequenceTap(name, module))
        elif isinstance(module, nn.RNNCellBase | Cell) or (path and steps(module)):
            tap = StepTap(name, module)
            around = [o for o in own if name.startswith(f"{o.path}.")]
            tap.within = around[-1] if around else None
            if not isinstance(module, nn.RNNCellBase | Cell):
                own.append(tap)
            found.append(tap)
    return found


def steps(module: nn.Module) -> bool:
    """Tell whether a module may be a user's own cell: it has ``step(state, x)``.

    ``step(batch, batch_idx)`` is what training frameworks name otherwise.
    """
    step = getattr(module, "step", None)
    if not (isfunction(step) or ismethod(step)):
        return False
    asked = [
        p.name
        for p in signature(step).parameters.values()
        if p.default is Parameter.empty and p.kind is Parameter.POSITIONAL_OR_KEYWORD
    ]
    return len(asked) == 2 and not any("batch" in name for name in asked)
