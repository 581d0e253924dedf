"""What a diagnosis measures: each part by itself, on sequences a part at a time."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float, Int
from torch import Tensor, optim

from . import evidence
from .chunks import parts
from .fitting import Measures
from .groups import envelope_group, time_scale_group
from .randomness import stream
from .tasks import Sequences
from .transport import (
    Accumulator,
    Envelope,
    Order,
    envelopes,
    sampled_windows,
    window_envelope,
)
from .unroll import Network

Progress = Callable[[str, float], None]


def silent(stage: str, share: float) -> None:
    """Take notice of a stage and say nothing."""
    del stage, share


@dataclass(frozen=True)
class Work:
    """The inputs of a diagnosis, and a method for all that has to be measured."""

    network: Network
    data: Sequences
    lags: list[int]
    seed: int
    measures: Measures
    progress: Progress

    def attributes(self) -> dict[str, str | int]:
        cell = self.network.cell
        sequences, steps, inputs = self.data.x.shape
        return {
            "title": "learnability diagnosis",
            "learnability": version("learnability"),
            "torch": str(torch.__version__),
            "cell": type(cell).__name__,
            "layernorm": int(cell.layernorm),
            "units": cell.units,
            "inputs": inputs,
            "sequences": sequences,
            "steps": steps,
            "seed": self.seed,
            "measures": self.measures.model_dump_json(),
        }

    @cached_property
    def parts(self) -> list[slice]:
        x = self.data.x
        # Only a CPU's windows can be added up; a device has memory of its own.
        fits = x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64)
        return parts(self.network.cell, x) if fits else [slice(0, len(x))]

    def states(self, part: slice) -> Tensor:
        """Give the states of some sequences; those of a single part are kept."""
        return self._all if len(self.parts) == 1 else self._unrolled(self.data.x[part])

    @cached_property
    def _all(self) -> Tensor:
        return self._unrolled(self.data.x)

    def _unrolled(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            return self.network.states(x)

    def envelopes(self, optimizer: optim.Optimizer | None) -> dict[str, xr.Dataset]:
        """Measure envelopes and time scales, with an optimizer's base rates too."""
        kinds: dict[str, optim.Optimizer | None] = {"envelope": None}
        if optimizer is not None:
            kinds["effective"] = optimizer
        self.progress("envelope", 0.0)
        found = self._averaged(kinds)
        for kind, exact in self._exact(kinds).items():
            found[kind]["exact"] = exact
        groups = {"envelope": envelope_group(found["envelope"])}
        groups["time_scales"] = time_scale_group(found["envelope"])
        if optimizer is not None:
            groups["effective"] = envelope_group(found["effective"])
        return groups

    def _averaged(
        self, kinds: dict[str, optim.Optimizer | None]
    ) -> dict[str, dict[Order, Envelope]]:
        """Measure the envelopes of the orders that take all windows."""
        cell, lags = self.network.cell, self.lags
        found: dict[str, dict[Order, Envelope]] = {}
        for kind, optimizer in kinds.items():
            if len(self.parts) == 1:  # of any device and dtype
                with torch.no_grad():
                    rates = self._rates(optimizer, self._all)
                    found[kind] = envelopes(
                        cell, self.data.x, self._all, lags, rates=rates
                    )
                continue
            sums = Accumulator(cell, lags)
            for part in self.parts:
                states = self.states(part)
                rates = self._rates(optimizer, states)
                sums.add(self.data.x[part], states, rates=rates)
            found[kind] = sums.result().envelopes
        self.progress("envelope", 0.5)
        return found

    def _rates(
        self, optimizer: optim.Optimizer | None, states: Tensor
    ) -> Tensor | None:
        if optimizer is None:
            return None
        return evidence.base_rates(optimizer, self.network.cell, states)

    def _exact(self, kinds: dict[str, optim.Optimizer | None]) -> dict[str, Envelope]:
        """Measure the exact envelopes, on the sequences of the sampled windows only."""
        pairs = self._sample()
        x, sequence = self.data.x, pairs[:, 0]
        if len(self.parts) == 1:
            states = self._all
        else:
            some, sequence = sequence.unique(return_inverse=True)
            x = x[some]
            states = x.new_empty(*x.shape[:2], self.network.cell.state_size)
            for part in parts(self.network.cell, x):
                states[part] = self._unrolled(x[part])
            pairs = torch.stack((sequence, pairs[:, 1]), dim=1)
        found = {}
        for place, (kind, optimizer) in enumerate(kinds.items()):
            with torch.no_grad():
                rates = self._rates(optimizer, states)
                found[kind] = window_envelope(
                    self.network.cell, x, states, self.lags, pairs, rates=rates
                )
            self.progress("envelope", (place + 1) / len(kinds) / 2 + 0.5)
        return found

    def _sample(self) -> Int[Tensor, "pair 2"]:
        return sampled_windows(
            self.data.x,
            self.lags[-1],
            windows=self.measures.exact_windows,
            seed=stream(self.seed, "windows"),
        )

    def psi(self) -> Float[np.ndarray, "lag sequence"]:
        """Measure the lag-l part of the gradient along a direction, by sequence."""
        self.progress("evidence", 0.0)
        cell = self.network.cell
        direction = evidence.random_direction(cell, stream(self.seed, "direction"))
        last = self.data.x.shape[1] - 1
        at = np.unique(np.linspace(self.lags[-1], last, self.measures.anchors).round())
        anchors = [int(t) for t in at]
        found = []
        for done, part in enumerate(self.parts, start=1):
            x, y, states = self.data.x[part], self.data.y[part], self.states(part)
            with torch.no_grad():
                delta = self.network.error_signal(states, y)
            psi = evidence.evidence(
                cell, x, states, delta, direction, self.lags, anchors=anchors
            )
            found.append(evidence.sequence_means(psi).double().cpu().numpy())
            self.progress("evidence", done / len(self.parts))
        return np.concatenate(found, axis=1)

    def probe(self, direction: Tensor | None) -> evidence.ProbeStatistics:
        """Measure the probe gradients of all lags."""
        return evidence.probe_statistics(
            self.network,
            self.data,
            self.lags,
            direction=direction,
            progress=lambda share: self.progress("detection", share),
        )
