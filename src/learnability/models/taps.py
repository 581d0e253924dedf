"""Taps: forward hooks that see what goes into a recurrent layer and what comes out.

What a layer gives is handed on unchanged; its place in the graph is remembered at
once, so that whatever the model does to it later, the gradient is that of the layer's
own output.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch._C._functorch import (  # pyright: ignore[reportMissingModuleSource]
    peek_interpreter_stack,  # PyTorch has no public question for its transforms
)
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.nn.parameter import is_lazy

from .convert import check_values
from .refusal import (
    WRONG,
    UnsupportedLayerError,
    UnsupportedModelError,
    first_line,
)
from .trees import leaves

ROUNDING = 1e-4  # of the largest number: what other neighbours may change

Edge = GradientEdge | None
Gradients = Sequence[Tensor | None]

# Operations that hand a state on as it is, in another shape.
SHAPING = re.compile(
    "(Alias|Cat|Clone|Expand|Permute|Reshape|Select|Slice|Split|SplitWithSizes|Squeeze"
    "|Stack|T|Transpose|Unbind|UnsafeView|Unsqueeze|View)Backward"
)

_unseen: ContextVar[bool] = ContextVar("unseen", default=False)


@contextmanager
def unseen() -> Iterator[None]:
    """Let cells step meanwhile without their taps taking notice: for replays."""
    token = _unseen.set(True)
    try:
        yield
    finally:
        _unseen.reset(token)


def passed_over() -> bool:
    """Tell whether taps are to take no notice."""
    return _unseen.get()


@dataclass(frozen=True)
class Asked:
    """The gradient of something by what a layer gave.

    Attributes:
        output: by its output of every step; (sequence, step, feature).
        final: by the last states of each call, (call, place, sequence, state), h
            before c; None where the layer gives none.
        ends: the last step of each call, by sequence; that of each sequence where there
            is but one.
    """

    output: Tensor
    final: Tensor | None = None
    ends: tuple[Tensor, ...] = ()


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
    """Return a tensor, another where that is needed, and its place in the graph.

    A model whose weights are frozen has no graph; it begins here then.
    """
    if not torch.is_grad_enabled():
        return value, None
    if not value.requires_grad:
        value = value.detach().requires_grad_().clone()
    return value, get_gradient_edge(value)


def as_it_is(given: Tensor, last: Tensor) -> bool:
    """Tell whether a state is the one that was given last, at most in another shape.

    One that a model made without gradients, before a call with them, is cut off.
    """
    if torch.is_grad_enabled() and not last.requires_grad:
        return False
    if given is last:
        return True
    if given.shape != last.shape or not torch.equal(given, last):
        return False
    if not last.requires_grad or not given.requires_grad:
        return given.requires_grad == last.requires_grad
    end, waiting, seen = last.grad_fn, [given.grad_fn], set()
    while waiting:
        node = waiting.pop()
        if node is end:
            return True
        shapes = SHAPING.match(type(node).__name__)
        if node is not None and node not in seen and shapes:
            seen.add(node)
            waiting.extend(n for n, _ in node.next_functions)
    return False


def differentiated(
    loss: Tensor, edges: Sequence[Edge], again: bool
) -> list[Tensor | None]:
    """Return the gradients of a loss by places in its graph, None by none.

    Args:
        loss: one number.
        edges: the places.
        again: whether the graph is needed again.

    Raises:
        ValueError: if the loss has no gradient by any of them, or one that is not
            finite.
    """
    live = [edge for edge in edges if edge is not None]
    if not loss.requires_grad or not live:
        raise UnsupportedModelError(
            "the loss does not depend on any recurrent layer; check that the forward "
            "pass neither detaches nor runs without gradients, as under "
            "torch.no_grad() or in checkpoint(..., use_reentrant=True)"
        )
    try:
        grads = torch.autograd.grad(loss, live, retain_graph=again, allow_unused=True)
    except WRONG as error:
        raise UnsupportedModelError(
            f"the loss cannot be differentiated ({first_line(error)}); give outputs "
            "and targets of types that it takes"
        ) from error
    if not all(g is None or bool(torch.isfinite(g).all()) for g in grads):
        raise UnsupportedModelError(
            "the loss is finite and its gradient is not, so that no training would "
            "get on; leave NaN out before anything is made of it, "
            "((outputs - y)[~y.isnan()] ** 2).mean(), and take no root or norm of 0"
        )
    found = iter(grads)
    return [None if edge is None else next(found) for edge in edges]


def filled(gradients: Gradients, values: Sequence[Tensor]) -> list[Tensor]:
    """Return gradients by values, zero where there is none."""
    pairs = zip(gradients, values, strict=True)
    return [torch.zeros_like(v) if g is None else g for g, v in pairs]


class Tap(ABC):
    """Hooks on one recurrent module.

    Attributes:
        path: the module's name in the model.
        module: the module.
    """

    def __init__(self, path: str, module: nn.Module) -> None:
        self.path, self.module = path, module
        self.clear()

    @property
    def learns(self) -> bool:
        """Whether the next run needs a graph, to know how calls hang together."""
        return False

    @property
    def pieces(self) -> list[int]:
        """Steps from each begin to the next, in the order of the rows."""
        return []

    def put_in_time(self) -> None:
        """Take pieces for later steps of the same sequences.

        Raises:
            ValueError: if the recurrence's equation knows of one begin alone.
        """
        raise UnsupportedLayerError(
            self.path, f"{self.path} begins anew within a sequence"
        )

    @abstractmethod
    def clear(self) -> None:
        """Forget what was seen."""

    def attach(self) -> list[Any]:
        """Put the hooks on; return their handles."""
        return [
            self.module.register_forward_pre_hook(self._refuse_wrapped),
            self.module.register_forward_pre_hook(self._before, with_kwargs=True),
            self.module.register_forward_hook(self._after, with_kwargs=True),
        ]

    def _refuse_wrapped(self, module: nn.Module, args: tuple) -> None:
        if peek_interpreter_stack() is not None:
            raise UnsupportedModelError(
                f"{self.path} runs under torch.vmap or another transform of "
                "torch.func, which hides its numbers; call it on the whole batch, or "
                "in a plain loop, torch.stack([run(one) for one in x])"
            )

    @abstractmethod
    def _before(self, module: nn.Module, args: tuple, kwargs: dict) -> Any:
        """See a call; return what the module is handed instead, if anything."""

    @abstractmethod
    def _after(self, module: nn.Module, args: tuple, kwargs: dict, given: Any) -> Any:
        """See what a call gave; return what is handed on instead, if anything."""

    @abstractmethod
    def seen(self) -> Seen | None:
        """Return what the layer took and gave; None if the model never called it."""

    @abstractmethod
    def edges(self) -> list[Edge]:
        """Return the places in the graph of all that the layer gave."""

    @abstractmethod
    def asked(self, gradients: Gradients) -> Asked:
        """Put gradients by the edges into the order of sequences and steps."""


def refuse_start(path: str, state: Any) -> None:
    """Say that a layer has to start from zero.

    Raises:
        ValueError: if it does not.
    """
    if any(bool((part != 0).any()) for part in leaves(state)):
        raise UnsupportedLayerError(
            path,
            f"{path} starts from a state that is not zero",
        )


def check_weights(model: nn.Module, taps: Sequence[Tap]) -> None:
    """Refuse weights that are not there or not finite, of a model and its taps."""
    for name, value in model.named_parameters():
        if is_lazy(value):
            raise UnsupportedModelError(
                f"the weights {name} are not made yet; call the model on a batch first"
            )
        if not torch.isfinite(value).all():
            raise UnsupportedModelError(
                f"the weights {name} are not finite; go back to a checkpoint before "
                "they diverged"
            )
    for tap in taps:
        for name, value in tap.module.named_parameters():
            check_values(f"{name} of {tap.path}", value)


def check_inputs(taps: Sequence[Tap]) -> None:
    """Refuse inputs of a layer that are not finite."""
    for tap in taps:
        seen = tap.seen()
        if seen is not None and not torch.isfinite(seen.x).all():
            raise UnsupportedModelError(
                f"the inputs of {tap.path} are not finite; remove or impute NaN "
                "and infinity in the data"
            )


def check_called(taps: Sequence[Tap]) -> None:
    """Refuse a model whose recurrent layers were never called."""
    if all(tap.seen() is None for tap in taps):
        names = ", ".join(tap.path for tap in taps)
        raise UnsupportedModelError(
            f"the model's forward pass never called {names}; call the module "
            "itself, not its weights, or unroll it with learnability.unroll"
        )


def same(one: Seen, other: Seen) -> bool:
    """Tell whether a layer saw the same, to the last bit."""
    return torch.equal(one.x, other.x) and torch.equal(one.lengths, other.lengths)


def matched(whole: Seen, alone: Sequence[Seen]) -> Tensor | None:
    """Return the sequence of a batch that each item by itself is, if it is one."""
    if len(whole.x) != len(alone) or any(len(one.x) != 1 for one in alone):
        return None
    left, found, size = list(range(len(whole.x))), [], float(whole.x.abs().max())
    for one in alone:
        n = int(one.lengths[0])
        alike = [row for row in left if int(whole.lengths[row]) == n]
        apart = [float((whole.x[row, :n] - one.x[0, :n]).abs().max()) for row in alike]
        if not apart or min(apart) > ROUNDING * size:
            return None
        found.append(alike[apart.index(min(apart))])
        left.remove(found[-1])
    return torch.tensor(found)


def averaged(asked: list[list[Asked | None]]) -> list[Asked | None]:
    """Return the mean of several questions' gradients, layer by layer."""
    found: list[Asked | None] = []
    for own in zip(*asked, strict=True):
        parts = [one for one in own if one is not None]
        if not parts:
            found.append(None)
            continue
        output = torch.stack([one.output for one in parts]).mean(dim=0)
        finals = [one.final for one in parts if one.final is not None]
        final = torch.stack(finals).mean(dim=0) if finals else None
        found.append(replace(parts[0], output=output, final=final))
    return found
