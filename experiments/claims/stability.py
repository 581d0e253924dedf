"""(j) Networks with the same largest Lyapunov exponent and different windows."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from learnability.cells import DiagGate
from learnability.detection.decay import noise_level
from learnability.detection.samples import SamplesNeeded, needed_by_gradients
from learnability.detection.window import window
from learnability.randomness import stream
from learnability.tasks import Sequences
from learnability.transport import ExactWindows, sampled_windows
from learnability.unroll import Network, unroll

from ..networks import probe_statistics
from .exponents import lyapunov_exponents
from .record import Claim, Curve, Measured, Panel, Part, Tolerance
from .simulate import octaves, windows

INPUTS, UNITS = 4, 16
SLOW, FAST = 0.004, 0.8
"""Gates of the slowest and the fastest unit: 250 steps and less than one."""
RECURRENCE, DRIVE = 0.3, 2.0
"""Factors of the orthogonal recurrent and input matrices."""
PAIRS = 6
TUNINGS = 2
LAGS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
STRENGTH = 0.4
"""Of the dependency to be detected, against targets of unit variance."""
SCALE = 8.0
"""Of the common noise floor, against a unit's own f(0) = 1."""
BUDGET = 200
LARGER = 3.0
"""The factor by which the windows must differ."""
SAME = 1.02
"""The factor within which the exponents must agree."""

Spectrum = Callable[[int], np.ndarray]


def lonely(units: int) -> np.ndarray:
    """Give the gates of one slow unit among fast ones, the slow one first.

    Args:
        units: H.

    Example:
        >>> lonely(3)
        array([0.004, 0.8  , 0.8  ])
    """
    return np.append(SLOW, np.full(units - 1, FAST))


def broad(units: int) -> np.ndarray:
    """Give gates evenly spread in logarithm, the slowest first.

    Args:
        units: H.

    Example:
        >>> broad(2)
        array([0.004, 0.8  ])
    """
    return np.geomspace(SLOW, FAST, units)


@dataclass(frozen=True)
class Sizes:
    """How much is simulated.

    Attributes:
        steps: of a trajectory whose exponents are measured.
        trajectories: how many of them.
        sequences: from which the detection window is measured.
        length: of these sequences, in steps.
        longest: lag of the envelope.
    """

    steps: int = 1500
    trajectories: int = 4
    sequences: int = 256
    length: int = 256
    longest: int = 512


@dataclass(frozen=True)
class Seen:
    """What is known of one network.

    Attributes:
        exponent: largest Lyapunov exponent, and its standard error.
        envelope: f(l) at lags 1, 2, 3, ...; (lag,).
        need: N(l) of the detection window on the grid `LAGS`.
    """

    exponent: tuple[float, float]
    envelope: Float[np.ndarray, " lag"]
    need: SamplesNeeded

    @property
    def detected(self) -> int:
        """Give the detection window at the budget."""
        return int(window(LAGS, self.need.needed, [BUDGET]).contiguous[0])

    def reached(self, samples: np.ndarray) -> np.ndarray:
        """Give the windows under a noise floor common to all lags."""
        levels = np.asarray(noise_level(samples, 2.0, scale=SCALE))
        return windows(np.minimum.accumulate(self.envelope), levels)


def stability(
    seed: int,
    *,
    first: Spectrum = lonely,
    second: Spectrum = broad,
    sizes: Sizes | None = None,
    pairs: int = PAIRS,
) -> Claim:
    """Give two networks the same largest exponent, and compare their windows.

    Args:
        seed: of the experiment.
        first: gates of the network whose slowest gate is tuned.
        second: gates of the network that sets the exponent.
        sizes: of the simulations.
        pairs: of networks.

    Source: Livi 2025, arXiv 2512.05790, stability and learnability.
    """
    chosen = Sizes() if sizes is None else sizes
    found = [_pair(seed, k, first, second, chosen) for k in range(pairs)]
    return Claim(
        letter="j",
        title="Stability alone does not decide",
        statement="Two networks with the same largest Lyapunov exponent can have "
        "windows that differ by a factor of at least 3.",
        testbed=f"{pairs} pairs of networks (DiagGate, {UNITS} units, fixed gates, "
        "recurrent matrix of norm 0.3, driven by Gaussian inputs): one slow unit among "
        "fast ones, and gates spread between the same ends; the slow gate of the first "
        "is tuned until the largest exponents agree, which fresh inputs then confirm. "
        f"Windows at N = {BUDGET}: under a common floor by the exact envelope, and the "
        f"detection window of a dependency of strength {STRENGTH:g}.",
        parts=_parts(found),
        panels=_panels(found),
        caption="Exact envelopes (means over pairs), windows under a noise floor "
        "common to all lags, and samples needed to detect a dependency in the gradient "
        f"(where resolved in every pair; dashed: N = {BUDGET}).",
    )


def _pair(
    seed: int, pair: int, first: Spectrum, second: Spectrum, sizes: Sizes
) -> tuple[Seen, Seen]:
    """Make and measure one pair; both see the same weights, inputs and targets."""
    purpose = f"stability {pair}"

    def trajectories(what: str) -> Tensor:
        rng = np.random.default_rng(stream(seed, f"{purpose} {what}"))
        shape = (sizes.trajectories, sizes.steps, INPUTS)
        return torch.from_numpy(rng.standard_normal(shape))

    def network(gates: np.ndarray) -> DiagGate:
        return fixed_gates(gates, np.random.default_rng(stream(seed, purpose)))

    tuning, fresh = trajectories("tuning"), trajectories("fresh")
    target = _exponent(network(second(UNITS)), tuning)[0]
    gates = first(UNITS)
    for _ in range(TUNINGS):
        # The exponent is nearly proportional to the slowest gate.
        gates[0] *= target / _exponent(network(gates), tuning)[0]
    rng = stream(seed, f"{purpose} sequences")
    return (
        _seen(network(gates), fresh, rng, sizes),
        _seen(network(second(UNITS)), fresh, rng, sizes),
    )


def fixed_gates(gates: np.ndarray, rng: np.random.Generator) -> DiagGate:
    """Make a cell whose units have a fixed gate each.

    Args:
        gates: s, one a unit.
        rng: of the weights.

    Example:
        >>> fixed_gates(np.array([0.1, 0.2]), np.random.default_rng(0)).units
        2
    """
    cell = DiagGate(INPUTS, len(gates), seed=rng).double()
    with torch.no_grad():
        cell.W_s.zero_()
        cell.U_s.zero_()
        cell.b_s.copy_(torch.logit(torch.from_numpy(gates)))
        cell.W_h.mul_(RECURRENCE)
        cell.W_x.mul_(DRIVE)
    return cell


def _exponent(cell: DiagGate, x: Tensor) -> tuple[float, float]:
    with torch.no_grad():
        states = unroll(cell, x)
    found = lyapunov_exponents(cell, x, states, count=1, burn=x.shape[1] // 5)
    return float(found.values[0]), float(found.error[0])


def _seen(
    cell: DiagGate, x: Tensor, entropy: np.random.SeedSequence, sizes: Sizes
) -> Seen:
    with torch.no_grad():
        states = unroll(cell, x)
    lags, lengths = list(range(1, sizes.longest + 1)), torch.full((len(x),), x.shape[1])
    sampled = ExactWindows(
        cell, sampled_windows(lengths, lags, windows=16, seed=entropy)
    )
    sampled.add(x, states)
    rng = np.random.default_rng(entropy)
    shape = (sizes.sequences, sizes.length)
    inputs = torch.from_numpy(rng.standard_normal((*shape, INPUTS)))
    targets = torch.from_numpy(rng.standard_normal(shape))
    probe = torch.zeros(INPUTS, dtype=torch.float64)
    probe[0] = 1.0
    network = Network(cell, seed=rng).double()
    found = probe_statistics(network, Sequences(inputs, targets), LAGS, direction=probe)
    need = needed_by_gradients(*found.parts, effect_size=STRENGTH)
    return Seen(_exponent(cell, x), sampled.result().mean, need)


def _parts(found: list[tuple[Seen, Seen]]) -> tuple[Part, ...]:
    exponents = tuple(
        Measured(
            f"size of the largest exponent of network 1, pair {k}",
            abs(one.exponent[0]),
            float(np.hypot(one.exponent[1], two.exponent[1])),
            abs(two.exponent[0]),
        )
        for k, (one, two) in enumerate(found, 1)
    )
    budget = np.array([BUDGET])
    floor = [[int(s.reached(budget)[0]) for s in pair] for pair in found]
    detected = [[s.detected for s in pair] for pair in found]
    level = np.mean([two.exponent[0] for _, two in found])
    return (
        Part(
            "same exponent",
            "The largest Lyapunov exponents of the two networks agree.",
            Tolerance("factor", SAME),
            exponents,
            (
                f"with the same largest exponent ({level:.4f} a step)",
                "the largest exponents differ, so that nothing follows",
            ),
        ),
        _differ("common floor", "windows under a common floor", floor),
        _differ("detection", "detection windows", detected),
    )


def _differ(name: str, words: str, reached: list[list[int]]) -> Part:
    # A window of 0 counts as 1: the ratio is then too small, not too large.
    logs = np.diff(np.log(np.maximum(reached, 1)), axis=1)[:, 0]
    error = float(logs.std(ddof=1) / len(logs) ** 0.5)
    one, two = np.mean(reached, axis=0)
    return Part(
        name,
        f"The {words} of the two networks differ by a factor above {LARGER:g}.",
        Tolerance("above", 3.0),
        (
            Measured(
                f"log(H 2 / H 1), N = {BUDGET}, mean over pairs",
                float(logs.mean()),
                error,
                float(np.log(LARGER)),
            ),
        ),
        (
            f"{words} are {one:.3g} and {two:.3g} lags",
            f"{words} of {one:.3g} and {two:.3g} lags do not surely differ by a factor "
            f"{LARGER:g}",
        ),
    )


NAMES = ("one slow unit", "broad spectrum")


def _panels(found: list[tuple[Seen, Seen]]) -> tuple[Panel, ...]:
    samples = octaves(4, 2**12, 2).astype(float)
    budget = Curve(
        f"N = {BUDGET}",
        np.array([LAGS[0], LAGS[-1]], float),
        np.full(2, float(BUDGET)),
        None,
        "dashed",
        2,
    )
    envelope, reach, need = [], [], [budget]
    for hue, name in enumerate(NAMES):
        seen = [pair[hue] for pair in found]
        f = np.mean([s.envelope for s in seen], axis=0)
        lags = np.arange(1.0, f.size + 1)
        envelope.append(Curve(name, lags, f, None, "line", hue))
        counts = np.array([s.reached(samples) for s in seen])
        spread = counts.std(axis=0, ddof=1) / len(seen) ** 0.5
        reach.append(Curve(name, samples, counts.mean(axis=0), spread, "points", hue))
        rows = np.array([s.need.needed for s in seen])
        known = np.isfinite(rows).all(axis=0)
        middle = rows[:, known].mean(axis=0)
        error = rows[:, known].std(axis=0, ddof=1) / len(seen) ** 0.5
        grid = np.array(LAGS, float)[known]
        need.append(Curve(name, grid, middle, error, "points", hue))
    return (
        Panel("envelope", "lag in steps", "f(l)", tuple(envelope), "xy"),
        Panel("common floor", "N", "window H", tuple(reach), "x"),
        Panel("detection", "lag in steps", "N(l), samples needed", tuple(need), "xy"),
    )
