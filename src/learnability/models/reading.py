"""A model read on its data: what each recurrence did, as often as it is asked for."""

from collections.abc import Iterable, Iterator
from copy import copy
from dataclasses import replace
from itertools import chain
from typing import Any, final

import torch
from jaxtyping import Int
from torch import Tensor, nn

from ..evidence.pieces import Parts
from ..evidence.sample import Sample
from ..machine import machine_bytes
from ..unroll import Network
from .batches import Batch, device_of
from .dealing import by_step
from .layer import Layer, Progress, silent, unheard
from .layer_taps import taps_of
from .losses import Loss
from .quiet import kept_random_states
from .record import Lengths, Recorder
from .refusal import UnsupportedModelError, checked_model
from .replay import Trace, Track
from .shards import Pieces, Tell, split
from .taking import Groups, taken
from .taps import Tap, check_weights
from .targets_part import SHARED_BY, part_of_sequences, present, targets_part
from .trees import Place, moved
from .workers import Workers

MOST = 0.25  # of the memory that there is, for what a model did


@final
class Reading:
    """A model under taps, and the batches that it is read on.

    What all recurrences did on the first sequences is kept, as many as fit into some
    memory; on the others the model runs again each time they are asked for.

    Args:
        model: any module with recurrent layers.
        loss: of outputs and targets.
        data: what yields batches, or whole tensors.
        lengths: gives the steps of each sequence of a batch.
        layers: names of modules or of single recurrences; all unless given.
        targets: places of the targets in a batch; found by trying unless given.
        groups: a label for each sequence, or gives those of a batch; sequences of one
            label count as one sample. Windows that overlap are found unless given.
        window: steps of the windows that one long series is cut into.
        sequences: to read, about; what comes after them is counted.
        memory: bytes that may be kept, of at most a quarter of what there is.
        seed: of the choice of sequences.
        taps: on what is to be diagnosed; on all recurrent modules unless given.
        workers: read shards of the sequences, too, if they are given.
        single: whether what the model casts to half precision is single there.

    Attributes:
        given: how many sequences the data hold.
        counted: what a sample is: a sequence, or what several of them are.
        batches: that are read; numbers: that of the sample of every item of each.
        kept: what recurrences did on the first batches, by name; held: its bytes.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Loss,
        data: Any,
        *,
        lengths: Lengths | None = None,
        layers: str | Iterable[str] | None = None,
        targets: Any = None,
        groups: Groups | None = None,
        window: int | None = None,
        sequences: int,
        memory: float,
        seed: int,
        taps: list[Tap] | None = None,
        workers: Workers | None = None,
        single: bool = False,
    ) -> None:
        self.model, self.memory = model, min(memory, MOST * machine_bytes())
        named = [layers] if isinstance(layers, str) else layers
        self.wanted = None if named is None else [str(name) for name in named]
        self.recorder = _recorder(model, loss, lengths, taps)
        with self.recorder.attached():
            own = {"groups": groups, "window": window, "targets": _places(targets)}
            found = taken(self.recorder, data, **own, sequences=sequences, seed=seed)
        self.batches, self.numbers, self.given, self.counted = found
        self.kept: list[dict[str, Sample]] = []
        self.held, self.single = 0, single
        self.split = split(self, workers)

    def layers(self, progress: Progress = silent) -> list[Layer]:
        """Return the recurrences to diagnose, the model run once over all batches.

        Args:
            progress: called with the name of a stage and the share of it that is done.

        Raises:
            ValueError: if a wanted name is none of them.
        """
        stage = "running the model"
        progress(stage, 0.0)  # the first batch may compile loops

        def tell(share: float) -> None:
            progress(stage, share)

        if self.split is None:
            every = [seen(self, tell=tell)]
        else:
            next(self.samples())  # says what is wrong, and finds the recurrences
            every = list(self.split.over(seen, [self.split.samples], tell))
        lengths: dict[str, list[Tensor]] = {}
        numbers: dict[str, list[Tensor]] = {}
        left = set()
        for name, (steps, item, asked) in chain.from_iterable(e.items() for e in every):
            lengths.setdefault(name, []).append(steps)
            before = numbers.setdefault(name, [])
            before.append(item + (before[-1][-1] + 1 if before else 0))
            left |= {name} if asked else set()
        for name in numbers.keys() - left:
            raise UnsupportedModelError(
                f"{name}: nothing of the targets is left of what the loss asks; give "
                f"batches in which at least {SHARED_BY} sequences have a target at the "
                "same step, or leave the layer out with layers=[...]"
            )
        return [
            Layer(
                track,
                torch.cat(lengths[track.name]),
                torch.cat(numbers[track.name]),
                self.parts_of(track.name),
                self.split and Pieces(self.split, track.name, self.split.samples),
            )
            for track in self.tracks()
        ]

    def again(self) -> "Reading":
        """Return the model on the same batches, with the weights that it has now."""
        check_weights(self.model, self.recorder.taps)
        other = copy(self)
        # What a recurrence is made into holds the weights that it had.
        other.recorder = replace(self.recorder, tracks={})
        other.kept, other.held = [], 0
        other.split = split(other, self.split and self.split.workers)
        return other

    @property
    def items(self) -> int:
        """Return how many items of the data are read."""
        return sum(len(numbers) for numbers in self.numbers)

    def numbered(self) -> Iterator[tuple[Batch, Int[Tensor, "item"]]]:
        """Yield the batches, each with the number of the sample of every item."""
        before = 0
        for batch, numbers in zip(self.batches, self.numbers, strict=True):
            yield batch, numbers + before
            before += int(numbers[-1]) + 1

    def groups(self, most: int) -> Iterator[tuple[Batch, int]]:
        """Yield the items of neighbouring samples together, and how many they are.

        Args:
            most: how many groups there shall be, about; whole batches are groups where
                the model takes no other number of items.
        """
        samples = [int(numbers[-1]) + 1 for numbers in self.numbers]
        every = zip(self.batches, self.numbers, samples, strict=True)
        for batch, numbers, own in every:
            count = min(own, max(1, round(most * own / sum(samples))))
            if self.recorder.fixed is not None or count == 1:
                yield batch, len(numbers)
                continue
            for group in range(count):
                (chosen,) = torch.where(numbers * count // own == group)
                yield self.recorder.items.take(batch, chosen), len(chosen)

    def parts_of(self, name: str) -> Parts:
        """Return what gives a recurrence's sequences, some at a time."""
        return lambda: (samples[name] for samples in self.samples())

    @kept_random_states()
    def _run(self, batch: Batch) -> tuple[dict[str, list[Trace]], list[int]]:
        with self.recorder.attached():
            return self.recorder.record(moved(batch, device_of(self.model)))

    def samples(self) -> Iterator[dict[str, Sample]]:
        """Yield the recurrences to diagnose by name, on a batch after the other."""
        for place, batch in enumerate(self.batches):
            if place < len(self.kept):
                yield self.kept[place]
                continue
            samples = self._samples(batch, self.numbers[place])
            held = self.held + sum(sample.nbytes for sample in samples.values())
            if place == len(self.kept) and held <= self.memory:
                self.kept.append(samples)
                self.held = held
            yield samples

    def _samples(self, batch: Batch, numbers: Tensor) -> dict[str, Sample]:
        """Run the model; return the recurrences to diagnose by name."""
        found, moves = self._run(batch)
        chosen = {track.name for track in self.tracks()}
        return {
            track.name: self._sample(track, path, trace, moves, batch, numbers)
            for path, traces in found.items()
            for track, trace in zip(self.recorder.tracks[path], traces, strict=True)
            if track.name in chosen
        }

    def _sample(
        self,
        track: Track,
        path: str,
        trace: Trace,
        moves: list[int],
        batch: Batch,
        numbers: Tensor,
    ) -> Sample:
        """Put a layer's sequences in the order of the items; ask for targets' part."""
        count = self.recorder.items.count(batch)
        order = self.recorder.items.order(path, count, len(trace.x))
        lengths, fold = trace.lengths[order], len(order) // count
        own_steps = torch.arange(trace.x.shape[1]) < lengths[:, None]
        values = (trace.x, trace.states, *trace.asked)
        x, states, delta, *others = (
            v[order].masked_fill(~own_steps[..., None], 0.0) for v in values
        )
        by_item = [v.unflatten(0, (count, fold)) for v in (delta, *others)]
        if moves:
            looks = present(by_item[0], by_item[1:], moves)
        else:
            looks = torch.stack([(v != 0).any(dim=-1) for v in by_item]).any(dim=0)
        target = self._targets_part(batch, by_item, moves, looks)
        return Sample(
            track.cell if track.conversion else None,
            x,
            states,
            lengths,
            delta,
            target.flatten(0, 1),
            looks.flatten(0, 1),
            numbers.repeat_interleave(fold),
            self._read_out(track),
        )

    def _targets_part(
        self, batch: Batch, by_item: list[Tensor], moves: list[int], looks: Tensor
    ) -> Tensor:
        own, *others = by_item
        if not others:
            return torch.zeros_like(own)
        recorder, steps = self.recorder, own.shape[2]
        if moves and not by_step(batch, recorder.items, recorder.targets, steps):
            return part_of_sequences(own, others, moves, looks)
        with_own = recorder.linear and not moves
        return targets_part(own, others, moves, looks, with_own=with_own)

    def tracks(self) -> list[Track]:
        """Return the recurrences to diagnose.

        Raises:
            ValueError: if a wanted name is none of them.
        """
        every = [t for tracks in self.recorder.tracks.values() for t in tracks]
        if self.wanted is None:
            return every
        named: dict[str, list[Track]] = {track.name: [track] for track in every}
        for path, tracks in self.recorder.tracks.items():
            named.setdefault(path, tracks)
        for name in self.wanted:
            if name not in named and name.split("[")[0] in named:
                raise UnsupportedModelError(
                    f"there is no layer {name!r}; the model called {', '.join(named)}"
                )
        wanted = {t.name for name in self.wanted for t in named.get(name, [])}
        if not wanted:
            raise UnsupportedModelError(
                f"there is no layer {self.wanted[0]!r}; the model called "
                f"{', '.join(named)}"
            )
        return [track for track in every if track.name in wanted]

    def _read_out(self, track: Track) -> Tensor | None:
        """Return the weights of a `Network`'s own read-out, by the state."""
        if not isinstance(self.model, Network):
            return None
        weights = torch.zeros(track.cell.state_size, dtype=self.model.w_out.dtype)
        weights[track.cell.output] = self.model.w_out.detach().cpu()
        return weights


def seen(
    reading: Reading, count: int | None = None, *, tell: Tell = unheard
) -> dict[str, tuple[Tensor, Tensor, bool]]:
    """Return what is to be known of each recurrence on a reading's batches, by name.

    Args:
        reading: the model on some batches.
        count: of their samples.
        tell: called with the share that is done.

    Returns:
        Steps of each sequence, the number of the sample that it counts for, and
        whether anything of the targets is left in what the loss asks.
    """
    del count  # all are looked at
    found: dict[str, list[tuple[Tensor, Tensor, bool]]] = {}
    before = 0
    for place, samples in enumerate(reading.samples()):
        for name, sample in samples.items():
            asked = bool(sample.target.any() or not sample.delta.any())
            one = sample.lengths, sample.item + before, asked
            found.setdefault(name, []).append(one)
        before += int(reading.numbers[place][-1]) + 1
        tell((place + 1) / len(reading.batches))
    rows = {name: tuple(zip(*own, strict=True)) for name, own in found.items()}
    return {
        name: (torch.cat(lengths), torch.cat(items), any(asked))
        for name, (lengths, items, asked) in rows.items()
    }


def _places(targets: Iterable[Any] | int | None) -> set[Place] | None:
    if targets is None:
        return None
    named = [targets] if isinstance(targets, int | str) else targets
    return {t if isinstance(t, tuple) else (t,) for t in named}


def _recorder(
    model: nn.Module, loss: Loss, lengths: Lengths | None, taps: list[Tap] | None
) -> Recorder:
    taps = taps_of(checked_model(model)) if taps is None else taps
    if not taps:
        raise UnsupportedModelError(
            f"{type(model).__name__} holds no recurrent layer; give a model with "
            "nn.RNN, nn.GRU, nn.LSTM, their cells, or a module with step(state, x)"
        )
    check_weights(model, taps)
    return Recorder(model, taps, loss, lengths)
