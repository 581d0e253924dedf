"""How often the interval of f(l)/f(0) holds the truth where sequences are persistent.

Every window of a sequence shares what is the sequence's own: the rate at which it
forgets, its level, or a constant input that sets the gates of a cell. ``python -m
experiments.coverage`` prints a row per law and number of sequences; it takes minutes.
"""

from collections.abc import Callable

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float

from learnability.cells import DiagGate
from learnability.diagnosis.groups import with_interval
from learnability.transport import SampledWindows, sampled_windows, transport
from learnability.transport.clusters import RatioSums
from learnability.unroll import unroll

LAG, STEPS, RATE = 16, 48, 0.05
POPULATION, REPEATS, LEVEL = 20_000, 6000, 0.95
SEQUENCES, WINDOWS = (16, 50, 256), (256, 10**6)

Levels = Float[np.ndarray, "sequence two"]


def rates(sigma: float) -> Levels:
    """Return f(0) and f(l) of sequences that forget at lognormal rates."""
    rate = RATE * np.random.default_rng(0).lognormal(sigma=sigma, size=POPULATION)
    return np.exp(-np.outer(rate, [0, LAG]))


def levels(sigma: float) -> Levels:
    """Return f(0) and f(l) of sequences whose f(l) differs by a lognormal factor."""
    factor = np.random.default_rng(0).lognormal(sigma=sigma, size=POPULATION)
    return np.stack([np.ones(POPULATION), factor], axis=1)


def cells() -> Levels:
    """Return f(0) and f(l), order zero, of a cell with a constant input a sequence."""
    drawn = torch.randn(POPULATION, 1, 2, generator=torch.Generator().manual_seed(0))
    cell, x = DiagGate(2, 4, seed=0), drawn.expand(-1, LAG + 2, -1)
    with torch.no_grad():
        cell.W_s.normal_(generator=torch.Generator().manual_seed(1))
        gains = transport(cell, x, unroll(cell, x), [0, LAG], order="zero")
        means = [gain.abs().sum(dim=-1).mean(dim=1) for _, gain in gains]
    return torch.stack(means, dim=1).double().numpy()


LAWS: dict[str, Callable[[], Levels]] = {
    "rates, sigma .3": lambda: rates(0.3),
    "rates, sigma .6": lambda: rates(0.6),
    "levels, sigma .7": lambda: levels(0.7),
    "inputs of a cell": cells,
}


def held(every: Levels, sequences: int, windows: int, seed: int) -> bool:
    """Say whether the interval from a sample of sequences holds the truth."""
    random = np.random.default_rng(seed)
    own = every[random.integers(len(every), size=sequences)]
    lengths = torch.full((sequences,), STEPS)
    sample = sampled_windows(lengths, [LAG], windows=windows, seed=seed)
    number = counted(sample, sequences)
    ratio = RatioSums(1, 2)
    ratio.add((number * own)[:, None], number)
    f = (number * own).sum(axis=0) / number.sum(axis=0)
    row = {
        "normalised": ("lag", [f[1] / f[0]]),
        "log_error": ("lag", ratio.log_error(0)[1:]),
        "clusters": ("lag", ratio.clusters[1:]),
    }
    ends = with_interval(xr.Dataset(row), LEVEL)
    true = every[:, 1].mean() / every[:, 0].mean()
    return bool(ends["lower"][0] < true < ends["upper"][0])


def counted(
    sample: SampledWindows, sequences: int
) -> Float[np.ndarray, "sequence two"]:
    """Return how many windows of each sequence count for lag 0 and for the lag."""
    found = np.zeros((sequences, 2))
    for place in (0, 1):
        here = (sample.first <= place) & (sample.last >= place)
        np.add.at(found[:, place], sample.sequence[here], 1)
    return found


def main() -> None:
    """Print the coverage of every law, number of sequences and of windows."""
    for name, law in LAWS.items():
        every = law()
        for windows in WINDOWS:
            said = "all" if windows == max(WINDOWS) else str(windows)
            for count in SEQUENCES:
                shares = [held(every, count, windows, seed) for seed in range(REPEATS)]
                share = f"{np.mean(shares):.1%}"
                print(f"{name}: {count} sequences, {said} windows: {share}", flush=True)


if __name__ == "__main__":
    main()
