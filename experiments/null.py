"""Targets that belong to other sequences: how often is a dependency found in them?

Every study has a small model with random weights and data in which targets follow from
inputs. Then the targets are dealt to other sequences by a random permutation: nothing
that an input says is left in them, and the window should be 0.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, final

import pandas as pd
import torch
from rich.console import Console
from torch import Generator, Tensor, nn
from torch.distributions import Normal
from torch.nn import functional as F

from learnability import DiagnosisOptions, diagnose
from learnability.checked import checked_seed
from learnability.cli.app import NUMBER
from learnability.cli.terminal import Display
from learnability.detection.window import window
from learnability.diagnosis.groups import fitted_detection
from learnability.diagnosis.measure import Measurement
from learnability.models.layer import Progress
from learnability.models.quiet import kept_random_states
from learnability.models.reading import Reading
from learnability.randomness import stream, torch_generator

LAGS = [1, 2, 4, 8]
STEPS, INPUTS, CLASSES = 20, 2, 3
OPTIONS = DiagnosisOptions(exact_windows=2, anchors=1, resamples=20)
BUDGET = 1e12  # sequences: any lag that is detected at all is seen with so many
LIMIT = 0.085  # share of studies that may find something: 17 of 200
LIMIT_IN_ALL = 0.06  # and of all studies together: 72 of 1,200
CHECKED = 10  # studies of each kind that are diagnosed as a whole, too


class Model(nn.Module):
    """A GRU with a linear head; what it returns is made of the head's values.

    Args:
        units: of the GRU.
        outputs: of the head.
        returned: makes of the head's values, and the targets, what the model returns.
    """

    def __init__(
        self, units: int, outputs: int, returned: Callable[[Tensor, Any], Any]
    ) -> None:
        super().__init__()
        self.rnn = nn.GRU(INPUTS, units, batch_first=True)
        self.out, self.returned = nn.Linear(units, outputs), returned

    def forward(self, x: Tensor, y: Tensor | None = None) -> Any:
        """Return what is made of the head's values."""
        return self.returned(self.out(self.rnn(x)[0]), y)


@final
@dataclass(frozen=True)
class Kind:
    """How models return their outputs, and what their loss is.

    Attributes:
        returned: makes of the head's values, and the targets, what the model returns.
        loss: of it and the targets.
        classes: whether targets are classes.
        inside: whether the model takes the targets, too.
        profile: size of a profile over the steps that all sequences share, in inputs
            and targets.
    """

    returned: Callable[[Tensor, Any], Any]
    loss: Callable[[Any, Tensor], Tensor]
    classes: bool = False
    inside: bool = False
    profile: float = 0.0


def plainly(z: Tensor, y: Any) -> Tensor:
    """Return the head's values."""
    del y
    return z


def cross_entropy(z: Tensor, y: Tensor) -> Tensor:
    """Return the mean cross-entropy of classes a step."""
    return F.cross_entropy(z.flatten(0, 1), y.flatten())


def square(z: Tensor, y: Tensor) -> Tensor:
    """Return the mean squared error."""
    return F.mse_loss(z[..., 0], y)


KINDS = {
    "squared loss": Kind(plainly, square),
    "cross-entropy": Kind(plainly, cross_entropy, classes=True),
    "negative log-likelihood": Kind(
        lambda z, y: z.log_softmax(-1),
        lambda logs, y: F.nll_loss(logs.flatten(0, 1), y.flatten()),
        classes=True,
    ),
    "distribution": Kind(
        lambda z, y: Normal(z[..., 0], F.softplus(z[..., 1]) + 0.1),
        lambda law, y: -law.log_prob(y).mean(),
    ),
    "loss inside the model": Kind(
        lambda z, y: (cross_entropy(z, y), z),
        lambda outputs, y: outputs[0],
        classes=True,
        inside=True,
    ),
    "common profile": Kind(plainly, square, profile=2.0),
}


def study(kind: Kind, generator: Generator) -> tuple[nn.Module, tuple[Tensor, ...]]:
    """Return a model, and data whose targets belong to other sequences.

    Args:
        kind: of outputs and loss.
        generator: of all that is random.
    """
    sequences = int(torch.randint(64, 101, (), generator=generator))
    units = int(torch.randint(8, 13, (), generator=generator))
    model = Model(units, CLASSES, kind.returned)
    with torch.no_grad():
        for weights in model.parameters():
            drawn = torch.rand(weights.shape, generator=generator)
            weights.copy_((2 * drawn - 1) / units**0.5)
    x = torch.randn(sequences, STEPS, INPUTS, generator=generator)
    noise = torch.randn(sequences, STEPS, CLASSES, generator=generator)
    past = torch.stack([x[..., 0].roll(lag, 1) for lag in LAGS[:CLASSES]], dim=-1)
    values = past + noise
    y = values.argmax(dim=-1) if kind.classes else values.sum(dim=-1)
    if kind.profile:
        profile = kind.profile * torch.sin(torch.arange(STEPS) / 3.0)
        x, y = x + profile[:, None], y + profile
    y = y[torch.randperm(sequences, generator=generator)]
    return model, (x, y, y) if kind.inside else (x, y)


@kept_random_states()
def detected(model: nn.Module, kind: Kind, data: tuple[Tensor, ...]) -> list[float]:
    """Return what each lag needs to be detected; the rest of a diagnosis is left out.

    Args:
        model: of a study.
        kind: of outputs and loss.
        data: of a study.
    """
    reading = Reading(
        model,
        kind.loss,
        data,
        sequences=OPTIONS.sequences,
        memory=OPTIONS.memory,
        seed=0,
    )
    (layer,) = reading.layers()
    statistics = Measurement(layer, LAGS, 0, OPTIONS).gradients()
    groups = fitted_detection(statistics, 0, OPTIONS)
    return groups["detection"]["needed"].values.tolist()


def diagnosed(model: nn.Module, kind: Kind, data: tuple[Tensor, ...]) -> list[float]:
    """Return the same by a whole diagnosis."""
    (found,) = diagnose(model, data, kind.loss, LAGS, options=OPTIONS).values()
    return found.group("detection")["needed"].values.tolist()


def windows(name: str, studies: int, seed: int, progress: Progress) -> pd.DataFrame:
    """Return the windows of all studies of a kind: one row each.

    Args:
        name: of the kind.
        studies: how many.
        seed: of all that is random.
        progress: called with the name of the kind and the share that is done.

    Raises:
        ValueError: if a whole diagnosis says anything else than its part.
    """
    kind, rows = KINDS[name], []
    for number in range(studies):
        generator = torch_generator(stream(seed, f"{name} {number}"))
        model, data = study(kind, generator)
        needed = detected(model, kind, data)
        if number < CHECKED and diagnosed(model, kind, data) != needed:
            raise ValueError(
                f"study {number} of {name} is diagnosed otherwise as a whole; look for "
                "what the two do not share"
            )
        found = window(LAGS, needed, [BUDGET])
        rows.append((name, number, int(found.contiguous[0]), int(found.maximal[0])))
        progress(name, (number + 1) / studies)
    return pd.DataFrame(rows, columns=["kind", "study", "window", "longest lag"])


def table(found: pd.DataFrame) -> str:
    """Return how many studies have window 0, and the limit, as a table in Markdown.

    Args:
        found: a row a study.
    """
    lines = [
        "| others' targets | studies | window 0 | at least | no lag at all |",
        "|---|---|---|---|---|",
    ]
    groups = [(str(name), part) for name, part in found.groupby("kind", sort=False)]
    for name, part in [*groups, ("all", found)]:
        share = LIMIT_IN_ALL if name == "all" else LIMIT
        wanted = len(part) - int(share * len(part))
        none, never = ((part[key] == 0).sum() for key in ("window", "longest lag"))
        lines.append(f"| {name} | {len(part)} | {none} | {wanted} | {never} |")
    return "\n".join(lines)


def null(
    *, studies: Annotated[int, NUMBER] = 200, seed: Annotated[int, NUMBER] = 0
) -> None:
    """Deal targets to other sequences, and count the studies that find no dependency.

    Prints a table: how many studies of each kind of loss have a window of 0 whatever
    the number of sequences. Some minutes on one core.

    Parameters
    ----------
    studies
        How many studies of each kind.
    seed
        Seed from which every random stream is derived.
    """
    if studies < 1:
        raise ValueError(f"{studies} studies say nothing; give 1 or more")
    checked_seed(seed)
    console, parts = Console(), []
    with Display(console) as display:
        for name in KINDS:
            tell = _of_share(display.stage(name))
            parts.append(windows(name, studies, seed, tell))
    print(table(pd.concat(parts)))


def _of_share(told: Callable[[float], None]) -> Progress:
    return lambda stage, share: told(share)
