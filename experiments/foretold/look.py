"""A training, and its warm-up made again with all that the laws take."""

import contextlib
from collections import deque
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, optim
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from learnability.recipe import make_optimizer
from learnability.training import Snapshot, mean_square_error, predicted, train
from learnability.unroll import Network

from ..calibration.early import look_early
from ..calibration.run import Record, RunData, run_one, untrained
from ..calibration.settings import RunSettings
from .kernel import gradients, kernel, ordered, probes, rates, reached, within
from .plan import AVERAGED, LAGS, LOOKS


class _Over(Exception):
    """Ends a training."""


def foretell(run: RunSettings) -> Record:
    """Train, and look at the warm-up again.

    Args:
        run: its settings.

    Returns:
        ``training`` (`run.run_one`), ``early`` (`early.look_early`) and ``looks``
        (`look_ahead`).
    """
    return {
        "training": run_one(run),
        "early": look_early(run),
        "looks": look_ahead(run),
    }


def pace(run: RunSettings) -> Record:
    """Train on a single delay, and see when it is half learnt.

    Args:
        run: its settings.

    Returns:
        ``half``, the number of updates, None if it never was; ``looks``.
    """
    data = RunData.draw(run)
    network = untrained(run, data)
    halves: list[int] = []
    per_epoch = -(-run.samples // run.recipe.batch_size)

    def look(epochs: int, error: float) -> None:
        del error
        if data.shares(network)[0] >= 0.5:
            halves.append(epochs * per_epoch)
            raise _Over

    sets = (data.training, data.validation)
    with contextlib.suppress(_Over):
        train(network, *sets, run.recipe, seed=data.batches, progress=look)
    half = halves[0] if halves else None
    settings = run.model_dump(mode="json")
    return {"half": half, "looks": look_ahead(run), "settings": settings}


def look_ahead(run: RunSettings) -> list[Record]:
    """Make a warm-up again, and measure kernel, plateau and fitting.

    Single weights hover about a valley's floor: looked at are their averages over the
    last updates.

    Args:
        run: its settings.

    Returns:
        Of each number of updates in `LOOKS` what `measured` gives.

    Source: Izmailov et al. 2018 (averages of weights).
    """
    data = RunData.draw(run)
    network = untrained(run, data)
    found: list[Record] = []
    last: deque[Tensor] = deque(maxlen=AVERAGED)
    updates = 0

    def look(snapshot: Callable[[], Snapshot]) -> None:
        nonlocal updates
        updates += 1
        last.append(parameters_to_vector(network.parameters()).detach().clone())
        if updates in LOOKS:
            calm = deepcopy(network)
            mean = torch.stack([*last]).mean(dim=0)
            vector_to_parameters(mean, calm.parameters())
            optimizer = make_optimizer(run.recipe, calm.parameters())
            optimizer.load_state_dict(snapshot().now.optimizer)
            found.append(measured(data, calm, optimizer))
        if updates == LOOKS[-1]:
            raise _Over

    sets = (data.training, data.validation)
    with contextlib.suppress(_Over):
        train(network, *sets, run.recipe, seed=data.batches, save=look)
    return found


def measured(data: RunData, network: Network, optimizer: optim.Optimizer) -> Record:
    """Measure a network at its weights.

    Args:
        data: its sequences.
        network: at the weights of interest.
        optimizer: of its parameters.

    Returns:
        ``kernel``, ``beta``, ``within`` (`dynamics.Kernel`); ``rate``, ``size``
        (`escape.modes`); ``gap``, the mean square error on sequences that do not train
        less that on those that do.
    """
    x = data.probed.x
    p = rates(network, optimizer, x)
    phi = probes(x, data.direction, LAGS)
    errors = [mean_square_error(network, d) for d in (data.probed, data.training)]
    return {
        "kernel": kernel(gradients(network, x, phi), p).tolist(),
        "beta": reached(predicted(network, x), phi).tolist(),
        "within": within(LAGS, x.shape[1]).tolist(),
        "gap": errors[0] - errors[1],
        **_plateau(network, p, data),
    }


@torch.no_grad()
def _plateau(network: Network, p: Tensor, data: RunData) -> dict[str, Any]:
    """Return step size and weights of a unit that a mode would begin with."""
    every = ordered(network, data.probed.x)
    sizes = p.split([parameter.numel() for parameter in every])
    of = {id(q): own for q, own in zip(every, sizes, strict=True)}
    names = dict(network.cell.named_parameters())
    read, into = network.w_out, names["W_g" if "W_g" in names else "W_x"]
    rate = (of[id(read)].median() * of[id(into)].median()).sqrt()
    along = into @ data.direction
    size = read.pow(2).mean().sqrt() * along.pow(2).mean().sqrt()
    return {"rate": float(rate), "size": float(size)}
