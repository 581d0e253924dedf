"""Taps on recurrent layers, and which taps a model needs."""

from inspect import Parameter, isfunction, ismethod, signature
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from ..cells import Cell
from .refusal import LayerRefusal
from .step_tap import StepTap
from .taps import Asked, Edge, Gradients, Seen, Tap, marked, refuse_start


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
