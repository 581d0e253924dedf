"""Logs of a study: what every run learnt, for tools that watch experiments.

A logger has three methods, called by the process that drives the study when a run has
ended, wherever it ran: the same for this process, pools and clusters.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import import_module
from typing import Any, Protocol, final

from ..checked import check_unique, chosen_name
from ..diagnosis import LayerDiagnosis
from ..storage import append_lines
from .run import RunSettings
from .store import Store

Values = Mapping[str, float]
# Characters of another's complaint that are passed on.
LONGEST = 200
# What the end of a training is told by, whichever its task was.
ENDED = ("r2", "accuracy", "ceiling", "chance", "best_epoch")


class Logger(Protocol):
    """What takes down the runs of a study."""

    def start(self, label: str, run: RunSettings) -> None:
        """Take down which run follows."""

    def record(self, label: str, epoch: int, values: Values) -> None:
        """Take down the numbers of one epoch, from 1."""

    def finish(self, label: str, values: Values) -> None:
        """Take down what the run ended with."""


def log_run(
    logger: Logger, label: str, run: RunSettings, found: LayerDiagnosis
) -> None:
    """Tell a logger all about one run.

    Args:
        logger: what takes it down.
        label: the run's name in its study.
        run: its settings.
        found: its results.
    """
    logger.start(label, run)
    training = found.group("training")
    curves = {str(n): v.values for n, v in training.items() if v.dims == ("epoch",)}
    for epoch in range(training.sizes.get("epoch", 0)):
        values = {name: float(curve[epoch]) for name, curve in curves.items()}
        logger.record(label, epoch + 1, values)
    need = found.group("detection")
    ended = {n: float(training.attrs[n]) for n in ENDED if n in training.attrs}
    needed = zip(need["lag"].values, need["needed"].values, strict=True)
    ended |= {f"samples_needed_lag_{lag}": float(n) for lag, n in needed}
    logger.finish(label, ended)


@final
class JsonLines:
    """A line of JSON an event, in the study's folder.

    Args:
        store: the study.
    """

    def __init__(self, store: Store) -> None:
        self.path = store.log
        self.lines: list[str] = []

    def start(self, label: str, run: RunSettings) -> None:
        """Take down which run follows."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        settings = run.model_dump(mode="json")
        self.lines = [_line(label, "start", {"time": now, "settings": settings})]

    def record(self, label: str, epoch: int, values: Values) -> None:
        """Take down the numbers of one epoch."""
        self.lines.append(_line(label, "epoch", {"epoch": epoch, **values}))

    def finish(self, label: str, values: Values) -> None:
        """Take down what the run ended with, and add its lines to the file."""
        self.lines.append(_line(label, "finish", dict(values)))
        append_lines(self.path, "".join(self.lines).encode())


def _line(label: str, event: str, values: dict[str, Any]) -> str:
    """Return one event; JSON has no infinity, so such numbers become text."""
    plain = {k: _plain(v) for k, v in values.items()}
    return json.dumps({"run": label, "event": event, **plain}, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value - value != 0:
        return str(value)
    return value


@final
class TensorBoard:
    """Curves for TensorBoard, in the study's folder ``tensorboard``.

    Args:
        store: the study, in a local folder.

    Raises:
        ValueError: if TensorBoard is not installed.
    """

    def __init__(self, store: Store) -> None:
        tensorboard = _tool("torch.utils.tensorboard", "TensorBoard", "tensorboard")
        self.make: Callable[[str], Any] = tensorboard.SummaryWriter
        self.folder = store.folder / "tensorboard"
        self.writer: Any = None

    def start(self, label: str, run: RunSettings) -> None:
        """Open the run's own folder."""
        self.writer = self.make(str(self.folder / run.identity()))
        self.writer.add_text("run", label)

    def record(self, label: str, epoch: int, values: Values) -> None:
        """Take down the numbers of one epoch."""
        del label
        for name, value in values.items():
            self.writer.add_scalar(name, value, epoch)

    def finish(self, label: str, values: Values) -> None:
        """Take down what the run ended with, and close its folder."""
        del label
        for name, value in values.items():
            self.writer.add_scalar(f"end/{name}", value)
        self.writer.close()


@final
class MLflow:
    """Runs for MLflow, at the tracking address that MLflow itself is told.

    Args:
        store: the study, whose folder's name becomes the experiment's.

    Raises:
        ValueError: if MLflow is not installed, or there is none at its address.
    """

    def __init__(self, store: Store) -> None:
        self.mlflow = _tool("mlflow", "MLflow", "mlflow")
        with self._reached():
            self.mlflow.set_experiment(store.folder.name)

    @contextmanager
    def _reached(self) -> Iterator[None]:
        """Make one sentence of all that MLflow or its server complain of."""
        try:
            yield
        except self.mlflow.exceptions.MlflowException as error:
            why = " ".join(str(error).split())[:LONGEST]
            raise ValueError(
                f"MLflow at {self.mlflow.get_tracking_uri()} does not take the runs "
                f"({why}); set MLFLOW_TRACKING_URI to a server that does, or leave out "
                "--log mlflow: finished runs are kept"
            ) from error

    def start(self, label: str, run: RunSettings) -> None:
        """Open a run of MLflow."""
        parameters = {"cell": run.architecture.cell, "seed": run.seed}
        with self._reached():
            self.mlflow.start_run(run_name=label)
            self.mlflow.log_params({**parameters, **run.recipe.model_dump(mode="json")})

    def record(self, label: str, epoch: int, values: Values) -> None:
        """Take down the numbers of one epoch."""
        del label
        with self._reached():
            self.mlflow.log_metrics(dict(values), step=epoch)

    def finish(self, label: str, values: Values) -> None:
        """Take down what the run ended with, and close it."""
        del label
        with self._reached():
            self.mlflow.log_metrics(dict(values))
            self.mlflow.end_run()


def _tool(module: str, name: str, extra: str) -> Any:
    """Return a tool's module, which may not be installed."""
    try:
        return import_module(module)
    except ImportError as error:
        how = f"pip install 'learnability[{extra}]'"
        raise ValueError(f"{name} is not installed; install it with {how}") from error


LOGGERS: dict[str, Callable[[Store], Logger]] = {
    "jsonl": JsonLines,
    "tensorboard": TensorBoard,
    "mlflow": MLflow,
}


def make_logger(name: str, store: Store) -> Logger:
    """Return a logger by name.

    Args:
        name: jsonl, tensorboard or mlflow.
        store: the study.

    Raises:
        ValueError: if there is no such logger or it is not installed.
    """
    return LOGGERS[chosen_name("log", name, LOGGERS)](store)


def check_logs(names: Sequence[str]) -> None:
    """Check names of loggers without reaching for their tools.

    Args:
        names: each once.

    Raises:
        ValueError: if there is no such logger or one is named twice.
    """
    check_unique("log", names)
    for name in names:
        chosen_name("log", name, LOGGERS)
