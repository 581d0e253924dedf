"""To run a model and leave no trace: neither in it nor in any random state."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn


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

    Training modes and buffers of all its modules are put back afterwards, gradients
    are enabled meanwhile.

    Args:
        model: the model.
    """
    modes = [(module, module.training) for module in model.modules()]
    buffers = [(b, b.detach().clone()) for b in model.buffers()]
    model.eval()
    try:
        # cuDNN's recurrences have a backward pass in training mode only.
        with (
            torch.inference_mode(False),
            torch.enable_grad(),
            torch.backends.cudnn.flags(enabled=False),
        ):
            yield
    finally:
        for module, mode in modes:
            module.training = mode
        with torch.no_grad():
            for buffer, value in buffers:
                if not torch.equal(buffer, value):
                    buffer.copy_(value)
