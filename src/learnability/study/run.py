"""One run of a study: what is trained, on what, and how it is diagnosed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Annotated, Any, final

import tomlkit
import torch
from pydantic import AfterValidator, BaseModel, Field

from .. import checked
from ..checked import digest
from ..diagnosis.options import DiagnosisOptions
from ..randomness import stream
from ..recipe import OptimizerName, Recipe
from ..storage import stamp
from ..tasks import Sequences, Task
from .architecture import Architecture

# Sequences below which no interval of a diagnosis means anything.
FEWEST_DIAGNOSED = 50
# Seconds of training that a killed process loses at most.
CHECKPOINT_EVERY = 60.0
# Where runs are trained unless a study says otherwise, and where all are diagnosed.
CPU = "cpu"
Diagnosed = Annotated[checked.Whole, Field(ge=FEWEST_DIAGNOSED, le=checked.LARGEST)]


def _name(name: str) -> str:
    if name != name.strip() or not name.isprintable() or set(name) & set(",:/\\"):
        raise ValueError(
            f"{name!r} cannot name a network; leave out commas, colons, slashes and "
            "outer spaces"
        )
    return name


@final
class NetworkSettings(Architecture):
    """A network of a study, and what tells it apart from others of the same cell.

    Attributes:
        name: what tables and figures call it; the cell unless given, with what differs
            where a study holds the cell several times.
        learning_rate: of its training, with every optimizer; the recipe's unless given.
    """

    name: Annotated[str, Field(min_length=1), AfterValidator(_name)] | None = None
    learning_rate: checked.Positive | None = None

    @property
    def architecture(self) -> Architecture:
        """The network without its name and training."""
        return Architecture(**self.model_dump(include=set(Architecture.model_fields)))

    def trained_by(self, recipe: Recipe) -> Recipe:
        """Return a recipe with the network's own learning rate.

        Args:
            recipe: of the study.
        """
        if self.learning_rate is None:
            return recipe
        return recipe.model_copy(update={"learning_rate": self.learning_rate})


@final
class Further(BaseModel):
    """Another optimizer of a study: what of the recipe it changes.

    Attributes:
        optimizer: which of the four.
        learning_rate: the recipe's unless given.
        weight_decay: the recipe's unless given.
        momentum: of the optimizer ``momentum``; the recipe's unless given.
    """

    model_config = checked.STRICT

    optimizer: OptimizerName
    learning_rate: checked.Positive | None = None
    weight_decay: Annotated[float, Field(ge=0)] | None = None
    momentum: Annotated[float, Field(ge=0, lt=1)] | None = None


# How a name says what differs between networks of one cell.
WORDS: dict[str, Callable[[Any], str]] = {
    "units": str,
    "learning_rate": lambda rate: "" if rate is None else f"lr {rate}",
    "gate": lambda gate: "" if gate is None else f"gate {gate}",
    "layernorm": lambda normal: "LayerNorm" if normal else "no LayerNorm",
    "init": "{} weights".format,
}


def network_names(networks: Sequence[NetworkSettings]) -> tuple[str, ...]:
    """Return what the networks of a study are called.

    Args:
        networks: of the study.

    Example:
        >>> network_names([NetworkSettings(cell="GRU"), NetworkSettings(cell="LSTM")])
        ('GRU', 'LSTM')
        >>> network_names([NetworkSettings(cell="GRU", units=n) for n in (32, 64)])
        ('GRU 32', 'GRU 64')
    """
    found = []
    for one in networks:
        alike = [n for n in networks if n.cell == one.cell and n.name is None]
        told = {
            say(getattr(one, field)): None
            for field, say in WORDS.items()
            if len({getattr(n, field) for n in alike}) > 1
        }
        found.append(one.name or " ".join(filter(None, [one.cell, *told])))
    return tuple(found)


@final
class RunSettings(BaseModel):
    """Everything that decides the numbers of one run.

    Attributes:
        task: the sequences.
        training_sequences: N of training.
        validation_sequences: how many choose the best epoch and tell what is learnt.
        diagnosis_sequences: how many the diagnosis sees, fresh ones.
        recipe: how to train.
        architecture: the network.
        seed: from which every random stream is derived.
        lags: lags in steps at which to diagnose.
        options: how finely to diagnose.
    """

    model_config = checked.STRICT

    task: Task
    training_sequences: checked.Count
    validation_sequences: checked.Count
    diagnosis_sequences: Diagnosed
    recipe: Recipe
    architecture: Architecture
    seed: checked.StudySeed
    lags: checked.Several[checked.Whole]
    options: DiagnosisOptions

    def identity(self) -> str:
        """Return a short hash of everything that decides the weights.

        The diagnosis does not: a run diagnosed in another way keeps its training.
        """
        deciding = {"lags", "options", "diagnosis_sequences"}
        return digest(self.model_dump(mode="json", exclude=deciding))

    def to_toml(self) -> str:
        """Return the settings as a TOML document."""
        return tomlkit.dumps(self.model_dump(mode="json", exclude_none=True))


def stage_keys(run: RunSettings, scale: float = 1.0) -> dict[str, str]:
    """Return the hash of all that decides each stage of a run.

    Args:
        run: the run.
        scale: of its study, which the results state.
    """
    m, common = run.options, [sorted(run.lags), run.diagnosis_sequences]
    training = digest([stamp(), run.identity()])
    keys = {
        "training": training,
        "envelope": digest([training, *common, m.exact_windows]),
        "evidence": digest([training, *common, m.anchors]),
        "probe": digest([training, *common, m.pairs, m.axes, m.probes, m.significance]),
        "verdict": digest([training, *common, m.pairs, m.axes, m.probes]),
    }
    fit = [*keys.values(), m.model_dump(mode="json"), scale]
    return {**keys, "fit": digest(fit)}


@final
@dataclass(frozen=True)
class RunData:
    """The sequences of all runs with one seed, each set drawn when it is needed.

    Every random stream depends on the seed and on its purpose only, so that neither
    other runs nor their order change a number.

    Attributes:
        task: the task.
        seed: from which every random stream is derived.
        counts: sequences for training, validation and diagnosis.
    """

    task: Task
    seed: int
    counts: tuple[int, int, int]

    @cached_property
    def direction(self) -> torch.Tensor | None:
        """The task's direction among the inputs, if it has one."""
        return self.task.direction(stream(self.seed, "task direction"))

    @cached_property
    def training(self) -> Sequences:
        """What the network learns from."""
        return self._draw("training", self.counts[0])

    @cached_property
    def validation(self) -> Sequences:
        """What chooses the best epoch."""
        return self._draw("validation", self.counts[1])

    @cached_property
    def diagnosis(self) -> Sequences:
        """What the diagnosis sees."""
        return self._draw("diagnosis", self.counts[2])

    def _draw(self, purpose: str, count: int) -> Sequences:
        seed = stream(self.seed, purpose)
        direction: Any = self.direction  # of the task's own kind
        return self.task.draw(count, seed=seed, direction=direction)


@lru_cache(maxsize=1)
def _of_one_seed(task: Task, seed: int, counts: tuple[int, int, int]) -> RunData:
    """Keep the last sequences: the runs of one seed follow one another."""
    return RunData(task, seed, counts)


def run_data(run: RunSettings) -> RunData:
    """Return the sequences of a run.

    Args:
        run: its settings.
    """
    counts = run.training_sequences, run.validation_sequences, run.diagnosis_sequences
    task: Any = run.task  # frozen models are hashable
    return _of_one_seed(task, run.seed, counts)


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
        device: where to train.
    """

    folder: str
    label: str
    run: RunSettings
    scale: float = 1.0
    every: float = CHECKPOINT_EVERY
    threads: int | None = None
    wait: bool = False
    device: str = CPU
