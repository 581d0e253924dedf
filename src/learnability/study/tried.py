"""A run in small, and what follows all runs, timed for an estimate."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
import xarray as xr
from torch import optim

from ..diagnosis import Diagnosis
from ..evidence import ProbeStatistics, base_rates
from ..fitting import fitted_detection, fitted_evidence
from ..groups import envelope_group, time_scale_group
from ..storage import tree_bytes, tree_from
from ..tasks import Sequences
from ..transport import Envelope, Order, Windows, carried_steps, sampled_envelope
from ..unroll import Network
from .settings import Settings
from .single import RunSettings
from .stages import measurement

FIT_LAGS = 2
"""Lags whose stable laws are fitted."""
ACROSS, ALONE = 16, 24
"""Figures that a study with several seeds draws for folder and page, and with one."""
SHORT, LONG = 4, 16
"""Lags up to which the exact envelope is timed; what differs is the cost a step."""


@final
@dataclass(frozen=True)
class Read:
    """What was read from few sequences, all that grows with their number, and how long.

    Attributes:
        seconds: that it took.
        plain: envelopes by order, without the exact one.
        effective: those with base rates.
        probe: the probe gradients.
    """

    seconds: float
    plain: dict[Order, Envelope]
    effective: dict[Order, Envelope]
    probe: ProbeStatistics


def read(
    run: RunSettings, network: Network, few: Sequences, direction: torch.Tensor | None
) -> Read:
    """Time the measuring part of a diagnosis of few sequences.

    Args:
        run: the run.
        network: its network.
        few: some of its sequences.
        direction: of the task's inputs.
    """
    lags, started = sorted(run.lags), time.perf_counter()
    one = measurement(run, network, few)
    states = network.states(few.x).detach()
    # Base rates of plain SGD need no history, and cost what all others do.
    optimizer = optim.SGD(network.parameters(), lr=1.0)
    plain, rated = Windows(network.cell, lags), Windows(network.cell, lags)
    plain.add(few.x, states)
    rated.add(few.x, states, rates=base_rates(optimizer, network.cell, states))
    found = plain.result(), rated.result()
    one.psi()
    probe = one.gradients(direction)
    return Read(time.perf_counter() - started, *found, probe)


def fitted(run: RunSettings, found: Read) -> tuple[float, Diagnosis]:
    """Give the seconds of fits and files, as large as those of the run.

    Args:
        run: the run.
        found: from few sequences; its exact envelope is taken for the first-order one.
    """
    taken, fits = _fits(run, found.probe)
    for orders in (found.plain, found.effective):
        orders["exact"] = orders["first"]
    groups = {
        "envelope": envelope_group(found.plain),
        "time_scales": time_scale_group(found.plain),
        "effective": envelope_group(found.effective),
        **fits,
    }
    tree = xr.DataTree.from_dict(groups)
    # Twice: the envelopes by themselves are a file as well, and are read again.
    taken += 2 * seconds(lambda: tree_from(tree_bytes(tree), "tried"))
    return taken, Diagnosis(tree)


def exact(run: RunSettings, network: Network, few: Sequences) -> float:
    """Give the seconds of an exact envelope: those of some steps, and of all others.

    Args:
        run: the run.
        network: its network.
        few: some of its sequences.
    """
    lags, states = sorted(run.lags), network.states(few.x).detach()
    windows = run.measures.exact_windows

    def tried(last: int) -> tuple[float, float]:
        some = [*(lag for lag in lags if lag < last), last]
        lengths = torch.full((len(few.x),), few.x.shape[1])
        parts = network.cell, few.x, states, some
        taken = seconds(lambda: sampled_envelope(*parts, windows=windows, seed=0))
        return taken, carried_steps(lengths, some, windows)

    short, long_ = (min(last, lags[-1]) for last in (SHORT, LONG))
    with torch.no_grad():
        (little, few_steps), (much, more) = tried(short), tried(long_)
    lengths = torch.full((run.diagnosis_sequences,), few.x.shape[1])
    step = max(0.0, much - little) / (more - few_steps) if more > few_steps else 0.0
    return much + step * (carried_steps(lengths, lags, windows) - more)


def _fits(
    run: RunSettings, probe: ProbeStatistics
) -> tuple[float, dict[str, xr.Dataset]]:
    """Give the seconds of all fits, and the groups that they make."""
    lags, count = sorted(run.lags), run.diagnosis_sequences
    few = lags[:FIT_LAGS]
    psi = np.random.default_rng(0).standard_normal((len(few), count))
    again = np.arange(count) % probe.square.shape[-1]
    kept = ("lags", "target_lags", "left")
    many = {n: v if n in kept else v[..., again] for n, v in vars(probe).items()}
    started = time.perf_counter()
    evidence = fitted_evidence(psi, few, run.seed, run.measures)
    taken = (time.perf_counter() - started) * len(lags) / len(few)
    started = time.perf_counter()
    detection = fitted_detection(ProbeStatistics(**many), run.seed, run.measures)
    taken += time.perf_counter() - started
    return taken, {"evidence": evidence, **detection}


def after(settings: Settings, found: Diagnosis) -> float:
    """Give the seconds for reading all results, table, figures and report.

    Args:
        settings: the study.
        found: a diagnosis of few sequences.
    """
    from .. import plots  # they load plotting libraries: only here
    from ..plots.envelope import envelope, envelope_keys
    from ..report import fitted_decay
    from ..summaries import alphas, envelope_spread

    runs = settings.runs()
    groups = list(dict.fromkeys(settings.group(run) for run in runs))
    file, f = tree_bytes(found.tree), found.group("envelope").sel(order="exact")
    each = seconds(lambda: tree_from(file, "tried"))
    lags, values = f["lag"].values, f["normalised"].values
    each += seconds(lambda: fitted_decay(lags, values))
    each += seconds(lambda: alphas(found.tree)) / FIT_LAGS * len(settings.lags)
    spread = envelope_spread([found.tree])
    fitted = seconds(lambda: envelope_spread([found.tree]))
    several = len(runs) > len(settings.architectures)

    def draw() -> None:
        tables = dict.fromkeys(groups, spread)
        made, (ax, *_) = plots.figure(2)
        envelope(tables, ax)
        plots.legend(made, envelope_keys(tables))
        plots.rendered(made)

    draw()  # once for the fonts
    shown = seconds(draw) * (ACROSS if several else ALONE)
    return len(runs) * each + (len(groups) * fitted if several else 0) + shown


def seconds(work: Callable[[], object]) -> float:
    """Give the seconds that work takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
