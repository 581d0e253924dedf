"""A study of 60 runs with 30 kills against the same study left alone.

Run it with ``python -m tests.study.kills``; it takes minutes.
"""

import sys
import tempfile

from learnability.study import Store
from learnability.study.settings import load_settings
from tests.study.children import grid, killed, watch_files, work
from tests.study.small import contents

KILLS = 30


def main() -> int:
    """Compare every byte; give 0 where all agree."""
    cells = list(load_settings("quick").names)
    settings = grid(cells, seeds=list(range(12)))
    with tempfile.TemporaryDirectory() as alone, tempfile.TemporaryDirectory() as other:
        changes: list[int] = []
        watch_files(alone, changes.append)
        work(alone, settings)
        print(f"alone: {len(changes)} changes of files", flush=True)
        # So that the kills spread over the study.
        latest = round(3.2 * len(changes) / KILLS)
        lived, began = [], 0
        for last in killed(other, settings, kills=KILLS, seed=1, latest=latest):
            lived.append(last)
            began += bool(list(Store(other).folder.rglob("checkpoint.bin")))
            done = len(list(Store(other).folder.rglob("fit.json")))
            print(f"kill {len(lived)} at {last}, {done} runs done", flush=True)
        mine, theirs = contents(Store(alone)), contents(Store(other))
    runs = sum(name.endswith("fit.nc") for name in mine)
    equal = sum(theirs.get(name) == content for name, content in mine.items())
    print(f"{len(lived)} kills, {began} of them in mid-training; {runs} runs")
    print(f"{equal} of {len(mine)} files equal, {len(theirs) - len(mine)} more or less")
    return 0 if mine == theirs and runs == len(settings.runs()) else 1


if __name__ == "__main__":
    sys.exit(main())
