"""One training with its verdicts, and what each change of it led to."""

import json
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import one_hot

import learnability as lw
from learnability.diagnosis.verdicts import cases
from learnability.storage import replace_file
from learnability.verdict.rules import verdict

from ..provenance import commit
from .families import FAMILIES
from .plan import UPDATES, Training
from .trainings import (
    FRESH,
    MORE_UPDATES,
    Model,
    State,
    at,
    drawn,
    loss_of,
    settings,
    trained,
)

DIAGNOSED = 256  # held-out sequences
OPTIONS = lw.DiagnosisOptions(exact_windows=32, resamples=20, anchors=2)
WHERE = ("best", "last")  # weights that are diagnosed


def run(
    trainings: Iterable[Training],
    folder: Path,
    tell: Callable[[float], None] | None = None,
) -> None:
    """Make all trainings and diagnoses that a folder does not hold yet.

    One file for each training, one for its weights, and one for their diagnoses: these
    are made again from the weights where they are missing.

    Args:
        trainings: to be made.
        folder: where they are kept.
        tell: called with the share of them that is done.
    """
    every = list(trainings)
    for done, one in enumerate(every):
        if tell is not None:
            tell(done / len(every))
        training, weights, diagnoses = (place(folder, kind, one) for kind in KINDS)
        if not training.exists():
            record, states = compared(one)
            torch.save(states, weights)
            _keep(training, record)
        if not diagnoses.exists():
            _keep(diagnoses, diagnosed(one, torch.load(weights)))


KINDS = {"trainings": ".json", "weights": ".pt", "diagnoses": ".json"}


def place(folder: Path, kind: str, one: Training) -> Path:
    """Return where something of a training is kept, in a folder that is there."""
    words = "-".join(str(value).replace(" ", "_") for value in one)
    path = folder / kind / f"{words}{KINDS[kind]}"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _keep(path: Path, record: dict[str, Any]) -> None:
    replace_file(path, json.dumps(record | {"commit": commit()}).encode())


def compared(one: Training) -> tuple[dict[str, Any], dict[Any, Any]]:
    """Train as it is and with each change, and judge all on fresh data.

    Returns:
        The training; by number of updates ``shares`` of each lag by change, ``losses``
        by change, ``curve`` of the validation loss; seconds. And the weights before the
        training and after each number of updates, as it is.
    """
    family, began = FAMILIES[one.family], perf_counter()
    fresh = drawn(one, FRESH, 3)
    rows: dict[int, dict[str, Any]] = {n: {"shares": {}, "losses": {}} for n in UPDATES}
    states: dict[Any, Any] = {}
    for change, setting in settings(one).items():
        model = setting.model(setting.data())
        start = deepcopy(model.state_dict())
        for end, found in trained(setting).items():
            at(model, found.best)
            loss, shares = fresh_loss(model, fresh), regressed(model, fresh, one)
            for updates, name in _means(change, end):
                rows[updates]["shares"][name] = shares
                rows[updates]["losses"][name] = loss
            if change == "as it is" and end in UPDATES:
                rows[end]["curve"] = found.curve
                states[end] = {"best": found.best, "last": found.last}
        states |= {"start": start} if change == "as it is" else {}
    record = {
        "training": one._asdict(),
        "there": list(family.there(one.seed)),
        "after": rows,
        "seconds": perf_counter() - began,
    }
    return record, states


def _means(change: str, end: int) -> Iterator[tuple[int, str]]:
    """Yield for which numbers of updates a training is which change."""
    if end in UPDATES:
        yield end, change
    fewer, rest = divmod(end, MORE_UPDATES)
    if change == "as it is" and not rest and fewer in UPDATES:
        yield fewer, "updates"


def diagnosed(one: Training, states: dict[Any, Any]) -> dict[str, Any]:
    """Return the facts of each lag, at the best and at the last weights.

    Args:
        one: the training.
        states: its weights, as `compared` returns them.
    """
    data = settings(one)["as it is"].data()
    model = settings(one)["as it is"].model(data)
    rows: dict[int, dict[str, Any]] = {}
    for updates in UPDATES:
        rows[updates] = {}
        for where in WHERE:
            optimizer = at(model, states[updates][where])
            rows[updates][where] = facts(model, optimizer, states["start"], one)
    return {"training": one._asdict(), "after": rows}


def facts(
    model: Model, optimizer: torch.optim.Optimizer, start: State, one: Training
) -> dict[int, dict[str, Any]]:
    """Return each lag's verdict, and all that it rests on."""
    family = FAMILIES[one.family]
    diagnosis = lw.diagnose(
        model,
        settings(one)["as it is"].data(),
        loss_of,
        sorted({*family.there(one.seed), *family.nothing}),
        heldout=drawn(one, DIAGNOSED, 4),
        optimizer=optimizer,
        start=start,
        options=OPTIONS,
    )
    every = cases(next(iter(diagnosis.values())))
    return {
        lag: {"verdict": verdict(case)} | asdict(case) for lag, case in every.items()
    }


def fresh_loss(model: Model, data: tuple[Tensor, Tensor]) -> float:
    """Return the loss on data that neither trained nor chose the weights."""
    with torch.no_grad():
        return float(loss_of(model(data[0]), data[1]))


def regressed(
    model: Model | None, data: tuple[Tensor, Tensor], one: Training
) -> dict[int, float]:
    r"""Return what targets owe to each lag, or the share of it that a model foretells.

    By least squares on the features of many lags at once, on fresh data: strengths, in
    standard deviations of the targets for one of the features together, on those of all
    lags up to the longest, and shares ``<beta(prediction), beta(targets)>/
    ||beta(targets)||^2`` on those of the lags that hold something.

    Args:
        model: None for the strengths.
        data: fresh ones.
        one: the training.
    """
    family, (x, y) = FAMILIES[one.family], data
    there = family.there(one.seed)
    lags = there if model else tuple(range(max(there) + 1))
    asked = one_hot(y, family.classes).float() if family.classes else y[..., None]
    phi = family.features(x, lags)
    first = 0 if model else max(lags)  # steps with all lags have all strengths
    if y.ndim == 1:
        phi = phi[:, -1:]
    else:
        phi, asked = phi[:, first:], asked[:, first:]
    rows, asked = phi.flatten(0, 1), asked.flatten(0, -2)
    truth = fitted(rows.flatten(1), asked).unflatten(0, rows.shape[1:])
    if model is None:
        given = torch.einsum("rlf,lfc->rlc", rows.double(), truth)
        variance = given.var(0).sum(-1) / asked.double().var(0).sum()
        return {lag: float(variance[lag].sqrt()) for lag in there}
    with torch.no_grad():
        outputs = model(x)
    given = outputs.softmax(-1) if family.classes else outputs[..., None]
    beta = fitted(rows.flatten(1), given.flatten(0, -2)).unflatten(0, rows.shape[1:])
    above, below = (beta * truth).sum((1, 2)), (truth**2).sum((1, 2))
    return dict(zip(lags, (above / below).tolist(), strict=True))


def fitted(
    x: Float[Tensor, "row feature"], y: Float[Tensor, "row column"]
) -> Float[Tensor, "feature column"]:
    """Return coefficients by least squares, both sides less their means."""
    x, y = ((v - v.mean(0)).double() for v in (x, y))
    return torch.linalg.lstsq(x, y, driver="gelsd").solution
