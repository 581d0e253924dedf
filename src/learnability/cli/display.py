"""What long work shows: bars with the time left on a terminal, or plain lines."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self, final

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from ..study.execute import Outcome

LINE_EVERY = 10.0  # seconds between plain lines of one stage


@final
class Display:
    """Bars or lines for the stages of a study; use it as a context.

    Args:
        console: where to show them.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.bars = Progress(
            TextColumn("{task.description:32}"),
            BarColumn(),
            TextColumn("{task.percentage:3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> Self:
        self.bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bars.stop()

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
        self.console.print(f"{label}: kept, it was there already", highlight=False)

    def done(self, outcome: Outcome, finished: str) -> None:
        """Say that a run ended, and how far the study is."""
        self.tell(f"{outcome.label}: {outcome.seconds:.1f} s; {finished}")

    def tell(self, sentence: str) -> None:
        """Say anything else."""
        self.console.print(
            sentence, highlight=False, soft_wrap=True, markup=False, style=None
        )

    def stage(self, name: str, since: float | None = None) -> Callable[[float], None]:
        """Show one stage, begun now or before; return what takes its shares."""
        if self.console.is_terminal:
            task = self.bars.add_task(name, total=1.0)
            return lambda share: self.bars.update(task, completed=share)
        return _Lines(name, self.console, since).report


@final
class _Lines:
    """Plain lines of one stage: now and then, and when it is done."""

    def __init__(self, name: str, console: Console, since: float | None) -> None:
        self.name, self.console = name, console
        self.last = time.monotonic()
        self.started = self.last if since is None else since

    def report(self, share: float) -> None:
        now = time.monotonic()
        spent = now - self.started
        if share >= 1:
            self._say(f"{self.name}: done in {spent:.1f} s")
        elif share > 0 and now - self.last > LINE_EVERY:
            left = spent * (1 - share) / share
            self._say(f"{self.name}: {share:.0%}, {left:.0f} s left")
            self.last = now

    def _say(self, line: str) -> None:
        self.console.print(line, highlight=False, soft_wrap=True)
