"""A recurrent module again, layer by layer, on this package's cells.

A layer of several is replayed from the recorded input of the first: each from the
output of the one before. The gradient at an inner layer's output comes from autograd
through the layers above it. A backward direction is replayed on the sequences turned
round, each within its own length, so that everything after is the same for both.
"""

from collections import OrderedDict
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any, final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ..cells import Cell
from ..unroll import unroll
from .convert import CLOSE, Conversion, check_values, converted
from .module_tap import ModuleTap
from .own import Stepped
from .refusal import UnsupportedLayerError, UnsupportedModelError
from .step_tap import StepTap
from .taps import Asked, Seen, Tap


@final
@dataclass(frozen=True)
class Track:
    """One recurrence of a model: a layer in one direction.

    Attributes:
        name: such as ``encoder.gru[layer 0, forward]``.
        conversion: the cell, and where its parameters come from; None where nothing is
            known of a module but what it takes and gives.
        layer: which of the module's layers.
        backward: whether it runs from a sequence's end to its start.
    """

    name: str
    conversion: Conversion | None
    layer: int = 0
    backward: bool = False

    @property
    def cell(self) -> Cell:
        """Return the cell."""
        if self.conversion is None:
            raise ValueError(f"{self.name} has no equation that is known")
        return self.conversion.cell


@final
@dataclass(frozen=True)
class Trace:
    """What one recurrence did on some sequences, in the order of its own steps.

    Attributes:
        x: inputs; zero after a sequence's end.
        states: the states after each step.
        lengths: steps of each sequence.
        asked: gradients of each question by the state at a fixed future of the
            states; zero after a sequence's end.
    """

    x: Float[Tensor, "sequence step input"]
    states: Float[Tensor, "sequence step state"]
    lengths: Int[Tensor, "sequence"]
    asked: tuple[Float[Tensor, "sequence step state"], ...] = ()

    @property
    def nbytes(self) -> int:
        """Return the bytes that it holds."""
        return sum(v.nbytes for v in (self.x, self.states, *self.asked))


def tracks_of(tap: Tap, seen: Seen) -> list[Track]:
    """Return the recurrences of a module.

    Args:
        tap: on the module.
        seen: what it took and gave.

    Raises:
        ValueError: if it has projections or weights that are not finite.
    """
    layer = tap.module
    if isinstance(tap, ModuleTap):
        return [Track(tap.path, None)]
    try:
        if isinstance(layer, nn.RNNBase):
            ways = (False, True) if layer.bidirectional else (False,)
            return [
                Track(
                    f"{tap.path}[layer {k}, {'backward' if back else 'forward'}]",
                    converted(layer, place=k, backward=back),
                    k,
                    back,
                )
                for k in range(layer.num_layers)
                for back in ways
            ]
        if isinstance(layer, nn.RNNCellBase):
            return [Track(tap.path, converted(layer))]
        for name, value in layer.named_parameters():
            check_values(name, value)
        if not isinstance(layer, Cell):
            assert isinstance(tap, StepTap)
            own = tap.stepping
            _check_on_cpu(layer)
            layer = Stepped(own, tap.form, tap.last, tap.carried)
        return [Track(tap.path, Conversion(_on_cpu(layer), tap.module))]
    except ValueError as error:
        raise UnsupportedLayerError(tap.path, f"{tap.path}: {error}") from error


def _devices(module: nn.Module) -> set[str]:
    return {value.device.type for value in (*module.parameters(), *module.buffers())}


def _on_cpu(cell: Cell) -> Cell:
    """Return a cell where layers are measured: itself, or a copy of one elsewhere."""
    if _devices(cell) <= {"cpu"}:
        return cell
    hooks = (cell._forward_hooks, cell._forward_pre_hooks)  # which hold what was seen
    twin = deepcopy(cell, {id(every): OrderedDict() for every in hooks})
    return twin.cpu().requires_grad_(False)


def _check_on_cpu(module: nn.Module) -> None:
    """Check that a cell whose step is the user's runs where layers are measured."""
    other = _devices(module) - {"cpu"}
    if other:
        raise ValueError(
            f"it lies on {other.pop()}; steps of own cells are measured on the CPU; "
            'give device="cpu"'
        )


def turned(
    values: Float[Tensor, "sequence step feature"], lengths: Int[Tensor, "sequence"]
) -> Float[Tensor, "sequence step feature"]:
    """Return each sequence's own steps in the opposite order; the rest stays.

    Example:
        >>> import torch
        >>> turned(torch.tensor([[[1.], [2.], [0.]]]), torch.tensor([2])).flatten()
        tensor([2., 1., 0.])
    """
    step = torch.arange(values.shape[1], device=values.device)
    last = lengths.to(values.device)[:, None] - 1
    source = torch.where(step <= last, last - step, step)
    return values.gather(1, source[..., None].expand_as(values))


def replay(
    tap: Tap, tracks: list[Track], seen: Seen, questions: list[Asked]
) -> list[Trace]:
    """Run a module's layers again and lead every question's gradient to each.

    Args:
        tap: on the module.
        tracks: its recurrences, in the order of `tracks_of`.
        seen: what the module took and gave.
        questions: gradients by what it gave.

    Raises:
        ValueError: if the replay gives other outputs than the module gave.
    """
    if seen.whole:
        asked = tuple(q.output.cpu() for q in questions)
        return [Trace(seen.x.cpu(), seen.output.cpu(), seen.lengths, asked)]
    layers = [[t for t in tracks if t.layer == k] for k in range(tracks[-1].layer + 1)]
    x, runs = seen.x.cpu(), []
    lengths = seen.lengths.cpu()
    for k, ways in enumerate(layers):
        run = _Run(ways, x.detach(), lengths, lead_back=k > 0 and bool(questions))
        runs.append(run)
        x = run.output
    _check(tap, seen, x)
    traces: list[list[Trace]] = [run.traces(()) for run in runs]
    answers = [replace(q, output=q.output.cpu()) for q in questions]
    for k in reversed(range(len(layers))):
        deltas = [runs[k].deltas(k, answer) for answer in answers]
        if deltas:
            traces[k] = runs[k].traces(tuple(zip(*deltas, strict=True)))
        if k > 0:
            answers = [
                replace(answer, output=runs[k].below(delta))
                for delta, answer in zip(deltas, answers, strict=True)
            ]
    return [trace for layer in traces for trace in layer]


class _Run:
    """One layer of a module, replayed in its directions."""

    def __init__(
        self, ways: list[Track], x: Tensor, lengths: Tensor, *, lead_back: bool
    ) -> None:
        self.ways, self.lengths = ways, lengths
        self.x = x.requires_grad_(lead_back)
        with torch.set_grad_enabled(lead_back):
            self.inputs = [self._own(way, self.x) for way in ways]
            pairs = zip(ways, self.inputs, strict=True)
            self.states = [unroll(way.cell, own) for way, own in pairs]
        outputs = [
            self._own(way, states[..., way.cell.output].detach())
            for way, states in zip(ways, self.states, strict=True)
        ]
        self.output = torch.cat(outputs, dim=-1)

    def _own(self, way: Track, values: Tensor) -> Tensor:
        return turned(values, self.lengths) if way.backward else values

    def deltas(self, place: int, answer: Asked) -> list[Tensor]:
        """Return one question's gradient by the states of each direction."""
        last, rows = self.lengths - 1, torch.arange(len(self.lengths))
        found = []
        for k, (way, states) in enumerate(zip(self.ways, self.states, strict=True)):
            units = way.cell.units
            delta = torch.zeros_like(states.detach())
            if answer.output.shape[-1] == way.cell.state_size and len(self.ways) == 1:
                delta[:] = answer.output
            else:
                part = answer.output[..., k * units : (k + 1) * units]
                delta[..., way.cell.output] = self._own(way, part)
            if answer.final is not None:
                ends = [torch.minimum(last, end) for end in answer.ends] or [last]
                finals = answer.final[:, place * len(self.ways) + k]
                for end, final in zip(ends, finals.to(delta.device), strict=True):
                    delta[rows, end] += final
            found.append(delta)
        return found

    def below(self, deltas: list[Tensor]) -> Tensor:
        """Return the gradient by the output of the layer below."""
        (found,) = torch.autograd.grad(
            self.states, self.x, grad_outputs=deltas, retain_graph=True
        )
        return found

    def traces(self, asked: tuple[tuple[Tensor, ...], ...]) -> list[Trace]:
        """Return what each direction did, with the gradients by its states."""
        found = []
        for k, (own, states) in enumerate(zip(self.inputs, self.states, strict=True)):
            answers = asked[k] if asked else ()
            found.append(Trace(own.detach(), states.detach(), self.lengths, answers))
        return found


def _check(tap: Tap, seen: Seen, output: Tensor) -> None:
    step = torch.arange(output.shape[1])
    own = (step < seen.lengths[:, None])[..., None]
    given = seen.output.to(output)
    if given.shape[-1] != output.shape[-1]:  # a cell's states, of which h is a part
        given = given[..., : output.shape[-1]]
    apart = ((given - output).abs() * own).max()
    if not apart <= CLOSE * given.abs().max().clamp(min=1e-3):
        raise UnsupportedLayerError(
            tap.path,
            f"{tap.path} does not give what its equations give (apart by {apart:.2g})",
        )


def checked(lengths: Any) -> Int[Tensor, "sequence"]:
    """Return the steps of each sequence of a batch as whole numbers.

    Raises:
        ValueError: if they are not one number above 0 for each.
    """
    given = torch.as_tensor(lengths).long().cpu()
    if given.ndim != 1 or not (given > 0).all():
        raise UnsupportedModelError(
            f"the lengths of a batch have shape {tuple(given.shape)}; give one "
            "number above 0 a sequence"
        )
    return given


def cut(
    path: str, tracks: list[Track], seen: Seen, asked: list[Asked], lengths: Tensor
) -> tuple[Seen, list[Asked]]:
    """Return what a layer saw, with the lengths that it did not know itself.

    What others' targets ask after a sequence's end is left out: they may be longer.

    Raises:
        ValueError: if the lengths do not fit, the layer runs backward over padding, or
            the loss looks at steps after a sequence's end.
    """
    steps = seen.x.shape[1]
    if len(lengths) != len(seen.x) or int(lengths.max()) > steps:
        raise UnsupportedModelError(
            f"{len(lengths)} lengths up to {int(lengths.max())} do not fit the inputs "
            f"of {path}, {len(seen.x)} sequences of {steps} steps; give each its own"
        )
    if bool((lengths < steps).any()) and any(track.backward for track in tracks):
        raise UnsupportedLayerError(
            path,
            f"the backward direction of {path} begins in the padding: sequences are "
            "not packed with torch.nn.utils.rnn.pack_padded_sequence",
        )
    after = torch.arange(steps) >= lengths[:, None]
    for question in asked[:1]:
        looked = (question.output.cpu() != 0).any(dim=-1) & after
        if looked.any():
            n = int(looked.any(dim=1).nonzero()[0])
            raise UnsupportedModelError(
                f"the loss looks at steps of {path} after the end of sequence {n} "
                f"({int(lengths[n])} steps); mask its padding"
            )
    outputs = (q.output.cpu().masked_fill(after[..., None], 0.0) for q in asked)
    own = [replace(q, output=o) for q, o in zip(asked, outputs, strict=True)]
    return replace(seen, lengths=lengths), own
