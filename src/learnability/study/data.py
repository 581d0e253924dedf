"""The sequences of a run: each set from a stream of its own, drawn when needed."""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import final

import torch

from ..randomness import stream
from ..tasks import MultiLag, Sequences
from .single import RunSettings


@final
@dataclass(frozen=True)
class RunData:
    """The sequences of all runs with one seed.

    Every random stream depends on the seed and on its purpose only, so that neither
    other runs nor their order change a number.

    Attributes:
        task: the task.
        seed: from which every random stream is derived.
        counts: sequences for training, validation and diagnosis.
    """

    task: MultiLag
    seed: int
    counts: tuple[int, int, int]

    @cached_property
    def direction(self) -> torch.Tensor:
        return self.task.direction(stream(self.seed, "task direction"))

    @cached_property
    def training(self) -> Sequences:
        return self._draw("training", self.counts[0])

    @cached_property
    def validation(self) -> Sequences:
        return self._draw("validation", self.counts[1])

    @cached_property
    def diagnosis(self) -> Sequences:
        return self._draw("diagnosis", self.counts[2])

    def _draw(self, purpose: str, count: int) -> Sequences:
        seed = stream(self.seed, purpose)
        return self.task.draw(count, seed=seed, direction=self.direction)


@lru_cache(maxsize=1)
def _of_one_seed(
    task: MultiLag, seed: int, training: int, validation: int, diagnosis: int
) -> RunData:
    """Keep the last sequences: the runs of one seed follow one another."""
    return RunData(task, seed, (training, validation, diagnosis))


def run_data(run: RunSettings) -> RunData:
    """Give the sequences of a run.

    Args:
        run: its settings.
    """
    return _of_one_seed(
        run.task,  # pyright: ignore[reportArgumentType] - frozen models are hashable
        run.seed,
        run.training_sequences,
        run.validation_sequences,
        run.diagnosis_sequences,
    )
