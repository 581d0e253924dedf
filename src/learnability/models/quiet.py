"""To run a model and leave no trace: neither in it nor in any random state."""

import random
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import is_dataclass
from operator import is_
from types import SimpleNamespace
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode

from .trees import copied

HALF = (torch.float16, torch.bfloat16)
# What long vocabularies are made of: passed over at once.
PLAIN = frozenset({str, bytes, int, float, bool, type(None)})


@contextmanager
def kept_random_states() -> Iterator[None]:
    """Put the random states of PyTorch, NumPy and Python back afterwards."""
    by_python, by_numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng(_devices_in_use()):
        try:
            yield
        finally:
            random.setstate(by_python)
            np.random.set_state(by_numpy)  # noqa: NPY002


@contextmanager
def with_gradients() -> Iterator[None]:
    """Let there be gradients, inside of a validation loop without them as well."""
    with torch.inference_mode(False), torch.enable_grad():
        yield


def uncompiled() -> AbstractContextManager[object]:
    """Let compiled models run as they are written: taps would have them compiled anew.

    Where PyTorch's compiler was never loaded, nothing is compiled, and it stays so.
    """
    if "torch._dynamo" not in sys.modules:
        return nullcontext()
    return torch.compiler.set_stance("force_eager")


def random_state() -> tuple[Any, Any, Any]:
    """Return the random states of PyTorch, NumPy and Python on the CPU."""
    by_numpy = np.random.get_state()  # noqa: NPY002
    return torch.get_rng_state(), by_numpy, random.getstate()


def set_random_state(state: tuple[Any, Any, Any]) -> None:
    """Go back to random states, inside of `kept_random_states`."""
    torch.set_rng_state(state[0])
    np.random.set_state(state[1])  # noqa: NPY002
    random.setstate(state[2])


def _devices_in_use() -> range:
    """Return the accelerator's devices, none of them if it has not been used yet.

    What was never used has drawn no number; to ask its random state would start it.
    """
    accelerator = torch.accelerator.current_accelerator()
    if accelerator is None:
        return range(0)
    module = torch.get_device_module(accelerator)
    used = not hasattr(module, "is_initialized") or module.is_initialized()
    return range(module.device_count() if used else 0)


@contextmanager
def quiet(model: nn.Module) -> Iterator[None]:
    """Let a model run as in evaluation: no dropout, no updates of statistics.

    Training modes and all that its modules keep on themselves are put back afterwards,
    see `Kept`; gradients are enabled meanwhile. What the model is handed are copies:
    a model that writes into its inputs leaves the data alone.

    Args:
        model: the model.
    """
    kept = Kept(model)
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    handle = model.register_forward_pre_hook(
        _hand_copies, prepend=True, with_kwargs=True
    )
    try:
        # cuDNN's recurrences have a backward pass in training mode only.
        with with_gradients(), torch.backends.cudnn.flags(enabled=False):
            yield
    finally:
        handle.remove()
        for module, mode in modes:
            module.training = mode
        kept.put_back()


@contextmanager
def in_single_precision(model: nn.Module) -> Iterator[str]:
    """Let weights and buffers of half precision be of single precision meanwhile.

    Yields what to say of it, nothing where there are none. Parameters stay the objects
    that they are, and what the model itself would cast to half precision is cast to
    single precision as well.

    Args:
        model: the model.
    """
    own = [*model.parameters(), *model.buffers()]
    kept = [(t, t.data) for t in own if not is_lazy(t) and t.dtype in HALF]
    kinds = sorted({str(data.dtype) for _, data in kept})
    for tensor, data in kept:
        tensor.data = data.float()
    try:
        with no_half_precision(bool(kept)):
            yield f"torch.float32, of weights of {' and '.join(kinds)}" if kept else ""
    finally:
        for tensor, data in kept:
            tensor.data = data


def no_half_precision(wanted: bool) -> AbstractContextManager[object]:
    """Let what a model casts to half precision be of single precision, if wanted."""
    return _InSingle() if wanted else nullcontext()


@final
class _InSingle(TorchFunctionMode):
    """Lets no call make numbers of half precision: `x.half()`, `dtype=torch.half`."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple = (), kwargs: Any = None
    ) -> Any:
        """Call a function of PyTorch with single in place of half precision."""
        named = {name: _single(value) for name, value in (kwargs or {}).items()}
        casts = func in (Tensor.half, Tensor.bfloat16)
        return (Tensor.float if casts else func)(*map(_single, args), **named)


def _single(value: Any) -> Any:
    half = isinstance(value, torch.dtype) and value in HALF
    return torch.float32 if half else value


def _hand_copies(module: nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    del module
    return copied((args, kwargs))


@final
class Kept:
    """What the modules of a model keep on themselves, to be put back later.

    Attributes, buffers and parameters are noted by identity, the values of tensors and
    what lists, dictionaries, sets, deques and records of them hold by a copy. A record
    is a dataclass or a namespace; other objects are not looked into.

    Args:
        model: the model.
        parameters: whether their values are noted, too.
    """

    def __init__(self, model: nn.Module, *, parameters: bool = True) -> None:
        self._parameters = parameters
        self._seen: dict[int, Any] = {}  # it also keeps what was seen alive
        self._containers: list[tuple[Any, Any]] = []
        self._tensors: list[tuple[Tensor, Tensor, bool]] = []
        self._visit(model)
        # A scripted module holds its tensors out of sight.
        self._visit([*model.parameters(), *model.buffers()])

    def _visit(self, value: Any) -> None:
        waiting = [value]
        while waiting:
            found = waiting.pop()
            if id(found) in self._seen:
                continue
            self._seen[id(found)] = found
            if isinstance(found, Tensor):
                wanted = self._parameters or not isinstance(found, nn.Parameter)
                if wanted and not is_lazy(found):
                    copy = found.detach().clone()
                    self._tensors.append((found, copy, found.requires_grad))
            elif (inside := _contents(found)) is not None:
                held, parts = inside
                if held is not None:
                    self._containers.append((held, held.copy()))
                if not PLAIN.issuperset(map(type, parts)):
                    waiting.extend(parts)

    def put_back(self) -> None:
        """Put everything back."""
        for container, before in self._containers:
            _refill(container, before)
        with torch.no_grad():
            for tensor, before, asks in self._tensors:
                _rewrite(tensor, before, asks)


def _contents(value: Any) -> tuple[Any, list[Any]] | None:
    """Return the container that holds an object's parts, if it can change; its parts.

    None where an object has no parts to look into.
    """
    if isinstance(value, dict):
        return value, list(value.values())
    if isinstance(value, list | deque | set):
        return value, list(value)
    if isinstance(value, tuple | frozenset):
        return None, list(value)
    record = is_dataclass(value) and not isinstance(value, type)
    if isinstance(value, nn.Module | SimpleNamespace) or record:
        own = getattr(value, "__dict__", None)  # none where a dataclass has slots
        return None if own is None else (own, list(own.values()))
    return None


def _refill(container: Any, before: Any) -> None:
    """Give a container the very objects back that it held, in their order."""
    if len(container) == len(before) and all(map(is_, container, before)):
        values = isinstance(container, dict)
        if not values or all(map(is_, container.values(), before.values())):
            return
    container.clear()
    if isinstance(container, dict | set):
        container.update(before)
    else:
        container.extend(before)


def _rewrite(tensor: Tensor, before: Tensor, asks: bool) -> None:
    """Give a tensor its values back, and take a graph off that it did not have.

    A view's graph is its base's and cannot be taken off.
    """
    if tensor.requires_grad and not asks and not tensor._is_view():
        tensor.detach_()
    if tensor.shape != before.shape or tensor.layout != before.layout:
        tensor.data = before
    elif tensor.layout != torch.strided or not torch.equal(tensor, before):
        tensor.copy_(before)
