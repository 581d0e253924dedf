"""`spectra`: what noise and heavy-tailed lags do to the time scales of a network."""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from cyclopts import Parameter
from rich.console import Console

from learnability.cli.app import Wholes
from learnability.cli.terminal import Display, local_folder

from .tails import FEWEST, LEVEL, SHARE, tail
from .trainings import EPOCHS, TAKEN, kept, plan, run

QUANTILES = (0.05, 0.5, 0.95)
UNITS, SEEDS = (16, 32, 64, 128), (0, 1, 2)


def spectra(
    *,
    output: Annotated[str, Parameter(name=["--output", "-o"])] = "runs/spectra",
    units: Wholes = None,
    seeds: Wholes = None,
    score: bool = False,
) -> None:
    """Train with noise on the gradients or heavy-tailed lags; show the time scales.

    Finished trainings are kept, one file each: stop whenever you like and start again.

    Parameters
    ----------
    output
        Folder of the trainings.
    units
        Numbers of units of the networks; 16, 32, 64 and 128 unless given.
    seeds
        A training each, of every condition and number of units; 0, 1 and 2 unless
        given.
    score
        Show what is there already, without training.
    """
    folder, console = Path(local_folder(output)), Console(width=110)
    trainings = plan(units or UNITS, seeds or SEEDS)
    if not score:
        with Display(console) as display:
            run(trainings, folder, display.stage("trainings"))
    found = list(kept(folder, trainings))
    if not found:
        raise ValueError(f"{folder} holds no such trainings; make some first")
    for title, table in tables(found).items():
        text = table.to_string(float_format="{:.3g}".format, na_rep="", index=False)
        console.print(f"\n{title}\n{text}", highlight=False, soft_wrap=True)


def tables(found: list[dict[str, Any]]) -> dict[str, pd.DataFrame]:
    """Return the spectra after training, and those of the widest on the way, by title.

    Args:
        found: records of trainings.
    """
    groups: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for record in found:
        own = record["training"]
        groups.setdefault((own["condition"], own["units"]), []).append(record)
    widest = max(units for _, units in groups)
    last = [row(name, units, own, EPOCHS) for (name, units), own in groups.items()]
    way = [
        row(name, units, own, epoch)
        for (name, units), own in groups.items()
        for epoch in TAKEN
        if units == widest
    ]
    title = f"time scales in steps, exponent of their tail with {LEVEL:.0%} interval"
    order = ["condition", "units"]
    return {
        f"After {EPOCHS} epochs: {title}": pd.DataFrame(last).sort_values(order),
        f"On the way, {widest} units: {title}": pd.DataFrame(way),
    }


def row(
    name: str, units: int, found: list[dict[str, Any]], epoch: int
) -> dict[str, Any]:
    """Return a line of the table: the units of all seeds that came so far, together.

    Units without a finite scale are counted as lost, and left out. Fewer than 32 scales
    have no tail.

    Args:
        name: of the condition.
        units: of each network.
        found: records of all seeds.
        epoch: epochs done.
    """
    there = [record for record in found if str(epoch) in record["scales"]]
    line: dict[str, Any] = {"condition": name, "units": units, "epoch": epoch}
    line |= {"seeds": f"{len(there)} of {len(found)}"}
    if not there:
        return line
    if epoch == EPOCHS:
        line["R2"] = float(np.mean([record["r2"] for record in there]))
    every = [np.array(record["scales"][str(epoch)]) for record in there]
    networks = [own[np.isfinite(own)] for own in every]
    together = np.concatenate(networks)
    line["lost"] = sum(map(len, every)) - len(together)
    marks = np.quantile(together, QUANTILES)
    line |= {f"{q:.0%}": value for q, value in zip(QUANTILES, marks, strict=True)}
    if len(together) * SHARE < FEWEST:
        return line
    one = tail(networks)
    return line | one._asdict() | {"phase": one.phase}
