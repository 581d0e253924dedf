"""One run from a request that can travel to any process or machine."""

import time
from dataclasses import dataclass
from typing import final

from ..compiled.engine import using_threads
from ..models.reading import Progress, silent
from ..storage import place
from .folder import RunFolder
from .run import RunSettings
from .stages import CHECKPOINT_EVERY, Stages


@final
@dataclass(frozen=True)
class Request:
    """What to do, and where.

    Attributes:
        folder: of the study, as text.
        label: the run's name in the study.
        run: the run's settings.
        scale: of the study, which results state.
        every: seconds of training between checkpoints.
        threads: how many to use; None leaves them as they are.
        wait: whether to wait where another process holds the run.
    """

    folder: str
    label: str
    run: RunSettings
    scale: float = 1.0
    every: float = CHECKPOINT_EVERY
    threads: int | None = None
    wait: bool = False


@final
@dataclass(frozen=True)
class Outcome:
    """What became of a request.

    Attributes:
        label: the run's name in the study.
        held: whether another process holds the run, so that nothing was done.
        made: the stages that were made; none where all were there.
        whole: whether the run was made from its beginning.
        told: sentences about damaged files.
        seconds: of work.
    """

    label: str
    held: bool = False
    made: tuple[str, ...] = ()
    whole: bool = False
    told: tuple[str, ...] = ()
    seconds: float = 0.0


def execute(request: Request, progress: Progress = silent) -> Outcome:
    """Make what is missing of one run.

    Args:
        request: what to do.
        progress: called with the name of a stage and the share of it that is done.

    Raises:
        ValueError: if the folder cannot be written.
    """
    with using_threads(request.threads):
        return _executed(request, progress)


def _executed(request: Request, progress: Progress) -> Outcome:
    started, told = time.monotonic(), []
    folder = RunFolder.below(place(request.folder), request.run.identity())
    with folder.locked(wait=request.wait) as ours:
        if not ours:
            return Outcome(request.label, held=True)
        stages = Stages(
            request.run,
            folder,
            scale=request.scale,
            progress=progress,
            tell=told.append,
            every=request.every,
        )
        stages.ensure()
    return Outcome(
        request.label,
        made=tuple(stages.made),
        whole="training" in stages.made and not stages.resumed,
        told=tuple(told),
        seconds=time.monotonic() - started,
    )
