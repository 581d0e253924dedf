"""Models and how they are trained, as it is or with one thing changed."""

from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss

import learnability as lw

from .families import FAMILIES
from .plan import UPDATES, Training

State = dict[str, Any]

UNITS, BATCH, RATE = 32, 32, 3e-3
EVERY = 10  # updates between two looks at the validation loss
VALIDATION, FRESH = 128, 1024  # sequences
MORE_SEQUENCES, MORE_UPDATES, MORE_UNITS = 4, 5, 2
INTERVENTIONS = ("sequences", "updates", "gates", "units")
START = {
    "ConstGate": lambda d, h: lw.ConstGate(d, h, s=0.2),
    "SharedGate": lambda d, h: lw.SharedGate(d, h, s0=0.1),
    "DiagGate": lambda d, h: lw.DiagGate(d, h, s0=0.05),
    "GRU": lambda d, h: lw.GRU(d, h, z0=0.2),
    "LSTM": lambda d, h: lw.LSTM(d, h, f0=0.73),
    "nn.GRU": lambda d, h: nn.GRU(d, h, batch_first=True),
    "nn.LSTM": lambda d, h: nn.LSTM(d, h, batch_first=True),
}
GATED = ("DiagGate", "GRU", "LSTM", "nn.GRU", "nn.LSTM")


class Model(nn.Module):
    """A recurrence with a linear head, of every step or of the last alone.

    Args:
        cell: its name.
        inputs: of it.
        units: of it.
        classes: outputs; 0 for one value.
        last: whether only the last step is read.
    """

    def __init__(
        self, cell: str, inputs: int, units: int, classes: int, last: bool
    ) -> None:
        super().__init__()
        self.rnn = START[cell](inputs, units)
        self.head = nn.Linear(units, classes or 1)
        self.last = last

    def forward(self, x: Tensor) -> Tensor:
        """Return values or logits."""
        rnn = self.rnn
        h = (
            lw.unroll(rnn, x)[..., rnn.output]
            if isinstance(rnn, lw.Cell)
            else rnn(x)[0]
        )
        found = self.head(h[:, -1] if self.last else h)
        return found if self.head.out_features > 1 else found[..., 0]


def loss_of(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the cross-entropy of classes, or the squared error of values."""
    if targets.is_floating_point():
        return mse_loss(outputs, targets)
    return cross_entropy(outputs.flatten(0, -2), targets.flatten())


@final
@dataclass(frozen=True)
class Setting:
    """What a training is made with.

    Attributes:
        training: what it is.
        sequences: N.
        ends: numbers of updates after which it is looked at.
        units: H.
        horizon: lag for which the gates are set at the start, or None.
    """

    training: Training
    sequences: int
    ends: tuple[int, ...]
    units: int = UNITS
    horizon: int | None = None

    def data(self) -> tuple[Tensor, Tensor]:
        """Return the sequences that train."""
        return drawn(self.training, self.sequences, 1, training=True)

    def model(self, data: tuple[Tensor, Tensor]) -> Model:
        """Return the model at its start."""
        one = self.training
        classes = FAMILIES[one.family].classes
        torch.manual_seed(one.seed)
        last = data[1].ndim == 1
        model = Model(one.cell, data[0].shape[-1], self.units, classes, last)
        if self.horizon is not None:
            samples = self.sequences
            bias = lw.design.gate_bias(self.horizon, self.units, n_sequences=samples)
            bias.apply(model)
        return model


def drawn(
    one: Training, count: int, purpose: int, *, training: bool = False
) -> tuple[Tensor, Tensor]:
    """Return sequences for a purpose: 1 trains, 2 validates, 3 judges, 4 diagnoses."""
    generator = torch.Generator().manual_seed(1000 * purpose + one.seed)
    return FAMILIES[one.family].draw(count, generator, one.seed, training)


def settings(one: Training) -> dict[str, Setting]:
    """Return a training as it is, and with one thing changed, by name.

    More updates are those of the training as it is, made longer.
    """
    longer = tuple(MORE_UPDATES * count for count in UPDATES)
    plain = Setting(one, one.sequences, UPDATES)
    farthest = max(FAMILIES[one.family].there(one.seed))
    found = {
        "as it is": replace(plain, ends=tuple(sorted({*UPDATES, *longer}))),
        "sequences": replace(plain, sequences=MORE_SEQUENCES * one.sequences),
        "units": replace(plain, units=MORE_UNITS * UNITS),
    }
    if one.cell in GATED:
        found["gates"] = replace(plain, horizon=farthest)
    return found


@final
@dataclass(frozen=True)
class Trained:
    """State dicts of a model, and of what trains it, after a number of updates.

    Attributes:
        best: at the lowest validation loss, model and optimizer.
        last: after the last update.
        curve: validation loss of each look.
    """

    best: tuple[State, State]
    last: tuple[State, State]
    curve: list[float]


def at(model: Model, which: tuple[State, State]) -> torch.optim.Optimizer:
    """Put a model at weights that it had, and return the optimizer as it was."""
    model.load_state_dict(which[0])
    optimizer = torch.optim.Adam(model.parameters(), RATE)
    optimizer.load_state_dict(deepcopy(which[1]))
    return optimizer


def trained(setting: Setting) -> dict[int, Trained]:
    """Train a model, looking at the validation loss now and then."""
    one, data = setting.training, setting.data()
    valid = drawn(one, VALIDATION, 2)
    model = setting.model(data)
    optimizer = torch.optim.Adam(model.parameters(), RATE)
    batches = torch.Generator().manual_seed(10_000 + one.seed)
    found, curve, order = {}, [], torch.empty(0, dtype=torch.long)
    best = now = deepcopy((model.state_dict(), optimizer.state_dict()))
    for update in range(1, max(setting.ends) + 1):
        if len(order) < BATCH:
            order = torch.randperm(setting.sequences, generator=batches)
        some, order = order[:BATCH], order[BATCH:]
        optimizer.zero_grad()
        loss_of(model(data[0][some]), data[1][some]).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if update % EVERY == 0:
            now = deepcopy((model.state_dict(), optimizer.state_dict()))
            with torch.no_grad():
                curve.append(float(loss_of(model(valid[0]), valid[1])))
            best = now if curve[-1] == min(curve) else best
        if update in setting.ends:
            found[update] = Trained(best, now, [*curve])
    return found
