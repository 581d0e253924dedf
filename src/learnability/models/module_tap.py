"""A tap on any module: the steps that it takes and gives, in one call or in many."""

from collections.abc import Iterator, Sequence
from typing import Any, final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.autograd.graph import Node, get_gradient_edge
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from .convert import kind_of
from .refusal import UnsupportedModelError
from .runs import Call
from .split import Splitting
from .taps import Asked, Edge, Gradients, Seen, Tap, filled, marked
from .trees import flat, length_along, placed, replaced

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
    (sequence, feature), or if what a call is given beside its inputs is what the last
    one gave, for some of the sequences, or is made of it; otherwise they are sequences
    of their own. The first run tells.

    Attributes:
        axis: of the sequences, where there are steps, too: 0 or 1.
        apart: whether what the module gives is cut off from what it was made of, so
            that a gradient by a step is that at a fixed future of the others.
        leaves: whether it is handed aliases of its inputs, to differentiate by them.
        inputs: of each call.
        begun: states that the first call is given, which no call gave, likewise.
    """

    def __init__(self, path: str, module: nn.Module, axis: int = 0) -> None:
        if isinstance(module, nn.RNNBase):
            axis = 0 if module.batch_first else 1
        self.axis, self.apart, self.leaves = axis, True, False
        self._chained: bool | None = None
        self._rounds = 1  # of calls that go on, each of its own sequences
        self._in_order = False  # where a call begins anew it is of later steps
        self._linked: list[bool] = []
        super().__init__(path, module)

    @property
    def chained(self) -> bool:
        """Whether one call goes on where the last one ended."""
        linked = any(self._linked) if self._chained is None else self._chained
        return linked or self._in_order

    @property
    def rounds(self) -> int:
        """How many times calls that go on begin anew, if all times are of one length.

        Those of several lengths are steps of one sequence.
        """
        if self._in_order:
            return 1
        if not self._linked:
            return self._rounds
        begins = [k for k, linked in enumerate(self._linked) if not linked]
        size = len(self._linked) // len(begins)
        even = begins == list(range(0, len(self._linked), size))
        return len(begins) if self.chained and even else 1

    @property
    def once(self) -> bool:
        """Whether all calls are of the same sequences."""
        several = len(self._outputs) > 1 and not self.chained
        return self.rounds == 1 and not (several and self._outputs[0].ndim > 2)

    @property
    def pieces(self) -> list[int]:
        if self.once or self._form is not None:
            return []
        if self.rounds > 1:
            return [len(self._outputs) // self.rounds] * self.rounds
        return [given.shape[1 - self.axis] for given in self._outputs]

    def put_in_time(self) -> None:
        self._in_order = True

    @property
    def learns(self) -> bool:
        return self._chained is None

    def clear(self) -> None:
        self.inputs: list[Tensor] = []
        self.begun: list[Tensor] = []
        self._outputs: list[Tensor] = []
        self._lengths: Tensor | None = None
        self._form: PackedSequence | None = None
        self._finals: list[Tensor] = []
        self._edges: list[Edge] = []
        self._given: list[Tensor] = []  # all that the last call gave
        if self._linked:
            self._chained, self._rounds = self.chained, self.rounds
            self._linked = []
        self._starts: list[tuple[Tensor, bool]] = []

    def _before(self, module: nn.Module, args: tuple, kwargs: dict) -> Any:
        every = [leaf for _, leaf in placed((args, kwargs))]
        values = [flat(leaf) for leaf in every]
        if self.learns:
            self._linked.append(_handed_on(values[1:], self._given))
        if kind_of(module) is not None:
            self._starts.append(_start(values[1:]))
        chosen = next((k for k, v in enumerate(values) if v.is_floating_point()), None)
        if chosen is None:
            chosen = next((k for k, v in enumerate(values) if v.ndim), None)
        if chosen is None:
            raise UnsupportedModelError(
                f"{self.path} is called without a tensor; name another module"
            )
        x = every[chosen]
        recurrent = self.chained or kind_of(module) is not None
        starts = every[chosen + 1 :] if recurrent and not self.inputs else []
        count = length_along(x, self.axis if flat(x).ndim > 2 else 0) or 0
        starts = [v for v in starts if _is_start(v, count)]
        if not self.leaves or not flat(x).is_floating_point():
            self.inputs.append(flat(x).detach())
            self.begun.extend(starts)
            return None
        own: dict[int, Any] = {id(v): _alias(v) for v in starts}
        self.begun.extend(own.values())
        alias = _alias(flat(x))
        packed = isinstance(x, PackedSequence)
        own[id(x)] = PackedSequence(alias, *x[1:]) if packed else alias
        self.inputs.append(alias)
        return replaced((args, kwargs), lambda _, v: own.get(id(v), v))

    def _after(self, module: nn.Module, args: tuple, kwargs: dict, given: Any) -> Any:
        every = [leaf for _, leaf in placed(given)]
        floats = [v for v in every if flat(v).is_floating_point() and flat(v).ndim > 1]
        if not floats:
            raise UnsupportedModelError(
                f"{self.path} gives no tensor of steps (sequence, step, feature); name "
                "another module"
            )
        output = floats[0]
        finals = floats[1:2] if isinstance(module, nn.RNNBase) else []
        made: dict[int, Any] = {}
        for leaf in (output, *finals):
            value, edge = self._handed(flat(leaf))
            self._edges.append(edge)
            (self._finals if leaf is not output else self._outputs).append(value)
            packed = isinstance(leaf, PackedSequence)
            made[id(leaf)] = PackedSequence(value, *leaf[1:]) if packed else value
        if isinstance(output, PackedSequence):
            self._form = made[id(output)]
        new = replaced(given, lambda _, leaf: made.get(id(leaf), leaf))
        self._given = [flat(leaf) for _, leaf in placed(new)]
        return new

    def _handed(self, value: Tensor) -> tuple[Tensor, Edge]:
        """Return what is handed on in a value's place, and its place in the graph."""
        if not self.apart:
            return marked(value)
        leaf = value.detach().requires_grad_()
        return marked(leaf)

    def calls(self) -> list[Call]:
        """Return the calls of a torch layer or cell, as far as they are known."""
        if self._form is not None or not self.once:
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

    def learnt_starts(self, model: nn.Module) -> list[Tensor]:
        """Return the parameters that its start is made of, outside of itself.

        Those that belong to the modules around it: what others make of inputs, such as
        an encoder, is no start that is learnt.

        Args:
            model: the whole, in whose graph it was run.
        """
        around = {
            id(p)
            for module in model.modules()
            if module is not self.module and self.module in module.modules()
            for p in module.parameters(recurse=False)
        }
        leaves = (getattr(node, "variable", None) for node in _graph(self.begun))
        return [p for p in leaves if p is not None and id(p) in around]

    def splitting(self, parameters: Sequence[nn.Parameter]) -> Splitting:
        """Return what gives each step its own copy of some parameters."""
        return Splitting(self.module, parameters, 1 - self.axis, self.rounds)

    def edges(self) -> list[Edge]:
        return self._edges

    def output(self) -> Float[Tensor, "sequence step feature"]:
        """Return what the module gave, in its graph."""
        return self.joined(self._outputs)

    def seen(self) -> Seen | None:
        if not self._outputs:
            return None
        if self._form is not None and len(self._outputs) > 1:
            raise UnsupportedModelError(
                f"{self.path} is called several times with packed sequences; pad them"
            )
        x = [embedded(v) if not v.is_floating_point() else v for v in self.inputs]
        output = self.output().detach()
        inputs = self.joined(x).detach() if self._fits(x) else None
        if inputs is None or inputs.shape[:2] != output.shape[:2]:
            raise UnsupportedModelError(
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
        if self.rounds > 1 and len(parts) % self.rounds == 0:
            size = len(parts) // self.rounds
            every = [parts[k : k + size] for k in range(0, len(parts), size)]
            return torch.cat([self._in_time(own) for own in every])
        return self._in_time(parts)

    def _in_time(self, parts: list[Tensor]) -> Float[Tensor, "sequence step feature"]:
        """Put calls together that go on, or are other sequences each."""
        if parts[0].ndim == 2:
            return torch.stack(parts, dim=1)
        parts = [p.flatten(3).flatten(2, -1) if p.ndim > 3 else p for p in parts]
        parts = [p.transpose(0, 1) if self.axis else p for p in parts]
        along = 1 if self.chained else 0
        if len({p.shape[1 - along] for p in parts}) > 1:
            raise UnsupportedModelError(
                f"{self.path} is called with sequences of several lengths or numbers "
                "in one forward pass; name another module"
            )
        return torch.cat(parts, dim=along)

    def asked(self, gradients: Gradients) -> Asked:
        step = 2 if self._finals else 1
        total = self.joined(filled(gradients[::step], self._outputs))
        for call, last in enumerate(gradients[1::2] if self._finals else []):
            if last is not None:
                total = total + self._at_the_end(last, call, total)
        return Asked(total)

    def _at_the_end(self, by_last: Tensor, call: int, like: Tensor) -> Tensor:
        """Return the gradient by a torch layer's last states as one by its output."""
        layer = self.module
        assert isinstance(layer, nn.RNNBase)
        added, linked = torch.zeros_like(like), self.chained
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


def _alias(value: Tensor) -> Tensor:
    """Return the same values, by which what the module alone does can be told."""
    grown = value.requires_grad
    return value.view_as(value) if grown else value.detach().requires_grad_()


def _is_start(value: Tensor | PackedSequence, count: int) -> bool:
    """Tell whether what a first call is given is a state other than 0 of its rows."""
    if not isinstance(value, Tensor) or not value.is_floating_point():
        return False
    known = value.requires_grad or bool(value.any())
    return known and value.ndim > 1 and count in value.shape[: value.ndim - 1]


def _handed_on(taken: list[Tensor], given: list[Tensor]) -> bool:
    """Tell whether some of what a call takes is, or is made of, what the last one gave.

    A state may be put to 0 for some of the sequences, or cut off from its past.
    """
    states = [v for v in taken if v.is_floating_point() and v.ndim]
    for v in states:
        alike = [g for g in given if g.ndim and g.shape == v.shape]
        if any(((v == g).all(-1) & (v != 0).any(-1)).any() for g in alike):
            return True
    ends = {get_gradient_edge(g).node for g in given if g.requires_grad}
    return any(node in ends for node in _graph(states))


def _graph(values: list[Tensor]) -> Iterator[Node]:
    """Yield all nodes of the graph that values were made by, each once."""
    waiting = [get_gradient_edge(v).node for v in values if v.requires_grad]
    seen = set()
    while waiting:
        node = waiting.pop()
        if node not in seen:
            seen.add(node)
            yield node
            waiting.extend(n for n, _ in node.next_functions if n is not None)
