"""Watching the window while a model trains."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import nn

from ..checked import names_of
from ..detection.window import window as detection_window
from ..models.batches import kept
from ..models.losses import Loss, named
from ..models.quiet import kept_random_states, quiet
from ..models.reading import Reading
from ..models.record import Lengths
from ..transport import Windows
from .fitting import fitted_detection
from .measure import Measurement
from .options import DiagnosisOptions

LAGS = 12  # of a snapshot, at most: enough for a curve


@final
@dataclass(frozen=True)
class Snapshot:
    """What one measurement during training found.

    Attributes:
        step: of training.
        windows: H_N by layer and budget, in steps.
        envelope: f(l)/f(0), order diagonal, by layer and lag.
        seconds: that the measurement took.
    """

    step: int
    windows: Float[np.ndarray, "layer budget"]
    envelope: Float[np.ndarray, "layer lag"]
    seconds: float


@final
class Monitor:
    """A callable for any training loop: measures H_N and the envelope now and then.

    A measurement looks at the same few sequences each time, and leaves no trace in the
    model. Unless a cadence is given, the next one waits until all of them, itself
    included, take at most the given share of the training's own time.

    Args:
        model: the model in training.
        data: sequences as for `diagnose`; walked once, at the start.
        loss: as for `diagnose`.
        lags: lags in steps; at most 12 of them are measured.
        budgets: N, numbers of sequences.
        every: measure at every so many calls; None takes the share.
        share: of the training's time that measurements may take.
        sequences: looked at.
        lengths: as for `diagnose`.
        layers: as for `diagnose`.
        seed: of the sequences' order.
        clock: gives seconds.

    Raises:
        ValueError: as `diagnose`, at the first call; or if a number is out of range.

    Example:
        >>> import torch
        >>> gru = torch.nn.GRU(2, 4, batch_first=True)
        >>> x = torch.randn(64, 12, 2, generator=torch.Generator().manual_seed(0))
        >>> def loss(outputs, targets):
        ...     return ((outputs[0].sum(dim=-1) - targets) ** 2).mean()
        >>> monitor = Monitor(gru, (x, x[..., 0].roll(2, 1)), loss, [1, 2, 4], every=10)
        >>> for step in range(20):
        ...     measured = monitor(step)  # after the optimizer's step
        >>> monitor.table().index.get_level_values("step").tolist()
        [0, 10]
    """

    def __init__(
        self,
        model: nn.Module,
        data: Any,
        loss: Loss | str,
        lags: Iterable[int],
        *,
        budgets: Iterable[float] = (100, 1_000, 10_000),
        every: int | None = None,
        share: float = 0.04,
        sequences: int = 64,
        lengths: Lengths | None = None,
        layers: str | Iterable[str] | None = None,
        seed: int = 0,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        if every is not None and every < 1:
            raise ValueError(f"every is {every}; measure at every call at most, with 1")
        if not 0 < share < 1:
            raise ValueError(f"the share is {share}; it must lie between 0 and 1")
        self.model, self.loss, self.lengths = model, named(loss), lengths
        self.lags, self.budgets = sorted(lags), list(budgets)
        self.every, self.share, self.seed, self.clock = every, share, seed, clock
        self.layers = None if layers is None else names_of(layers)
        self.options = DiagnosisOptions(sequences=sequences, pairs=1, work=2e10)
        self.snapshots: list[Snapshot] = []
        self.names: list[str] = []
        self._calls, self._started = 0, clock()
        with kept_random_states():
            self._data = kept(data, sequences, seed)

    def __call__(self, step: int | None = None) -> bool:
        """Measure, if it is time to; call it after every optimizer step.

        Args:
            step: of training; the number of calls before this one unless given.

        Returns:
            Whether it measured.
        """
        due = self._due()
        if due:
            self.measure(self._calls if step is None else step)
        self._calls += 1
        return due

    @property
    def spent(self) -> float:
        """Give the seconds that all measurements took."""
        return sum(snapshot.seconds for snapshot in self.snapshots)

    @property
    def overhead(self) -> float:
        """Give the measurements' time as a share of the training's own time so far."""
        training = self.clock() - self._started - self.spent
        return self.spent / training if training > 0 else float("inf")

    def _due(self) -> bool:
        if self.every is not None:
            return self._calls % self.every == 0
        if not self.snapshots:
            return True
        own = self.clock() - self._started - self.spent
        return self.spent + self.snapshots[-1].seconds <= self.share * own

    @kept_random_states()
    def measure(self, step: int) -> Snapshot:
        """Measure now.

        Args:
            step: of training, for the record.

        Raises:
            ValueError: as `diagnose`.
        """
        began = self.clock()
        reading = Reading(
            self.model,
            self.loss,
            self._data,
            lengths=self.lengths,
            layers=self.layers,
            sequences=self.options.sequences,
            memory=self.options.memory,
            seed=self.seed,
        )
        windows, envelopes, layers = [], [], reading.layers()
        with quiet(self.model):  # a user's own cell steps while it is measured
            for layer in layers:
                cell = layer.track.cell
                one = Measurement(layer, self.lags, self.seed, self.options)
                statistics = one.gradients(most=LAGS)
                found = fitted_detection(statistics, self.seed, self.options)
                need = found["detection"]
                windows.append(self._windows(need))
                sums = Windows(cell, self.lags)
                for sample in layer.parts():
                    sums.add(sample.x, sample.states, sample.lengths)
                envelopes.append(sums.result()["diagonal"].normalised)
        self.names = [layer.track.name for layer in layers]
        found = np.array(windows), np.array(envelopes)
        snapshot = Snapshot(step, *found, self.clock() - began)
        self.snapshots.append(snapshot)
        return snapshot

    def _windows(self, need: xr.Dataset) -> Float[np.ndarray, "budget"]:
        lags, needed = need["lag"].values, need["needed"].values
        found = detection_window(lags, needed, self.budgets)
        return np.asarray(found.contiguous, float)

    def record(self) -> xr.Dataset:
        """Give all measurements as labelled arrays over step, layer, budget and lag.

        Raises:
            ValueError: if there is none yet.
        """
        if not self.snapshots:
            raise ValueError("nothing has been measured yet; call the monitor first")
        found = self.snapshots
        return xr.Dataset(
            {
                "window": (
                    ("step", "layer", "budget"),
                    np.stack([s.windows for s in found]),
                ),
                "envelope": (
                    ("step", "layer", "lag"),
                    np.stack([s.envelope for s in found]),
                ),
                "seconds": ("step", [s.seconds for s in found]),
            },
            coords={
                "step": [s.step for s in found],
                "layer": self.names,
                "budget": self.budgets,
                "lag": self.lags,
            },
        )

    def table(self) -> pd.DataFrame:
        """Give a row a layer and measurement: H_N of every budget, in steps."""
        window = self.record()["window"].transpose("layer", "step", "budget")
        return window.to_series().unstack("budget").rename(columns="H at {:g}".format)

    def figure(self, **options: Any) -> Figure:
        """Draw windows and envelopes over the training.

        Args:
            options: of `plots.monitor_figure`.
        """
        from ..plots import monitor_figure

        return monitor_figure(self.record(), **options)
