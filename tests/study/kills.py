"""A study of 60 runs with 30 kills against the same study left alone.

Run it with ``python -m tests.study.kills``; it takes minutes.
"""

import sys
import tempfile
import time

from learnability.study import Store
from learnability.study.settings import load_settings
from tests.study.children import child, grid, killed
from tests.study.small import contents

KILLS = 30


def main() -> int:
    """Compare every byte; give 0 where all agree."""
    cells = [a.cell for a in load_settings("quick").architectures]
    settings = grid(cells, seeds=list(range(12)))
    with tempfile.TemporaryDirectory() as alone, tempfile.TemporaryDirectory() as other:
        started = time.monotonic()
        process = child(alone, settings)
        process.join()
        taken = time.monotonic() - started
        print(f"alone: {taken:.0f} s, exit {process.exitcode}", flush=True)
        longest = 3.2 * taken / KILLS  # so that the kills spread over the study
        lived, began = [], 0
        for seconds in killed(other, settings, kills=KILLS, seed=1, longest=longest):
            lived.append(seconds)
            began += bool(list(Store(other).folder.rglob("checkpoint.bin")))
            done = len(list(Store(other).folder.rglob("fit.json")))
            print(
                f"kill {len(lived)} after {seconds:.2f} s, {done} runs done", flush=True
            )
        mine, theirs = contents(Store(alone)), contents(Store(other))
    runs = sum(name.endswith("fit.nc") for name in mine)
    equal = sum(theirs.get(name) == content for name, content in mine.items())
    print(f"{len(lived)} kills, {began} of them in mid-training; {runs} runs")
    print(f"{equal} of {len(mine)} files equal, {len(theirs) - len(mine)} more or less")
    return 0 if mine == theirs and runs == len(settings.runs()) else 1


if __name__ == "__main__":
    sys.exit(main())
