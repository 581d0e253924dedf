"""Make the trainings of the plan, one file each."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from learnability.compiled import using_threads
from learnability.storage import replace_file

from ..calibration.run import Record
from ..calibration.settings import RunSettings
from ..provenance import commit
from .look import foretell, pace
from .plan import paces, plan

KINDS: dict[str, Callable[[RunSettings], Record]] = {"paces": pace, "runs": foretell}


def run_all(folder: Path, tell: Callable[[float], None] | None = None) -> None:
    """Make all trainings that a folder does not hold yet, single delays first.

    Args:
        folder: where they are kept, one file each.
        tell: called with the share of them that is done.
    """
    every = [("paces", run) for run in paces()] + [("runs", run) for run in plan()]
    for done, (kind, run) in enumerate(every):
        path = place(folder, kind, run)
        if not path.exists():
            with using_threads(1):
                record = KINDS[kind](run) | {"commit": commit()}
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, json.dumps(record).encode())
        if tell is not None:
            tell((done + 1) / len(every))


def place(folder: Path, kind: str, run: RunSettings) -> Path:
    """Return where a training is kept.

    Args:
        folder: of all.
        kind: of `KINDS`.
        run: its settings.
    """
    words = (run.family.name, run.label, run.samples, run.seed, run.identity()[:8])
    name = "-".join(str(word).replace(" ", "_").replace(",", "") for word in words)
    return folder / kind / f"{name}.json"


def kept(folder: Path, kind: str, runs: list[RunSettings]) -> list[dict[str, Any]]:
    """Return the records of the trainings that are there.

    Args:
        folder: of all.
        kind: of `KINDS`.
        runs: settings of those that are wanted.
    """
    paths = (place(folder, kind, run) for run in runs)
    return [json.loads(p.read_text()) | {"name": p.name} for p in paths if p.exists()]
