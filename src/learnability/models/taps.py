"""Taps: forward hooks that see what goes into a recurrent layer and what comes out.

What a layer gives is handed on unchanged; its place in the graph is remembered at
once, so that whatever the model does to it later, the gradient is that of the layer's
own output.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from inspect import signature
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from ..cells import Cell
from .convert import kind_of
from .refusal import Refusal

Edge = GradientEdge | None
Gradients = Sequence[Tensor | None]


@dataclass(frozen=True)
class Asked:
    """The gradient of something by what a layer gave.

    Attributes:
        output: by its output of every step; (sequence, step, feature).
        final: by its last states, (place, sequence, state), h before c; None where
            the layer gives none.
    """

    output: Tensor
    final: Tensor | None = None


@dataclass(frozen=True)
class Seen:
    """What one layer took and gave in one forward pass.

    Attributes:
        x: inputs; (sequence, step, input).
        lengths: steps of each sequence; (sequence,).
        output: (sequence, step, feature).
        packed: whether the layer itself knew the lengths.
        whole: whether the output is the states of all steps, as `unroll` gave them.
    """

    x: Tensor
    lengths: Tensor
    output: Tensor
    packed: bool = False
    whole: bool = False


def marked(value: Tensor) -> tuple[Tensor, GradientEdge | None]:
    """Give a tensor, by name another where that is needed, and its place in the graph.

    A model whose weights are frozen has no graph; it begins here then.
    """
    if not torch.is_grad_enabled():
        return value, None
    if not value.requires_grad:
        value = value.detach().requires_grad_().clone()
    return value, get_gradient_edge(value)


class Tap(ABC):
    """Hooks on one recurrent module.

    Attributes:
        path: the module's name in the model.
        module: the module.
    """

    def __init__(self, path: str, module: nn.Module) -> None:
        self.path, self.module = path, module
        self.clear()

    @abstractmethod
    def clear(self) -> None:
        """Forget what was seen."""

    @abstractmethod
    def attach(self) -> list[Any]:
        """Put the hooks on; give their handles."""

    @abstractmethod
    def seen(self) -> Seen | None:
        """Give what the layer took and gave; None if the model never called it."""

    @abstractmethod
    def edges(self) -> list[Edge]:
        """Give the places in the graph of all that the layer gave."""

    @abstractmethod
    def asked(self, gradients: Gradients) -> Asked:
        """Put gradients by the edges into the order of sequences and steps."""


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
            raise Refusal(
                f"{self.path} is called more than once in a forward pass; give it "
                "whole sequences, or use a cell in a loop"
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
    """

    def clear(self) -> None:
        self._inputs: list[Tensor] = []
        self._states: list[tuple[Tensor, ...]] = []
        self._aliases: list[tuple[Tensor, ...]] = []
        self._edges: list[Edge] = []
        self._whole: Seen | None = None

    def attach(self) -> list[Any]:
        return [
            self.module.register_forward_pre_hook(self._before, with_kwargs=True),
            self.module.register_forward_hook(self._after, with_kwargs=True),
        ]

    @property
    def _own(self) -> bool:
        """Whether the arguments are (state, x), as this package's cells have them."""
        return kind_of(self.module) is None

    def _read(self, args: tuple, kwargs: dict) -> tuple[Tensor, Any]:
        names = ("state", "x") if self._own else ("input", "hx")
        both = dict(zip(names, args, strict=False)) | kwargs
        return both["x" if self._own else "input"], both.get(
            names[0 if self._own else 1]
        )

    def _before(self, module: nn.Module, args: tuple, kwargs: dict) -> Any:
        x, state = self._read(args, kwargs)
        if x.ndim != 2:
            raise Refusal(
                f"{self.path} is called with inputs of shape {tuple(x.shape)}; "
                "give (sequence, input)"
            )
        if not self._states:
            refuse_start(self.path, state)
            return None
        given = state if isinstance(state, tuple) else (state,)
        last = self._aliases[-1]
        if len(given) != len(last) or any(
            a is not b for a, b in zip(given, last, strict=True)
        ):
            raise Refusal(
                f"call {len(self._states) + 1} of {self.path} in a forward pass starts "
                "from another state than the last call gave; run one sequence, and "
                "hand its states on unchanged"
            )
        own = self._states[-1]
        passed = own if isinstance(state, tuple) else own[0]
        return ((passed, x) if self._own else (x, passed)), {}

    def _after(self, module: nn.Module, args: tuple, kwargs: dict, given: Any) -> Any:
        states = given if isinstance(given, tuple) else (given,)
        aliases, edges = zip(*(marked(s.view_as(s)) for s in states), strict=True)
        self._inputs.append(self._read(args, kwargs)[0].detach().clone())
        self._states.append(states)
        self._aliases.append(aliases)
        self._edges.extend(edges)
        return aliases if isinstance(given, tuple) else aliases[0]

    def unrolled(self, x: Tensor, state: Tensor | None, states: Tensor) -> Tensor:
        """See what `unroll` gives the model for this cell."""
        if self._whole is not None or self._states:
            raise Refusal(
                f"{self.path} is unrolled more than once in a forward pass; "
                "unroll it over whole sequences"
            )
        refuse_start(self.path, state)
        states, edge = marked(states)
        self._edges = [edge]
        lengths = torch.full((len(x),), x.shape[1])
        x, given = x.detach().clone(), states.detach().clone()
        self._whole = Seen(x, lengths, given, whole=True)
        return states

    def seen(self) -> Seen | None:
        if self._whole is not None or not self._states:
            return self._whole
        x = torch.stack(self._inputs, dim=1)
        states = [torch.cat(parts, dim=-1).detach() for parts in self._states]
        lengths = torch.full((len(x),), x.shape[1])
        return Seen(x, lengths, torch.stack(states, dim=1))

    def edges(self) -> list[Edge]:
        return self._edges

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
            rows.append(torch.cat(filled, dim=-1).detach())
        return Asked(torch.stack(rows, dim=1))


def refuse_start(path: str, state: Any) -> None:
    """Say that a layer has to start from zero.

    Raises:
        ValueError: if it does not.
    """
    parts = state if isinstance(state, tuple) else (state,)
    if any(part is not None and bool((part != 0).any()) for part in parts):
        raise Refusal(
            f"{path} starts from a state that is not zero; diagnose it on whole "
            "sequences that start from zero"
        )


def taps_of(model: nn.Module) -> list[Tap]:
    """Give a tap for every recurrent module of a model."""
    found: list[Tap] = []
    for path, module in model.named_modules():
        name = path or "model"
        if isinstance(module, nn.RNNBase):
            found.append(SequenceTap(name, module))
        elif isinstance(module, nn.RNNCellBase | Cell) or (path and steps(module)):
            found.append(StepTap(name, module))
    return found


def steps(module: nn.Module) -> bool:
    """Tell whether a module is a user's own cell: it has ``step(state, x)``."""
    step = getattr(module, "step", None)
    return callable(step) and len(signature(step).parameters) == 2
