"""A model read on its data: what each recurrence did, as often as it is asked for."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, final

import torch
from jaxtyping import Int
from torch import Tensor, nn
from torch.nn import functional

from ..evidence.sample import Sample
from ..randomness import stream
from ..unroll import Network
from .batches import batches, device_of
from .convert import check_values
from .null import Null
from .quiet import kept_random_states
from .record import Batch, Lengths, Loss, Recorder
from .refusal import Refusal
from .replay import Trace, Track
from .taps import taps_of
from .trees import moved

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
    """

    track: Track
    lengths: Int[Tensor, "sequence"]
    parts: Callable[[], Iterable[Sample]]

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def even(self) -> bool:
        """Whether all sequences are equally long."""
        return bool(self.lengths.min() == self.lengths.max())

    def first(self, count: int) -> "Layer":
        """Return the layer on the first sequences alone."""
        if count >= len(self):
            return self

        def parts() -> Iterator[Sample]:
            left = count
            for sample in self.parts():
                yield sample.part(slice(0, left)) if len(sample) > left else sample
                left -= len(sample)
                if left <= 0:
                    return

        return replace(self, lengths=self.lengths[:count], parts=parts)


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
        sequences: int,
        memory: float,
        seed: int,
    ) -> None:
        self.model, self.memory = model, memory
        self.recorder = _recorder(model, loss, lengths)
        named = [layers] if isinstance(layers, str) else layers
        self.wanted = None if named is None else [str(name) for name in named]
        self.null = Null(self.recorder)
        walked = batches(data, stream(seed, "deal"), sequences)
        self.batches, self.given = self._taken(walked, sequences)
        self._kept: dict[str, list[Sample]] | None = None

    def _taken(
        self, walked: Iterator[Batch], sequences: int
    ) -> tuple[list[Batch], int]:
        """Take batches until they hold the sequences; count the others."""
        taken, count, device = [], 0, device_of(self.model)
        with self.recorder.attached():
            for batch in walked:
                taken.append(moved(batch, device))
                self.null.add(taken[-1])
                count += self.recorder.count()
                if count >= sequences:
                    break
        self.null.centre()
        return taken, count + sum(len(batch[-1]) for batch in walked)

    def layers(self, progress: Progress = silent) -> list[Layer]:
        """Return the recurrences to diagnose, the model run once over all batches.

        Args:
            progress: called with the name of a stage and the share of it that is done.

        Raises:
            ValueError: if a wanted name is none of them.
        """
        kept: dict[str, list[Sample]] = {}
        lengths: dict[str, list[Tensor]] = {}
        held = 0
        for place, samples in enumerate(self._samples()):
            for name, sample in samples.items():
                lengths.setdefault(name, []).append(sample.lengths)
                kept.setdefault(name, []).append(sample)
                held += sample.nbytes
            if held > self.memory:
                kept.clear()
            progress("running the model", (place + 1) / len(self.batches))
        self._kept = kept if held <= self.memory else None
        return [
            Layer(track, torch.cat(lengths[track.name]), self._parts_of(track.name))
            for track in self.tracks()
        ]

    def _parts_of(self, name: str) -> Callable[[], Iterable[Sample]]:
        def parts() -> Iterable[Sample]:
            if self._kept is not None:
                return self._kept[name]
            return (samples[name] for samples in self._samples())

        return parts

    @kept_random_states()
    def _run(self, place: int) -> dict[str, list[Trace]]:
        with self.recorder.attached():
            return self.recorder.record(self.batches[place], self.null.of(place))

    def _samples(self) -> Iterator[dict[str, Sample]]:
        """Run the model over all batches; yield the recurrences to diagnose by name."""
        for place in range(len(self.batches)):
            found = self._run(place)
            chosen = {track.name: track for track in self.tracks()}
            yield {
                track.name: self._sample(track, trace)
                for path, traces in found.items()
                for track, trace in zip(self.recorder.tracks[path], traces, strict=True)
                if track.name in chosen
            }

    def _sample(self, track: Track, trace: Trace) -> Sample:
        after = (torch.arange(trace.x.shape[1]) >= trace.lengths[:, None])[..., None]
        values = (trace.x, trace.states, *trace.asked)
        x, states, delta, target = (v.masked_fill(after, 0.0) for v in values)
        looks = ((delta != 0) | (target != 0)).any(dim=-1)
        read_out = self._read_out(track)
        return Sample(
            track.cell, x, states, trace.lengths, delta, target, looks, read_out
        )

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
