"""Results of one diagnosis as labelled arrays, a group a function."""

import numpy as np
import xarray as xr
from jaxtyping import Float

from . import stable
from .detection.samples import Requirement
from .transport import Envelope, Order, time_scales

ENVELOPE_MEANINGS = {
    "mean": "f(l) = mean over windows of sum_q |mu[q]|",
    "error": "standard error of mean",
    "typical": "exp mean log sum_q |mu[q]|",
    "normalised": "f(l)/f(0)",
    "unit_mean": "mean |mu[q]|",
    "unit_typical": "exp mean log |mu[q]|",
}

NEEDS = ("needed", "lower", "upper", "resolved", "signal", "noise", "kappa")


def _lag_axis(lags: list[int]) -> xr.DataArray:
    return xr.DataArray(lags, dims="lag", attrs={"units": "steps"})


def envelope_group(found: dict[Order, Envelope]) -> xr.Dataset:
    """Give the envelopes of all orders, over (order, lag) and (order, lag, unit)."""
    lags = next(iter(found.values())).lags.tolist()
    dims = {"unit_mean": ("lag", "unit"), "unit_typical": ("lag", "unit")}
    data = {
        name: xr.DataArray(
            np.stack([getattr(f, name) for f in found.values()]),
            dims=("order", *dims.get(name, ("lag",))),
            attrs={"long_name": meaning},
        )
        for name, meaning in ENVELOPE_MEANINGS.items()
    }
    data["origin"] = xr.DataArray([f.origin for f in found.values()], dims="order")
    return xr.Dataset(data, coords={"order": list(found), "lag": _lag_axis(lags)})


def time_scale_group(found: dict[Order, Envelope]) -> xr.Dataset:
    """Give the time scales of all orders, over (order, unit)."""
    tau = xr.DataArray(
        np.stack([time_scales(f.lags, f.unit_mean) for f in found.values()]),
        dims=("order", "unit"),
        attrs={"units": "steps", "long_name": "-1/slope of log mean |mu[q]|"},
    )
    return xr.Dataset({"tau": tau}, coords={"order": list(found)})


def stable_group(
    lags: list[int],
    psi: Float[np.ndarray, "lag sequence"],
    *,
    level: float,
    resamples: int,
    seed: np.random.SeedSequence,
) -> xr.Dataset:
    """Fit a stable law a lag; a lag without a spread has no law, and gets nan."""
    spread = np.ptp(psi, axis=1) > 0
    names = [
        name + end
        for name in ("alpha", "sigma", "location")
        for end in ("", "_lower", "_upper")
    ]
    table = {name: np.full(len(lags), np.nan) for name in names}
    if spread.any():
        law = stable.fit(
            psi[spread],
            level=level,
            resamples=resamples,
            seed=seed,
        )
        for name, values in table.items():
            values[spread] = getattr(law, name)
    data = {name: xr.DataArray(v, dims="lag") for name, v in table.items()}
    data["psi"] = xr.DataArray(psi, dims=("lag", "sequence"))
    meaning = "stable law of psi_n(l), the lag-l gradient along a random direction"
    return xr.Dataset(data, coords={"lag": _lag_axis(lags)}, attrs={"title": meaning})


def detection_group(lags: list[int], need: Requirement) -> xr.Dataset:
    """Give N(l) with its interval and what it was made of, over lag."""
    units = {"needed": "sequences", "lower": "sequences", "upper": "sequences"}
    data = {
        name: xr.DataArray(
            getattr(need, name), dims="lag", attrs={"units": units.get(name, "1")}
        )
        for name in NEEDS
    }
    group = xr.Dataset(data, coords={"lag": _lag_axis(lags)})
    heavy = int((need.kappa > 2).sum())
    formula = f"stable quantiles at {heavy} of {len(lags)} lags, z at the others"
    group.attrs = {
        "strength": float(need.strength),
        "formula": formula if heavy else "Gaussian: z, kappa = 2",
    }
    return group
