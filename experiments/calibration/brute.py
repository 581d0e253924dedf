"""Detection tried by brute force: errors of real tests; the published windows.

The test that N(l) speaks of: average the gradients of N sequences, project the mean on
the dependency's direction, and say *there* beyond the middle of what is expected with
and without it. Its error, half false alarms and half misses, should be
``Phi(-sqrt(N rho)/2)``, ``rho = 10.82/N(l)`` the information of one sequence.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from scipy.stats import norm
from torch import Tensor

from learnability.cells import CELLS
from learnability.detection.samples import SamplesNeeded, needed_by_gradients
from learnability.detection.window import window
from learnability.randomness import Seed, stream
from learnability.study.architecture import GATE_ARGUMENT
from learnability.tasks import MultiLag, Sequences
from learnability.unroll import Network, tangent

from ..networks import probe_statistics
from .published import SETTINGS, published_needs
from .settings import Trial

FACTOR = float(2 * norm.isf(0.05)) ** 2
"""10.82: samples times information at 5 % false alarms and 5 % misses."""

STRENGTH, NOISE, INPUTS, GATE = 0.4, 0.7, 2, 0.2
DIAGNOSED, MIDDLE, TRUTH = 2000, 20_000, 40_000
"""Sequences that predict the error, that place the test's limit, and that stand for
infinitely many."""
CHUNK = 8192
PUBLISHED_STUDIES = 20
PUBLISHED_BUDGETS = (100, 1000, 10_000)


@dataclass(frozen=True)
class Bench:
    """A network at its first weights, and the task it is tried on."""

    network: Network
    task: MultiLag
    direction: Tensor

    def draw(self, count: int, seed: Seed) -> Sequences:
        """Draw sequences with their targets."""
        return self.task.draw(count, seed=seed, direction=self.direction)

    def need(self, data: Sequences, strength: float = STRENGTH) -> SamplesNeeded:
        """Give N(l) of the task's lags, at a known strength."""
        u, lags = self.direction, self.task.lags
        s = probe_statistics(self.network, data, lags, direction=u)
        return needed_by_gradients(*s.parts, effect_size=strength)


def bench(cell: str, trial: Trial) -> Bench:
    """Give the network and the task on which a cell is tried.

    Args:
        cell: its name.
        trial: sizes and lags.
    """
    kind, seed = CELLS[cell], trial.seed
    gate: Any = {GATE_ARGUMENT[cell]: 0.8 if cell == "LSTM" else GATE}
    network = Network(
        kind(INPUTS, trial.units, seed=stream(seed, f"weights {cell}"), **gate),
        seed=stream(seed, f"read-out {cell}"),
    )
    task = MultiLag(
        lags=trial.lags,
        coefficients=(STRENGTH,) * len(trial.lags),
        noise=NOISE,
        inputs=INPUTS,
        steps=trial.steps,
    )
    return Bench(network, task, task.direction(stream(seed, "task direction")))


def probe_direction(b: Bench, data: Sequences, lag: int) -> dict[str, Tensor]:
    """Give ``s_l/||s_l||``, estimated on some sequences, by parameter name."""
    network, steps = b.network, b.task.steps
    signal = (data.x @ b.direction)[:, : steps - lag]
    output = (network(data.x)[:, lag:] * signal).sum() / (steps * len(data))
    names, values = zip(*network.named_parameters(), strict=True)
    found = torch.autograd.grad(output, values)
    length = torch.cat([g.flatten() for g in found]).norm()
    return dict(zip(names, (g / length for g in found), strict=True))


def projections(
    b: Bench, count: int, lag: int, along: dict[str, Tensor], seed: Seed
) -> tuple[Float[np.ndarray, "sequence"], Float[np.ndarray, "sequence"]]:
    """Give ``G_n . w`` with the dependency there, and with it taken off the targets.

    By the tangent along w: ``G . w = (1/T) sum_t (yhat_t - y_t) d yhat_t[w]``.
    """
    cell = b.network.cell
    own = {
        name.removeprefix("cell."): value
        for name, value in along.items()
        if name.startswith("cell.")
    }
    there, without = [], []
    generator = np.random.default_rng(seed)
    for start in range(0, count, CHUNK):
        data = b.draw(min(CHUNK, count - start), generator)
        with torch.no_grad():
            states = b.network.states(data.x)
            v = tangent(cell, data.x, own)[..., cell.output]
            change = v @ b.network.w_out + along["b_out"]
            change = change + states[..., cell.output] @ along["w_out"]
            error = b.network.read(states) - data.y
            there.append((error * change).mean(dim=1))
            past = (data.x @ b.direction)[:, : b.task.steps - lag]
            error[:, lag:] += STRENGTH * past
            without.append((error * change).mean(dim=1))
    return torch.cat(there).double().numpy(), torch.cat(without).double().numpy()


def trial_errors(cell: str, trial: Trial) -> list[dict[str, Any]]:
    """Give predicted and observed errors of the one-gradient test.

    Args:
        cell: its name.
        trial: how often, with how many sequences, at which lags.

    Returns:
        A row a (lag, N): ``predicted`` with the ends of its interval, ``observed``
        with its standard error, ``resolved``.
    """
    b, rows = bench(cell, trial), []
    diagnosed = b.draw(DIAGNOSED, stream(trial.seed, "diagnosed"))
    need = b.need(diagnosed)
    for place, lag in enumerate(trial.lags):
        along = probe_direction(b, diagnosed, lag)
        middle = projections(b, MIDDLE, lag, along, stream(trial.seed, f"middle {lag}"))
        limit = (middle[0].mean() + middle[1].mean()) / 2
        side = np.sign(middle[0].mean() - middle[1].mean())
        count = trial.repetitions * max(trial.sizes)
        tried = projections(b, count, lag, along, stream(trial.seed, f"tests {lag}"))
        for n in trial.sizes:
            there, without = (
                side * (p[: trial.repetitions * n].reshape(-1, n).mean(axis=1) - limit)
                for p in tried
            )
            observed = float(((there < 0).mean() + (without > 0).mean()) / 2)
            ends = (need.needed[place], need.lower[place], need.upper[place])
            predicted = [float(norm.sf((n * FACTOR / x) ** 0.5 / 2)) for x in ends]
            rows.append(
                {
                    "cell": cell,
                    "lag": lag,
                    "samples": n,
                    "predicted": predicted[0],
                    "predicted_lower": predicted[1],
                    "predicted_upper": predicted[2],
                    "observed": observed,
                    "error": (observed * (1 - observed) / trial.repetitions) ** 0.5,
                    "resolved": bool(need.resolved[place]),
                }
            )
    return rows


def published_null(cell: str, trial: Trial) -> list[dict[str, Any]]:
    """Give the published windows of real targets and of permuted ones.

    Args:
        cell: its name.
        trial: how many sequences.

    Returns:
        A row a (setting, budget): the share of studies with a window above 0, and the
        mean window, of permuted targets and of the real ones.
    """
    b, lags = bench(cell, trial), list(range(1, trial.steps // 2))
    needs: dict[tuple[str, bool], list] = {}
    for study in range(min(PUBLISHED_STUDIES, trial.studies)):
        real = b.draw(trial.sequences, stream(trial.seed, f"published {study}"))
        null = real.permuted(stream(trial.seed, f"published permuted {study}"))
        for name, setting in SETTINGS.items():
            for noise, data in ((True, null), (False, real)):
                along = stream(trial.seed, f"published direction {study}")
                need = published_needs(b.network, data, lags, setting, seed=along)
                needs.setdefault((name, noise), []).append(need)
    rows = []
    for name in SETTINGS:
        for n in PUBLISHED_BUDGETS:
            row: dict[str, Any] = {"cell": cell, "setting": name, "samples": n}
            for word, noise in (("null", True), ("real", False)):
                windows = [window(lags, x, [n]).maximal[0] for x in needs[name, noise]]
                row[f"{word}_share"] = float(np.mean(np.array(windows) > 0))
                row[f"{word}_window"] = float(np.mean(windows))
                row["studies"] = len(windows)
            rows.append(row)
    return rows


def try_cell(settings: tuple[str, Trial]) -> dict[str, Any]:
    """Try detection on one cell in every way.

    Args:
        settings: the cell's name, and how finely.

    Returns:
        ``errors`` and ``published``: rows.
    """
    cell, trial = settings
    return {
        "errors": trial_errors(cell, trial),
        "published": published_null(cell, trial),
    }
