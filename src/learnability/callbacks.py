"""A `Monitor` in other people's training loops.

The frameworks are imported when a callback is made: this package needs none of them.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .diagnosis import Monitor

if TYPE_CHECKING:
    from pytorch_lightning import Callback  # pyright: ignore[reportMissingImports]
    from transformers import TrainerCallback  # pyright: ignore[reportMissingImports]

Log = Callable[[dict[str, float], int], Any]


def lightning(monitor: Monitor) -> "Callback":
    """Return a callback for ``pytorch_lightning.Trainer(callbacks=[...])``.

    After every step of the optimizer the monitor is called; what it measures goes to
    the trainer's loggers.

    Args:
        monitor: of the module in training, or of a part of it.

    Raises:
        ImportError: if pytorch-lightning is not installed.
    """
    from pytorch_lightning import Callback  # pyright: ignore[reportMissingImports]

    class Measures(Callback):
        """Calls the monitor."""

        step = -1  # of which it was called last

        def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
            """Measure, if an optimizer made a step and it is time to."""
            if trainer.global_step == self.step:
                return
            self.step = trainer.global_step
            if monitor(self.step):
                self._log(trainer)

        def on_train_end(self, trainer: Any, *_: Any) -> None:
            """Measure the end of the training."""
            if _finished(monitor, trainer.global_step):
                self._log(trainer)

        def _log(self, trainer: Any) -> None:
            for logger in trainer.loggers:
                logger.log_metrics(monitor.scalars(), trainer.global_step)

    return Measures()


def transformers(monitor: Monitor, log: Log | None = None) -> "TrainerCallback":
    """Return a callback for ``transformers.Trainer(callbacks=[...])``.

    After every step of the optimizer the monitor is called; what it measures goes into
    the trainer's ``state.log_history``.

    Args:
        monitor: of the model in training, or of a part of it.
        log: takes the numbers and the step, too.

    Raises:
        ImportError: if transformers is not installed.
    """
    from transformers import (  # pyright: ignore[reportMissingImports]
        TrainerCallback,
    )

    class Measures(TrainerCallback):
        """Calls the monitor."""

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            """Measure, if it is time to."""
            if monitor(state.global_step):
                self._log(state)

        def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            """Measure the end of the training."""
            if _finished(monitor, state.global_step):
                self._log(state)

        def _log(self, state: Any) -> None:
            state.log_history.append(monitor.scalars() | {"step": state.global_step})
            if log is not None:
                log(monitor.scalars(), state.global_step)

    return Measures()


def _finished(monitor: Monitor, step: int) -> bool:
    """Finish; tell whether that took a measurement."""
    before = len(monitor.snapshots)
    monitor.finish(step)
    return len(monitor.snapshots) > before
