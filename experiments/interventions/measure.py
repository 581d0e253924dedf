"""One training with its verdicts, and what each change of it led to."""

import json
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import one_hot

import learnability as lw
from learnability.storage import replace_file

from .families import FAMILIES
from .plan import Training
from .trainings import FRESH, Model, drawn, loss_of, settings, trained

DIAGNOSED = 256  # held-out sequences
OPTIONS = lw.DiagnosisOptions(exact_windows=32, resamples=20, anchors=2)
FACTS = ("verdict", "found", "needed", "envelope", "share", "kept", "gain", "rel", "b")


def run(
    trainings: Iterable[Training],
    folder: Path,
    tell: Callable[[float], None] | None = None,
) -> None:
    """Make all trainings that a folder does not hold yet, one file for each.

    Args:
        trainings: to be made.
        folder: where they are kept.
        tell: called with the share of them that is done.
    """
    every = list(trainings)
    for done, one in enumerate(every):
        if tell is not None:
            tell(done / len(every))
        path = place(folder, one)
        if not path.exists():
            record = measured(one) | {"commit": commit()}
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, json.dumps(record).encode())


def place(folder: Path, one: Training) -> Path:
    """Return where a training is kept."""
    words = "-".join(str(value).replace(" ", "_") for value in one)
    return folder / f"{words}.json"


def commit() -> str:
    """Return the commit that the checkout is at, and whether it has changes."""
    said = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
        capture_output=True,
        text=True,
        check=True,
    )
    return said.stdout.strip()


def measured(one: Training) -> dict[str, Any]:
    """Train as it is and with each change; diagnose the first, judge all.

    Returns:
        The training; ``lags``, the facts of each; ``shares`` of each lag by change;
        ``losses`` on fresh data by change; ``curve`` of the validation loss; ``rel`` at
        the last weights; seconds.
    """
    family, began = FAMILIES[one.family], perf_counter()
    there = family.there(one.seed)
    fresh = drawn(one, FRESH, 3)
    shares, losses, record = {}, {}, dict[str, Any]()
    for name, setting in settings(one).items():
        found = trained(setting)
        losses[name] = fresh_loss(found.model, fresh)
        shares[name] = learnt(found.model, fresh, one)
        if name == "as it is":
            lags = sorted({*there, *family.nothing})
            last = facts(*found.at(found.last), found.start, one, lags[:1])
            best = facts(*found.at(found.best), found.start, one, lags)
            record = {"lags": best, "rel_last": last[lags[0]]["rel"]}
            record["curve"] = found.curve
    return {
        "training": one._asdict(),
        "there": list(there),
        **record,
        "shares": shares,
        "losses": losses,
        "seconds": perf_counter() - began,
    }


def facts(
    model: Model,
    optimizer: torch.optim.Optimizer,
    start: dict[str, Any],
    one: Training,
    lags: list[int],
) -> dict[int, dict[str, Any]]:
    """Return each lag's verdict, and the numbers that it rests on."""
    diagnosis = lw.diagnose(
        model,
        settings(one)["as it is"].data(),
        loss_of,
        lags,
        heldout=drawn(one, DIAGNOSED, 4),
        optimizer=optimizer,
        start=start,
        options=OPTIONS,
    )
    table = next(iter(diagnosis.values())).verdicts()
    rows = table.loc[:, [*FACTS]].itertuples()
    return {int(row[0]): dict(zip(FACTS, row[1:], strict=True)) for row in rows}


def fresh_loss(model: Model, data: tuple[Tensor, Tensor]) -> float:
    """Return the loss on data that neither trained nor chose the weights."""
    with torch.no_grad():
        return float(loss_of(model(data[0]), data[1]))


def learnt(
    model: Model, data: tuple[Tensor, Tensor], one: Training
) -> dict[int, float]:
    r"""Return the share of what the targets owe to each lag that a model foretells.

    ``<beta(prediction), beta(targets)>/||beta(targets)||^2``, beta by least squares on
    the features of all lags at once, on fresh data.
    """
    family, (x, y) = FAMILIES[one.family], data
    lags = family.there(one.seed)
    with torch.no_grad():
        outputs = model(x)
    if family.classes:
        given, asked = outputs.softmax(-1), one_hot(y, family.classes).float()
    else:
        given, asked = outputs[..., None], y[..., None]
    phi = family.features(x, lags)
    if y.ndim == 1:
        phi = phi[:, -1:]
    rows = phi.flatten(0, 1)
    by_lag = fitted(rows.flatten(1), given.flatten(0, -2)).unflatten(0, rows.shape[1:])
    truth = fitted(rows.flatten(1), asked.flatten(0, -2)).unflatten(0, rows.shape[1:])
    above, below = (by_lag * truth).sum((1, 2)), (truth**2).sum((1, 2))
    return dict(zip(lags, (above / below).tolist(), strict=True))


def fitted(
    x: Float[Tensor, "row feature"], y: Float[Tensor, "row column"]
) -> Float[Tensor, "feature column"]:
    """Return coefficients by least squares, both sides less their means."""
    x, y = ((v - v.mean(0)).double() for v in (x, y))
    return torch.linalg.lstsq(x, y, driver="gelsd").solution
