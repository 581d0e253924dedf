"""Frozen records of what a calibration trains, and the presets by name."""

from typing import Annotated, final

from pydantic import BaseModel, Field

from learnability.checked import FROZEN, Count, digest
from learnability.study.architecture import Architecture
from learnability.tasks import Bands, blurred, sharp, smooth
from learnability.training import Recipe

MOST_DIAGNOSES = 10**6
"""Of one cell, lag and seed: intervals counted to a tenth of a per mille."""


@final
class Family(BaseModel):
    """A kind of task: its calibration's constants belong to it alone.

    Attributes:
        name: what it is called.
        task: the sequences.
    """

    model_config = FROZEN

    name: str
    task: Bands


@final
class RunSettings(BaseModel):
    """One training, with everything that decides its numbers.

    Attributes:
        family: the task, by name.
        label: what the network is called.
        architecture: the network.
        samples: N, sequences of training.
        seed: of weights, data and order.
        updates: steps of the optimizer, the same for every N.
        rate: learning rate of AdamW.
        batch: sequences in a batch; all where there are fewer.
        warm_up: share of the updates after which predictions are made.
        probed: sequences that the predictions see.
        fresh: sequences on which the learnt shares are measured.
        validation: sequences that choose the best epoch.
    """

    model_config = FROZEN

    family: Family
    label: str
    architecture: Architecture
    samples: Annotated[int, Field(ge=2)]
    seed: Annotated[int, Field(ge=0)]
    updates: Count = 800
    rate: Annotated[float, Field(gt=0)] = 0.005
    batch: Count = 32
    warm_up: Annotated[float, Field(gt=0, lt=1)] = 0.05
    probed: Annotated[int, Field(ge=50)] = 256
    fresh: Count = 512
    validation: Count = 64

    @property
    def recipe(self) -> Recipe:
        """Give the recipe that makes so many updates, in whole epochs."""
        batch = min(self.batch, self.samples)
        epochs = max(1, round(self.updates * batch / self.samples))
        return Recipe(learning_rate=self.rate, epochs=epochs, batch_size=batch)

    def identity(self) -> str:
        """Give a short hash of everything that decides the numbers."""
        return digest(self.model_dump(mode="json"))


@final
class Trial(BaseModel):
    """How finely detection itself is tried by brute force.

    Attributes:
        repetitions: repeated tests of a given N.
        sizes: N, sequences in a test.
        studies: repeated diagnoses of permuted targets.
        diagnoses: repeated diagnoses whose intervals are counted.
        sequences: sequences in such a diagnosis.
        lags: a short and a long one, in steps.
        steps: T.
        units: H.
        seed: from which every stream is derived.
    """

    model_config = FROZEN

    repetitions: Count = 2000
    sizes: tuple[int, ...] = (1, 4, 16, 64)
    studies: Count = 200
    diagnoses: Count = 500
    sequences: Annotated[int, Field(ge=50)] = 200
    lags: tuple[int, ...] = (2, 8)
    steps: Count = 24
    units: Count = 8
    seed: Annotated[int, Field(ge=0)] = 0


@final
class Calibration(BaseModel):
    """A calibration: cells x N x seeds x families, and the trial of detection.

    Attributes:
        name: what it is called.
        families: kinds of tasks.
        architectures: the networks by label.
        samples: N in ascending order.
        seeds: of the repetitions.
        updates: steps of the optimizer in every run.
        trial: how detection is tried by brute force.
    """

    model_config = FROZEN

    name: str
    families: Annotated[tuple[Family, ...], Field(min_length=1)]
    architectures: Annotated[dict[str, Architecture], Field(min_length=1)]
    samples: Annotated[tuple[int, ...], Field(min_length=1)]
    seeds: Annotated[tuple[int, ...], Field(min_length=1)]
    updates: Count = 800
    trial: Trial = Trial()

    def runs(self) -> list[RunSettings]:
        """Give all trainings, in the order of tables."""
        return [
            self._run(seed, family, n, label)
            for seed in self.seeds
            for family in self.families
            for n in self.samples
            for label in self.architectures
        ]

    def in_turn(self) -> list[RunSettings]:
        """Give all trainings in an order whose every beginning means something.

        Seeds are outermost. Of a seed, every round has each family at each N once, with
        another network than the rounds before.
        """
        labels = list(self.architectures)
        return [
            self._run(seed, family, n, labels[(turn + i + j) % len(labels)])
            for seed in self.seeds
            for turn in range(len(labels))
            for i, n in enumerate(self.samples)
            for j, family in enumerate(self.families)
        ]

    def with_diagnoses(self, count: int) -> "Calibration":
        """Give the same calibration with another number of diagnoses.

        Args:
            count: of every cell, lag and seed, for the coverage of intervals.

        Raises:
            ValueError: if there are fewer than 2, or too many to wait for.
        """
        if count < 2:
            raise ValueError(f"{count} diagnoses say nothing of intervals; give 2")
        if count > MOST_DIAGNOSES:
            raise ValueError(
                f"{count} diagnoses take for ever; give at most {MOST_DIAGNOSES}"
            )
        trial = self.trial.model_copy(update={"diagnoses": count})
        return self.model_copy(update={"trial": trial})

    def _run(self, seed: int, family: Family, n: int, label: str) -> RunSettings:
        return RunSettings(
            family=family,
            label=label,
            architecture=self.architectures[label],
            samples=n,
            seed=seed,
            updates=self.updates,
        )


def families(steps: int, inputs: int) -> tuple[Family, ...]:
    """Give the kinds of tasks: delays, bands, a smooth kernel; at low and high noise.

    Args:
        steps: T.
        inputs: D.
    """
    size = {"inputs": inputs, "steps": steps}
    delays, edges = (1, 2, 4, 8, 12, 16, 24), (1, 2, 4, 7, 11, 16, 23, 32)
    kinds = {}
    for word, noise in (("", 0.3), (", noisy", 1.0)):
        level = {"noise": noise, **size}
        kinds[f"delays{word}"] = sharp(delays, coefficient=0.35, **level)
        kinds[f"bands{word}"] = blurred(edges, coefficient=0.35, **level)
        # As much signal as 7 delays of 0.35 make.
        kinds[f"smooth{word}"] = smooth(edges, scale=16.0, size=0.93, **level)
    return tuple(Family(name=name, task=task) for name, task in kinds.items())


def architectures(units: int, *, more: bool) -> dict[str, Architecture]:
    """Give the five cells at moderate gates, and three at other gates.

    Args:
        units: H.
        more: whether to give all eight.
    """
    chosen: list[tuple[str, str, float]] = [
        ("ConstGate", "ConstGate", 0.1),
        ("SharedGate", "SharedGate", 0.1),
        ("DiagGate", "DiagGate", 0.1),
        ("GRU", "GRU", 0.1),
        ("LSTM", "LSTM", 0.8),
    ]
    if more:
        chosen += [
            ("ConstGate fast", "ConstGate", 0.4),
            ("GRU fast", "GRU", 0.5),
            ("LSTM slow", "LSTM", 0.95),
        ]
    return {
        label: Architecture.model_validate({"cell": cell, "units": units, "gate": gate})
        for label, cell, gate in chosen
    }


def preset(name: str) -> Calibration:
    """Give a preset by name.

    Args:
        name: ``small`` (10 minutes on two cores), ``confirm`` (the same on new seeds:
            laws of small are tried on it), ``large`` (a day) or ``tiny`` (a minute; too
            few runs to conclude from).

    Raises:
        ValueError: if there is no such preset.

    Example:
        >>> len(preset("large").runs())
        720
    """
    presets = {
        "tiny": Calibration(
            name="tiny",
            families=families(48, 4)[:2],
            architectures=dict(list(architectures(8, more=False).items())[2:4]),
            samples=(8, 32),
            seeds=(0,),
            updates=40,
            trial=Trial(
                repetitions=50, studies=10, diagnoses=10, sequences=60, sizes=(1, 4)
            ),
        ),
        "small": Calibration(
            name="small",
            families=families(48, 4),
            architectures=architectures(24, more=False),
            samples=(16, 64, 256),
            seeds=(0, 1),
            updates=800,
        ),
        "confirm": Calibration(
            name="confirm",
            families=families(48, 4),
            architectures=architectures(24, more=False),
            samples=(16, 64, 256),
            seeds=(2, 3),
            updates=800,
        ),
        "large": Calibration(
            name="large",
            families=families(96, 4),
            architectures=architectures(32, more=True),
            samples=(16, 64, 256, 1024, 4096),
            seeds=(0, 1, 2),
            updates=4000,
        ),
    }
    if name not in presets:
        raise ValueError(f"there is no preset {name!r}; choose {', '.join(presets)}")
    return presets[name]
