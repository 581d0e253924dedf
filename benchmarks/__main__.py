"""Measure all rows, or one: ``python -m benchmarks [--only NAME]``.

``--estimators`` measures the estimators of a stable law instead.

Each row is measured in a process that `learnability.compiled.tune_process` has tuned,
as the command line's is, and again in one as it is: ``untuned``, the ratio alone.

To add rows see `rows`.
"""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from fnmatch import filter as matching
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from . import estimators
from .harness import machine
from .rows import collect, measure
from .table import markdown

ESTIMATORS = Path(__file__).with_name("estimators.md")
LATEST = Path(__file__).with_name("latest.json")


def line(row: dict[str, Any]) -> str:
    """Give a row of the table."""
    asked = "" if row["asked"] is None else f"(asked {row['asked']:g})"
    sides = f"{row['ours']:g} against {row['theirs']:g} {row['unit']}"
    untuned = f"untuned {row['untuned']:.3g}"
    return f"{row['name']:24} {row['ratio']:7.3g} {asked:12} {sides}, {untuned}"


def write(row: dict[str, object]) -> None:
    """Put a row into latest.json, in the place of an older one of its name."""
    old = json.loads(LATEST.read_text())["rows"] if LATEST.exists() else []
    rows = [kept for kept in old if kept["name"] != row["name"]] + [row]
    text = json.dumps({"machine": machine(), "rows": rows}, indent=1)
    LATEST.write_text(text + "\n")


def main() -> None:
    """Print a line a row, and write them all."""
    every = collect()
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--only", metavar="NAME", help="one row, or a pattern: tr*")
    parser.add_argument(
        "--table", action="store_true", help="print latest.json's table"
    )
    parser.add_argument(
        "--estimators", action="store_true", help="write estimators.md instead"
    )
    parser.add_argument(
        "--effort", type=float, default=1.0, help="factor on its repetitions"
    )
    words = parser.parse_args()
    if words.estimators:
        return estimators.report(ESTIMATORS, effort=words.effort)
    if words.table:
        rows = json.loads(LATEST.read_text())["rows"]
        return print(markdown({row["name"]: row for row in rows}))
    only = words.only
    names = list(every) if only is None else matching(every, only)
    if not names:
        parser.error(f"no row {only!r}; there are {', '.join(every)}")
    print(*(f"{key}: {value}" for key, value in machine().items()), sep="\n")
    if only is None:
        LATEST.unlink(missing_ok=True)
    # A process a row: what a row leaves on the heap makes the next one's large arrays
    # up to twice as fast, so that a row would depend on its place in the list.
    fresh = get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=fresh, max_tasks_per_child=1) as pool:
        for name in names:
            row = pool.submit(measure, name).result()
            row["untuned"] = pool.submit(measure, name, tuned=False).result()["ratio"]
            write(row)
            print(line(row), flush=True)


if __name__ == "__main__":
    main()
