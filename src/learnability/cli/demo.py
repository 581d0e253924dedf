"""`learnability demo`: one model, one task, two starts."""

from collections.abc import Callable, Sequence
from concurrent.futures import as_completed
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from ..storage import replace_file
from ..words import listed
from .app import Output, Wholes
from .terminal import Display, local_folder, print_table, say

if TYPE_CHECKING:
    from ..demo import Outcome
    from ..report import Study

LOOK_AT = 200  # the lag that is explained


def demo(*, output: Output = None, seeds: Wholes = None) -> None:
    """Train one LSTM from two starts; say what stops the first and mends the second.

    It has to name a token that it saw 100, 150 or 200 steps ago. Takes 2 minutes.

    For example: learnability demo --seeds 0 1 2 3 4

    Parameters
    ----------
    output
        Folder for the picture and the page; runs/demo unless given.
    seeds
        Seeds of the weights, a pair of trainings each; 0 1 2 unless given.
    """
    from ..demo import SEEDS

    folder = local_folder("runs/demo" if output is None else output)
    with Display(Console()) as display:
        found = outcomes(display.stage("trainings and diagnoses"), seeds or SEEDS)
    _write(found, folder)
    print_table(HEAD, [_row(one) for one in found], "the same model and data")
    say(str(found[0].found.explain(LOOK_AT)))
    say(answer(found), wrapped=True)
    for name in (PICTURE, PAGE):
        say(f"{name.rpartition('.')[2]}: {folder / name}")


HEAD = ("start", "seed", "tokens named", "lag 100", "lag 150", "lag 200")
TITLE = "One LSTM, one task, two starts"
PICTURE, PAGE = "demo.png", "report.html"


def _row(one: "Outcome") -> list[str]:
    from ..demo import LAGS

    verdicts = [one.found.explain(lag).verdict for lag in LAGS]
    return [one.start, str(one.seed), f"{one.accuracy:.0%}", *verdicts]


def answer(found: list["Outcome"]) -> str:
    """Return what the demonstration shows, in one or two sentences."""
    from ..demo import LAGS, STARTS, TOKENS

    told = {s: [one for one in found if one.start == s] for s in STARTS}
    named = {s: _range([one.accuracy for one in some]) for s, some in told.items()}
    stops = {one.found.explain(lag).verdict for one in told[STARTS[0]] for lag in LAGS}
    first, second = STARTS
    return (
        f"With the {first} the LSTM names {named[first]} of the tokens, where chance "
        f"names {1 / TOKENS:.0%}; the diagnosis says: {listed(sorted(stops))}. With "
        f"the line that it gives to paste, it names {named[second]}."
    )


def _range(shares: list[float]) -> str:
    low, high = f"{min(shares):.0%}", f"{max(shares):.0%}"
    return low if low == high else f"{low} to {high}"


def outcomes(tell: Callable[[float], None], seeds: Sequence[int]) -> list["Outcome"]:
    """Return what comes of both starts at every seed, a process for each thread.

    Args:
        tell: called with the share that is done.
        seeds: of weights and batches.
    """
    import torch

    from ..demo import STARTS
    from ..study.pool import processes

    wanted = [(start, seed) for start in STARTS for seed in seeds]
    workers = min(torch.get_num_threads(), len(wanted))
    with processes(workers).make() as pool:
        found = [pool.submit(_alone, start, seed) for start, seed in wanted]
        for done, _ in enumerate(as_completed(found), 1):
            tell(done / len(found))
        return [one.result() for one in found]


def _alone(start: str, seed: int) -> "Outcome":
    """Return an outcome, made in a process of its own by one thread."""
    import torch

    from ..compiled import using_threads
    from ..demo import outcome

    # Gradients that vanish underflow, and numbers that do are seven times as slow.
    torch.set_flush_denormal(True)
    with using_threads(1):
        return outcome(start, seed)


def _write(found: list["Outcome"], folder: Path) -> None:
    """Write the picture and the page of all trainings."""
    from ..demo import LAGS, STARTS, TOKENS
    from ..plots import rendered, starts
    from ..report import study_page, write_page

    of: Any = {s: [one for one in found if one.start == s] for s in STARTS}
    drawn = starts(
        {s: some[0].found.verdicts()["start"].droplevel(0) for s, some in of.items()},
        {s: [one.accuracy for one in some] for s, some in of.items()},
        1 / TOKENS,
        lags=LAGS,
        title=f"{TITLE}: what arrives, and what is learnt",
    )
    folder.mkdir(parents=True, exist_ok=True)
    replace_file(folder / PICTURE, rendered(drawn))
    write_page(study_page(study_of(found), headline=answer(found)), folder / PAGE)


def study_of(found: list["Outcome"]) -> "Study":
    """Return what the page is about: a line per start, of several seeds."""
    from ..demo import LAGS, SEQUENCES, STARTS
    from ..report import Study

    lags = listed([str(lag) for lag in LAGS])
    studies = [(one.start, one.found.study(SEQUENCES)) for one in found]
    lines: dict[str, list[Any]] = {start: [] for start in STARTS}
    judged: dict[str, list[Any]] = {start: [] for start in STARTS}
    for start, own in studies:  # of a model of one layer
        lines[start] += chain.from_iterable(own.lines.values())
        judged[start] += chain.from_iterable(own.judged.values())
    return Study(
        title=TITLE,
        lines=lines,
        n_sequences=[float(SEQUENCES)],
        level=studies[0][1].level,
        facets={start: {"start": start} for start in STARTS},
        asked=f"An nn.LSTM names a token that it saw {lags} steps ago.",
        kind="start",
        judged=judged,
    )
