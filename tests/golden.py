"""Hold the library against files of reference numbers.

``python -m tests.golden FILE.npz ...`` takes files in the formats that
``golden_data/README.md`` lists: ``exact_*`` (brute force by automatic differentiation),
``livi2025_*`` (the published programme's numbers) and ``livi2025_estimators`` (its
estimates of stable laws). It tells them apart by what they hold, whatever their names,
sizes and lags. It
prints the largest relative error of every quantity and exits with 1 where one exceeds
its tolerance, with 2 where a file cannot be read.
"""

import re
import sys
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

import learnability.stable as stable
from learnability.cells import (
    GRU,
    LSTM,
    Cell,
    ConstGate,
    DiagGate,
    SharedGate,
    previous,
)
from learnability.evidence import (
    immediate_sensitivity,
    lag_gradients,
    lag_projection,
)
from learnability.transport import exact_matrices, jacobians
from learnability.transport.livi2025 import (
    matched_statistic,
    published_gains,
    published_steps,
)
from learnability.unroll import Network, tangent

EXACT, ESTIMATE = 1e-9, 2e-3
# Below this share of a quantity's largest value at the same lag, rounding rules.
FLOOR = 1e-4

Numbers = Mapping[str, np.ndarray]
Check = tuple[str, np.ndarray, np.ndarray, float]
PUBLISHED_GATES = {GRU: "zrg", LSTM: "ifog"}


@dataclass(frozen=True)
class Row:
    """One quantity of one file."""

    name: str
    error: float
    tolerance: float

    @property
    def holds(self) -> bool:
        return self.error <= self.tolerance


def relative_error(got: np.ndarray, expected: np.ndarray) -> float:
    """Give the largest error relative to the value, or to 1e-4 of the largest value.

    nan must stand where nan stands; another shape is infinitely wrong.
    """
    if got.shape != expected.shape or (np.isnan(got) != np.isnan(expected)).any():
        return np.inf
    there = ~np.isnan(expected)
    if not there.any():
        return 0.0
    got, expected = got[there], expected[there]
    size = np.abs(expected) + FLOOR * np.abs(expected).max()
    error = np.abs(got - expected)
    return float(np.max(np.divide(error, size, out=error, where=size > 0)))


def network_of(
    cell: Cell, weights: Numbers, w_out: np.ndarray, b_out: float
) -> Network:
    """Give a float64 network with the weights of a file."""
    network = Network(cell).double()
    state = {f"cell.{name}": torch.tensor(value) for name, value in weights.items()}
    state |= {
        "w_out": torch.tensor(w_out),
        "b_out": torch.tensor(b_out, dtype=torch.float64),
    }
    network.load_state_dict(state)
    return network


# ---- exact_*: brute force ---------------

KINDS: dict[str, type[Cell]] = {
    "s": ConstGate,
    "w_s": SharedGate,
    "W_s": DiagGate,
    "W_z": GRU,
    "W_f": LSTM,
}


def group(file: Numbers, prefix: str) -> dict[str, np.ndarray]:
    """Give the entries below a prefix, without it."""
    return {k[len(prefix) :]: file[k] for k in file if k.startswith(prefix)}


def exact_checks(file: Numbers) -> Iterator[Check]:
    """Yield name, value, reference and tolerance of every quantity."""
    weights = group(file, "param/")
    kinds = [KINDS[name] for name in KINDS if name in weights]
    if not kinds:
        raise ValueError("no weights of a known cell")
    kind = kinds[0]
    x, y = torch.tensor(file["x"]), torch.tensor(file["y"])
    units = file["w_out"].size
    cell = kind(x.shape[2], units, layernorm="ln_weight" in weights)
    network = network_of(cell, weights, file["w_out"], float(file["b_out"]))
    with torch.no_grad():
        states = network.states(x)
        delta = network.error_signal(states, y)
        steps = cell.diagonal_jacobian(states, x)
    jacobian = jacobians(cell, x, states)
    direction = {n: torch.tensor(v) for n, v in group(file, "w/").items()}
    b = immediate_sensitivity(cell, x, states, direction)
    v = tangent(cell, x, direction)
    values = {"states": states, "delta": delta, "jac": jacobian, "imm": b, "tot": v}
    for name, value in values.items():
        yield name, value.numpy(), file[name], EXACT
    own = torch.tensor(file["jac"])[..., cell.carried, cell.carried]
    own = own.diagonal(dim1=-2, dim2=-1)
    if steps.exit is not None:
        through = torch.tensor(file["jac"])[..., cell.carried, cell.output]
        own = own + through.diagonal(dim1=-2, dim2=-1) * previous(steps.exit)
    yield (
        "leak + correction",
        (steps.leak + steps.correction).numpy(),
        own.numpy(),
        EXACT,
    )
    yield from lagged_checks(file, cell, states, delta, direction, jacobian, v)
    yield from gradient_checks(file, cell, states, delta, direction)


def lagged_checks(
    file: Numbers,
    cell: Cell,
    states: Tensor,
    delta: Tensor,
    direction: dict[str, Tensor],
    jacobian: Tensor,
    v: Tensor,
) -> Iterator[Check]:
    """Yield m_diag, psi_imm and psi_tot, a lag at a time."""
    x = torch.tensor(file["x"])
    within = [int(lag) for lag in file["lags"] if lag < x.shape[1]]
    if not within:
        return
    psi = {
        "psi_imm": lag_projection(cell, x, states, delta, direction, within),
        "psi_tot": lag_projection(cell, x, states, delta, direction, within, source=v),
    }
    place = {lag: i for i, lag in enumerate(sorted(within))}
    for lag, matrix in exact_matrices(jacobian, within):
        row = list(file["lags"]).index(lag)
        whole = torch.full_like(states, torch.nan)
        whole[:, lag:] = matrix[:, 1:].diagonal(dim1=-2, dim2=-1)
        yield f"m_diag[{lag}]", whole.numpy(), file["m_diag"][:, row], EXACT
        for name, value in psi.items():
            got = value[place[lag]].numpy()
            yield f"{name}[{lag}]", got, file[name][:, row], EXACT


def gradient_checks(
    file: Numbers,
    cell: Cell,
    states: Tensor,
    delta: Tensor,
    direction: dict[str, Tensor],
) -> Iterator[Check]:
    """Yield the gradient, which the lag-resolved parts must add up to."""
    x = torch.tensor(file["x"])
    total: dict[str, Tensor] = {}
    for _, part in lag_gradients(cell, x, states, delta):
        total = {name: total.get(name, 0) + g for name, g in part.items()}
    for name, expected in group(file, "grad/").items():
        yield f"grad/{name}", total[name].numpy(), expected, EXACT
    slope = sum((total[name] * w).sum() for name, w in direction.items())
    expected = file["directional_derivative"]
    yield "directional_derivative", np.asarray(slope), expected, EXACT


# ---- livi2025_*: the published programme ---------------


def published_network(file: Numbers) -> tuple[Network, dict[str, Tensor]]:
    """Give the network and the direction that a file of the programme names."""
    weights = {
        prefix: {k: np.asarray(v) for k, v in group(file, prefix).items()}
        for prefix in ("param/", "w/")
    }
    raw = weights["param/"]
    inputs, units = file["x"].shape[2], raw["out.weight"].shape[1]
    kind = published_kind(raw, units)
    norm = any(name.startswith("ln") for name in raw)
    options = {"s": 0.0} if kind is ConstGate else {}
    cell = kind(inputs, units, layernorm=norm, **options)
    named = published_names(raw, kind)
    if kind is ConstGate:  # the programme keeps s in single precision
        named["s"] = np.asarray(file["s"], dtype=np.float32).astype(float)
    network = network_of(
        cell, named, raw["out.weight"][0], float(raw["out.bias"].item())
    )
    along = published_names(weights["w/"], kind)
    return network, {name: torch.tensor(value) for name, value in along.items()}


def published_kind(raw: Numbers, units: int) -> type[Cell]:
    """Tell the cell from the programme's own names of its parameters."""
    if "Wi.weight" in raw:
        return LSTM
    if "Wz.weight" in raw:
        return GRU
    if "Ws.weight" not in raw:
        return ConstGate
    return DiagGate if raw["Ws.weight"].shape[0] == units else SharedGate


def published_names(raw: Numbers, kind: type[Cell]) -> dict[str, np.ndarray]:
    """Give the parameters under this library's names."""
    named = {}
    for name, value in raw.items():
        module, leaf = name.split(".")
        if module == "out":
            continue
        if module.startswith("ln"):
            named[f"ln_{leaf}"] = value
        elif kind in (GRU, LSTM):
            gate = "g" if kind is GRU and module[1] == "h" else module[1]
            named[f"{'b' if leaf == 'bias' else module[0]}_{gate}"] = value
        elif kind is SharedGate and module in ("Ws", "Us"):
            letter = "b" if leaf == "bias" else module[0].lower()
            named[f"{letter}_s"] = value.reshape(
                value.shape[1:] if value.ndim > 1 else ()
            )
        elif module == "Us":
            named["U_s"] = value
        else:
            named[f"{'b' if leaf == 'bias' else 'W'}_{module[1]}"] = value
    return named


def published_checks(file: Numbers) -> Iterator[Check]:
    """Yield name, value, reference and tolerance of every quantity."""
    network, direction = published_network(file)
    cell, x, y = network.cell, torch.tensor(file["x"]), torch.tensor(file["y"])
    with torch.no_grad():
        states = network.states(x)
        published = published_steps(cell, x, states)
        delta = network.error_signal(states, y)[..., cell.output]
        yhat = network.read(states)
        values = published_step_values(cell, x, states, published)
    v = tangent(cell, x, direction)[..., cell.output]
    values |= {
        "h": states[..., cell.output],
        "yhat": yhat,
        "delta": delta,
        "v_total": v,
    }
    for name, value in values.items():
        if name in file:
            yield name, value.numpy(), file[name], EXACT
    lags = sorted({int(k.rsplit("/")[-1]) for k in file if k.startswith("first/")})
    if not lags:
        return
    with torch.no_grad():
        first = published_gains(published, lags, order="first")
        lagged = {
            "zero": published_gains(published, lags, order="zero"),
            "first": first,
            "envelope_window": published_gains(
                published, lags, order="first", alignment="steps"
            ),
            "psi": matched_statistic(first, delta, v),
        }
    for lag in lags:
        for name, by_lag in lagged.items():
            if f"{name}/{lag}" in file:
                key = f"{name}/{lag}"
                yield key, by_lag[lag].numpy(), file[key], EXACT


def published_step_values(cell, x, states, published) -> dict[str, Tensor]:
    """Give the per-step quantities under the programme's names."""
    leak, correction = published.steps.leak, published.steps.correction
    if isinstance(cell, LSTM):
        _, _, by_i, by_f, _, slope, _ = cell.derivatives(states, x)
        k = by_f * cell.U_f.diagonal() + slope * cell.U_g.diagonal()
        k = k + by_i * cell.U_i.diagonal()
        return {
            "step/forget": leak,
            "step/expr": published.steps.exit,
            "step/cdiag": k,
        }
    values = {"step/leak": leak, "step/rdiag": correction}
    if isinstance(cell, GRU):
        z, r, _ = cell.gates(previous(states), cell.input_projection(x))
        return values | {"step/z": z, "step/r": r}
    s = cell.gate(previous(states), cell.input_projection(x)[..., cell.units :])
    return values | {"step/gate_s": s.expand_as(leak)}


# ---- livi2025_estimators ---------------


def estimator_checks(file: Numbers) -> Iterator[Check]:
    """Yield alpha and sigma by both published estimators."""
    published = {
        "mcculloch": stable.mcculloch_livi2025,
        "ecf": stable.ecf_livi2025,
    }
    for name, sample in group(file, "sample/").items():
        for method, estimate in published.items():
            key = f"{method}/{name}"
            if key in file:
                alpha, sigma = estimate(sample)[:2]
                got = np.array([float(alpha), float(sigma)])
                yield key, got, file[key], ESTIMATE


def checks(file: Numbers) -> Iterator[Check]:
    """Tell the format of a file and yield its checks."""
    if any(k.startswith("sample/") for k in file):
        return estimator_checks(file)
    if "param/out.weight" in file:
        return published_checks(file)
    return exact_checks(file)


def compare(path: str) -> list[Row]:
    """Compare one file; a row a quantity, the worst of its lags.

    Raises:
        ValueError: if the file is none of the three formats or cannot be read.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            file = dict(stored)
        rows: dict[str, Row] = {}
        for name, got, expected, tolerance in checks(file):
            short = re.sub(r"[/\[]\d+\]?$", "", name)
            row = Row(short, relative_error(got, expected), tolerance)
            if short not in rows or not row.error <= rows[short].error:
                rows[short] = row
    except (OSError, ValueError, zipfile.BadZipFile, KeyError, EOFError) as error:
        raise ValueError(f"{path} holds no golden numbers ({error})") from error
    if not rows:
        raise ValueError(f"{path} holds no golden numbers (nothing to compare)")
    return list(rows.values())


def main(paths: list[str]) -> int:
    """Print a row a quantity; give the exit code."""
    if not paths:
        print("usage: python -m tests.golden FILE.npz ...", file=sys.stderr)
        return 2
    failed = 0
    for path in paths:
        try:
            rows = compare(path)
        except ValueError as error:
            print(error, file=sys.stderr)
            return 2
        print(path)
        for row in rows:
            failed += not row.holds
            mark = "ok" if row.holds else "FAILED"
            print(
                f"  {row.name:24} {row.error:9.2e}  within {row.tolerance:.0e}  {mark}"
            )
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
