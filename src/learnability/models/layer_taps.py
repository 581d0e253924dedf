"""Taps on recurrent layers, and which taps a model needs."""

from dataclasses import dataclass, field
from inspect import Parameter, isfunction, ismethod, signature
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from ..cells import Cell
from .refusal import UnsupportedLayerError
from .runs import beneath, going_on
from .step_tap import StepTap
from .taps import (
    Asked,
    Edge,
    Gradients,
    Seen,
    Tap,
    marked,
    refuse_start,
)
from .trees import flat, leaves, mapped


@final
@dataclass
class _Run:
    """Calls of a layer, each but the first with the state that the last one gave.

    Attributes:
        inputs: of each call; (sequence, step, input).
        outputs: of each call; (sequence, step, feature).
        lengths: steps of each sequence, all calls together.
        edges: the places in the graph of the output and the last states of each call.
        form: a packed output, or how many axes it has.
        states: that the last call gave; aliases: as which they were handed on.
    """

    inputs: list[Tensor] = field(default_factory=list)
    outputs: list[Tensor] = field(default_factory=list)
    lengths: Tensor | None = None
    edges: list[Edge] = field(default_factory=list)
    form: PackedSequence | int = 3
    states: list[Tensor] = field(default_factory=list)
    aliases: list[Tensor] = field(default_factory=list)

    @property
    def ends(self) -> list[int]:
        """Return the last step of each call."""
        steps = [given.shape[1] for given in self.outputs]
        return [sum(steps[: call + 1]) - 1 for call in range(len(steps))]


@final
class SequenceTap(Tap):
    """A tap on `torch.nn` RNN, GRU or LSTM.

    Several calls are one, chunk by chunk or step by step, if each is given the state
    that the last one gave, as it is: it is handed on as an alias, as that of a cell.
    Calls that start from zero are sequences of their own.
    """

    module: nn.RNNBase

    def clear(self) -> None:
        self._runs: list[_Run] = []
        self._run = _Run()  # of the call that is being made

    def seen(self) -> Seen | None:
        if not self._runs:
            return None
        x = beneath([torch.cat(run.inputs, dim=1) for run in self._runs])
        shown = beneath([torch.cat(run.outputs, dim=1) for run in self._runs])
        packed = any(isinstance(run.form, PackedSequence) for run in self._runs)
        lengths = [run.lengths for run in self._runs if run.lengths is not None]
        return Seen(x, torch.cat(lengths), shown, packed)

    @property
    def pieces(self) -> list[int]:
        return [run.ends[-1] + 1 for run in self._runs]

    def edges(self) -> list[Edge]:
        return [edge for run in self._runs for edge in run.edges]

    def _before(self, module: nn.Module, args: tuple, kwargs: dict) -> Any:
        both = dict(zip(("input", "hx"), args, strict=False)) | kwargs
        given = list(leaves(both.get("hx")))
        run, begins = going_on(given, self._runs, lambda run: run.aliases)
        if begins or not self._runs:
            refuse_start(self.path, given)
            self._run = _Run()
            return None
        packed = run is not None and isinstance(run.form, PackedSequence)
        if run is None or packed or self.module.bidirectional:
            raise UnsupportedLayerError(
                self.path,
                f"{self.path} is called more than once in a forward pass, from a state "
                "that no call gave as it is",
            )
        self._run, own = run, iter(run.states)
        return (both["input"], mapped(both["hx"], lambda _: next(own))), {}

    def _after(self, module: nn.Module, args: tuple, kwargs: dict, given: Any) -> Any:
        taken, run = args[0] if args else kwargs["input"], self._run
        output, state = given
        values, edge = marked(flat(output))
        run.states = list(leaves(state))
        pairs = [marked(part.view_as(part)) for part in run.states]
        run.aliases = [alias for alias, _ in pairs]
        run.edges += [edge, *(edge for _, edge in pairs)]
        run.form = values.ndim
        if isinstance(output, PackedSequence):
            output = run.form = PackedSequence(values, *output[1:])
        else:
            output = values
        x, lengths = self._unfolded(taken)
        run.inputs.append(x.detach().clone())
        run.outputs.append(self._unfolded(output)[0].detach().clone())
        if run.lengths is None:
            run.lengths = lengths
            self._runs.append(run)
        else:
            run.lengths = run.lengths + lengths
        handed = iter(run.aliases)
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
        left, outputs, finals = list(gradients), [], []
        for run in self._runs:
            own, left = left[: len(run.edges)], left[len(run.edges) :]
            by_output, by_finals = self._of_run(run, own)
            outputs.append(by_output)
            finals.append(by_finals)
        calls = max(map(len, finals))
        final = torch.cat(
            [functional.pad(f, (0,) * 7 + (calls - len(f),)) for f in finals], dim=2
        )
        return Asked(beneath(outputs), final, self._ends(calls))

    def _ends(self, calls: int) -> tuple[Tensor, ...]:
        """Return the last step of each call by sequence; nothing where it is the end.

        A run of fewer calls than another has no gradient by the last states of more.
        """
        if calls == 1:
            return ()
        rows = [len(run.outputs[0]) for run in self._runs]
        ends = [
            run.ends + run.ends[-1:] * (calls - len(run.ends)) for run in self._runs
        ]
        each = torch.tensor(ends).repeat_interleave(torch.tensor(rows), dim=0)
        return each.unbind(dim=1)

    def _of_run(self, run: _Run, gradients: Gradients) -> tuple[Tensor, Tensor]:
        """Return gradients by the outputs and the last states of a run's calls."""
        size = len(gradients) // len(run.outputs)
        outputs, finals = [], []
        for call, given in enumerate(run.outputs):
            by_output, *by_finals = gradients[call * size : (call + 1) * size]
            if by_output is None:
                outputs.append(torch.zeros_like(given))
            elif isinstance(run.form, PackedSequence):
                by_output = PackedSequence(by_output, *run.form[1:])
                outputs.append(self._unfolded(by_output)[0])
            else:
                outputs.append(self._unfolded(by_output)[0])
            finals.append(self._final(by_finals, given))
        return torch.cat(outputs, dim=1), torch.stack(finals)

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
