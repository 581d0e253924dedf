"""What is measured of a module without knowing its equation: everything by autograd.

The detection window needs the gradient of outputs by the module's own parameters alone,
sequence by sequence; the model itself runs for each, so that states that are carried,
reset, cut off or changed between calls are as they are. The envelope is that of what a
module gives by what it takes, ``||d y_t / d x_{t-l}||_F``.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float, Int
from torch import Tensor, optim

from ..cells import Cell
from ..detection.dependence import strongest
from ..evidence.gradients import Chunk, Numbers
from ..evidence.inputs import shifted
from ..evidence.pieces import Parts
from ..evidence.probe import ProbeStatistics, summed_up
from ..evidence.sample import Sample, anchors
from ..evidence.statistics import SequenceGradients
from ..grid import thinned
from ..models.batches import Batch, device_of
from ..models.convert import Conversion
from ..models.layer import Layer, Progress, silent
from ..models.module_tap import ModuleTap
from ..models.probing import Probes, along, dependencies, probes
from ..models.reading import Reading
from ..models.replay import Track
from ..models.runs import agree, joined, known
from ..models.sensitivity import Norms, Reach, sensitivity_group
from ..models.split import free, pulled, real, sketched
from ..models.trees import moved
from ..randomness import stream, torch_generator
from ..transport.clusters import RatioSums
from .measure import Measurement
from .options import DiagnosisOptions

SEQUENCES = 128  # whose gradients are made, each by a run of the model
LAGS = 16  # at which they are made, at most
ANCHORS = 6  # steps from which the envelope is measured


@final
@dataclass(frozen=True)
class ModuleMeasurement:
    """One module of a model, and a method for each thing that is measured of it.

    Attributes:
        reading: the model, read with a tap on this module alone.
        layer: the module on its sequences.
        lags: in steps, ascending.
        seed: of random directions.
        options: how finely to measure, with how much work.
        progress: called with the name of a stage and the share of it that is done.
    """

    reading: Reading
    layer: Layer
    lags: list[int]
    seed: int
    options: DiagnosisOptions
    progress: Progress = silent

    @property
    def tap(self) -> ModuleTap:
        """Return the tap on the module."""
        (tap,) = self.reading.recorder.taps
        assert isinstance(tap, ModuleTap)
        return tap

    def gradients(self, direction: Tensor | None = None) -> ProbeStatistics:
        """Return what N(l) needs, of the pair of probe and axis that are joined most.

        Args:
            direction: u of the probe, or None.
        """
        self.progress("detection", 0.0)
        layer = self.layer
        chosen = probes(
            layer,
            inputs=self.options.probes,
            outputs=self.options.axes,
            direction=direction,
        )
        target = dependencies(layer, chosen, [0, *self.lags])
        if chosen.pairs > 1:
            found = strongest(target[1:], self.options.significance / 2)[1]
            chosen = along(chosen, found)
        lags = thinned(self.lags, LAGS)
        made = self._made(chosen, lags)
        return summed_up(
            made, lags, target, [0, *self.lags], chosen.left, lambda share: None
        )

    def _made(self, chosen: Probes, lags: list[int]) -> SequenceGradients:
        """Make the gradients of all probes and losses, one row per lag."""
        layer = self.layer.first(SEQUENCES)
        found, means = [], []
        for sample, batch in zip(layer.parts(), self.reading.batches, strict=False):
            (signal,) = chosen.signals(sample)
            looks = sample.shares
            past = torch.stack([shifted(signal, lag) for lag in lags], dim=1)
            weights = torch.cat([past * looks[:, None], looks[:, None]], dim=1)
            cotangent = weights[..., None] * chosen.axes[0]
            cotangent = torch.cat([cotangent, sample.delta[:, None]], dim=1)
            own = sample.by_item(self._gradients(batch, sample, cotangent))
            level = sample.by_item((past * looks[:, None]).sum(dim=-1))
            found.append(torch.cat([own[:, :-2], own[:, -1:]], dim=1))
            means.append((own[:, -2], level))
            done = sum(map(len, found)) / len(layer)
            self.progress("detection", min(1.0, done))
        mean = torch.cat([own for own, _ in means]).mean(dim=0)
        whole, level = torch.cat(found), torch.cat([own for _, own in means])
        whole[:, :-1] -= level[..., None] * mean
        count, rows, size = whole.shape

        def chunks(parts: Parts, place: slice) -> Iterator[Chunk]:
            del parts  # the model has run already
            yield Numbers(slice(0, count), whole[:, :-1][:, place], whole[:, -1])

        held = count * size * whole.element_size()
        return SequenceGradients(count, rows - 1, size, held, chunks)

    def _gradients(
        self,
        batch: Batch,
        sample: Sample,
        cotangent: Float[Tensor, "sequence row step feature"],
    ) -> Float[Tensor, "sequence row place"]:
        """Return gradients by the module's parameters, the model run for each item."""
        fold, found = self._fold(batch, sample), []
        with free(self.tap.module) as parameters, self._whole():
            for outputs, rows, own in self._each(batch, sample):
                by = cotangent.new_zeros(len(outputs), *cotangent.shape[1:])
                by[rows] = cotangent[own]
                by = by[:, :, : outputs.shape[1]].movedim(1, 0).to(outputs)
                parts = map(real, pulled(outputs, parameters, by))
                made = sketched(torch.cat(list(parts), dim=1).cpu())
                zero = made.new_zeros(fold - 1, *made.shape)
                found.append(torch.cat([made[None], zero]))
        return torch.cat(found)

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """Let what the module gives be in the graph of what it was made of."""
        with self.reading.recorder.attached():
            self.tap.apart = False
            try:
                yield
            finally:
                self.tap.apart = True

    def _fold(self, batch: Batch, sample: Sample) -> int:
        """Return how many of the module's sequences an item makes."""
        return -(-len(sample.x) // self.reading.recorder.items.count(batch))

    def _each(
        self, batch: Batch, sample: Sample, begin: Callable[[], None] = lambda: None
    ) -> Iterator[tuple[Tensor, Tensor, slice]]:
        """Yield what the module gives for each item, its rows there and in a sample.

        The model runs for each, or once where it takes no item alone.

        Args:
            batch: the items.
            sample: the module on them.
            begin: called before each run.
        """
        recorder, fold = self.reading.recorder, self._fold(batch, sample)
        begin()
        whole = self._output(batch) if recorder.fixed is not None else None
        for item in range(len(sample.x) // fold):
            own = slice(item * fold, (item + 1) * fold)
            outputs, place = whole, own
            if outputs is None:
                begin()
                one = recorder.items.take(batch, torch.tensor([item]))
                outputs, place = self._output(one), slice(0, fold)
            total = len(outputs)
            order = recorder.items.order(self.tap.path, total // fold, total)
            yield outputs, order[place], own

    def evidence(self) -> tuple[Float[np.ndarray, "lag sequence"], dict[str, float]]:
        """Return the lag-l gradient along a random direction, by item.

        Returns:
            psi, nan where no step at which the loss looks has the lag before it; and
            shares of the gradient's square: ``not_split`` by lag, and ``of_start``,
            what of that is by a start that is learnt outside of the module.
        """
        layer, tap = self.layer.first(SEQUENCES), self.tap
        found, squares, done = [], np.zeros(3), 0
        with free(tap.module) as parameters:
            numbers = sum(real(p[None]).numel() for p in parameters)
            drawn = torch_generator(stream(self.seed, "direction"))
            u = torch.randn(numbers, generator=drawn)
            u = (u / u.norm()).to(real(parameters[0][None]))
            splitting = tap.splitting(parameters)
            for sample, batch in zip(layer.parts(), self.reading.batches, strict=False):
                at = anchors(sample, self.lags, self.options.anchors)
                delta = sample.by_step(sample.delta)
                with splitting.attached(), self._whole():
                    each = self._each(batch, sample, splitting.begin)
                    for outputs, rows, own in each:
                        steps = np.unique(at[own][at[own] >= 0])
                        by = outputs.new_zeros(len(steps), *outputs.shape)
                        count = np.zeros(len(steps))
                        for k, t in enumerate(steps.tolist()):
                            looking = torch.from_numpy((at[own] == t).any(axis=1))
                            by[k, rows[looking], t] = delta[own][looking, t].to(by)
                            count[k] = int(looking.sum())
                        split = splitting.along(outputs, by, u)
                        found.append(self._by_lag(split.by_step, steps, count))
                        begun = self._of_starts(outputs, by)
                        kept, size = float(split.left.sum()), float(split.size.sum())
                        squares += kept + begun, begun, size + begun
                done += len(sample)
                self.progress("evidence", min(1.0, done / len(layer)))
        shares = squares[:2] / squares[2] if squares[2] else np.full(2, np.nan)
        names = ("not_split", "of_start")
        return np.stack(found, axis=1), dict(zip(names, shares.tolist(), strict=True))

    def _of_starts(
        self, outputs: Tensor, by: Float[Tensor, "anchor sequence step feature"]
    ) -> float:
        """Return the square of the gradients by learnt starts, over all anchors."""
        starts = self.tap.learnt_starts(self.reading.model)
        if not (starts and len(by)):
            return 0.0
        return sum(float(real(g).square().sum()) for g in pulled(outputs, starts, by))

    def _by_lag(
        self,
        by_step: Float[Tensor, "anchor step"],
        at: Int[np.ndarray, "anchor"],
        count: Float[np.ndarray, "anchor"],
    ) -> Float[np.ndarray, "lag"]:
        """Return the mean over anchors of what lies so many steps before each."""
        values, found = by_step.cpu().double().numpy(), []
        for lag in self.lags:
            fits = at >= lag
            total = values[fits, at[fits] - lag].sum()
            found.append(total / count[fits].sum() if fits.any() else np.nan)
        return np.array(found)

    def _output(self, batch: Batch) -> Tensor:
        """Run the model; return what the module gave, in its graph."""
        self.reading.recorder.run(moved(batch, device_of(self.reading.model)))
        return self.tap.output()

    def envelopes(self, optimizer: optim.Optimizer | None) -> dict[str, xr.Dataset]:
        """Return how far outputs hang on inputs, and states where they are known."""
        grid, reach, start, runs = [0, *self.lags], None, None, []
        tap, cell = self.tap, known(self.tap.module)
        ratio, totals = RatioSums(1, len(grid)), np.zeros((2, len(grid)))
        done, longest = 0, int(self.layer.lengths.max()) - 1
        # Evenly spread: attention hangs on how many steps there are before.
        spread = np.linspace(min(grid[-1], longest), longest, ANCHORS).round()
        at = np.unique(spread.astype(int)).tolist()
        self.progress("envelope", 0.0)
        for sample, batch in zip(self.layer.parts(), self.reading.batches, strict=True):
            with self._leaves():
                order = self._order(batch, len(sample.x))
                outputs = self._output(batch)
                if not all(x.requires_grad for x in tap.inputs):
                    none = sensitivity_group(self.lags, None, Reach(), longest)
                    return {"envelope": none}
                settings = (tap.joined, self.seed, tuple(tap.begun))
                norms = Norms(outputs, tap.inputs, *settings)
                reach = norms.reach(reach)
                lengths, items = (torch.empty_like(sample.item) for _ in "ab")
                lengths[order], items[order] = sample.lengths, sample.item
                if tap.begun and tap.once and start is None:
                    start = norms.of_start(self.lags, lengths)
                found = norms.by_lag(at, grid, lengths)
                if cell is not None:
                    runs.append(_run(cell.cell, tap, outputs, items))
            sums, number = (values[order.numpy()] for values in found)
            ratio.add(sums[:, None], number, done + sample.item)
            totals += np.stack([sums.sum(axis=0), number.sum(axis=0)])
            done += len(sample)
            self.progress("envelope", done / len(self.layer))
        mean = totals[0] / np.where(totals[1] > 0, totals[1], np.nan)
        own = sensitivity_group(
            self.lags, (mean, ratio), reach or Reach(), longest, start
        )
        if cell is None or not all(runs):
            return {"envelope": own}
        return self._of_states(cell, runs, optimizer) | {"sensitivity": own}

    def _of_states(
        self,
        conversion: Conversion,
        runs: list[Sample],
        optimizer: optim.Optimizer | None,
    ) -> dict[str, xr.Dataset]:
        """Return the envelopes of a known cell over its runs."""
        starts = torch.tensor([0, *map(len, runs[:-1])]).cumsum(0)
        layer = Layer(
            Track(self.tap.path, conversion),
            torch.cat([run.lengths for run in runs]),
            torch.cat([run.item + k for run, k in zip(runs, starts, strict=True)]),
            lambda: runs,
        )
        longest = int(layer.lengths.max())
        lags = [lag for lag in self.lags if lag < longest]
        if not lags:
            raise ValueError(f"no state is handed on over {self.lags[0]} steps")
        settings = (self.seed, self.options)
        found = Measurement(layer, lags, *settings).envelopes(optimizer)
        return {
            name: group.reindex(lag=self.lags) if "lag" in group.dims else group
            for name, group in found.items()
        }

    def _order(self, batch: Batch, rows: int) -> Tensor:
        """Return the places of the module's sequences, item by item."""
        recorder = self.reading.recorder
        recorder.place(moved(batch, device_of(self.reading.model)))
        return recorder.items.order(self.tap.path, recorder.items.count(batch), rows)

    @contextmanager
    def _leaves(self) -> Iterator[None]:
        """Let the module's inputs be what is differentiated by."""
        with self.reading.recorder.attached():
            self.tap.leaves, self.tap.apart = True, False
            try:
                yield
            finally:
                self.tap.leaves, self.tap.apart = False, True


def _run(cell: Cell, tap: ModuleTap, outputs: Tensor, items: Tensor) -> Sample | None:
    """Return what a known cell did over its calls; None if it gives something else."""
    calls = tap.calls()
    runs = joined(cell, calls) if calls else None
    if runs is None or not agree(runs, outputs.detach(), cell.output):
        return None
    item, order = items[runs.row].sort(stable=True)
    x, states, lengths = (v[order] for v in (runs.x, runs.states, runs.lengths))
    none = torch.zeros_like(states)
    looks = torch.zeros(x.shape[:2], dtype=torch.bool)
    return Sample(cell, x, states, lengths, none, none, looks, item)
