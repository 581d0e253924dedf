"""Taps on recurrent layers, and which taps a model needs."""

from inspect import Parameter, isfunction, ismethod, signature
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from ..cells import Cell
from .refusal import UnsupportedLayerError
from .step_tap import StepTap
from .taps import Asked, Edge, Gradients, Seen, Tap, as_it_is, marked, refuse_start
from .trees import flat, leaves, mapped


@final
class SequenceTap(Tap):
    """A tap on `torch.nn` RNN, GRU or LSTM.

    Several calls are one, chunk by chunk or step by step, if each is given the state
    that the last one gave, as it is: it is handed on as an alias, as that of a cell.
    """

    module: nn.RNNBase

    def clear(self) -> None:
        self._inputs: list[Tensor] = []
        self._outputs: list[Tensor] = []
        self._lengths = torch.zeros(0, dtype=torch.long)
        self._edges: list[Edge] = []
        self._form: PackedSequence | int = 3
        self._states: list[Tensor] = []  # that the last call gave
        self._aliases: list[Tensor] = []  # as which they were handed on

    def seen(self) -> Seen | None:
        if not self._inputs:
            return None
        x, shown = (torch.cat(v, dim=1) for v in (self._inputs, self._outputs))
        packed = isinstance(self._form, PackedSequence)
        return Seen(x, self._lengths, shown, packed)

    def edges(self) -> list[Edge]:
        return self._edges

    def _before(self, module: nn.Module, args: tuple, kwargs: dict) -> Any:
        both = dict(zip(("input", "hx"), args, strict=False)) | kwargs
        if not self._inputs:
            refuse_start(self.path, both.get("hx"))
            return None
        given, last = list(leaves(both.get("hx"))), self._aliases
        alike = len(given) == len(last) and all(map(as_it_is, given, last))
        packed = isinstance(self._form, PackedSequence)
        if not alike or packed or self.module.bidirectional:
            raise UnsupportedLayerError(
                self.path,
                f"{self.path} is called more than once in a forward pass",
            )
        own = iter(self._states)
        return (both["input"], mapped(both["hx"], lambda _: next(own))), {}

    def _after(self, module: nn.Module, args: tuple, kwargs: dict, given: Any) -> Any:
        taken = args[0] if args else kwargs["input"]
        output, state = given
        values, edge = marked(flat(output))
        self._states = list(leaves(state))
        pairs = [marked(part.view_as(part)) for part in self._states]
        self._aliases = [alias for alias, _ in pairs]
        self._edges += [edge, *(edge for _, edge in pairs)]
        self._form = values.ndim
        if isinstance(output, PackedSequence):
            output = self._form = PackedSequence(values, *output[1:])
        else:
            output = values
        x, lengths = self._unfolded(taken)
        self._inputs.append(x.detach().clone())
        self._outputs.append(self._unfolded(output)[0].detach().clone())
        self._lengths = self._lengths + lengths if len(self._lengths) else lengths
        handed = iter(self._aliases)
        return output, mapped(state, lambda _: next(handed))

    def _unfolded(self, value: Tensor | PackedSequence) -> tuple[Tensor, Tensor]:
        """Return values as (sequence, step, feature), and the lengths."""
        if isinstance(value, PackedSequence):
            return pad_packed_sequence(value, batch_first=True)
        if value.ndim == 2:  # one sequence without an axis of sequences
            value = value[None]
        elif not self.module.batch_first:
            value = value.transpose(0, 1)
        return value, torch.full((len(value),), value.shape[1])

    def asked(self, gradients: Gradients) -> Asked:
        calls = len(self._outputs)
        size = len(gradients) // calls
        outputs, finals = [], []
        for call, given in enumerate(self._outputs):
            by_output, *by_finals = gradients[call * size : (call + 1) * size]
            form = self._form
            if by_output is None:
                outputs.append(torch.zeros_like(given))
            elif isinstance(form, PackedSequence):
                by_output = PackedSequence(by_output, *form[1:])
                outputs.append(self._unfolded(by_output)[0])
            else:
                outputs.append(self._unfolded(by_output)[0])
            finals.append(self._final(by_finals, given))
        steps = [given.shape[1] for given in self._outputs]
        ends = tuple(sum(steps[: k + 1]) - 1 for k in range(calls) if calls > 1)
        return Asked(torch.cat(outputs, dim=1), torch.stack(finals), ends)

    def _final(self, gradients: Gradients, given: Tensor) -> Tensor:
        """Return gradients by the last states of a call, (place, sequence, state)."""
        layer = self.module
        places = layer.num_layers * (2 if layer.bidirectional else 1)
        shape = (places, len(given), layer.hidden_size)
        zero = given.new_zeros(shape)
        parts = [zero if g is None else g.reshape(shape) for g in gradients]
        return torch.cat(parts, dim=-1)


def taps_of(model: nn.Module) -> list[Tap]:
    """Return a tap for every recurrent module of a model."""
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
