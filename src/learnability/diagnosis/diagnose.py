"""The composition: a model and data go in, one diagnosis per layer comes out."""

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any

import torch
import xarray as xr
from jaxtyping import Float
from torch import Tensor, nn, optim

from ..cells import Cell
from ..compiled.engine import beside_others, compile_ahead, threads, using_threads
from ..grid import checked_lags, spread_lags, whole_lags
from ..machine import checked_device
from ..models.batches import Batch, device_of, dtype_of, first_items
from ..models.choice import Named, found, names_of
from ..models.layer import Layer, Progress
from ..models.losses import Loss, named
from ..models.own import explained
from ..models.quiet import (
    in_single_precision,
    kept_random_states,
    quiet,
    uncompiled,
    with_gradients,
)
from ..models.reading import Reading
from ..models.record import Lengths
from ..models.refusal import UnsupportedModelError, checked_model
from ..models.taking import Groups
from ..models.taps import Tap
from ..models.trees import moved
from ..models.workers import Workers
from .about import attributes
from .bars import shown
from .groups import fitted_detection, fitted_envelopes, fitted_evidence
from .judging import HeldOut
from .layer import LayerDiagnosis
from .look_back import look_back
from .measure import Measurement, exponent_group
from .modules import ModuleMeasurement
from .options import DiagnosisOptions
from .result import Diagnosis
from .truncation import truncation_group
from .verdict_group import verdict_group
from .warm_up import warm_up, warm_up_group

FEWEST = 8  # sequences: with fewer no interval means anything
FEW_LAGS = 24  # unless they are given
LOOPS = nn.RNNBase, nn.RNNCellBase, Cell  # what may be measured by compiled loops


@with_gradients()
@kept_random_states()
def diagnose(
    model: nn.Module,
    data: Any,
    loss: Loss | str,
    lags: Iterable[int] | None = None,
    *,
    layers: Iterable[Named] | Named | None = None,
    lengths: Lengths | None = None,
    targets: Iterable[Any] | int | str | None = None,
    groups: Groups | None = None,
    window: int | None = None,
    direction: Float[Tensor, "input"] | None = None,
    heldout: Any = None,
    optimizer: optim.Optimizer | None = None,
    start: Mapping[str, Tensor] | None = None,
    options: DiagnosisOptions | None = None,
    device: torch.device | str | None = None,
    seed: int = 0,
    progress: Progress | bool | None = None,
    executor: Executor | None = None,
) -> Diagnosis:
    """Diagnose every recurrent layer of a PyTorch model as it is.

    The model runs as in evaluation: dropout is off, statistics stand still. Modes,
    hooks, gradients, all that modules keep on themselves and random states are
    afterwards what they were.

    Args:
        model: holds `torch.nn` RNN, GRU or LSTM, their cells called in a loop, cells of
            this package, or modules with ``step(state, x)`` called as
            ``module(state, x)``. Half precision is diagnosed in single precision.
        data: tensors or arrays (inputs, ..., targets), sequences first; a dictionary of
            them; `Sequences`; a Dataset; or what yields such batches. It is walked
            once; of a loader the first batches are what the exact parts look at: let
            it shuffle. Of a dictionary the model is called with the entries that its
            forward pass names, and the loss is given all.
        loss: "mse", "ce" (classes along the outputs' last axis), or a callable of the
            model's outputs and the targets: a mean or sum over sequences, or a value
            each.
        lags: lags in steps, from 1 to T - 1; a backward layer counts them backward.
            Some 24 of them, evenly in logarithm, unless given.
        layers: names of modules or of single layers to diagnose, or cells declared with
            `cell`; all recurrences unless given.
        lengths: gives the steps of each sequence of a batch where sequences are padded
            and not packed.
        targets: places of the targets in a batch, such as 1, -1 or "labels"; found by
            trying unless given.
        groups: a label for each sequence, in their order, or a function that gives the
            labels of a batch: sequences of one label, such as those of one person,
            hang together and count as one sample. Unless given, windows of one series
            that overlap are found, and stretches of the series are the samples.
        window: cuts one long series, (inputs, targets) with steps first, into windows
            of so many steps.
        direction: u of the probe ``u . x_{t-l}`` of a layer's inputs; None averages
            over the axes of the whitened inputs.
        heldout: data like those that train the model, which it has not seen: what is
            learnt, and whether a further step pays, is measured on them.
        optimizer: what trains the model, for its base rates and its next step.
        start: the model's state dict before the training: what it let through is told.
        options: how finely to measure, how much of the data, with how much work.
        device: where the model runs meanwhile, such as "cuda"; where it lies unless
            given. What its layers do is measured on the CPU.
        seed: of samples, directions and resamples.
        progress: True shows bars; or what is called with the name of a stage and the
            share of it that is done.
        executor: processes that share the sequences, each with one thread: a
            `ProcessPoolExecutor`, or ``client.get_executor()`` of a Dask client. Model,
            loss and lengths must pickle. Sums over sequences are made there; the rest
            of verdicts, warm-up, look-back, truncation, exponents and modules without a
            known equation here.

    Returns:
        One diagnosis per recurrence, by name, such as ``gru[layer 0, backward]``.

    Raises:
        UnsupportedModelError: a ValueError; one sentence that says what the model, the
            data, the loss or the lags have that cannot be diagnosed.

    Example:
        >>> import torch
        >>> gru = torch.nn.GRU(2, 4, batch_first=True)
        >>> x = torch.randn(64, 12, 2, generator=torch.Generator().manual_seed(0))
        >>> def loss(outputs, targets):
        ...     return ((outputs[0].sum(dim=-1) - targets) ** 2).mean()
        >>> found = diagnose(gru, (x, x[..., 0].roll(2, 1)), loss, [1, 2, 4])
        >>> list(found)
        ['model[layer 0, forward]']
    """
    options = options or DiagnosisOptions()
    names = names_of(checked_model(model), layers)
    wanted = None if lags is None else whole_lags(lags)
    data = list(data) if isinstance(data, Iterator) else data
    heldout = list(heldout) if isinstance(heldout, Iterator) else heldout

    workers = None if executor is None else Workers(executor)

    def read(taps: list[Tap], given: Any = data) -> Reading:
        of_data = groups if given is data or callable(groups) else None
        return Reading(
            model,
            named(loss),
            given,
            taps=taps,
            lengths=lengths,
            layers=names,
            targets=targets,
            groups=of_data,
            window=window,
            sequences=options.sequences,
            memory=options.memory,
            seed=seed,
            workers=workers,
            single=bool(precision),
        )

    def first() -> Batch:
        return moved(first_items(data, dtype_of(model)), device_of(model))

    allowed = threads()  # before they are made fewer beside others
    with (
        shown(progress) as tell,
        beside_others(),
        _on(model, device),
        uncompiled(),
        in_single_precision(model) as precision,
        using_threads(_beside_compiler(model, allowed)),
    ):
        held_out = HeldOut(read, heldout, optimizer, start)
        every = found(model, layers, read, first, tell)
        diagnoses, refused, whole = {}, dict(every.refused), {}
        cases = [(*one, None) for one in every.recurrences] + every.modules
        for reading, _, _ in cases:
            held_out.check(reading)
        for reading, layer, reason in cases:
            name = layer.track.name
            told = tell if len(cases) == 1 else _named(tell, name)
            try:
                chosen = _fitting(wanted, reading, layer)
                settings = (layer, chosen, seed, options, told)
                with quiet(model):  # a user's own cell steps while it is measured
                    if reason is None:
                        one = Measurement(*settings)
                        measured = _groups(one, optimizer, direction)
                    else:
                        one = ModuleMeasurement(reading, *settings)
                        measured = _module_groups(one, optimizer, direction, reason)
                found_lags = verdict_group(one, reading, held_out, direction)
                measured["verdict"] = found_lags
                given = one, reading, held_out, found_lags
                measured["truncation"] = truncation_group(*given)
                if id(reading) not in whole:
                    steps = int(layer.lengths.max())
                    whole[id(reading)] = (
                        warm_up(reading),
                        look_back(reading, steps, seed),
                    )
                warm, measured["look_back"] = whole[id(reading)]
                measured["warm_up"] = warm_up_group(warm, name)
            except ValueError as error:
                refused[name] = f"{name}: {error}"
                continue
            attrs = attributes(layer, seed, options, reading.given, reading.counted)
            attrs |= {"precision": precision} if precision else {}
            tree = {"/": xr.Dataset(attrs=attrs), **measured}
            diagnoses[name] = LayerDiagnosis(xr.DataTree.from_dict(tree))
    if not diagnoses:
        raise UnsupportedModelError(next(iter(refused.values())))
    return Diagnosis(diagnoses, refused)


def _beside_compiler(model: nn.Module, allowed: int) -> int | None:
    """Return threads that leave one to a process that compiles, None without one."""
    loops = any(isinstance(part, LOOPS) for part in model.modules())
    if allowed == 1 or not loops or device_of(model).type != "cpu":
        return None
    return allowed - 1 if compile_ahead(dtype_of(model)) else None


@contextmanager
def _on(model: nn.Module, device: torch.device | str | None) -> Iterator[None]:
    """Let a model lie on a device meanwhile."""
    if device is None:
        yield
        return
    before = {str(t.device) for t in (*model.parameters(), *model.buffers())}
    if len(before) > 1:
        raise UnsupportedModelError(
            f"the model lies on {' and '.join(sorted(before))}; put it on one device, "
            "or leave out device="
        )
    try:
        checked_device(device)
    except ValueError as error:
        raise UnsupportedModelError(str(error)) from error
    model.to(device)
    try:
        yield
    finally:
        for place in before:
            model.to(place)


def _fitting(lags: list[int] | None, reading: Reading, layer: Layer) -> list[int]:
    """Return the lags that fit into a layer's steps, if it has sequences enough."""
    if len(layer) < FEWEST:
        raise ValueError(
            f"too few {reading.counted}: {len(layer)}; give at least {FEWEST}"
        )
    steps = int(layer.lengths.max())
    if steps < 2:
        raise ValueError(
            "sequences of 1 step hold no lag; give whole sequences, or one long series "
            "and window=..."
        )
    if lags is None:
        return spread_lags(max(1, steps - 1), FEW_LAGS)
    fitting = [lag for lag in lags if lag < steps]
    return checked_lags(fitting or lags, steps)


def _named(progress: Progress, name: str) -> Progress:
    return lambda stage, share: progress(f"{name}: {stage}", share)


def _groups(
    one: Measurement, optimizer: optim.Optimizer | None, direction: Tensor | None
) -> dict[str, xr.Dataset]:
    """Measure all of one recurrence, and fit what is fitted."""
    groups = fitted_envelopes(one.envelopes(optimizer), one.options)
    groups = explained(groups, one.layer.track.cell)
    psi = one.psi()
    groups["evidence"] = fitted_evidence(psi, one.lags, one.seed, one.options)
    settings = one.seed, one.options, groups["envelope"]
    groups |= fitted_detection(one.gradients(direction), *settings)
    if one.options.exponents:
        groups["lyapunov"] = exponent_group(one.layer, one.options.exponents)
    return groups


def _module_groups(
    one: ModuleMeasurement,
    optimizer: optim.Optimizer | None,
    direction: Tensor | None,
    reason: str,
) -> dict[str, xr.Dataset]:
    """Measure what can be measured of a module whose equation is not known."""
    groups = fitted_envelopes(one.envelopes(optimizer), one.options)
    psi, shares = one.evidence()
    groups["evidence"] = fitted_evidence(psi, one.lags, one.seed, one.options)
    groups["evidence"].attrs |= shares
    settings = one.seed, one.options, groups["envelope"]
    groups |= fitted_detection(one.gradients(direction), *settings)
    if reason:
        groups["envelope"].attrs["no_equation"] = reason
    return groups
