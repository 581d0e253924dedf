"""(b) Samples needed against the envelope: which exponent, under which noise."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from learnability import stable
from learnability.randomness import stream

from .formulas import leaky_unit_need, samples_needed_carried
from .record import Claim, Curve, Measured, Panel, Part, Tolerance
from .simulate import (
    Draw,
    Values,
    bootstrap,
    needed,
    octaves,
    running_means,
    slope,
    stable_values,
)

ALPHAS = (1.3, 1.5, 1.7, 2.0)
ERROR = 0.1
GATE = 0.2
UNITS = 16
LAGS = 6
SPAN = 64.0
"""The largest N(l) over the smallest, by the exponent kappa, under a common floor."""
CARRIED_LAGS = np.array([1, 10, 20, 40, 80])
CARRIED_NEED = 128.0
"""N at lag 1 under carried noise: it grows by a factor UNITS at most."""

Noise = Literal["common", "carried"]


@dataclass(frozen=True)
class Scaling:
    """N(l) of one law: simulated, its standard error, and in closed form.

    Attributes:
        alpha: tail index.
        log_inverse: -log f(l); (lag,).
        log_needed: log N(l); (lag,).
        error: standard error of log_needed; (lag,).
        formula: log N(l) in closed form; (lag,).
        exponent: slope of log N(l) against -log f(l), and its standard error.
    """

    alpha: float
    log_inverse: Float[np.ndarray, " lag"]
    log_needed: Float[np.ndarray, " lag"]
    error: Float[np.ndarray, " lag"]
    formula: Float[np.ndarray, " lag"]
    exponent: tuple[float, float]


def scaling(
    seed: int,
    *,
    replicates: int = 1000,
    largest: int = 2**14,
    draw: Draw = stable_values,
) -> Claim:
    """Find N(l) by simulation and regress its logarithm on that of the envelope.

    N(l) ~ f(l)^(-alpha) (v1) or f(l)^(-kappa) (v4)

    Args:
        seed: of the experiment.
        replicates: means at each N.
        largest: N under the common noise floor.
        draw: gives values of the noise.

    Example:
        >>> scaling(0, replicates=200, largest=2**10).letter
        'b'

    Source: Livi 2025, arXiv 2512.05790, v1 and v4.
    """
    common = [common_floor(seed, a, replicates, largest, draw) for a in ALPHAS]
    carried = [carried_noise(seed, a, replicates, draw) for a in ALPHAS]
    return Claim(
        letter="b",
        title="N(l) against f(l)",
        statement="The samples needed at lag l are a power of the envelope, with the "
        "exponent alpha (v1) or kappa (v4).",
        testbed=f"Common floor: a leaky unit of gate {GATE:g}, targets with stable "
        "noise at the output, the gradient of the read-out weight, N(l) where the sign "
        f"of the mean errs in {ERROR:.0%} of {replicates:,} runs. Carried noise: "
        f"{UNITS} units with time scales spread about 20 steps, signal and noise "
        "of each carried by the same transport.".replace("%", "\u202f%"),
        parts=_parts(common, carried),
        panels=(
            _panel("common noise floor", common, "common"),
            _panel("carried noise", carried, "carried"),
        ),
        caption="Samples needed against the inverse envelope: simulated (points, with "
        "standard errors), v4 with the exponent kappa (lines) and v1 with the exponent "
        "alpha (dashed), both through the first point; under carried noise the lines "
        "are the closed form with H_eff.",
    )


def common_floor(
    seed: int, alpha: float, replicates: int, largest: int, draw: Draw
) -> Scaling:
    """Simulate the leaky unit with stable label noise.

    h' = (1-s) h + s x, y = c x_{t-l} + xi; gradient of the read-out weight at 0: -y h

    Args:
        seed: of the experiment.
        alpha: tail index of the label noise.
        replicates: means at each N.
        largest: N; the coupling c is such that N(l) lies well below.
        draw: gives the label noise.
    """
    kappa = float(stable.kappa(alpha))
    reach = np.log(SPAN) / kappa / -np.log(1 - GATE)
    lags = np.unique(np.linspace(0, reach, LAGS).round().astype(int))
    one = float(leaky_unit_need(lags[-1], GATE, 1.0, 1.0, alpha, significance=ERROR))
    coupling = (one / (largest / 4)) ** (1 / kappa)
    rng = np.random.default_rng(stream(seed, f"common floor {alpha}"))
    share = GATE * (1 - GATE) ** lags
    rest = np.sqrt(GATE / (2 - GATE) - share @ share)

    def gradients(rows: int, count: int) -> Values:
        # The inputs at the lags of interest one by one, all others together.
        x = rng.standard_normal((rows, count, lags.size))
        h = x @ share + rest * rng.standard_normal((rows, count))
        noise = draw(alpha, (rows, count), rng)
        return (coupling * x + noise[..., None]) * h[..., None]

    formula = leaky_unit_need(lags, GATE, coupling, 1.0, alpha, significance=ERROR)
    sizes = octaves(max(4, int(largest / 64 / SPAN)), largest, 2)
    means = running_means(gradients, sizes, replicates, width=2 * lags.size)
    return _found(alpha, -np.log(share), np.log(formula), sizes, means < 0, rng)


def carried_noise(seed: int, alpha: float, replicates: int, draw: Draw) -> Scaling:
    """Simulate evidence whose noise is carried by the same transport as its signal.

    psi = sum_q mu_q (m + xi_q), mu_q = exp(-l/tau_q)

    Args:
        seed: of the experiment.
        alpha: tail index of the noise.
        replicates: means at each N.
        draw: gives the noise of every unit.
    """
    spread = np.linspace(-1.5, 1.5, UNITS)
    mu = np.exp(-CARRIED_LAGS[:, None] / (20 * np.exp(spread)))
    one = float(samples_needed_carried(mu[0], 1.0, 1.0, alpha, significance=ERROR))
    signal = (one / CARRIED_NEED) ** (1 / float(stable.kappa(alpha)))
    rng = np.random.default_rng(stream(seed, f"carried noise {alpha}"))
    formula = samples_needed_carried(mu, signal, 1.0, alpha, significance=ERROR)
    sizes = octaves(8, 2**10, 4)
    noise = running_means(
        lambda rows, count: draw(alpha, (rows, count, UNITS), rng),
        sizes,
        replicates,
        width=UNITS,
    )
    wrong = (signal + noise) @ mu.T < 0
    return _found(alpha, -np.log(mu.sum(axis=1)), np.log(formula), sizes, wrong, rng)


def _found(
    alpha: float,
    log_inverse: Values,
    formula: Values,
    sizes: Int[np.ndarray, " size"],
    wrong: np.ndarray,
    rng: np.random.Generator,
) -> Scaling:
    def statistic(resampled: np.ndarray) -> Values:
        logs = np.log(needed(sizes, resampled, ERROR))
        return np.append(logs, slope(log_inverse, logs))

    values, errors = bootstrap(statistic, wrong, rng)
    exponent = float(values[-1]), float(errors[-1])
    return Scaling(alpha, log_inverse, values[:-1], errors[:-1], formula, exponent)


def _parts(common: list[Scaling], carried: list[Scaling]) -> tuple[Part, ...]:
    equal = Tolerance("equal", 3.0)
    heavy = _exponents([s for s in common if s.alpha < 2], "v1")
    refuted = [f"{n.expected:g}" for n in heavy if not equal.holds(n)]
    return (
        Part(
            "v1, common floor",
            "Under a common noise floor N(l) goes as f(l)^(-alpha).",
            equal,
            heavy,
            (
                "the exponent alpha of v1 fits a common noise floor",
                f"the exponent alpha of v1 is refuted at alpha = {', '.join(refuted)}",
            ),
        ),
        Part(
            "v4, common floor",
            "Under a common noise floor N(l) goes as f(l)^(-kappa).",
            equal,
            _exponents(common, "v4"),
            (
                "the exponent kappa of v4 is right under a noise floor common to all "
                "lags",
                "the exponent kappa of v4 is wrong even under a common noise floor",
            ),
        ),
        Part(
            "v4, carried noise",
            "N(l) goes as f(l)^(-kappa) where signal and noise travel together, too.",
            equal,
            _exponents(carried, "v4"),
            (
                "it fits carried noise as well",
                "it is wrong where the noise is carried by the same transport, because "
                "the size of f cancels",
            ),
        ),
        Part(
            "H_eff, carried noise",
            "With carried noise N(l) = (sigma q/m)^kappa / H_eff(l).",
            equal,
            _against_formula(carried),
            (
                "there N(l) is the closed form with H_eff, the number of units that "
                "share the noise",
                "the closed form with H_eff does not give N(l) of carried noise",
            ),
        ),
    )


def _exponents(found: list[Scaling], law: Literal["v1", "v4"]) -> tuple[Measured, ...]:
    return tuple(
        Measured(
            f"exponent, alpha = {s.alpha:g}",
            *s.exponent,
            s.alpha if law == "v1" else float(stable.kappa(s.alpha)),
        )
        for s in found
    )


def _against_formula(found: list[Scaling]) -> tuple[Measured, ...]:
    return tuple(
        Measured(
            f"log N at lag {CARRIED_LAGS[place]}, alpha = {s.alpha:g}",
            s.log_needed[place],
            s.error[place],
            s.formula[place],
        )
        for s in found
        for place in (0, -1)
    )


def _panel(title: str, found: list[Scaling], noise: Noise) -> Panel:
    curves = []
    for hue, s in enumerate(found):
        f = np.exp(s.log_inverse)
        middle = np.exp(s.log_needed)
        points = Curve(
            f"alpha = {s.alpha:g}", f, middle, middle * s.error, "points", hue
        )
        kappa = float(stable.kappa(s.alpha))
        v4 = s.log_needed[0] + kappa * (s.log_inverse - s.log_inverse[0])
        v1 = s.log_needed[0] + s.alpha * (s.log_inverse - s.log_inverse[0])
        law, name = (v4, "v4") if noise == "common" else (s.formula, "H_eff")
        curves += [points, Curve(name, f, np.exp(law), None, "line", hue)]
        if noise == "common" and s.alpha < 2:
            curves.append(Curve("v1", f, np.exp(v1), None, "dashed", hue))
    return Panel(title, "1/f(l)", "N(l), samples needed", tuple(curves), "xy")
