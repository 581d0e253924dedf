"""How near is what was foretold to what was learnt, beside a twin and fitted laws?

The rows are bands of trainings. A twin is the same training with the other seed.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from scipy.special import expit

from learnability.randomness import stream

from ..calibration.findings import RESAMPLES, ends
from ..calibration.logistic import area_under_curve, fit_logistic, reliability
from ..calibration.run import Record
from ..calibration.second import CANDIDATES, covariates
from ..calibration.settings import RunSettings
from ..calibration.table import contiguous
from ..provenance import check_unchanged
from . import clock, dynamics, escape, kernel, look, plan, rules
from .measure import kept
from .rules import LAWS, PRIMARY, looks_of, probability, said, slowness

Frame = Any
Values = Float[np.ndarray, "row"]

FROZEN = [Path(str(m.__file__)) for m in (plan, rules, kernel, dynamics, escape, clock)]
FROZEN.append(Path(str(look.__file__)))
FITTED = ("E everything", "M parameters")
TWIN, NOW = "twin", "share at 5 %"
NEAR, HITS = 0.10, 0.02
"""A law is as near as the twin if its mean error in bands is at most so much above the
twin's, and its share of bands called rightly at most so much below."""


def constant(law: str) -> str:
    """Return what a law with one constant for each cell is called."""
    return f"{law}, one constant"


def rows_of(folder: Path) -> Frame:
    """Return a row for each band of each training that has its twin.

    Args:
        folder: of the records.

    Returns:
        What `second.covariates` gives, and for every method in `methods` the
        probability of being learnt; ``clock`` of the primary law, ``best``, the update
        that was the best.

    Raises:
        ValueError: if there are no pairs, or a record was made with other rules or
            another plan than those committed now.
    """
    paces, runs = kept(folder, "paces", plan.paces()), kept(folder, "runs", plan.plan())
    for record in (*paces, *runs):
        check_unchanged(record["name"], record["commit"], FROZEN)
    runs = _paired(runs)
    if not runs:
        raise ValueError(f"{folder} holds no pairs of trainings; make some first")
    rows: Frame = covariates([r["training"] for r in runs], [r["early"] for r in runs])
    slower = _paces(paces)
    said_by = pd.concat([_said(record, slower) for record in runs], ignore_index=True)
    rows = pd.concat([rows, said_by], axis=1)
    rows[TWIN] = _of_twin(rows)
    for name in FITTED:
        rows[name] = _fitted(rows, list(CANDIDATES[name]))
    return rows


def methods(rows: Frame) -> dict[str, Values]:
    """Return the probabilities of all methods, and scores that are no probabilities.

    Args:
        rows: of `rows_of`.
    """
    laws = [*LAWS, *(constant(law) for law in LAWS), f"{PRIMARY}, no clock"]
    found = {name: rows[name].to_numpy() for name in (*laws, *FITTED, TWIN)}
    return found | {
        NOW: probability(rows["now"].to_numpy()),
        "always learnt": np.full(len(rows), rules.SURE),
        "never learnt": np.full(len(rows), 1 - rules.SURE),
    }


def _paired(runs: list[Record]) -> list[Record]:
    """Return the trainings whose twin is there."""
    keys = [_key(r["training"]["settings"]) for r in runs]
    return [r for r, key in zip(runs, keys, strict=True) if keys.count(key) > 1]


def _key(settings: Record) -> tuple[str, str, int]:
    return settings["family"]["name"], settings["label"], settings["samples"]


def _paces(paces: list[Record]) -> dict[tuple[str, str], float]:
    """Return how many times slower each law runs for each cell."""
    found = {}
    for record in paces:
        run = RunSettings.model_validate(record["settings"])
        looks = looks_of(run, record["looks"])
        for law in LAWS:
            slow = slowness(looks, law, run.updates, record["half"])
            found[law, run.label] = slow
    return found


def _said(record: Record, slower: dict[tuple[str, str], float]) -> pd.DataFrame:
    run = RunSettings.model_validate(record["training"]["settings"])
    looks, columns = looks_of(run, record["looks"]), {}
    for law in LAWS:
        columns[law] = probability(said(looks, law, run.updates).share)
        pace = slower.get((law, run.label), 1.0)
        slow = said(looks, law, run.updates, slower=pace)
        columns[constant(law)] = probability(slow.share)
    free = said(looks, PRIMARY, run.updates, clock=False)
    columns[f"{PRIMARY}, no clock"] = probability(free.share)
    best = int(record["training"]["outcome"].split()[-1])
    per_epoch = -(-run.samples // run.recipe.batch_size)
    stop = said(looks, PRIMARY, run.updates).clock
    return pd.DataFrame(columns).assign(clock=stop, best=best * per_epoch)


def _of_twin(rows: Frame) -> Values:
    """Return the share of each band at the other seed, as a probability."""
    keys = ["family", "cell", "samples", "band"]
    total = rows.groupby(keys)["share"].transform("sum")
    count = rows.groupby(keys)["share"].transform("count")
    return probability(((total - rows["share"]) / (count - 1)).to_numpy())


def _fitted(rows: Frame, columns: list[str]) -> Values:
    """Return what a law says, fitted to the other families at the other seed."""
    found = np.empty(len(rows))
    for (family, seed), own in rows.groupby(["family", "seed"]):
        others = rows[(rows["family"] != family) & (rows["seed"] != seed)]
        x, known = (part[columns].to_numpy(float) for part in (own, others))
        law = fit_logistic(known, others["learnt"].to_numpy())
        found[own.index] = expit(law.score(x))
    return found


Measure = Callable[[np.ndarray], float]


class Family:
    """The trainings of a family, one row of bands for each."""

    def __init__(self, rows: Frame, said_by: dict[str, Values]) -> None:
        shape = (rows["run"].nunique(), -1)
        first = rows.groupby("run", sort=False).first()
        self.cluster = first.groupby(["cell", "samples"]).ngroup().to_numpy()
        self.learnt: Bool[np.ndarray, "run band"]
        self.learnt = rows["learnt"].to_numpy().reshape(shape)
        self.said = {name: p[rows.index].reshape(shape) for name, p in said_by.items()}

    def measures(self, name: str) -> dict[str, Measure]:
        """Return what is measured of a method, of some of the trainings."""
        p, y = self.said[name], self.learnt
        off = np.abs(contiguous(p >= rules.LEARNT) - contiguous(y))
        right = ((p >= rules.LEARNT) == y).mean(axis=1)
        sure = np.clip(p, 1 - rules.SURE, rules.SURE)
        loss = -np.log(np.where(y, sure, 1 - sure)).mean(axis=1)
        return {
            "area": lambda at: area_under_curve(p[at].ravel(), y[at].ravel()),
            "error": lambda at: float(off[at].mean()),
            "right": lambda at: float(right[at].mean()),
            "log loss": lambda at: float(loss[at].mean()),
        }


def scores(rows: Frame, *, seed: int = 0) -> pd.DataFrame:
    """Return what every method is worth, by family and on average over families.

    Args:
        rows: of `rows_of`.
        seed: of the bootstrap, which draws pairs of twins.

    Returns:
        A row for each method and family, ``average`` among these: area, error in bands,
        share of bands called rightly and log loss, each with 95 % ends, and
        ``above twin``, the error less the twin's.
    """
    said_by = methods(rows)
    families = {
        str(name): Family(own, said_by)
        for name, own in rows.groupby("family", sort=False)
    }
    random = np.random.default_rng(stream(seed, "twins of the third round"))
    draws = [
        {f: _drawn(one.cluster, random) for f, one in families.items()}
        for _ in range(RESAMPLES)
    ]
    whole = {f: np.arange(len(one.learnt)) for f, one in families.items()}
    found = []
    for name in said_by:
        every = {f: _with_twin(one, name) for f, one in families.items()}
        for family in (*families, "average"):
            some = list(families) if family == "average" else [family]
            row: dict[str, Any] = {"method": name, "family": family}
            for what in every[some[0]]:
                value = [every[f][what](whole[f]) for f in some]
                row[what] = _mean(value)
                drawn = [_mean([every[f][what](d[f]) for f in some]) for d in draws]
                row[f"{what} from"], row[f"{what} to"] = ends(drawn)
            found.append(row)
    return pd.DataFrame(found)


def _with_twin(one: Family, name: str) -> dict[str, Measure]:
    own, twin = one.measures(name), one.measures(TWIN)["error"]
    error = own["error"]
    return own | {"above twin": lambda at: error(at) - twin(at)}


def _drawn(cluster: np.ndarray, random: np.random.Generator) -> np.ndarray:
    names = np.unique(cluster)
    chosen = random.choice(names, len(names))
    return np.concatenate([np.flatnonzero(cluster == c) for c in chosen])


def _mean(values: Sequence[float]) -> float:
    """Return the mean of what is known: where all bands are learnt there is no area."""
    known = np.array(values)[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")


def as_near(table: pd.DataFrame, name: str) -> bool:
    """Return whether a method is as near to what is learnt as the twin.

    Args:
        table: of `scores`.
        name: of the method.
    """
    average: Frame = table[table["family"] == "average"].set_index("method")
    own, twin = average.loc[name], average.loc[TWIN]
    near = own["error"] <= twin["error"] + NEAR
    return bool(near and own["right"] >= twin["right"] - HITS)


def confusion(rows: Frame, name: str) -> pd.DataFrame:
    """Return how many bands a method calls rightly and wrongly, by family.

    Args:
        rows: of `rows_of`.
        name: of the method.
    """
    p = methods(rows)[name] >= rules.LEARNT
    y = rows["learnt"].to_numpy()
    words = {
        "learnt, said so": p & y,
        "learnt, said not": ~p & y,
        "not learnt, said so": p & ~y,
        "not learnt, said not": ~p & ~y,
    }
    table: Frame = pd.DataFrame(words).groupby(rows["family"].to_numpy(), sort=False)
    return table.sum()


def reliable(rows: Frame, name: str, bins: int = 5) -> pd.DataFrame:
    """Return predicted and observed shares of learnt bands in bins of probability.

    Args:
        rows: of `rows_of`.
        name: of the method.
        bins: how many.
    """
    pairs = rows.groupby(["family", "cell", "samples"]).ngroup().to_numpy()
    p, y = methods(rows)[name], rows["learnt"].to_numpy()
    found = reliability(p, y, bins, group=pairs)
    return pd.DataFrame([vars(b) for b in found])
