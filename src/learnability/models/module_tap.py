"""A tap on any module: the steps that it takes and gives, in one call or in many."""

from typing import Any, final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from .convert import kind_of
from .refusal import Refusal
from .runs import Call
from .taps import Asked, Edge, Gradients, Seen, Tap, marked
from .trees import placed, replaced

TOKENS = 2**17  # numbers of tokens that are told apart
WIDTH = 32  # of what stands for a token; of so many tokens nothing is lost


def embedded(tokens: Int[Tensor, "..."]) -> Float[Tensor, "... width"]:
    """Return random vectors that stand for whole numbers, the same for the same."""
    table = torch.randn(TOKENS, WIDTH, generator=torch.Generator().manual_seed(0))
    return table[tokens.cpu() % TOKENS]


@final
class ModuleTap(Tap):
    """A tap on a module of which only inputs and outputs are known.

    Several calls in a forward pass are steps of one sequence if each gives one step
    (sequence, feature), or if one call's state is handed to the next; otherwise they
    are sequences of their own.

    Attributes:
        axis: of the sequences, where there are steps, too: 0 or 1.
        apart: whether what the module gives is cut off from what it was made of, so
            that a gradient by a step is that at a fixed future of the others.
        leaves: whether its inputs are cut off, to differentiate by them.
    """

    def __init__(self, path: str, module: nn.Module, axis: int = 0) -> None:
        first = isinstance(module, nn.RNNBase) and not module.batch_first
        self.axis, self.apart, self.leaves = (1 if first else axis), True, False
        super().__init__(path, module)

    def clear(self) -> None:
        self.inputs: list[Tensor] = []
        self._outputs: list[Tensor] = []
        self._lengths: Tensor | None = None
        self._form: PackedSequence | None = None
        self._finals: list[Tensor] = []
        self._edges: list[Edge] = []
        self._given: list[Tensor] = []  # all that the last call gave
        self._linked: list[bool] = []
        self._starts: list[tuple[Tensor, bool]] = []

    def attach(self) -> list[Any]:
        return [
            self.module.register_forward_pre_hook(self._before, with_kwargs=True),
            self.module.register_forward_hook(self._after, with_kwargs=True),
        ]

    def _before(self, module: nn.Module, args: tuple, kwargs: dict) -> Any:
        every = [leaf for _, leaf in placed((args, kwargs))]
        values = [_flat(leaf) for leaf in every]
        known = [v for v in self._given if v.ndim]
        carried = any(
            v.shape == g.shape and torch.equal(v, g)
            for v in values[1:]
            for g in known
            if v.is_floating_point() and v.any()
        )
        self._linked.append(carried)
        if kind_of(module) is not None:
            self._starts.append(_start(values[1:]))
        chosen = next((k for k, v in enumerate(values) if v.is_floating_point()), None)
        if chosen is None:
            chosen = next((k for k, v in enumerate(values) if v.ndim), None)
        if chosen is None:
            raise Refusal(
                f"{self.path} is called without a tensor; name another module"
            )
        x = every[chosen]
        if self.leaves and isinstance(x, Tensor) and x.is_floating_point():
            leaf = x.detach().requires_grad_()
            self.inputs.append(leaf)
            return replaced((args, kwargs), lambda _, v: leaf if v is x else v)
        self.inputs.append(_flat(x).detach())
        return None

    def _after(self, module: nn.Module, args: tuple, kwargs: dict, given: Any) -> Any:
        every = [leaf for _, leaf in placed(given)]
        floats = [
            v for v in every if _flat(v).is_floating_point() and _flat(v).ndim > 1
        ]
        if not floats:
            raise Refusal(
                f"{self.path} gives no tensor of steps (sequence, step, feature); name "
                "another module"
            )
        output = floats[0]
        finals = floats[1:2] if isinstance(module, nn.RNNBase) else []
        made: dict[int, Any] = {}
        for leaf in (output, *finals):
            value, edge = self._handed(_flat(leaf))
            self._edges.append(edge)
            (self._finals if leaf is not output else self._outputs).append(value)
            packed = isinstance(leaf, PackedSequence)
            made[id(leaf)] = PackedSequence(value, *leaf[1:]) if packed else value
        if isinstance(output, PackedSequence):
            self._form = made[id(output)]
        new = replaced(given, lambda _, leaf: made.get(id(leaf), leaf))
        self._given = [_flat(leaf).detach() for _, leaf in placed(new)]
        return new

    def _handed(self, value: Tensor) -> tuple[Tensor, Edge]:
        """Return what is handed on in a value's place, and its place in the graph."""
        if not self.apart:
            return marked(value)
        leaf = value.detach().requires_grad_()
        return marked(leaf)

    def calls(self) -> list[Call]:
        """Return the calls of a torch layer or cell, as far as they are known."""
        apart = len(self._outputs) > 1 and not any(self._linked)
        if self._form is not None or (apart and self._outputs[0].ndim > 2):
            return []
        found = []
        for x, (start, cut) in zip(self.inputs, self._starts, strict=True):
            steps = x[:, None] if isinstance(self.module, nn.RNNCellBase) else x
            steps = steps.transpose(0, 1) if self.axis and x.ndim == 3 else steps
            given = start if start.numel() else steps.new_zeros(len(steps), self._size)
            found.append(Call(steps.detach().cpu(), given.detach().cpu(), cut))
        return found

    @property
    def _size(self) -> int:
        states = 2 if kind_of(self.module) == "LSTM" else 1
        return states * int(self.module.hidden_size)  # pyright: ignore

    def edges(self) -> list[Edge]:
        return self._edges

    def output(self) -> Float[Tensor, "sequence step feature"]:
        """Return what the module gave, in its graph."""
        return self.joined(self._outputs)

    def seen(self) -> Seen | None:
        if not self._outputs:
            return None
        if self._form is not None and len(self._outputs) > 1:
            raise Refusal(
                f"{self.path} is called several times with packed sequences; pad them"
            )
        x = [embedded(v) if not v.is_floating_point() else v for v in self.inputs]
        output = self.output().detach()
        inputs = self.joined(x).detach() if self._fits(x) else None
        if inputs is None or inputs.shape[:2] != output.shape[:2]:
            raise Refusal(
                f"{self.path} takes inputs of shape {tuple(x[0].shape)} and gives "
                f"{tuple(self._outputs[0].shape)}; name a module that gives a step for "
                "each step it takes"
            )
        lengths = torch.full((len(output),), output.shape[1])
        if self._form is not None:
            lengths = pad_packed_sequence(self._form, batch_first=True)[1]
        return Seen(inputs, lengths, output.clone(), self._form is not None, whole=True)

    def _fits(self, x: list[Tensor]) -> bool:
        return all(v.ndim == x[0].ndim for v in x) and x[0].ndim > 1

    def joined(self, parts: list[Tensor]) -> Float[Tensor, "sequence step feature"]:
        """Put calls together, one behind the other in time or as other sequences."""
        if self._form is not None:
            (flat,) = parts
            form = PackedSequence(flat, *self._form[1:])
            return pad_packed_sequence(form, batch_first=True)[0]
        if parts[0].ndim == 2:
            return torch.stack(parts, dim=1)
        parts = [p.flatten(3).flatten(2, -1) if p.ndim > 3 else p for p in parts]
        parts = [p.transpose(0, 1) if self.axis else p for p in parts]
        along = 1 if any(self._linked) else 0
        if len({p.shape[1 - along] for p in parts}) > 1:
            raise Refusal(
                f"{self.path} is called with sequences of several lengths or numbers "
                "in one forward pass; name another module"
            )
        return torch.cat(parts, dim=along)

    def asked(self, gradients: Gradients) -> Asked:
        step = 2 if self._finals else 1
        own = [
            torch.zeros_like(value) if g is None else g
            for value, g in zip(self._outputs, gradients[::step], strict=True)
        ]
        total = self.joined(own)
        for call, last in enumerate(gradients[1::2] if self._finals else []):
            if last is not None:
                total = total + self._at_the_end(last, call, total)
        return Asked(total)

    def _at_the_end(self, by_last: Tensor, call: int, like: Tensor) -> Tensor:
        """Return the gradient by a torch layer's last states as one by its output."""
        layer = self.module
        assert isinstance(layer, nn.RNNBase)
        added, linked = torch.zeros_like(like), any(self._linked)
        ways = 2 if layer.bidirectional else 1
        by_last = by_last[-ways:] if by_last.ndim == 3 else by_last[-ways:, None]
        count, units = by_last.shape[1:]
        ends = torch.tensor([self.joined([v]).shape[1] for v in self._outputs])
        last = int(ends[: call + 1].sum() if linked else ends[call]) - 1
        at = torch.full((count,), last)
        if self._form is not None:
            at = pad_packed_sequence(self._form, batch_first=True)[1] - 1
        rows = torch.arange(count) + (0 if linked else call * count)
        added[rows, at, :units] = by_last[0]
        if ways == 2:
            added[rows, 0, units:] = by_last[1]
        return added


def _start(states: list[Tensor]) -> tuple[Tensor, bool]:
    """Return the state that a torch layer is given, and whether it has no past.

    A layer's states are (layer, sequence, unit), a cell's (sequence, unit).
    """
    parts = [s[-1] if s.ndim == 3 else s for s in states]
    joined = torch.cat(parts, dim=-1) if parts else torch.zeros(0, 0)
    return joined.detach(), not any(s.requires_grad for s in states)


def _flat(leaf: Tensor | PackedSequence) -> Tensor:
    return leaf.data if isinstance(leaf, PackedSequence) else leaf
