"""A known recurrence over several calls: one run for as long as its state is handed on.

The calls of a torch layer or cell are put together row by row. Where a row starts from
the state that the last call gave, its run goes on; where that state was changed, reset
or cut off from what it was made of, another run begins, from the state that is there.
Where that is not 0 it stands before the first step as one that takes no inputs.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from ..cells import Cell
from ..unroll import unroll
from .convert import CLOSE, Conversion, converted
from .taps import as_it_is

SAME = 1e-6  # of a state's size, by which one that is handed on may differ


class Call(NamedTuple):
    """One call of a recurrence.

    Attributes:
        x: inputs.
        start: the state that it is given, zero where it is given none.
        cut: whether that state is cut off from what it was made of.
    """

    x: Float[Tensor, "sequence step input"]
    start: Float[Tensor, "sequence state"]
    cut: bool


class Runs(NamedTuple):
    """Runs, each with its start before its first step unless that is 0.

    Attributes:
        row: the sequence that each run is of.
        x: inputs, 0 with the start.
        states: the start, and the states after each step.
        lengths: steps of each run, the start included.
        own: steps of each run without it.
    """

    row: Int[Tensor, "run"]
    x: Float[Tensor, "run step input"]
    states: Float[Tensor, "run step state"]
    lengths: Int[Tensor, "run"]
    own: Int[Tensor, "run"]


Run = TypeVar("Run")


def going_on(
    state: Sequence[Tensor],
    runs: Sequence[Run],
    handed: Callable[[Run], Sequence[Tensor]],
) -> tuple[Run | None, bool]:
    """Return the run of calls that one goes on with, or whether it begins another.

    A call goes on with the run whose last state it is given, and begins one where it
    starts from zero, and not from what is made of other calls' states.

    Args:
        state: that the call is given.
        runs: of calls so far.
        handed: gives the state that a run handed on last.
    """

    def found(same: Callable[[Tensor, Tensor], bool]) -> Run | None:
        for run in reversed(runs):
            last = handed(run)
            if len(last) == len(state) and all(map(same, state, last)):
                return run
        return None

    itself = found(lambda given, last: given is last and as_it_is(given, last))
    run = itself if state else None
    if run is None and not any(part.requires_grad or part.any() for part in state):
        return None, True
    return run or found(as_it_is), False


def beneath(
    runs: Sequence[Float[Tensor, "sequence step feature"]],
) -> Float[Tensor, "every longest feature"]:
    """Return the sequences of several runs, 0 after the end of those of fewer steps."""
    most = max(run.shape[1] for run in runs)
    padded = [functional.pad(run, (0, 0, 0, most - run.shape[1])) for run in runs]
    return torch.cat(padded)


def known(module: nn.Module) -> Conversion | None:
    """Return the cell of a torch layer or cell; None of more than one recurrence."""
    if isinstance(module, nn.RNNBase):
        if module.num_layers > 1 or module.bidirectional or module.proj_size:
            return None
        return converted(module, place=0, backward=False)
    return converted(module) if isinstance(module, nn.RNNCellBase) else None


def joined(cell: Cell, calls: Sequence[Call]) -> Runs:
    """Return the runs of a recurrence over its calls.

    Args:
        cell: the recurrence.
        calls: in their order, of equally many sequences each.
    """
    count = len(calls[0].x)
    open_: list[tuple[list[Tensor], list[Tensor]]] = []
    closed: list[tuple[int, list[Tensor], list[Tensor]]] = []
    last = torch.full((count, calls[0].start.shape[1]), torch.nan)
    for call in calls:
        with torch.no_grad():
            states = unroll(cell, call.x, call.start)
        goes_on = _same(call.start, last) & (not call.cut)
        for row in range(count):
            if not goes_on[row]:
                if open_ and len(open_) > row:
                    closed.append((row, *open_[row]))
                start = call.start[row : row + 1]
                start = start if start.any() else start[:0]
                begin = call.x.new_zeros(len(start), call.x.shape[2])
                open_[row : row + 1] = [([begin], [start])]
            open_[row][0].append(call.x[row])
            open_[row][1].append(states[row])
        last = states[:, -1]
    closed.extend((row, *one) for row, one in enumerate(open_))
    closed.sort(key=lambda one: one[0])
    x = [torch.cat(inputs) for _, inputs, _ in closed]
    states = [torch.cat(parts) for _, _, parts in closed]
    return Runs(
        torch.tensor([row for row, _, _ in closed]),
        pad_sequence(x, batch_first=True),
        pad_sequence(states, batch_first=True),
        torch.tensor([len(one) for one in x]),
        torch.tensor([sum(map(len, inputs[1:])) for _, inputs, _ in closed]),
    )


def _same(one: Tensor, other: Tensor) -> Bool[Tensor, "sequence"]:
    """Return for which sequences two states are the same."""
    apart = (one - other).abs().amax(dim=1)
    return apart <= SAME * one.abs().amax(dim=1).clamp(min=1.0)


def agree(
    runs: Runs, outputs: Float[Tensor, "sequence step unit"], output: slice
) -> bool:
    """Tell whether runs give what the module gave, step by step."""
    found = [[] for _ in outputs]
    for row, _, states, length, own in zip(*runs, strict=True):
        found[int(row)].append(states[int(length - own) : int(length), output])
    if len(runs.row) == 0 or len({sum(map(len, parts)) for parts in found}) > 1:
        return False
    apart = torch.stack([torch.cat(parts) for parts in found]) - outputs.cpu()
    return bool(apart.abs().max() <= CLOSE * outputs.abs().max().clamp(min=1e-3))
