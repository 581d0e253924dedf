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
from torch import Tensor, nn

from ..detection.dependence import strongest
from ..evidence.probe import ProbeStatistics, shifted, summed_up
from ..evidence.sample import Sample
from ..evidence.statistics import Chunk, SequenceGradients
from ..fitting import Measures
from ..groups import sensitivity_group
from ..randomness import stream
from ..transport.clusters import RatioSums
from .batches import Batch, device_of
from .measure import Effort, thinned
from .module_tap import ModuleTap
from .probing import Probes, along, dependencies, probes
from .reading import Layer, Progress, Reading, silent
from .refusal import Refusal
from .trees import moved

SEQUENCES = 128  # whose gradients are made, each by a run of the model
LAGS = 16  # at which they are made, at most
SKETCH = 2**14  # numbers that stand for a gradient of more: products err by under 1 %
ANCHORS, COTANGENTS = 6, 4  # steps and random directions of the envelope
REACHED = 1e-12  # of the largest derivative: less is none


@final
@dataclass(frozen=True)
class ModuleMeasurement:
    """One module of a model, and a method for each thing that is measured of it.

    Attributes:
        reading: the model, read with a tap on this module alone.
        layer: the module on its sequences.
        lags: in steps, ascending.
        seed: of random directions.
        measures: how finely to measure.
        effort: how much work to take.
        progress: called with the name of a stage and the share of it that is done.
    """

    reading: Reading
    layer: Layer
    lags: list[int]
    seed: int
    measures: Measures
    effort: Effort
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
            inputs=self.effort.probes,
            outputs=self.effort.axes,
            direction=direction,
        )
        target = dependencies(layer, chosen, [0, *self.lags])
        if chosen.pairs > 1:
            found = strongest(target[1:], self.measures.error / 2)[1]
            chosen = along(chosen, found)
        lags = thinned(self.lags, LAGS)
        made = self._made(chosen, lags)
        return summed_up(
            made, lags, target, [0, *self.lags], chosen.left, lambda share: None
        )

    def coverage(self, statistics: ProbeStatistics) -> dict[str, str | int]:
        """Return on how many sequences and pairs N(l) rests."""
        every = statistics.target.shape[1]
        probe = "all pairs" if every == 1 else "one pair"
        count = statistics.projection.shape[2]
        return {"sequences": count, "probe": probe, "pairs": every}

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
            yield Chunk(slice(0, count), whole[:, :-1][:, place], whole[:, -1])

        return SequenceGradients(count, rows - 1, size, whole.dtype, chunks)

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

    def envelope(self) -> xr.Dataset:
        """Return how far outputs hang on inputs, with intervals over samples."""
        tap, recorder = self.tap, self.reading.recorder
        grid = [0, *self.lags]
        ratio, totals = RatioSums(1, len(grid)), np.zeros((2, len(grid)))
        ahead, past, done = 0.0, 0, 0
        self.progress("envelope", 0.0)
        for sample, batch in zip(self.layer.parts(), self.reading.batches, strict=True):
            with recorder.attached():
                tap.leaves, tap.apart = True, False
                try:
                    found = self._sensitivities(batch, sample)
                finally:
                    tap.leaves, tap.apart = False, True
            if found is None:
                return sensitivity_group(self.lags, None, 0, 0.0, 0)
            size, own_ahead, own_past = found
            ahead, past = max(ahead, own_ahead), max(past, own_past)
            sums, number = size
            ratio.add(sums[:, None], number, done + sample.item)
            totals += np.stack([sums.sum(axis=0), number.sum(axis=0)])
            done += len(sample)
            self.progress("envelope", done / len(self.layer))
        mean = totals[0] / np.where(totals[1] > 0, totals[1], np.nan)
        longest = int(self.layer.lengths.max()) - 1
        return sensitivity_group(self.lags, (mean, ratio), past, ahead, longest)

    def _sensitivities(
        self, batch: Batch, sample: Sample
    ) -> tuple[tuple[np.ndarray, np.ndarray], float, int] | None:
        """Return sums of norms by sequence and lag, and how far they reach.

        None where the inputs are no numbers to differentiate by.
        """
        tap, recorder = self.tap, self.reading.recorder
        outputs, inputs = self._output(batch), tap.inputs
        if not all(x.requires_grad for x in inputs):
            return None
        count = recorder.items.count(batch)
        order = recorder.items.order(tap.path, count, len(outputs))
        steps = outputs.shape[1]
        generator = torch.Generator().manual_seed(self.seed)
        first = min(self.lags[-1], steps - 1)
        every = np.arange(first, steps)
        rng = np.random.default_rng(stream(self.seed, "anchors"))
        at = rng.permutation(every)[:ANCHORS]  # even ones may all miss a cut
        sums, number = (np.zeros((len(sample.x), len(self.lags) + 1)) for _ in "ab")
        ahead, past = 0.0, 0
        for t in at.tolist():
            square = torch.zeros(len(outputs), steps, dtype=torch.float64)
            for _ in range(COTANGENTS):
                v = torch.randn(
                    len(outputs), outputs.shape[-1], generator=generator
                ).to(outputs)
                total = (outputs[:, t] * v).sum()
                grads = torch.autograd.grad(
                    total, inputs, retain_graph=True, allow_unused=True
                )
                filled = [
                    torch.zeros_like(x) if g is None else g
                    for x, g in zip(inputs, grads, strict=True)
                ]
                square += tap.joined(filled).double().square().sum(dim=-1).cpu()
            norm = (square / COTANGENTS).sqrt()[order].numpy()
            own = (sample.lengths > t).numpy()
            norm = norm * own[:, None]
            limit = REACHED * max(norm.max(), 1e-300)
            reached = np.flatnonzero((norm > limit).any(axis=0))
            if reached.size:
                past = max(past, t - int(reached[0]))
                ahead = max(ahead, float(norm[:, t + 1 :].max(initial=0) / norm.max()))
            for place, lag in enumerate([0, *self.lags]):
                if lag <= t:
                    sums[:, place] += norm[:, t - lag]
                    number[:, place] += own
        return (sums, number), ahead, past


@contextmanager
def _free(module: nn.Module) -> Iterator[list[nn.Parameter]]:
    """Give the parameters of a module that are trained; all where none is."""
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
