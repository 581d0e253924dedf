"""A user's own cell, known by ``step(state, x)`` alone: all else by autodiff.

Nothing but autograd over many rows (sequence, step) at once is asked of the module,
and rows are taken some at a time: what is held grows with a row, not with its square.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, final

import torch
import xarray as xr
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call, vjp, vmap

from ..cells import Cell, Steps, previous
from .stepping import Step, by_unit, joined, led_back, reaches, rows_led_back
from .trees import leaves

BYTES = 2**25  # that the rows of one pass take, about
ARRAYS = 32  # of a row's size that a step may hold for its backward pass
NO_RATES = (
    "a cell known by step(state, x) alone names no recurrent weights whose rates could "
    "be those of its units; read the envelope without rates"
)
UNGATED = (
    "a cell known by step(state, x) alone names no gate, and gates alone are what "
    "this order is made of; read the orders diagonal and exact"
)
WHOLE = "from each unit of the state to itself"
SEVERAL = (
    f"{WHOLE}: of a state in several parts only (h, c) is known, where each unit of h "
    "is made of its own unit of c in the same step"
)
CARRIED = "from each unit of c to its own unit of h, of a state (h, c)"


@final
class Stepped(Cell):
    """A cell of which nothing is known but its step.

    A state may be a tensor or any nesting of tuples of tensors, sequences first; here
    it is all its parts, one after the other. Where it is (h, c), as that of an LSTM,
    gains lead from c to h: a nudge of c moves h at once by ``e = d h_t / d c_t``, which
    autograd gives since the step makes its h of its c. Otherwise every unit of the
    state counts, from itself to itself. The leak is 0 and the diagonal of the Jacobian
    the correction: only a cell that names its gate has the orders zero and first.

    Args:
        module: has ``step(state, x) -> state``, and parameters.
        state: a state that it gave, of some sequences.
        x: inputs of the same sequences; what is behind the first axis is one here.
        carried: how many of the state's parts it makes the next state of; all unless
            given. The others are what it gives beside its state.

    Attributes:
        route: from what to what a gain leads, in words.

    Raises:
        ValueError: if the module has no parameters, mixes sequences, or has no
            derivatives.

    Example:
        >>> import torch
        >>> class Scaled(torch.nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.scale = torch.nn.Parameter(torch.tensor(0.5))
        ...     def step(self, state, x):
        ...         return self.scale * state + x
        >>> cell = Stepped(Scaled(), torch.ones(1, 3), torch.zeros(1, 3))
        >>> cell.step(torch.ones(1, 3), torch.zeros(1, 3)).detach()
        tensor([[0.5000, 0.5000, 0.5000]])
    """

    recurrent = ()
    no_rates = NO_RATES
    undefined: Mapping[str, str] = {"zero": UNGATED, "first": UNGATED}

    def __init__(
        self, module: nn.Module, state: Any, x: Tensor, carried: int | None = None
    ) -> None:
        nn.Module.__init__(self)
        if next(module.parameters(), None) is None:
            raise ValueError(
                f"{type(module).__name__} has no parameters, so the loss has no "
                "gradient by it; put it into a module whose step has some"
            )
        self.inputs = x.shape[1:].numel()
        self.ln_weight = self.ln_bias = None
        self.stepped = Step(module, state, x)
        self._size = sum(self.stepped.sizes)
        at, x = joined(list(leaves(state))).detach(), x.flatten(1)
        self._check_alone(at, x.detach())
        self._check_derivatives(at, x.detach())
        sizes = self.stepped.sizes[:carried]
        self._memory = self._find_memory(at, x.detach(), len(sizes))
        self.units = sum(sizes) if self._memory is None else sizes[0]
        self.route = CARRIED if self._memory is not None else WHOLE
        if self._memory is None and len(sizes) > 1:
            self.route = SEVERAL
        self._batched: bool | None = None

    @property
    def state_size(self) -> int:
        return self._size

    @property
    def carried(self) -> slice:
        start = 0 if self._memory is None else sum(self.stepped.sizes[: self._memory])
        return slice(start, start + self.units)

    def _check_alone(self, state: Tensor, x: Tensor) -> None:
        """Refuse a step that gives a sequence another state alone than among others."""
        with torch.no_grad():
            among, alone = self.stepped(state, x)[:1], self.stepped(state[:1], x[:1])
        if not torch.allclose(among, alone, rtol=1e-3, atol=1e-5):
            raise ValueError(
                "its step gives a sequence another state alone than among others; "
                "let it neither mix sequences nor draw random numbers"
            )

    def _check_derivatives(self, state: Tensor, x: Tensor) -> None:
        """Refuse a step that autograd cannot take twice, as `parameter_jvp` does."""
        at = {name: value.detach() for name, value in self.named_parameters()}
        try:
            self.parameter_jvp(state[:1], x[:1], at, at)
        except RuntimeError as error:
            raise ValueError(
                f"its step has no second derivative ({str(error).splitlines()[0]}); "
                "let its functions be PyTorch's, or such that autograd can go on"
            ) from error

    def _find_memory(self, state: Tensor, x: Tensor, carried: int) -> int | None:
        """Return which part is the c of (h, c), if one is.

        That h is made of c, unit by unit, must be all that one part of the new state
        owes to another.
        """
        parts = self._graph(state, x)[1][:carried]
        owed = [
            (a, b)
            for a, one in enumerate(parts)
            for b, other in enumerate(parts)
            if a != b and reaches(one, other)
        ]
        if len(owed) != 1 or owed[0][0] != 0:
            return None
        c = owed[0][1]
        return c if by_unit(parts[0], parts[c]) else None

    def _graph(
        self, state: Tensor, x: Tensor
    ) -> tuple[list[Tensor], list[Tensor], Tensor]:
        """Return parts of states, those of the next states and these joined."""
        before = [part.detach().requires_grad_() for part in self.stepped.split(state)]
        with torch.enable_grad():
            parts = self.stepped.parts(before, x)
            return before, parts, joined(parts)

    def input_projection(self, x: Tensor) -> Tensor:
        return x

    def step_projected(self, state: Tensor, projected: Tensor) -> Tensor:
        lead = state.shape[:-1]
        rows = projected.reshape(-1, projected.shape[-1])
        return self.stepped(state.reshape(-1, self._size), rows).reshape(*lead, -1)

    def _rows(self, count: int, element: int) -> Iterator[slice]:
        """Yield rows that may be stepped at a time."""
        size = max(1, BYTES // (ARRAYS * (self._size + self.inputs) * element))
        for start in range(0, count, size):
            yield slice(start, start + size)

    def diagonal_jacobian(self, states: Tensor, x: Tensor) -> Steps:
        """Return the leak 0 and each carried unit's own derivative as correction."""
        through, inward = self._by_rows(self._own_derivatives, 2, states, x)
        exit_ = self.exit_derivatives(states, x)
        if exit_ is not None:
            through = through + inward * previous(exit_)
        return Steps(torch.zeros_like(through), through, exit_)

    def exit_derivatives(self, states: Tensor, x: Tensor) -> Tensor | None:
        if self._memory is None:
            return None
        return self._by_rows(partial(self._exits, self._memory), 1, states, x)[0]

    def _by_rows(
        self, what: Callable[..., Tensor], count: int, states: Tensor, x: Tensor
    ) -> Float[Tensor, "derivative sequence step carried"]:
        """Return so many derivatives of each carried unit, some steps at a time."""
        before, inputs = previous(states).detach().flatten(0, 1), x.flatten(0, 1)
        found = before.new_empty(count, len(before), self.units)
        for rows in self._rows(len(before), x.element_size()):
            found[:, rows] = what(before[rows], inputs[rows])
        return found.unflatten(1, states.shape[:2])

    def _exits(self, c: int, state: Tensor, x: Tensor) -> Tensor:
        parts = self._graph(state, x)[1]
        (e,) = led_back(parts[0], [parts[c]], torch.ones_like(parts[0]))
        return e.reshape(1, len(state), -1)

    def _own_derivatives(self, state: Tensor, x: Tensor) -> Tensor:
        """Return ``dc_t/dc_{t-1}``, ``dc_t/dh_{t-1}`` of each unit."""
        before, _, after = self._graph(state, x)
        found = state.new_empty(2, len(state), self.units)
        for q in range(self.units):
            one = torch.zeros_like(after)
            one[:, self.carried.start + q] = 1
            row = joined(led_back(after, before, one))
            found[0, :, q] = row[:, self.carried.start + q]
            found[1, :, q] = row[:, q]
        return found

    def local_derivatives(self, states: Tensor, x: Tensor) -> Tensor:
        """Return where each step is taken, (state before, x): `vjp` does the rest."""
        return torch.cat((previous(states), x), dim=-1).detach()[..., None, :]

    def vjp(self, adjoint: Tensor, local: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``J^T lambda``, and lambda itself: what `row_gradients` takes.

        Where an axis of local has one step for several cotangents, the step is taken
        once for all of them.
        """
        at = local[..., 0, :]
        at = at.reshape(*[1] * (adjoint.ndim - at.ndim), *at.shape)
        sizes = zip(adjoint.shape[:-1], at.shape[:-1], strict=True)
        shared = [axis for axis, (a, b) in enumerate(sizes) if a != b]
        first = list(range(len(shared)))
        by = adjoint.movedim(shared, first)
        rows = by.flatten(0, len(shared) - 1) if shared else by[None]
        rows = rows.reshape(len(rows), -1, self._size)
        found = self._led_back(rows, at.movedim(shared, first).flatten(0, -2))
        return found.reshape(by.shape).movedim(first, shared), adjoint

    def _led_back(
        self, by: Float[Tensor, "row step state"], at: Float[Tensor, "step state_and_x"]
    ) -> Float[Tensor, "row step state"]:
        """Return cotangents led back, any number of rows through the same steps."""
        found = torch.empty_like(by)
        for own in self._rows(by.shape[1], len(by) * by.element_size()):
            state, x = at[own].split((self._size, self.inputs), dim=-1)
            before, _, after = self._graph(state, x)
            parts = rows_led_back(after, before, by[:, own])
            found[:, own] = torch.cat([part.flatten(2) for part in parts], dim=-1)
        return found

    def reached(self, adjoint: Tensor, local: Tensor) -> Tensor:
        """Return lambda itself, see `vjp`, without pulling it back through the step."""
        del local
        return adjoint

    def row_gradients(self, p: Tensor, states: Tensor, x: Tensor) -> Tensor:
        """Return each sequence's and row's gradient, (sequence, row, parameter).

        All sequences of a chunk go together by `vmap`; a step that it cannot take, as
        one that branches on its values, goes sequence by sequence, to the same end.
        """
        before, own = previous(states).detach(), x.detach()
        if self._batched is None:
            self._batched = self._takes_vmap(p[:1, :1], before[:1], own[:1])
        one = vmap(self._by_vmap) if self._batched else self._one_by_one
        rows, steps = p.shape[1:3]
        weights = sum(value.numel() for value in self.parameters())
        held = rows * weights + steps * (rows + ARRAYS) * (self._size + self.inputs)
        size = max(1, BYTES // (held * p.element_size()))
        chunks = zip(p.split(size), before.split(size), own.split(size), strict=True)
        return torch.cat([one(*chunk).to(p.device) for chunk in chunks])

    def _takes_vmap(self, *example: Tensor) -> bool:
        try:
            vmap(self._by_vmap)(*example)
        except RuntimeError:
            return False
        return True

    def _step_of(self, before: Tensor, x: Tensor) -> Callable[..., Tensor]:
        return lambda at: functional_call(self, at, (before, x))

    def _by_vmap(self, rows: Tensor, before: Tensor, x: Tensor) -> Tensor:
        """Return the gradients of one sequence, (row, parameter)."""
        at = {name: value.detach() for name, value in self.named_parameters()}
        back = vjp(self._step_of(before, x), at)[1]
        (named,) = vmap(back)(rows)
        return joined(list(named.values()))

    def _at(self, before: Tensor, x: Tensor, at: Mapping[str, Tensor]) -> Any:
        """Return parameters, frozen ones too, and the next state in a graph."""
        own = {name: value.detach().requires_grad_() for name, value in at.items()}
        with torch.enable_grad():
            return list(own.values()), self._step_of(before, x)(own)

    def parameter_jvp(
        self,
        before: Tensor,
        x: Tensor,
        at: dict[str, Tensor],
        along: dict[str, Tensor],
    ) -> Tensor:
        """Return ``d <J^T v, w> / d v``: what leads back leads forward, too.

        Forward mode would ask more of a step than autograd does.
        """
        own, after = self._at(before, x, at)
        v = torch.zeros_like(after, requires_grad=True)
        with torch.enable_grad():
            found = torch.autograd.grad(
                after, own, v, create_graph=True, allow_unused=True
            )
            pairs = zip(found, (along[name] for name in at), strict=True)
            total = sum((g * w).sum() for g, w in pairs if g is not None)
        if not isinstance(total, Tensor) or not total.requires_grad:
            return torch.zeros_like(after)
        return torch.autograd.grad(total, v)[0]

    def _one_by_one(self, p: Tensor, before: Tensor, x: Tensor) -> Tensor:
        """Return the gradients of some sequences, (sequence, row, parameter)."""
        found = []
        for rows, state, own in zip(p, before, x, strict=True):
            at, after = self._at(state, own, dict(self.named_parameters()))
            named = [led_back(after, at, row) for row in rows]
            found.append(torch.stack([_flat(parts) for parts in named]))
        return torch.stack(found)


def _flat(parts: list[Tensor]) -> Tensor:
    return torch.cat([part.flatten() for part in parts])


def explained(groups: dict[str, xr.Dataset], cell: Cell) -> dict[str, xr.Dataset]:
    """Return groups over orders, nan with a sentence where the cell has no such order.

    Args:
        groups: envelopes and time scales by name.
        cell: the recurrence.
    """
    attrs = {f"{order}_undefined": why for order, why in cell.undefined.items()}
    if cell.route:
        attrs["route"] = cell.route
    if not attrs:
        return groups
    known = {
        name: group.where(~group["order"].isin(list(cell.undefined)))
        for name, group in groups.items()
    }
    return {name: group.assign_attrs(attrs) for name, group in known.items()}
