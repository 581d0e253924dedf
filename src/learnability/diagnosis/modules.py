"""What is measured of a module without knowing its equation: everything by autograd.

The detection window needs the gradient of outputs by the module's own parameters alone,
sequence by sequence; the model itself runs for each, so that states that are carried,
reset, cut off or changed between calls are as they are. The envelope is that of what a
module gives by what it takes, ``||d y_t / d x_{t-l}||_F``.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float
from torch import Tensor, nn, optim

from ..cells import Cell
from ..detection.dependence import strongest
from ..evidence.gradients import Chunk, Numbers
from ..evidence.inputs import shifted
from ..evidence.probe import ProbeStatistics, summed_up
from ..evidence.sample import Sample
from ..evidence.statistics import SequenceGradients
from ..models.batches import Batch, device_of
from ..models.convert import Conversion
from ..models.module_tap import ModuleTap
from ..models.probing import Probes, along, dependencies, probes
from ..models.reading import Layer, Progress, Reading, silent
from ..models.refusal import Refusal
from ..models.replay import Track
from ..models.runs import agree, joined, known
from ..models.sensitivity import Norms, Reach, sensitivity_group
from ..models.trees import moved
from ..randomness import stream
from ..transport.clusters import RatioSums
from .measure import Measurement, thinned
from .options import DiagnosisOptions

SEQUENCES = 128  # whose gradients are made, each by a run of the model
LAGS = 16  # at which they are made, at most
SKETCH = 2**14  # numbers that stand for a gradient of more: products err by under 1 %
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
            looks = sample.looks / sample.count[:, None]
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

        def chunks(place: slice) -> Iterator[Chunk]:
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
        recorder, tap = self.reading.recorder, self.tap
        count = recorder.items.count(batch)
        fold, found = -(-len(sample.x) // count), []
        with recorder.attached(), _free(tap.module) as parameters:
            tap.apart, whole = False, None
            if recorder.fixed is not None:  # it takes no item alone
                whole = self._output(batch)
            for item in range(len(sample.x) // fold):
                own = slice(item * fold, (item + 1) * fold)
                outputs, place = whole, own
                if outputs is None:
                    one = recorder.items.take(batch, torch.tensor([item]))
                    outputs, place = self._output(one), slice(0, fold)
                total = len(outputs)
                rows = recorder.items.order(tap.path, total // fold, total)
                by = cotangent.new_zeros(total, *cotangent.shape[1:])
                by[rows[place]] = cotangent[own]
                by = by[:, :, : outputs.shape[1]].movedim(1, 0).to(outputs)
                made = _by_parameters(outputs, parameters, by)
                zero = made.new_zeros(fold - 1, *made.shape)
                found.append(torch.cat([made[None], zero]))
            tap.apart = True
        return torch.cat(found)

    def _output(self, batch: Batch) -> Tensor:
        """Run the model; return what the module gave, in its graph."""
        self.reading.recorder.run(moved(batch, device_of(self.reading.model)))
        return self.tap.output()

    def envelopes(self, optimizer: optim.Optimizer | None) -> dict[str, xr.Dataset]:
        """Return how far outputs hang on inputs, and states where they are known."""
        grid, reach, runs = [0, *self.lags], None, []
        cell = known(self.tap.module)
        ratio, totals = RatioSums(1, len(grid)), np.zeros((2, len(grid)))
        rng = np.random.default_rng(stream(self.seed, "anchors"))
        done, longest = 0, int(self.layer.lengths.max()) - 1
        self.progress("envelope", 0.0)
        for sample, batch in zip(self.layer.parts(), self.reading.batches, strict=True):
            with self._leaves():
                outputs = self._output(batch)
                if not all(x.requires_grad for x in self.tap.inputs):
                    none = sensitivity_group(self.lags, None, Reach(), longest)
                    return {"envelope": none}
                norms = Norms(outputs, self.tap.inputs, self.tap.joined, self.seed)
                reach = reach or norms.reach()
                order = self._order(batch, len(outputs))
                lengths, items = (torch.empty_like(sample.item) for _ in "ab")
                lengths[order], items[order] = sample.lengths, sample.item
                at = rng.permutation(np.arange(min(grid[-1], longest), longest + 1))
                found = norms.by_lag(at[:ANCHORS].tolist(), grid, lengths)
                if cell is not None:
                    runs.append(_run(cell.cell, self.tap, outputs, items))
            sums, number = (values[order.numpy()] for values in found)
            ratio.add(sums[:, None], number, done + sample.item)
            totals += np.stack([sums.sum(axis=0), number.sum(axis=0)])
            done += len(sample)
            self.progress("envelope", done / len(self.layer))
        mean = totals[0] / np.where(totals[1] > 0, totals[1], np.nan)
        own = sensitivity_group(self.lags, (mean, ratio), reach or Reach(), longest)
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
        items = self.reading.recorder.items
        return items.order(self.tap.path, items.count(batch), rows)

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


@contextmanager
def _free(module: nn.Module) -> Iterator[list[nn.Parameter]]:
    """Yield the parameters of a module that are trained; all where none is."""
    every = [p for p in module.parameters() if p.is_floating_point()]
    if not every:
        raise Refusal(
            f"{type(module).__name__} has no parameters, so the loss has no gradient "
            "by it; name a module that has some"
        )
    trained = [p for p in every if p.requires_grad]
    for p in every:
        p.requires_grad_(p in set(trained) or not trained)
    try:
        yield trained or every
    finally:
        for p in every:
            p.requires_grad_(p in set(trained))


def _by_parameters(
    outputs: Float[Tensor, "sequence step feature"],
    parameters: list[nn.Parameter],
    cotangent: Float[Tensor, "row sequence step feature"],
) -> Float[Tensor, "row place"]:
    """Return the gradients of all rows, flat, or a sketch of them."""

    def grad(by: Tensor, batched: bool) -> list[Tensor | None]:
        return list(
            torch.autograd.grad(
                outputs,
                parameters,
                by,
                retain_graph=True,
                allow_unused=True,
                is_grads_batched=batched,
            )
        )

    try:
        found = grad(cotangent, True)
    except RuntimeError:  # an operation that knows no batches of cotangents
        each = [grad(by, False) for by in cotangent]
        found = [
            None if parts[0] is None else torch.stack(parts)  # pyright: ignore
            for parts in zip(*each, strict=True)
        ]
    rows = [
        p.new_zeros(len(cotangent), p.numel()) if g is None else g.reshape(len(g), -1)
        for p, g in zip(parameters, found, strict=True)
    ]
    return sketched(torch.cat(rows, dim=1).detach().cpu())


def sketched(rows: Float[Tensor, "row place"]) -> Float[Tensor, "row sum"]:
    """Return shorter vectors with the same products, about.

    Each number is added, with a random sign, to one of `SKETCH` sums.

    Source: Charikar, Chen and Farach-Colton 2002, the count sketch.
    """
    size = rows.shape[1]
    if size <= SKETCH:
        return rows
    generator = torch.Generator().manual_seed(0)
    place = torch.randint(0, SKETCH, (size,), generator=generator)
    sign = torch.randint(0, 2, (size,), generator=generator) * 2 - 1
    return rows.new_zeros(len(rows), SKETCH).index_add(1, place, rows * sign)
