"""A model read on its data: what each recurrence did, as often as it is asked for."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Any, final

import torch
from jaxtyping import Int
from torch import Tensor, nn
from torch.nn import functional

from ..evidence.sample import Sample
from ..randomness import stream, torch_generator
from ..unroll import Network
from .batches import batches, device_of, parts, whole
from .convert import check_values
from .dealing import SHARED_BY, by_step, part_of_sequences, present, targets_part
from .items import Items, axes_along
from .quiet import kept_random_states
from .record import Batch, Lengths, Loss, Recorder
from .refusal import Refusal
from .replay import Trace, Track
from .taps import taps_of
from .trees import Place, moved

LOOKED_AT = 256  # whole sequences among which some with other targets are looked for
FEW = 8  # items of a first batch; fewer are put together with those of the next

Progress = Callable[[str, float], None]


def silent(stage: str, share: float) -> None:
    """Take notice of a stage and say nothing."""
    del stage, share


@final
@dataclass(frozen=True)
class Layer:
    """One recurrence of a model on some sequences.

    Attributes:
        track: the recurrence.
        lengths: steps of each sequence.
        parts: gives the sequences with what the loss asks of them, some at a time.
        fold: sequences of each item of the data.
    """

    track: Track
    lengths: Int[Tensor, "sequence"]
    parts: Callable[[], Iterable[Sample]]
    fold: int = 1

    def __len__(self) -> int:
        return len(self.lengths) // self.fold

    def first(self, count: int) -> "Layer":
        """Return the layer on the first items alone."""
        if count >= len(self):
            return self

        def parts() -> Iterator[Sample]:
            left = count
            for sample in self.parts():
                yield sample.part(slice(0, left)) if len(sample) > left else sample
                left -= len(sample)
                if left <= 0:
                    return

        return replace(self, lengths=self.lengths[: count * self.fold], parts=parts)


@final
class Reading:
    """A model under taps, and the batches that it is read on.

    What all recurrences did on all sequences is kept if it fits into some memory;
    otherwise the model runs again each time it is asked for.

    Args:
        model: any module with recurrent layers.
        loss: of outputs and targets.
        data: what yields batches, or whole tensors.
        lengths: gives the steps of each sequence of a batch.
        layers: names of modules or of single recurrences; all unless given.
        targets: places of the targets in a batch; found by trying unless given.
        sequences: to read, about; what comes after them is counted.
        memory: bytes that may be kept.
        seed: of the choice of sequences.

    Attributes:
        given: how many sequences the data hold.
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
        sequences: int,
        memory: float,
        seed: int,
    ) -> None:
        self.model, self.memory = model, memory
        named = [layers] if isinstance(layers, str) else layers
        self.wanted = None if named is None else [str(name) for name in named]
        self.recorder = _recorder(model, loss, lengths)
        with self.recorder.attached():
            self.batches, self.given = self._taken(
                data, sequences, _places(targets), seed
            )
        self._kept: dict[str, list[Sample]] | None = None

    def _taken(
        self, data: Any, sequences: int, targets: set[Place] | None, seed: int
    ) -> tuple[list[Batch], int]:
        """Take parts until they hold the sequences; count the others."""
        together, device, ask = whole(data), device_of(self.model), self.recorder.ask
        if together is not None:
            ask(moved(tuple(p[:LOOKED_AT] for p in together), device), (0,), targets)
            count = len(together[0])
            chosen = torch.arange(count)
            if count > sequences:
                generator = torch_generator(stream(seed, "deal"))
                chosen = torch.randperm(count, generator=generator)[:sequences]
            some = self.recorder.items.take(together, chosen.sort().values)
            if self.recorder.fixed is not None:
                return [some], count
            return list(parts([some], self.recorder.items)), count
        walked = batches(data)
        first = next(walked)
        axis = self.recorder.axis(moved(first, device), (0, 1))
        first, walked = _several(first, walked, axis)
        ask(moved(first, device), (axis,), targets)
        items, counts, taken = self.recorder.items, [], []

        def counted() -> Iterator[Batch]:
            for batch in chain([first], walked):
                counts.append(items.count(batch))
                yield batch

        stream_ = counted()
        fixed = self.recorder.fixed is not None
        for part in stream_ if fixed else parts(stream_, items):
            taken.append(part)
            if sum(items.count(p) for p in taken) >= sequences:
                break
        for _ in stream_:
            pass
        return taken, sum(counts)

    def layers(self, progress: Progress = silent) -> list[Layer]:
        """Return the recurrences to diagnose, the model run once over all batches.

        Args:
            progress: called with the name of a stage and the share of it that is done.

        Raises:
            ValueError: if a wanted name is none of them.
        """
        kept: dict[str, list[Sample]] = {}
        lengths: dict[str, list[Tensor]] = {}
        folds: dict[str, int] = {}
        held, left = 0, set()
        for place, samples in enumerate(self._samples()):
            for name, sample in samples.items():
                lengths.setdefault(name, []).append(sample.lengths)
                kept.setdefault(name, []).append(sample)
                held += sample.nbytes
                folds[name] = sample.fold
                if sample.target.any() or not sample.delta.any():
                    left.add(name)
            if held > self.memory:
                kept.clear()
            progress("running the model", (place + 1) / len(self.batches))
        for name in folds.keys() - left:
            raise Refusal(
                f"{name}: nothing of the targets is left of what the loss asks; give "
                f"batches in which at least {SHARED_BY} sequences have a target at the "
                "same step, or leave the layer out with layers=[...]"
            )
        self._kept = kept if held <= self.memory else None
        return [
            Layer(
                track,
                torch.cat(lengths[track.name]),
                self._parts_of(track.name),
                folds[track.name],
            )
            for track in self.tracks()
        ]

    def _parts_of(self, name: str) -> Callable[[], Iterable[Sample]]:
        def parts() -> Iterable[Sample]:
            if self._kept is not None:
                return self._kept[name]
            return (samples[name] for samples in self._samples())

        return parts

    @kept_random_states()
    def _run(self, batch: Batch) -> tuple[dict[str, list[Trace]], list[int]]:
        with self.recorder.attached():
            return self.recorder.record(moved(batch, device_of(self.model)))

    def _samples(self) -> Iterator[dict[str, Sample]]:
        """Run the model over all batches; yield the recurrences to diagnose by name."""
        for batch in self.batches:
            found, moves = self._run(batch)
            chosen = {track.name for track in self.tracks()}
            yield {
                track.name: self._sample(track, path, trace, moves, batch)
                for path, traces in found.items()
                for track, trace in zip(self.recorder.tracks[path], traces, strict=True)
                if track.name in chosen
            }

    def _sample(
        self, track: Track, path: str, trace: Trace, moves: list[int], batch: Batch
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
            track.cell,
            x,
            states,
            lengths,
            delta,
            target.flatten(0, 1),
            looks.flatten(0, 1),
            self._read_out(track),
            fold,
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
            if name not in named:
                raise Refusal(
                    f"there is no recurrent layer {name!r}; the model called "
                    f"{', '.join(named)}"
                )
        wanted = {track.name for name in self.wanted for track in named[name]}
        return [track for track in every if track.name in wanted]

    def _read_out(self, track: Track) -> Tensor | None:
        """Return the weights of a `Network`'s own read-out, by the state."""
        if not isinstance(self.model, Network):
            return None
        weights = torch.zeros(track.cell.state_size, dtype=self.model.w_out.dtype)
        weights[track.cell.output] = self.model.w_out.detach().cpu()
        return weights


def _places(targets: Iterable[Any] | int | None) -> set[Place] | None:
    if targets is None:
        return None
    named = [targets] if isinstance(targets, int | str) else targets
    return {t if isinstance(t, tuple) else (t,) for t in named}


def _several(
    first: Batch, walked: Iterator[Batch], axis: int
) -> tuple[Batch, Iterator[Batch]]:
    """Return the first batch, put together with others while its items are few."""
    items = Items(axes_along(first, axis) or {})
    while items.axes and items.count(first) < FEW:
        other = next(walked, None)
        if other is None:
            break
        both = items.together(first, other)
        if both is None:
            return first, chain([other], walked)
        first = both
    return first, walked


def _recorder(model: nn.Module, loss: Loss, lengths: Lengths | None) -> Recorder:
    if not isinstance(model, nn.Module):
        raise Refusal(f"the model is {model!r}; give an instance of nn.Module")
    taps = taps_of(model)
    if not taps:
        raise Refusal(
            f"{type(model).__name__} holds no recurrent layer; give a model with "
            "nn.RNN, nn.GRU, nn.LSTM, their cells, or a module with step(state, x)"
        )
    for name, value in model.named_parameters():
        if not torch.isfinite(value).all():
            raise Refusal(
                f"the weights {name} are not finite; go back to a checkpoint before "
                "they diverged"
            )
    for tap in taps:
        for name, value in tap.module.named_parameters():
            check_values(f"{name} of {tap.path}", value)
    return Recorder(model, taps, loss, lengths)


def joined(samples: Iterable[Sample], count: int | None = None) -> Sample:
    """Return samples one behind the other, the first of them if so many are enough.

    Args:
        samples: of one recurrence.
        count: how many samples to take; all unless given.
    """
    parts = list(islice(samples, count))
    steps = max(part.x.shape[1] for part in parts)

    def padded(values: Tensor) -> Tensor:
        flat = (0,) * (2 * (values.ndim - 2))
        return functional.pad(values, (*flat, 0, steps - values.shape[1]))

    names = ("x", "states", "delta", "target", "looks")
    whole = {n: torch.cat([padded(getattr(p, n)) for p in parts]) for n in names}
    lengths = torch.cat([part.lengths for part in parts])
    return replace(parts[0], lengths=lengths, **whole)
