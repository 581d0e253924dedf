"""Small diagnoses with chosen numbers, for everything that draws or prints them."""

import numpy as np
import xarray as xr

from learnability import DiagnosisOptions, LayerDiagnosis
from learnability.summaries.windows import OWN

ORDERS = ("zero", "first", "diagonal", "exact")
LAGS = (1, 2, 4, 8, 16)


def diagnosis(
    *,
    lags: tuple[int, ...] = LAGS,
    f: np.ndarray | None = None,
    tau: np.ndarray | None = None,
    needed: np.ndarray | None = None,
    lower: np.ndarray | None = None,
    upper: np.ndarray | None = None,
    alpha: np.ndarray | None = None,
    found: tuple[bool, ...] | None = None,
    training: xr.Dataset | None = None,
    strength: float = 0.6,
) -> LayerDiagnosis:
    """Give a diagnosis; what is not chosen decays smoothly and needs few samples.

    Dependencies are found at all lags unless chosen, each at the strength of all.
    """
    grid = np.array(lags)
    values = 0.9 * np.exp(-grid / 5.0) if f is None else f
    scales = np.geomspace(0.5, 20, 8) if tau is None else tau
    counts = 2.0 * grid if needed is None else needed
    low = np.where(np.isfinite(counts), counts / 2, 100.0) if lower is None else lower
    high = counts * 2 if upper is None else upper
    index = np.linspace(1.5, 1.9, grid.size) if alpha is None else alpha
    there = np.full(grid.size, True) if found is None else np.array(found)
    own = {"own": counts, "own_lower": low, "own_upper": high}
    groups = {
        "envelope": envelope_group(grid, values),
        "time_scales": xr.Dataset(
            {"tau": (("order", "unit"), np.stack([scales] * len(ORDERS)))},
            coords={"order": list(ORDERS)},
        ),
        "evidence": xr.Dataset(
            {
                "alpha": ("lag", index),
                "alpha_lower": ("lag", index - 0.1),
                "alpha_upper": ("lag", np.minimum(index + 0.1, 2.0)),
            },
            coords={"lag": grid},
        ),
        "detection": xr.Dataset(
            {
                "needed": ("lag", counts),
                "lower": ("lag", low),
                "upper": ("lag", high),
                "resolved": ("lag", np.isfinite(counts)),
                **{k: ("lag", np.where(there, v, np.nan)) for k, v in own.items()},
            },
            coords={"lag": grid},
            attrs={"effect_size": strength, "kappa": 2.0},
        ),
    }
    if training is not None:
        groups["training"] = training
    attrs = {"learnability": "0.1.0", "torch": "2.13.0", "sequences": 1000}
    root = xr.Dataset(attrs=attrs)
    return LayerDiagnosis(xr.DataTree.from_dict({"/": root, **groups}))


def envelope_group(grid: np.ndarray, values: np.ndarray) -> xr.Dataset:
    """Give an envelope group: the orders differ by a factor, f(0) is 2."""
    factor = np.array([0.7, 0.8, 0.9, 1.0])[:, None]
    normalised = factor * values
    return xr.Dataset(
        {
            "normalised": (("order", "lag"), normalised),
            "mean": (("order", "lag"), 2 * normalised),
            "error": (("order", "lag"), 0.1 * normalised),
            "origin": ("order", np.full(len(ORDERS), 2.0)),
            "lower": (("order", "lag"), 0.9 * normalised),
            "upper": (("order", "lag"), 1.1 * normalised),
        },
        coords={"order": list(ORDERS), "lag": grid},
    )


def training_group(
    epochs: int = 12, *, diverged: bool = False, r2: float = 0.6
) -> xr.Dataset:
    """Give the record of a training; one without epochs diverged in its first."""
    errors = 1.2 * np.exp(-np.arange(epochs) / 6) + 0.4
    outcome = f"training diverged in epoch {epochs + 1} of 40 (training loss 1e+09)"
    return xr.Dataset(
        {
            "train": ("epoch", errors + 0.02),
            "validation": ("epoch", errors),
            "learnt_share": ("task_lag", np.array([0.95, 0.5, -0.02])),
        },
        coords={"task_lag": [2, 4, 8]},
        attrs={
            "outcome": outcome if diverged else f"trained {epochs} epochs",
            "diverged": int(diverged),
            "best_epoch": epochs,
            "r2": r2,
            "ceiling": 0.7,
        },
    )


def nothing_resolved(lags: tuple[int, ...] = LAGS) -> LayerDiagnosis:
    """Give a diagnosis that resolves no lag, some without any end of an interval."""
    lower = np.full(len(lags), 50.0)
    lower[-1] = np.inf
    return diagnosis(
        lags=lags,
        needed=np.full(len(lags), np.inf),
        lower=lower,
        upper=np.full(len(lags), np.inf),
        training=training_group(),
    )


def extreme() -> LayerDiagnosis:
    """Give a diagnosis with numbers at the ends of float64, and none at all."""
    return diagnosis(
        f=np.array([1.0, 1e-5, 1e-150, 1e-300, 0.0]),
        tau=np.array([1e-3, 2.0, 50.0, np.inf, np.inf, np.nan, np.nan, np.nan]),
        needed=np.array([1e-3, 1e3, 1e12, np.inf, np.inf]),
        lower=np.array([1e-4, 1e2, 1e10, 1e13, np.inf]),
        upper=np.array([1e-2, 1e4, np.inf, np.inf, np.inf]),
        alpha=np.array([2.0, 1.1, 0.6, np.nan, np.nan]),
        training=training_group(0, diverged=True, r2=-3.0),
    )


def measured(
    *,
    resolved: tuple[bool, ...] = (True, True, True, False, False),
    kappa: float = 2.0,
    scale: float = 1.0,
    training: xr.Dataset | None = None,
) -> LayerDiagnosis:
    """Give a diagnosis that holds all groups; N(l) follows from signal and noise."""
    known, random = np.array(resolved), np.random.default_rng(0)
    noise = np.linspace(0.5, 0.9, len(LAGS))
    length = scale * np.exp(-np.array(LAGS) / 4.0)
    z = 1.6448536269514722  # the quantile of the standard normal law at 0.95
    true = (2 * z * noise / (0.6 * length)) ** kappa
    needed = np.where(known, true, np.inf)
    ends = {"lower": true / 2, "upper": needed * 2}
    tree = diagnosis(needed=needed, **ends, found=resolved, training=training)
    tree = tree.tree.copy()
    tree.attrs |= {
        "options": DiagnosisOptions().model_dump_json(),
        "sequences": 500,
        "sample": 400,
    }
    detection = tree["detection"].to_dataset()
    extra = {"signal": length**2, "noise": noise, "kappa": np.full(len(LAGS), kappa)}
    extra |= {name: detection[name].values / 2 for name in OWN}
    tree["detection"] = detection.assign({n: ("lag", v) for n, v in extra.items()})
    tree["effective"] = tree["envelope"].to_dataset() * 1.0
    size = {"sigma": 2.0, "location": 0.3, "location_lower": 0.1, "location_upper": 0.5}
    columns = {n: ("lag", np.full(len(LAGS), v)) for n, v in size.items()}
    psi = (("lag", "sequence"), random.standard_normal((len(LAGS), 60)))
    tree["evidence"] = tree["evidence"].to_dataset().assign(columns | {"psi": psi})
    return LayerDiagnosis(tree)


def history(layers: tuple[str, ...] = ("gru", "head")) -> xr.Dataset:
    """Give what a monitor measured: windows of two N at three steps, growing."""
    shape = (3, len(layers), 2)
    window = np.arange(np.prod(shape), dtype=float).reshape(shape)
    over, count = ("step", "layer", "n_sequences"), len(layers)
    f = np.geomspace(1, 1e-3, 3 * count * len(LAGS)).reshape(3, count, len(LAGS))
    return xr.Dataset(
        {
            "window": (over, window),
            "lower": (over, np.maximum(window - 1, 0)),
            "upper": (over, window + 2),
            "envelope": (("step", "layer", "lag"), f),
        },
        {
            "step": [0, 50, 99],
            "layer": list(layers),
            "n_sequences": [10.0, 1000.0],
            "lag": list(LAGS),
        },
    )
