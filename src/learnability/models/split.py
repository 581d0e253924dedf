"""A module's gradient, split by lag: each step has its own copy of the parameters.

A part of the module that is called once per step is handed copies of its parameters in
every call. An affine map of all steps at once has, of each step, the outer product of
the gradient by what it gives and what it takes. All other parameters are not split.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, final

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from .refusal import UnsupportedModelError

SKETCH = 2**14  # numbers that stand for a gradient of more: products err by under 1 %

Rows = Float[Tensor, "row place"]


class Split(NamedTuple):
    """Gradients of some numbers along a direction of the parameters.

    Attributes:
        by_step: of the copies of each step; (row, step).
        rest: of what is not split; (row,).
        size: the square of the whole gradient; (row,).
        left: that of what is not split; (row,).
    """

    by_step: Float[Tensor, "row step"]
    rest: Float[Tensor, "row"]
    size: Float[Tensor, "row"]
    left: Float[Tensor, "row"]


@final
@dataclass
class _Part:
    """A part of a module with parameters of its own, and its calls.

    Attributes:
        module: the part.
        axis: of the steps of what it takes and gives.
        copies: of its parameters by name, one for each call.
        own: the parameters themselves.
        taken: what each call took, of an affine map.
        made: what it gave, likewise.
    """

    module: nn.Module
    axis: int
    own: dict[str, Tensor]
    copies: list[dict[str, Tensor]] = field(default_factory=list)
    taken: list[Tensor] = field(default_factory=list)
    made: list[Tensor] = field(default_factory=list)

    def attach(self) -> list[Any]:
        return [
            self.module.register_forward_pre_hook(self._before),
            self.module.register_forward_hook(self._after),
        ]

    def _before(self, module: nn.Module, args: tuple) -> None:
        self.copies.append({n: p.view_as(p) for n, p in self.own.items()})
        self._hand(self.copies[-1])

    def _after(self, module: nn.Module, args: tuple, given: Any) -> None:
        self.put_back()
        if isinstance(module, nn.Linear):
            self.taken.append(args[0].detach())
            self.made.append(given)

    def forget(self) -> None:
        """Forget its calls."""
        self.copies, self.taken, self.made = [], [], []

    def put_back(self) -> None:
        """Let the part have its own parameters."""
        self._hand(self.own)

    def _hand(self, values: dict[str, Tensor]) -> None:
        """Let the part find other tensors in its parameters' places."""
        self.module._parameters.update(values)  # pyright: ignore
        if isinstance(self.module, nn.RNNBase):
            weights = map(values.get, self.module._flat_weights_names)
            self.module._flat_weights = list(weights)  # pyright: ignore

    def affine(self, steps: int) -> bool:
        """Tell whether it is an affine map of all steps, in one call or several."""
        if not self.made or any(m.ndim != 3 for m in self.made):
            return False
        return sum(m.shape[self.axis] for m in self.made) == steps


@final
@dataclass
class Splitting:
    """A module under hooks that give each step its own copy of the parameters.

    Args:
        module: the module.
        parameters: those by which it is differentiated.
        axis: of the steps in what its parts take and give.
        rounds: of its steps, each of other sequences.
    """

    module: nn.Module
    parameters: Sequence[nn.Parameter]
    axis: int = 1
    rounds: int = 1
    _parts: list[_Part] = field(default_factory=list)

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Put the hooks on, for runs of the model; see `begin`."""
        own = {id(p) for p in self.parameters}
        self._parts = [
            _Part(part, self.axis, dict(part.named_parameters(recurse=False)))
            for part in self.module.modules()
            if not isinstance(part, torch.jit.ScriptModule)
            and any(id(p) in own for p in part.parameters(recurse=False))
        ]
        with ExitStack() as stack:
            for part in self._parts:
                stack.callback(part.put_back)  # where a run ends in an error
                for handle in part.attach():
                    stack.callback(handle.remove)
            yield

    def begin(self) -> None:
        """Forget what was seen: another run begins."""
        for part in self._parts:
            part.forget()

    def along(
        self,
        outputs: Float[Tensor, "sequence step feature"],
        cotangents: Float[Tensor, "row sequence step feature"],
        direction: Float[Tensor, "place"],
    ) -> Split:
        """Return the gradients of ``cotangent . outputs``, step by step.

        Args:
            outputs: what the module gave while the hooks were on, in its graph.
            cotangents: of the outputs.
            direction: of all parameters, one behind the other.
        """
        steps, rows = outputs.shape[1], len(cotangents)
        sizes = [real(p[None]).numel() for p in self.parameters]
        by = dict(zip(map(id, self.parameters), direction.split(sizes), strict=True))
        affine = [part for part in self._parts if part.affine(steps)]
        calls = steps * self.rounds
        called = [p for p in self._parts if p not in affine and len(p.copies) == calls]
        copies = [
            (s % steps, part.own[name], value)
            for part in called
            for s, copy in enumerate(part.copies)
            for name, value in copy.items()
        ]
        copies = [one for one in copies if id(one[1]) in by]
        made = [given for part in affine for given in part.made]
        leaves = [*self.parameters, *(value for *_, value in copies), *made]
        found = pulled(outputs, leaves, cotangents)
        whole = dict(zip(map(id, self.parameters), found, strict=False))
        left = {key: value.clone() for key, value in whole.items()}
        by_step = direction.new_zeros(rows, steps)
        at = len(self.parameters)
        for (s, p, _), g in zip(copies, found[at:], strict=False):
            by_step[:, s] += real(g) @ by[id(p)]
            left[id(p)] -= g
        by_made = iter(found[at + len(copies) :])
        for part in affine:
            self._add_affine(part, by_made, by, left, by_step)
        total, rest = ([real(v) for v in g.values()] for g in (whole, left))
        size, over = (sum(v.square().sum(dim=1) for v in g) for g in (total, rest))
        along = torch.cat(rest, dim=1) @ direction
        return Split(by_step, along, torch.as_tensor(size), torch.as_tensor(over))

    def _add_affine(
        self,
        part: _Part,
        gradients: Iterator[Tensor],
        by: dict[int, Tensor],
        left: dict[int, Tensor],
        by_step: Float[Tensor, "row step"],
    ) -> None:
        """Split an affine map: ``sum (dL/d output_s) (x) input_s`` over steps s."""
        weight, bias, start = part.own["weight"], part.own.get("bias"), 0
        for x, g in zip(part.taken, gradients, strict=False):
            if part.axis == 0:
                x, g = x.transpose(0, 1), g.transpose(1, 2)
            own = slice(start, start + x.shape[1])
            start = own.stop
            if id(weight) in by:
                u = by[id(weight)].view_as(weight)
                by_step[:, own] += torch.einsum("rnso,nso->rs", g, x @ u.mT)
                left[id(weight)] -= torch.einsum("rnso,nsi->roi", g, x)
            if bias is not None and id(bias) in by:
                by_step[:, own] += torch.einsum("rnso,o->rs", g, by[id(bias)])
                left[id(bias)] -= g.sum(dim=(1, 2))


def real(values: Shaped[Tensor, "row *_"]) -> Rows:
    """Return numbers row by row, complex ones as pairs."""
    found = torch.view_as_real(values) if values.is_complex() else values
    return found.reshape(len(values), -1)


def pulled(
    outputs: Tensor, by: Sequence[Tensor], cotangents: Float[Tensor, "row *_"]
) -> list[Tensor]:
    """Return the gradients of all rows, (row, ...) of each leaf; 0 where none leads.

    Args:
        outputs: in their graph.
        by: what is differentiated by.
        cotangents: one per row.
    """

    def grad(one: Tensor, batched: bool) -> tuple[Tensor | None, ...]:
        return torch.autograd.grad(
            outputs,
            list(by),
            one,
            retain_graph=True,
            allow_unused=True,
            is_grads_batched=batched,
        )

    try:
        found = grad(cotangents, True)
    except RuntimeError:  # an operation that knows no batches of cotangents
        each = [grad(one, False) for one in cotangents]
        found = [
            None if parts[0] is None else torch.stack(parts)  # pyright: ignore
            for parts in zip(*each, strict=True)
        ]
    return [
        p.new_zeros(len(cotangents), *p.shape) if g is None else g.detach()
        for p, g in zip(by, found, strict=True)
    ]


@contextmanager
def free(module: nn.Module) -> Iterator[list[nn.Parameter]]:
    """Yield the parameters of a module that are trained; all where none is."""
    every = [p for p in module.parameters() if p.is_floating_point() or p.is_complex()]
    if not every:
        raise UnsupportedModelError(
            f"{type(module).__name__} has no parameters, so the loss has no gradient "
            "by it; name a module that has some"
        )
    trained = [p for p in every if p.requires_grad]
    for p in every:
        p.requires_grad_(p in set(trained) or not trained)
    try:
        yield trained or every
    finally:
        for p in every:
            p.requires_grad_(p in set(trained))


def sketched(rows: Float[Tensor, "row place"]) -> Float[Tensor, "row sum"]:
    """Return shorter vectors with the same products, about; see `sketch`."""
    return sketch(rows.shape[1])(rows)


def sketch(size: int) -> Callable[[Rows], Float[Tensor, "row sum"]]:
    """Return what makes vectors shorter and keeps their products, about.

    Each number is added, with a random sign, to one of `SKETCH` sums; vectors of no
    more numbers than that are left as they are.

    Args:
        size: numbers of each vector.

    Source: Charikar, Chen and Farach-Colton 2002, the count sketch.
    """
    if size <= SKETCH:
        return lambda rows: rows
    generator = torch.Generator().manual_seed(0)
    place = torch.randint(0, SKETCH, (size,), generator=generator)
    sign = torch.randint(0, 2, (size,), generator=generator) * 2 - 1

    def made(rows: Rows) -> Float[Tensor, "row sum"]:
        return rows.new_zeros(len(rows), SKETCH).index_add(1, place, rows * sign)

    return made
