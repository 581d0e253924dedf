"""How often does what a verdict advises help most, against simpler ways to choose?

A case is a lag that holds something and is not learnt as it is. It is decided where the
best change raises the learnt share by more than 0.1 beyond the second best and beyond
no change at all.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Int, Shaped

from learnability.verdict import rules

from ..provenance import check_unchanged
from . import plan
from .families import FAMILIES
from .measure import regressed
from .plan import CELLS, PARTS, Training
from .trainings import BATCH, FRESH, INTERVENTIONS, drawn

SAME = ["family", "cell", "given", "length", "lag"]
LEARNT, APART = 0.5, 0.1
PASSES, REL = 100, 0.3
RULES = Path(rules.__file__)
PLAN = Path(plan.__file__)
ADVISED = {
    "too few sequences": "sequences",
    "too few steps": "updates",
    "vanishes": "gates",
    "forgotten": "units",
}
"""What a verdict advises; with all others nothing is to be changed."""


Names = Shaped[np.ndarray, "case"]


class Score(NamedTuple):
    """A share or a mean with its interval over trainings."""

    value: float
    lower: float
    upper: float


def records(folder: Path) -> pd.DataFrame:
    """Return one row per training, number of updates and lag whose truth is known.

    Raises:
        ValueError: if there is none, one is not diagnosed, or one was made at a commit
            whose rules or plan are others than those of today.
    """
    files = sorted(folder.glob("trainings/*.json"))
    if not files:
        raise ValueError(f"{folder} holds no trainings; make some first")
    rows = []
    for path in files:
        diagnosis = folder / "diagnoses" / path.name
        if not diagnosis.exists():
            raise ValueError(f"{path.name} is not diagnosed; run without --score")
        record, facts = (json.loads(p.read_text()) for p in (path, diagnosis))
        developed = folder.name == PARTS[0]  # rules are set after these trainings
        same = [PLAN] if developed else [PLAN, RULES]
        check_unchanged(f"trainings/{path.name}", record["commit"], same)
        check_unchanged(f"diagnoses/{path.name}", facts["commit"], [PLAN, RULES])
        for updates, found in record["after"].items():
            own = facts["after"][updates]
            whole = {**record, **found, "updates": int(updates), **own}
            rows += [_row(whole, lag) for lag in own["best"]]
    cases = pd.DataFrame(rows)
    return cases.loc[cases["there"] | cases["family"].map(_says_nothing)]


def _says_nothing(family: str) -> bool:
    """Return whether it is known of a family at which lags there is nothing."""
    return bool(FAMILIES[family].nothing)


@cache
def _strengths(family: str, seed: int) -> dict[int, float]:
    """Return what targets of a family owe to each lag."""
    one = Training(family, CELLS[0], FRESH, seed)
    return regressed(None, drawn(one, FRESH, 3), one)


def _row(record: dict[str, Any], lag: str) -> dict[str, Any]:
    one, best, last = record["training"], record["best"][lag], record["last"][lag]
    shares = {name: found.get(lag, np.nan) for name, found in record["shares"].items()}
    curve = record["curve"]
    return {
        **{f"{name} last": value for name, value in last.items()},
        **{name: value for name, value in best.items() if name not in one},
        **{name: one[name] for name in ("family", "cell", "seed")},
        "given": one["sequences"],
        "length": record["updates"],
        "lag": int(lag),
        "there": int(lag) in record["there"],
        "late": int(np.argmin(curve)) >= 0.9 * (len(curve) - 1),
        "passes": record["updates"] * BATCH / one["sequences"],
        "true strength": _strengths(one["family"], one["seed"]).get(int(lag), 0.0),
        "before": shares["as it is"],
        **{name: shares.get(name, np.nan) for name in INTERVENTIONS},
    }


def decided(cases: pd.DataFrame) -> pd.DataFrame:
    """Return the decided cases, with the best change and what each change gains."""
    some = cases.loc[cases["there"] & (cases["before"] < LEARNT)]
    before = some["before"].clip(upper=1)
    gains = some[[*INTERVENTIONS]].clip(upper=1).sub(before, axis=0)
    ordered = np.sort(gains.fillna(-1).assign(nothing=0.0).to_numpy(), axis=1)
    found = some.assign(
        best=gains.fillna(-1).idxmax(axis=1),
        most=gains.max(axis=1),
        **{f"gain of {name}": gains[name].fillna(0.0) for name in INTERVENTIONS},
    )
    return found.loc[ordered[:, -1] - ordered[:, -2] > APART]


def choices(cases: pd.DataFrame) -> dict[str, Names]:
    """Return what each way to choose would change, in each case.

    Two rows are rules that are none yet: *too few steps* in place of *too few
    sequences* where N sequences show the lag in one gradient, or a tenth of them does.
    """
    rel, last, passes = (
        cases[n].to_numpy(float) for n in ("rel", "rel last", "passes")
    )
    needed, given = cases["needed"].to_numpy(float), cases["given"].to_numpy(float)
    verdicts = {
        f"verdict at {name} weights": np.array(
            [ADVISED.get(one, "nothing") for one in cases[column]]
        )
        for name, column in (("best", "verdict"), ("last", "verdict last"))
    }
    for name, times in (("N", 1), ("N/10", rules.TO_LEARN)):
        seen = (cases["verdict"] == "too few sequences") & (times * needed <= given)
        verdicts[f"verdict, updates where N(l) <= {name}"] = np.where(
            seen, "updates", verdicts["verdict at best weights"]
        )
    more_steps = {
        "always updates": np.ones(len(cases), dtype=bool),
        "always sequences": np.zeros(len(cases), dtype=bool),
        "100 passes": passes <= PASSES,
        "validation curve": cases["late"].to_numpy(bool),
        "rel at best and last": (rel > REL) & (last > REL),
        "N(l) > N": needed <= given,
    }
    either = {
        name: np.where(steps, "updates", "sequences")
        for name, steps in more_steps.items()
    }
    return {**verdicts, **either}


def twins(cases: pd.DataFrame) -> pd.DataFrame:
    """Return the cases beside those of other seeds, each pair once from either side."""
    others = cases.loc[:, [*SAME, "seed", "best"]]
    pairs = cases.merge(others, on=SAME, suffixes=("", " twin"))
    return pairs.loc[pairs["seed"] != pairs["seed twin"]]


def scores(cases: pd.DataFrame) -> pd.DataFrame:
    """Return (a) how often and (b) with how much of the best gain each way helps.

    The last row is the ceiling: the best change of another seed.

    Args:
        cases: decided ones.
    """
    rows = {name: scored(cases, found) for name, found in choices(cases).items()}
    pairs = twins(cases)
    if len(pairs):
        rows["another seed"] = scored(pairs, pairs["best twin"].to_numpy())
    return pd.DataFrame.from_dict(rows, orient="index")


def scored(cases: pd.DataFrame, chosen: Names) -> dict[str, float]:
    """Return how often a change is the best, and how much of the best gain it has."""
    gains = np.column_stack([cases[f"gain of {name}"] for name in INTERVENTIONS])
    place = [
        INTERVENTIONS.index(name) if name in INTERVENTIONS else -1 for name in chosen
    ]
    gain = np.column_stack([gains, np.zeros(len(gains))])[np.arange(len(gains)), place]
    training = _trainings(cases)
    right = (chosen == cases["best"].to_numpy()).astype(float)
    found = {
        "right": over_trainings(right, np.ones(len(right)), training),
        "gain": over_trainings(gain, cases["most"].to_numpy(), training),
    }
    ends = ("", " from", " to")
    columns = {
        f"{name}{end}": value
        for name, score in found.items()
        for end, value in zip(ends, score, strict=True)
    }
    return {**columns, "cases": len(cases), "trainings": len(np.unique(training))}


def precision(cases: pd.DataFrame) -> pd.DataFrame:
    """Return (c) how often a verdict is what the trainings say.

    learnt: the model foretells half of it or more; not in the data: there is nothing,
    or less than what is said that would have been seen; vanishes: neither more
    sequences nor updates nor units teach half of it.

    Args:
        cases: all of them.
    """
    others = cases[["sequences", "updates", "units"]].max(axis=1)
    true = {
        "learnt": cases["before"] >= LEARNT,
        "not in the data": cases["true strength"] < cases["smallest"],
        "vanishes": cases["there"] & ~(others >= LEARNT),
    }
    rows = {}
    for name, holds in true.items():
        some = (cases["verdict"] == name).to_numpy()
        right = holds.to_numpy(float)[some]
        if len(right):
            training = _trainings(cases.loc[some])
            score = over_trainings(right, np.ones(len(right)), training)
            rows[name] = {**score._asdict(), "cases": len(right)}
    return pd.DataFrame.from_dict(rows, orient="index")


def helped(cases: pd.DataFrame) -> pd.DataFrame:
    """Return in how many trainings that a verdict is given in its change helps.

    It helps where the learnt shares of the lags with the verdict rise by more than 0.1,
    on average.

    Args:
        cases: all of them.
    """
    some = cases.loc[cases["there"] & cases["verdict"].isin([*ADVISED])]
    advised = some["verdict"].map(ADVISED)
    after = [some.at[row, name] for row, name in advised.items()]
    rise = some.assign(rise=np.clip(after, None, 1) - some["before"].clip(upper=1))
    by_training = rise.groupby(["verdict", *SAME[:-1], "seed"])["rise"].mean().dropna()
    rows = {}
    for name, found in by_training.groupby(level="verdict"):
        families = found.index.get_level_values("family").nunique()
        rows[name] = {
            "helped": int((found > APART).sum()),
            "trainings": len(found),
            "families": families,
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def taken_for(cases: pd.DataFrame) -> pd.DataFrame:
    """Return how often each verdict stands where each change is the best."""
    return pd.crosstab(cases["verdict"], cases["best"])


def _trainings(cases: pd.DataFrame) -> Int[np.ndarray, "case"]:
    """Return a number for the training of each case."""
    return np.unique(
        cases.groupby([*SAME[:-1], "seed"]).ngroup().to_numpy(), return_inverse=True
    )[1]


def over_trainings(
    above: Float[np.ndarray, "case"],
    below: Float[np.ndarray, "case"],
    training: Int[np.ndarray, "case"],
) -> Score:
    """Return a ratio of sums with its interval at 95 %, trainings being drawn anew."""
    sums = np.stack([np.bincount(training, weights=w) for w in (above, below)])
    drawn = np.random.default_rng(0).integers(sums.shape[1], size=(2000, sums.shape[1]))
    many = sums[:, drawn].sum(-1)
    ends = np.quantile(many[0] / many[1], [0.025, 0.975])
    return Score(float(sums[0].sum() / sums[1].sum()), *map(float, ends))
