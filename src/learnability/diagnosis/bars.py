"""Bars for whoever waits for a diagnosis, in a terminal or a notebook."""

from collections.abc import Iterator
from contextlib import contextmanager

from ..models.layer import Progress, silent


@contextmanager
def shown(progress: Progress | bool | None) -> Iterator[Progress]:
    """Yield what takes the name of a stage and the share of it that is done.

    Args:
        progress: takes them; True shows a bar per stage with the time left, which goes
            when all is done; None and False show nothing.

    Example:
        >>> with shown(lambda stage, share: print(stage, share)) as tell:
        ...     tell("envelope", 0.5)
        envelope 0.5
    """
    if progress is not True:
        yield progress or silent
        return
    from rich.console import Console  # only where it is asked for
    from rich.progress import Progress as Bars

    with Bars(console=Console(stderr=True), transient=True) as bars:
        tasks = {}

        def tell(stage: str, share: float) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=1.0)
            bars.update(tasks[stage], completed=share)

        yield tell
