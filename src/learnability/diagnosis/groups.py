"""From what was measured to laws, samples needed and labelled arrays."""

import numpy as np
import xarray as xr
from jaxtyping import Float, Int
from scipy import stats

from .. import stable
from ..detection.dependence import Dependence, dependence, strongest
from ..detection.heavy_noise import noise_law, with_stable_noise
from ..detection.samples import SamplesNeeded, needed_by_gradients, undefined
from ..evidence import ProbeStatistics
from ..randomness import stream
from ..summaries.windows import OWN
from ..transport import Envelope, Order, time_scales
from ..verdict.rules import LOST
from .options import DiagnosisOptions

ENVELOPE_MEANINGS = {
    "mean": "f(l) = mean over windows of sum_q |mu[q]|",
    "error": "standard error of mean, over clusters of sequences",
    "log_error": "standard error of log f(l)/f(0), over clusters of sequences",
    "typical": "exp mean log sum_q |mu[q]|",
    "normalised": "f(l)/f(0)",
    "unit_mean": "mean |mu[q]|",
    "unit_typical": "exp mean log |mu[q]|",
    "windows": "windows that count",
    "clusters": "clusters of sequences that the windows lie in",
    "below": "f(l) is less than its dtype can tell",
}
HIDDEN_BELOW = ("mean", "error", "log_error", "typical", "normalised")
TAU_MEANINGS = {
    "tau": "-1/slope of log mean |mu[q]|",
    "tau_typical": "-1/slope of mean log |mu[q]|",
}

NEEDS = ("needed", "lower", "upper", "resolved", "signal", "noise", "kappa")
LEARNT = 1e-4  # of what the targets ask for, left in the error: N(l) has no meaning


def _lag_axis(lags: list[int]) -> xr.DataArray:
    return xr.DataArray(lags, dims="lag", attrs={"units": "steps"})


def envelope_group(found: dict[Order, Envelope]) -> xr.Dataset:
    """Return the envelopes of all orders, over (order, lag) and (order, lag, unit).

    What is below the numbers of its dtype is nan, and ``below`` says where.
    """
    lags = next(iter(found.values())).lags.tolist()
    dims = {"unit_mean": ("lag", "unit"), "unit_typical": ("lag", "unit")}
    data = {
        name: xr.DataArray(
            np.stack([_told(f, name) for f in found.values()]),
            dims=("order", *dims.get(name, ("lag",))),
            attrs={"long_name": meaning},
        )
        for name, meaning in ENVELOPE_MEANINGS.items()
    }
    data["origin"] = xr.DataArray([f.origin for f in found.values()], dims="order")
    return xr.Dataset(data, coords={"order": list(found), "lag": _lag_axis(lags)})


def _told(f: Envelope, name: str) -> np.ndarray:
    """Return what can be told of an envelope, nan elsewhere.

    Typical values of 0 are those of windows that have underflowed, and those of units
    else are sums of logarithms: they do not underflow.
    """
    values = getattr(f, name)
    if name in ("typical", "unit_typical"):
        values = np.where(values > 0, values, np.nan)
    if name == "unit_mean":
        values = np.where(values >= f.tiny, values, np.nan)
    return np.where(f.below, np.nan, values) if name in HIDDEN_BELOW else values


def with_interval(envelope: xr.Dataset, level: float) -> xr.Dataset:
    """Add the ends of the interval of f(l)/f(0): ``lower`` and ``upper``.

    They are ``f(l)/f(0) exp(-+ t s sqrt(n/(n - 1)))``, n the clusters, s the standard
    error of the logarithm to first order and t Student's quantile of n - 1 degrees of
    freedom: means of few clusters are skew, and their logarithms less so. The root is
    what leaving each cluster out would add to s.

    Args:
        envelope: of `envelope_group`.
        level: confidence.
    """
    freedom = envelope["clusters"].values - 1.0
    freedom = np.where(freedom > 0, freedom, np.nan)
    t = stats.t.isf((1 - level) / 2, freedom) * np.sqrt(1 + 1 / freedom)
    away = np.exp(t * envelope["log_error"])
    f, meaning = (
        envelope["normalised"],
        f"end of the interval of f(l)/f(0) at {level:g}",
    )
    ends = {"lower": f / away, "upper": f * away}
    return envelope.assign(
        {name: end.assign_attrs(long_name=meaning) for name, end in ends.items()}
    )


def time_scale_group(found: dict[Order, Envelope]) -> xr.Dataset:
    """Return the time scales of all orders, over (order, unit).

    ``tau`` is that of the mean over windows, which the slowest windows rule;
    ``tau_typical`` that of a typical window, nearer to the gates' own.
    """
    scales = {
        "tau": [time_scales(f.lags, f.unit_mean, tiny=f.tiny) for f in found.values()],
        "tau_typical": [time_scales(f.lags, f.unit_typical) for f in found.values()],
    }
    data = {
        name: xr.DataArray(
            np.stack(tau),
            dims=("order", "unit"),
            attrs={"units": "steps", "long_name": TAU_MEANINGS[name]},
        )
        for name, tau in scales.items()
    }
    return xr.Dataset(data, coords={"order": list(found)})


def fitted_evidence(
    psi: Float[np.ndarray, "lag sequence"],
    lags: list[int],
    seed: int,
    options: DiagnosisOptions,
) -> xr.Dataset:
    """Fit a stable law per lag to the sequences that are long enough for it.

    Args:
        psi: nan where a lag does not fit into a sequence.
        lags: lags in steps.
        seed: of the resamples.
        options: hold level and resamples.

    Returns:
        The law over lag; one that has none gets nan, and ``reason`` says why.
    """
    settings = options.model_dump(include={"level", "resamples"})
    settings["seed"] = stream(seed, "resamples")
    names = [
        name + end
        for name in ("alpha", "sigma", "location")
        for end in ("", "_lower", "_upper")
    ]
    table = {name: np.full(len(lags), np.nan) for name in names}
    rows = [row[~np.isnan(row)] for row in psi]
    reasons = [stable.no_law(row) for row in rows]
    sizes = np.array([len(row) for row in rows])
    known = np.array([not reason for reason in reasons])
    for size in np.unique(sizes[known]).tolist():
        own = known & (sizes == size)
        values = np.stack([row for row, one in zip(rows, own, strict=True) if one])
        law = stable.fit(values, **settings)
        for name in names:
            table[name][own] = getattr(law, name)
    data = {name: xr.DataArray(v, dims="lag") for name, v in table.items()}
    data["psi"] = xr.DataArray(psi, dims=("lag", "sequence"))
    data["reason"] = xr.DataArray(np.array(reasons, dtype=object), dims="lag")
    data["reason"].attrs["long_name"] = "why there is no law; empty where there is one"
    meaning = "stable law of psi_n(l), the lag-l gradient along a random direction"
    return xr.Dataset(data, coords={"lag": _lag_axis(lags)}, attrs={"title": meaning})


def dependence_group(lags: list[int], found: Dependence) -> xr.Dataset:
    """Return what the targets hold at each lag, 0 included, over lag."""
    data = {name: ("lag", getattr(found, name)) for name in vars(found)}
    title = "dependence of the targets on the inputs of each lag, by itself"
    return xr.Dataset(data, coords={"lag": _lag_axis(lags)}, attrs={"title": title})


def detection_group(
    lags: list[int],
    need: SamplesNeeded,
    found: Dependence,
    statistics: ProbeStatistics,
) -> xr.Dataset:
    """Return N(l) with its interval and what it was made of, over lag.

    ``own``, with its ends, is N(l) of the dependency that the targets hold at the lag,
    nan where none was found.
    """
    units = {"needed": "sequences", "lower": "sequences", "upper": "sequences"}
    data = {
        name: xr.DataArray(
            getattr(need, name), dims="lag", attrs={"units": units.get(name, "1")}
        )
        for name in NEEDS
    }
    group = xr.Dataset(data, coords={"lag": _lag_axis(lags)})
    places = np.searchsorted(statistics.target_lags, lags)
    c = np.where(found.found, found.strength, np.nan)[places]
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = np.where(c > 0, (need.effect_size / c) ** need.kappa, np.nan)
    for own, name in OWN.items():
        group[own] = ("lag", factor * getattr(need, name), {"units": "sequences"})
    heavy = int((need.kappa > 2).sum())
    formula = f"stable quantiles at {heavy} of {len(lags)} lags, z at the others"
    pairs, count = statistics.projection.shape[1:]
    every = statistics.target.shape[1]
    group.attrs = {
        "effect_size": float(need.effect_size),
        "left": float(statistics.left),
        "formula": formula if heavy else "Gaussian: z, kappa = 2",
        "sequences": count,
        "probe": "all pairs" if pairs == every else "one pair",
        "pairs": every,
    }
    return group


def fitted_envelopes(
    groups: dict[str, xr.Dataset], options: DiagnosisOptions
) -> dict[str, xr.Dataset]:
    """Return groups of results, those of envelopes with the ends of their intervals.

    Args:
        groups: by name.
        options: holds the level.
    """
    names = ("envelope", "effective")
    ends = {n: with_interval(groups[n], options.level) for n in names if n in groups}
    return {**groups, **ends}


def fitted_detection(
    statistics: ProbeStatistics,
    seed: int,
    options: DiagnosisOptions,
    envelopes: xr.Dataset | None = None,
) -> dict[str, xr.Dataset]:
    """Return what each lag needs to be detected, and what the targets hold.

    Args:
        statistics: sums over the gradients of sequences.
        seed: of what is drawn.
        options: sizes of tests, the level of intervals.
        envelopes: the group ``envelope``; without it N(l) follows from noise alone.

    Returns:
        The groups ``detection``, of all lags that were measured, and ``dependence``, of
        all that were asked for and of lag 0.
    """
    s, half = statistics, options.significance / 2
    effect_size = options.effect_size
    if effect_size is None:
        effect_size = strongest(s.target[s.target_lags > 0], half)[0]
    sizes = options.model_dump(include={"significance", "power", "level"})
    need = needed_by_gradients(*s.parts, effect_size=effect_size, **sizes)
    law = noise_law(s.projection, level=options.level, seed=stream(seed, "noise law"))
    need = with_stable_noise(need, law, s.square, s.dot, **sizes)
    if s.left < LEARNT:
        need = undefined(need)
    found = dependence(s.target, half)
    detection = detection_group(s.lags.tolist(), need, found, s)
    return {
        "detection": detection if envelopes is None else _bounded(detection, envelopes),
        "dependence": dependence_group(s.target_lags.tolist(), found),
    }


def _bounded(need: xr.Dataset, envelopes: xr.Dataset) -> xr.Dataset:
    """Return N(l), infinite with both its ends where next to nothing arrives.

    The gradient by the recurrent weights meets the state before a step: lag l shows in
    it by what goes through l - 1 steps, lag 1 even where these weights are 0. Where
    f(l - 1) is lost in rounding beside f(0), the gradient of the lag is no more than
    that of its rounding, and so would be N(l), large or small.
    """
    if "exact" not in envelopes["order"]:
        return need
    gone = shown_by(envelopes.sel(order="exact"), need["lag"].values - 1) < LOST
    samples = [*OWN.values(), *OWN]
    ends = {n: need[n].where(~gone | need[n].isnull(), np.inf) for n in samples}
    return need.assign({**ends, "resolved": need["resolved"] & ~gone})


def shown_by(
    exact: xr.Dataset, lags: Int[np.ndarray, "lag"]
) -> Float[np.ndarray, "lag"]:
    """Return f(l)/f(0) at any lags, between those measured as an exponential.

    What is less than its dtype can tell counts as the least that float32 can.

    Args:
        exact: the envelope over lag, of one order.
        lags: from 0.
    """
    tiny = np.finfo(np.float32).tiny
    f = np.where(exact["below"] == 1, tiny, exact["normalised"])
    known, logs = [0, *exact["lag"].values], [0.0, *np.log(f)]
    return np.exp(np.interp(lags, known, logs))
