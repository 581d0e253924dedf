"""What paths and names on a command line stand for, and what long work shows."""

import errno
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import pandas as pd
from rich import progress as bars
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text
from upath import UPath

from ..diagnosis import LayerDiagnosis
from ..storage import check_target, place, unwritable
from ..study.settings import Settings
from ..study.store import Store
from ..study.sweep import Outcome

if TYPE_CHECKING:
    from ..report import Study

# The folder in which studies lie unless they are told otherwise.
HOME = "runs"
Look = dict[str, Any]


def named_store(word: str) -> Store:
    """Return the study in a folder, or that of a name in ``runs``, in any case.

    Args:
        word: a folder, or a study's name as `learnability list` shows it.

    Raises:
        ValueError: if the folder cannot be reached.
    """
    store = Store(word)
    if store.settings_file.exists():
        return store
    for file in sorted(place(HOME).glob("*/settings.toml")):
        if file.parent.name.casefold() == word.casefold():
            return Store(str(file.parent))
    return store


def local_folder(address: str | PathLike[str]) -> Path:
    """Return the path of a folder on this machine.

    Args:
        address: a path.

    Raises:
        ValueError: if the path is empty or lies on another file system.
    """
    path = place(address)
    if not isinstance(path, Path):
        raise ValueError(f"{address} is no folder of this machine; name one that is")
    return path


def output_file(address: str | PathLike[str], *endings: str) -> Path | UPath:
    """Return the path of a file to write, if it looks as if that could be written.

    Ask before long work: what cannot be kept is not worth making.

    Args:
        address: a path or URL.
        endings: that it may have, such as ``.csv``; any unless given.

    Raises:
        ValueError: if it is a folder or a device, lies where nothing can be made, or
            has another ending.
    """
    path = place(address)
    if isinstance(path, Path):
        _check_place(path)
    if endings and path.suffix.lower() not in endings:
        raise ValueError(
            f"{path} does not end in {' or '.join(endings)}, which is what is written; "
            "name a file that does"
        )
    return path


def _check_place(path: Path) -> None:
    """Refuse a place where nothing can be made."""
    try:
        check_target(path)
        there = next(p for p in path.absolute().parents if p.exists())
        if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, f"{there} takes no files")
    except OSError as error:
        raise unwritable(path, error) from error


# Columns of a table where nothing says how many there are, as in a file.
WIDE = 160


def say(
    sentence: str, console: Console | None = None, *, wrapped: bool = False
) -> None:
    """Print a sentence as it is, on one line however long.

    Args:
        sentence: any text.
        console: where; the process's own unless given.
        wrapped: whether to break lines where the terminal ends.
    """
    plain: Look = {"highlight": False, "soft_wrap": not wrapped, "markup": False}
    (console or _console()).print(sentence, **plain)


def _console() -> Console:
    """Return a console as wide as the terminal, or as COLUMNS says."""
    console = Console()
    if not console.is_terminal and "COLUMNS" not in os.environ:
        return Console(width=WIDE)
    return console


def print_table(
    head: Iterable[str],
    rows: Iterable[Iterable[object]],
    title: str = "",
    *,
    first: Sequence[int] = (),
) -> None:
    """Print a table whose words are taken as they are.

    Args:
        head: names of the columns.
        rows: a value per column.
        title: of the table.
        first: places of the columns that are shown where the terminal is too narrow
            for all; all unless given.
    """
    console, names, cells = _console(), list(head), [list(row) for row in rows]
    shown = _drawn(names, cells, title)
    room = console.options.update(max_width=10 * WIDE)
    if first and Measurement.get(console, room, shown).maximum > console.width:
        names, *cells = ([row[k] for k in first] for row in (names, *cells))
        shown = _drawn(names, cells, title)
    console.print(shown)


def _drawn(head: Iterable[str], rows: Iterable[Iterable[object]], title: str) -> Table:
    shown = Table(title=Text(title) if title else None)
    for name in head:
        shown.add_column(Text(str(name)))
    for row in rows:
        shown.add_row(*(Text(str(value)) for value in row))
    return shown


def answer(settings: Settings, runs: Mapping[str, LayerDiagnosis]) -> None:
    """Print the answer of a study, then what each network sees, keeps and has learnt.

    Args:
        settings: the study.
        runs: its diagnoses by label.
    """
    from ..study.pages import study_of

    answered(study_of(settings, runs))


def answered(study: "Study") -> None:
    """Print the answer to what a page is about, then its first table.

    Args:
        study: what the page is about.
    """
    from ..summaries import summed

    most = max(study.n_sequences)
    found = summed(study.lines, [most])
    say(study.headline(found, most), wrapped=True)
    table = study.overview(found, most)
    print_table(table.columns, table.values.tolist(), study.title)


def over_seeds(settings: Settings, runs: Mapping[str, LayerDiagnosis]) -> pd.DataFrame:
    """Return how far the networks of a study see, over its seeds, as text."""
    from ..report import summary
    from ..study.pages import lines_of
    from ..summaries.windows import seen_spread

    lines = lines_of(settings, runs)
    reached = {
        n: seen_spread(trees, settings.n_sequences) for n, trees in lines.items()
    }
    return summary(lines, reached)


LINE_EVERY = 10.0  # seconds between plain lines of one stage


@final
class Display(bars.Progress):
    """Bars or lines for the stages of a study; use it as a context.

    Args:
        console: where to show them.
    """

    def __init__(self, console: Console) -> None:
        super().__init__(
            bars.TextColumn("{task.description:32}"),
            bars.BarColumn(),
            bars.TextColumn("{task.percentage:3.0f} %"),
            bars.TimeElapsedColumn(),
            bars.TextColumn("left"),
            bars.TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )

    def begin(self, label: str) -> Callable[[str, float], None]:
        """Show the stages of one run as they come."""
        stages: dict[str, Callable[[float], None]] = {}
        since = time.monotonic()  # a stage may report only when it is done

        def progress(stage: str, share: float) -> None:
            nonlocal since
            if stage not in stages:
                stages[stage] = self.stage(f"{label}: {stage}", since)
            stages[stage](share)
            since = time.monotonic()

        return progress

    def kept(self, label: str) -> None:
        """Say that a run's results were there already."""
        self.tell(f"{label}: kept, it was there already")

    def done(self, outcome: Outcome, finished: str) -> None:
        """Say that a run ended, and how far the study is."""
        self.tell(f"{outcome.label}: {outcome.seconds:.1f} s; {finished}")

    def tell(self, sentence: str) -> None:
        """Say anything else."""
        say(sentence, self.console)

    def stage(self, name: str, since: float | None = None) -> Callable[[float], None]:
        """Show one stage, begun now or before; return what takes its shares.

        Without a terminal plain lines are shown, now and then and when it is done.
        """
        if self.console.is_terminal:
            task = self.add_task(name, total=1.0)
            return lambda share: self.update(task, completed=share)
        last = time.monotonic()
        started = last if since is None else since

        def report(share: float) -> None:
            nonlocal last
            now = time.monotonic()
            spent = now - started
            if share >= 1:
                self.tell(f"{name}: done in {spent:.1f} s")
            elif share > 0 and now - last > LINE_EVERY:
                left = spent * (1 - share) / share
                self.tell(f"{name}: {share:.0%}, {left:.0f} s left")
                last = now

        return report
