"""What a model does on held-out data, now and after the optimizer's next step."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn, optim

from ..evidence.rates import NoRates, parameter_rates
from ..models.batches import device_of
from ..models.layer import Layer
from ..models.quiet import quiet
from ..models.reading import Reading
from ..models.refusal import UnsupportedModelError
from ..models.taps import Tap
from ..models.trees import moved
from ..verdict.step import Fall, Group, Step, gradient_sums, step
from .further import changed, further

GROUPS = 64  # of sequences whose gradients are taken, about
FRACTION = 0.01  # of a step that is made: a whole one is none to first order
FEWEST = 8  # held-out sequences: with fewer no interval means anything
FEWEST_GROUPS = 8  # with fewer no error can be told
ENDED = 0.1  # of the first learning rate: less is the end of a schedule

ReadOf = Callable[[list[Tap], Any], Reading]  # of taps and data


@final
@dataclass(frozen=True)
class Descent:
    """The next step of an optimizer, on all that it trains.

    Attributes:
        parameters: the trained ones that the loss depends on.
        rates: P, the step size of each of their numbers.
        gradient: g_t, of the training data.
        facts: what the step does to held-out data.
        train: by how much further updates lower the training loss.
        held: by how much they lower the held-out loss.
    """

    parameters: list[nn.Parameter]
    rates: Float[np.ndarray, "parameter"]
    gradient: Float[np.ndarray, "parameter"]
    facts: Step
    train: Fall
    held: Fall

    def attributes(self) -> dict[str, float]:
        """Return the facts by name, as files hold them."""
        falls = {"train": self.train, "held": self.held}
        return self.facts._asdict() | {
            f"{name}_fall{end}": value
            for name, found in falls.items()
            for end, value in zip(("", "_error"), found, strict=True)
        }

    def after(self) -> list[Tensor]:
        """Return what the parameters are after `FRACTION` of ``-P g_t``."""
        change = torch.from_numpy(FRACTION * self.rates * self.gradient)
        parts = change.split([p.numel() for p in self.parameters])
        pairs = zip(self.parameters, parts, strict=True)
        return [p.detach() - part.view_as(p).to(p) for p, part in pairs]


@final
@dataclass(frozen=True)
class HeldOut:
    """Held-out data beside the training data that a model was read on.

    Attributes:
        read: reads the model with some taps on some data.
        data: the held-out ones.
        optimizer: what trains the model.
        start: the weights that the training began with, a state dict.
    """

    read: ReadOf
    data: Any = None
    optimizer: optim.Optimizer | None = None
    start: Mapping[str, Tensor] | None = None
    _found: dict[int, tuple[Reading, dict[str, Layer], Descent | str]] = field(
        default_factory=dict
    )
    _stepped: dict[int, dict[str, Layer]] = field(default_factory=dict)

    def check(self, reading: Reading) -> None:
        """Read the held-out data, look at the optimizer and at the start.

        Raises:
            ValueError: if they do not fit the model, or are too few.
        """
        if not isinstance(self.optimizer, optim.Optimizer | None):
            raise UnsupportedModelError(
                f"optimizer= is a {type(self.optimizer).__name__}; give the "
                "torch.optim.Optimizer that trains the model, one for all its layers"
            )
        if self.optimizer is not None and not _given(reading.model, self.optimizer):
            raise UnsupportedModelError(
                "the optimizer trains no parameter of this model; give the one that "
                "trains it"
            )
        self.descent(reading)
        own, start = reading.model.state_dict(), self.start
        if start is not None and _shapes(own) != _shapes(start):
            raise UnsupportedModelError(
                "the start does not fit the model; give the state_dict() that it had "
                "before the training"
            )

    @property
    def given(self) -> bool:
        """Return whether there are held-out data."""
        return self.data is not None

    def layer(self, reading: Reading, name: str) -> Layer | None:
        """Return the layer of a reading on the held-out data, None without them."""
        return self._of(reading)[1][name] if self.given else None

    def descent(self, reading: Reading) -> Descent | str:
        """Return the optimizer's next step, or why there is none."""
        if not self.given:
            return "give heldout=... to know what is learnt and whether a step pays"
        return self._of(reading)[2]

    @contextmanager
    def after(self, reading: Reading) -> Iterator[dict[str, Layer]]:
        """Yield the layers on the held-out data after the optimizer's next step."""
        descent = self.descent(reading)
        assert not isinstance(descent, str)  # else there is no step to make
        with changed([*descent.parameters], descent.after()):
            if id(reading) not in self._stepped:
                self._stepped[id(reading)] = _layers(self._of(reading)[0].again())
            yield self._stepped[id(reading)]

    @contextmanager
    def began(self, reading: Reading) -> Iterator[Reading]:
        """Yield the model on the training data at the weights that it began with."""
        own, start = reading.model.state_dict(keep_vars=True), self.start or {}
        with changed([*own.values()], [start[name] for name in own]):
            yield reading.again()

    def _of(self, reading: Reading) -> tuple[Reading, dict[str, Layer], Descent | str]:
        if id(reading) not in self._found:
            held = self.read(reading.recorder.taps, self.data)
            layers = _layers(held)
            fewest = min(len(layer) for layer in layers.values())
            if fewest < FEWEST:
                raise UnsupportedModelError(
                    f"heldout has {fewest} {held.counted}; give at least {FEWEST}"
                )
            descent = self._descent(reading, held)
            self._found[id(reading)] = held, layers, descent
        return self._found[id(reading)]

    def _descent(self, reading: Reading, held: Reading) -> Descent | str:
        if self.optimizer is None:
            return "give optimizer=... to know whether a further step pays"
        try:
            parameters, rates = trained(reading.model, self.optimizer)
        except NoRates as reason:
            return str(reason)
        zero = np.zeros(len(rates))
        train = gradient_sums(gradients(reading, parameters), rates, zero)
        other = gradient_sums(gradients(held, parameters), rates, train.mean)
        groups = min(len(train.counts), len(other.counts))
        if groups < FEWEST_GROUPS:
            return (
                f"{groups} groups of sequences do not tell whether a step pays; give "
                f"at least {FEWEST_GROUPS} in batches of any size"
            )
        facts = step(train, other, rates, reading.given)
        falls = further((reading, held), parameters, self.optimizer)
        return Descent(parameters, rates, train.mean, facts, *falls)


def _shapes(state: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in state.items()}


def _layers(reading: Reading) -> dict[str, Layer]:
    return {layer.track.name: layer for layer in reading.layers()}


def trained(
    model: nn.Module, optimizer: optim.Optimizer
) -> tuple[list[nn.Parameter], Float[np.ndarray, "parameter"]]:
    """Return the parameters of a model that an optimizer has trained, and P.

    Raises:
        NoRates: if it has made no step yet, is of another kind, or a schedule has let
            its learning rate go to less than a tenth of the first.
    """
    ended = [g["lr"] for g in optimizer.param_groups if _ended(g)]
    if ended:
        raise NoRates(
            f"the optimizer's learning rate is {float(ended[0]):.1g}, as at the end of "
            "a schedule, so that no update tells whether training on pays; give it the "
            "rate that it trained with"
        )
    every = _given(model, optimizer)
    moved_ones = [p for p in every if optimizer.state.get(p)]
    plain = isinstance(optimizer, optim.SGD)  # its state may be empty
    parameters = every if plain else moved_ones or every
    rates = [parameter_rates(optimizer, p).detach().flatten() for p in parameters]
    return parameters, torch.cat(rates).double().cpu().numpy()


def _ended(group: Mapping[str, Any]) -> bool:
    """Return whether a schedule has let the learning rate go to its end."""
    return float(group["lr"]) < ENDED * float(group.get("initial_lr", 0.0))


def _given(model: nn.Module, optimizer: optim.Optimizer) -> list[nn.Parameter]:
    """Return the parameters of a model that an optimizer is given."""
    own = {id(p) for p in model.parameters() if p.requires_grad}
    return [p for g in optimizer.param_groups for p in g["params"] if id(p) in own]


def gradients(reading: Reading, parameters: list[nn.Parameter]) -> Iterator[Group]:
    """Yield the gradients of the loss, summed over groups of sequences."""
    recorder, device = reading.recorder, device_of(reading.model)
    with quiet(reading.model):
        for batch, count in reading.groups(GROUPS):
            outputs = recorder.run(moved(batch, device))
            total = recorder.losses(outputs, moved(batch, device))
            found = torch.autograd.grad(total, parameters, allow_unused=True)
            yield _flat(parameters, found), count


def _flat(
    parameters: list[nn.Parameter], found: tuple[Tensor | None, ...]
) -> Float[np.ndarray, "parameter"]:
    rows = [
        (torch.zeros_like(p) if g is None else g).detach().flatten()
        for p, g in zip(parameters, found, strict=True)
    ]
    return torch.cat(rows).double().cpu().numpy()
