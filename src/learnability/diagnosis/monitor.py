"""Watching the window while a model trains."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, final

import numpy as np
import pandas as pd
import torch
import xarray as xr
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import nn
from torch.utils.data import Dataset, IterableDataset
from upath import UPath

from ..checked import names_of
from ..grid import shares_of
from ..models.batches import Batch, items_of, kept, walked, whole
from ..models.losses import Loss, named
from ..models.quiet import kept_random_states, quiet
from ..models.reading import Reading
from ..models.record import Lengths
from ..randomness import Seed
from ..summaries.windows import needed_table
from ..transport import Windows
from .groups import fitted_detection
from .layer import numbers
from .measure import Measurement
from .options import DiagnosisOptions
from .scalars import by_band
from .scalars import named as named_scalars

ENDS = ("window", "lower", "upper")
LAGS = 12  # of a snapshot, at most: enough for a curve
BETWEEN = 3  # measurements between the first and the last, at least
GROWTH = 4  # of the calls from one to the next, where nobody knows the last


@final
@dataclass(frozen=True)
class Snapshot:
    """What one measurement during training found.

    Attributes:
        step: of training.
        windows: how far N sequences see the dependencies found, and the ends of its
            interval, in steps; nan where none was found or all is learnt.
        envelope: f(l)/f(0), order diagonal, by layer and lag.
        seconds: that the measurement took.
    """

    step: int
    windows: Float[np.ndarray, "end layer n_sequences"]
    envelope: Float[np.ndarray, "layer lag"]
    seconds: float


@final
class Monitor:
    """A callable for any training loop: measures what is seen, and the envelope.

    A measurement looks at the same few sequences each time, and leaves no trace in the
    model. The first call, the last one and three between are measured in any case.
    Unless ``every`` is given, others wait until all of them, themselves included, take
    at most the given share of the training's own time.

    Args:
        model: the model in training.
        data: sequences as for `diagnose`; walked once, at the start.
        loss: as for `diagnose`.
        lags: lags in steps; at most 12 of them are measured.
        n_sequences: N, one number or several; a hundredth, a tenth and all of the
            data's unless given.
        steps: how many calls there will be. Without it calls 0, 4, 16, 64 and so on
            are measured, and `finish` measures the end.
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
        >>> import learnability as lw, torch
        >>> network = lw.Network(lw.GRU(2, 4))
        >>> x = torch.randn(64, 12, 2, generator=torch.Generator().manual_seed(0))
        >>> data = x, x[..., 0].roll(2, 1)
        >>> monitor = Monitor(network, data, "mse", [1, 2, 4], every=10)
        >>> for step in range(20):
        ...     measured = monitor(step)  # after the optimizer's step
        >>> monitor.finish()
        >>> monitor.table().index.get_level_values("step").tolist()
        [0, 10, 20]
    """

    def __init__(
        self,
        model: nn.Module,
        data: Any,
        loss: Loss | str,
        lags: Iterable[int],
        *,
        n_sequences: float | Iterable[float] | None = None,
        steps: int | None = None,
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
        if steps is not None and steps < 1:
            raise ValueError(f"steps is {steps}; give the number of calls, from 1 on")
        if not 0 < share < 1:
            raise ValueError(f"the share is {share}; it must lie between 0 and 1")
        self.model, self.loss, self.lengths = model, named(loss), lengths
        self.lags = sorted(lags)
        self.every, self.share, self.seed, self.clock = every, share, seed, clock
        self.layers = None if layers is None else names_of(layers)
        self.options = DiagnosisOptions(sequences=sequences, pairs=1, work=2e10)
        self.snapshots: list[Snapshot] = []
        self.names: list[str] = []
        self._marks = _marked(steps, every)
        self._calls, self._measured, self._started = 0, False, clock()
        with kept_random_states():
            if n_sequences is None:
                self._data, given = _counted(data, sequences, seed)
                self.n_sequences = shares_of(given)
            else:
                self._data = kept(data, sequences, seed)
                self.n_sequences = numbers(n_sequences)

    def __call__(self, step: int | None = None) -> bool:
        """Measure, if it is time to; call it after every optimizer step.

        Args:
            step: of training; the number of calls before this one unless given.

        Returns:
            Whether it measured.
        """
        self._measured = self._due()
        if self._measured:
            self.measure(self._calls if step is None else step)
        self._calls += 1
        return self._measured

    def finish(self, step: int | None = None) -> None:
        """Measure the end of the training, unless the last call did.

        Args:
            step: of training; the number of calls unless given.
        """
        if not self._measured:
            self.measure(self._calls if step is None else step)
            self._measured = True

    @property
    def spent(self) -> float:
        """Return the seconds that all measurements took."""
        return sum(snapshot.seconds for snapshot in self.snapshots)

    @property
    def overhead(self) -> float:
        """Return the measurements' time as a share of the training's own time."""
        training = self._own_time()
        return self.spent / training if training > 0 else float("inf")

    def _own_time(self) -> float:
        """Return the seconds of training so far."""
        return self.clock() - self._started - self.spent

    def _due(self) -> bool:
        if self._calls in self._marks:
            return True
        if self.every is not None:
            return self._calls % self.every == 0
        last = self.snapshots[-1].seconds
        return self.spent + last <= self.share * self._own_time()

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
                table = needed_table(found["detection"], self.n_sequences)
                windows.append(table[[*ENDS]].to_numpy(float).T)
                sums = Windows(cell, self.lags)
                for sample in layer.parts():
                    sums.add(sample.x, sample.states, sample.lengths)
                envelopes.append(sums.result()["diagonal"].normalised)
        self.names = [layer.track.name for layer in layers]
        found = np.stack(windows, axis=1), np.array(envelopes)
        snapshot = Snapshot(step, *found, self.clock() - began)
        self.snapshots.append(snapshot)
        return snapshot

    def record(self) -> xr.Dataset:
        """Return all measurements as arrays over step, layer, n_sequences and lag.

        ``window`` has the ends of its interval beside it, ``lower`` and ``upper``.

        Raises:
            ValueError: if there is none yet.
        """
        if not self.snapshots:
            raise ValueError("nothing has been measured yet; call the monitor first")
        found = self.snapshots
        over = ("step", "layer", "n_sequences")
        windows = np.stack([s.windows for s in found], axis=1)
        return xr.Dataset(
            {
                **{name: (over, own) for name, own in zip(ENDS, windows, strict=True)},
                "envelope": (
                    ("step", "layer", "lag"),
                    np.stack([s.envelope for s in found]),
                ),
                "seconds": ("step", [s.seconds for s in found]),
            },
            coords={
                "step": [s.step for s in found],
                "layer": self.names,
                "n_sequences": self.n_sequences,
                "lag": self.lags,
            },
        )

    def table(self) -> pd.DataFrame:
        """Return one row per layer and measurement: H_N of every N, in steps."""
        window = self.record()["window"].transpose("layer", "step", "n_sequences")
        rows = window.to_series().unstack("n_sequences")
        return rows.rename(columns="H at {:g}".format)

    def scalars(self) -> dict[str, float]:
        """Return the last measurement as single numbers, for loggers.

        Returns:
            By ``layer/name``: ``window at N`` in steps, and ``arriving``, the mean of
            f(l)/f(0) over each octave of lags.

        Raises:
            ValueError: if there is none yet.
        """
        last = self.record().isel(step=-1)
        found = {}
        for layer in self.names:
            own = last.sel(layer=layer)
            pairs = zip(self.n_sequences, own["window"].values, strict=True)
            windows = {f"window at {n:g}": float(window) for n, window in pairs}
            arriving = pd.DataFrame({"arriving": own["envelope"].values}, self.lags)
            found[layer] = windows | by_band(arriving)
        return named_scalars(found)

    def report(
        self, path: str | PathLike[str], *, title: str = "The window while it trained"
    ) -> Path | UPath:
        """Write a page that shows the windows over the training.

        Args:
            path: of the page, ending in ``.html``.
            title: of the page.

        Returns:
            Where it lies.

        Raises:
            ValueError: if nothing has been measured yet, or the page cannot be written.
        """
        from ..report import monitor_page, write_page

        return write_page(monitor_page(self.record(), title=title), path)

    def figure(self, **options: Any) -> Figure:
        """Draw windows and envelopes over the training.

        Args:
            options: of `plots.monitor_figure`.
        """
        from ..plots import monitor_figure

        return monitor_figure(self.record(), **options)


def _marked(steps: int | None, every: int | None) -> set[int]:
    """Return the calls that are measured whatever they take.

    Args:
        steps: how many calls there will be, if it is known.
        every: how often measurements are asked for, if they are.
    """
    if steps is not None:
        last = steps - 1
        parts = range(BETWEEN + 2) if every is None else (0, BETWEEN + 1)
        return {round(last * part / (BETWEEN + 1)) for part in parts}
    return {0} if every is not None else {0, *(GROWTH**k for k in range(1, 32))}


def _counted(data: Any, sequences: int, seed: Seed) -> tuple[Any, int]:
    """Return what `kept` does, and how many sequences the data hold."""
    together = whole(data)
    if together is not None:
        return kept(together, sequences, seed), items_of(together)
    if isinstance(data, Dataset) and not isinstance(data, IterableDataset):
        return kept(data, sequences, seed), len(data)  # pyright: ignore
    sizes: list[int] = []

    def counting() -> Iterator[Batch]:
        for batch in walked(data, torch.float32, sequences, seed):
            sizes.append(items_of(batch))
            yield batch

    walk = counting()
    some = kept(walk, sequences, seed)
    deque(walk, maxlen=0)  # the rest is only counted
    return some, sum(sizes)
