"""The composition: any PyTorch model and data go in, a diagnosis a layer comes out."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib.metadata import version
from numbers import Integral
from typing import Any, final

import torch
import xarray as xr
from jaxtyping import Float
from torch import Tensor, nn, optim

from ..diagnosis import Diagnosis, Measures, Progress
from ..grid import checked_lags
from ..randomness import stream
from ..transport.ragged import RaggedWindows
from ..unroll import Network
from .batches import batches, device_of
from .convert import check_values
from .diagnoses import Diagnoses
from .exponents import exponent_group
from .measure import FEWEST_SEQUENCES, Effort, Work
from .null import Null
from .quiet import kept_random_states
from .record import Batch, Lengths, Loss, Recorder
from .refusal import Refusal
from .replay import Trace, Track
from .sample import Sample, joined
from .taps import taps_of
from .trees import moved


@kept_random_states()
def diagnose(
    model: nn.Module,
    data: Any,
    loss: Loss,
    lags: Iterable[int],
    *,
    layers: Iterable[str] | None = None,
    lengths: Lengths | None = None,
    direction: Float[Tensor, "input"] | None = None,
    optimizer: optim.Optimizer | None = None,
    measures: Measures | None = None,
    effort: Effort | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Diagnoses:
    """Diagnose every recurrent layer of a PyTorch model as it is.

    The model runs as in evaluation: dropout is off, statistics stand still. Modes,
    hooks, gradients, buffers and random states are afterwards what they were.

    Args:
        model: holds `torch.nn` RNN, GRU or LSTM, their cells called in a loop, cells of
            this package, or modules with ``step(state, x)`` called as
            ``module(state, x)``.
        data: a tuple of tensors (inputs, ..., targets), sequences first; `Sequences`;
            or what yields such batches. It is walked once; of a loader the first
            batches are what the exact parts look at: let it shuffle.
        loss: of the model's outputs and the targets; a mean or sum over sequences, or
            a value each.
        lags: lags in steps, from 1 to T - 1; a backward layer counts them backward.
        layers: names of modules or of single layers to diagnose; all unless given.
        lengths: gives the steps of each sequence of a batch where sequences are padded
            and not packed.
        direction: u of the probe ``u . x_{t-l}`` of a layer's inputs; None averages
            over the axes of the whitened inputs.
        optimizer: what trains the model, for its base rates.
        measures: how finely to measure.
        effort: how much of the data and how much work the exact parts take.
        seed: of samples, directions and resamples.
        progress: called with the name of a stage and the share of it that is done.

    Returns:
        A diagnosis a recurrence, by name, such as ``gru[layer 0, backward]``.

    Raises:
        ValueError: one sentence that says what the model, the data, the loss or the
            lags have that cannot be diagnosed.

    Example:
        >>> import torch
        >>> gru = torch.nn.GRU(2, 4, batch_first=True)
        >>> x = torch.randn(64, 12, 2, generator=torch.Generator().manual_seed(0))
        >>> def loss(outputs, targets):
        ...     return ((outputs[0].sum(dim=-1) - targets) ** 2).mean()
        >>> found = diagnose(gru, (x, x[..., 0].roll(2, 1)), loss, [1, 2, 4])
        >>> list(found)
        ['model[layer 0, forward]']
    """
    measures, effort = measures or Measures(), effort or Effort()
    job = Job(model, loss, _whole(lags), lengths, layers, effort, seed)
    with job.recorder.attached():
        samples, windows = job.read(data, progress or _silent)
    found, count = {}, len(samples)
    for track in job.tracks():
        sample = samples.pop(track.name)  # or all would stay until the last is done
        chosen = checked_lags(job.lags, int(sample.lengths.max()))
        work = Work(
            track,
            sample,
            chosen,
            seed,
            measures,
            effort,
            _named(progress or _silent, track.name, count),
        )
        found[track.name] = _diagnosis(
            work,
            windows.pop(track.name),
            optimizer,
            direction,
            job.sequences,
            job.measured,
        )
    return Diagnoses(found)


def _silent(stage: str, share: float) -> None:
    del stage, share


def _whole(lags: Iterable[int]) -> list[int]:
    """Give lags as a list of whole numbers."""
    found = list(lags) if isinstance(lags, Iterable) else [lags]
    for lag in found:
        if not isinstance(lag, Integral):
            raise Refusal(
                f"lag {lag!r} is no whole number; give steps, such as 1, 2, 4"
            )
    return [int(lag) for lag in found]


def _named(progress: Progress, name: str, count: int) -> Progress:
    if count == 1:
        return progress
    return lambda stage, share: progress(f"{name}: {stage}", share)


@final
@dataclass
class Job:
    """A model to be read: what of it is diagnosed, and what was read so far."""

    model: nn.Module
    loss: Loss
    lags: list[int]
    lengths: Lengths | None
    layers: Iterable[str] | None
    effort: Effort
    seed: int
    sequences: int = 0
    measured: int = 0
    recorder: Recorder = field(init=False)

    def __post_init__(self) -> None:
        if not self.lags:
            checked_lags(self.lags, 2)
        if not isinstance(self.model, nn.Module):
            raise Refusal(f"the model is {self.model!r}; give an instance of nn.Module")
        one = isinstance(self.layers, str)
        named = [self.layers] if one else self.layers
        self.wanted = None if named is None else [str(name) for name in named]
        taps = taps_of(self.model)
        if not taps:
            raise Refusal(
                f"{type(self.model).__name__} holds no recurrent layer; give a model "
                "with nn.RNN, nn.GRU, nn.LSTM, their cells, or a module with "
                "step(state, x)"
            )
        for tap in taps:
            for name, value in tap.module.named_parameters():
                check_values(f"{name} of {tap.path}", value)
        self.recorder = Recorder(self.model, taps, self.loss, self.lengths)

    def read(
        self, data: Any, progress: Callable[[str, float], None]
    ) -> tuple[dict[str, Sample], dict[str, RaggedWindows]]:
        """Run the model over all data; give samples and sums over windows."""
        device = device_of(self.model)
        walked = (moved(b, device) for b in batches(data, stream(self.seed, "deal")))
        null = Null(self.recorder)
        kept = self._keep(walked, null)
        traces: dict[str, list[Trace]] = {}
        windows: dict[str, RaggedWindows] = {}
        for place, batch in enumerate(kept):
            found = self.recorder.record(batch, null.of(place))
            self._sample(found, traces)
            self._add(found, windows)
            del found  # or it would stay while the next batch runs
            progress("running the model", (place + 1) / (len(kept) + 1))
        for batch in walked:
            if self.measured < self.effort.envelope:
                self._add(self.recorder.forward(batch), windows)
            else:
                self.sequences += len(batch[-1])
        progress("running the model", 1.0)
        samples = {
            track.name: joined(
                track.cell, traces.pop(track.name), self._read_out(track)
            )
            for track in self.tracks()
        }
        return samples, windows

    def _keep(self, walked: Iterable[Batch], null: Null) -> list[Batch]:
        """Take batches until they hold the sequences of the sample."""
        kept, count = [], 0
        for batch in walked:
            kept.append(batch)
            null.add(batch)
            count += self.recorder.count()
            if count >= self.effort.sequences:
                break
        null.centre()
        return kept

    def _sample(
        self, found: dict[str, list[Trace]], traces: dict[str, list[Trace]]
    ) -> None:
        """Keep what the exact parts look at, as far as there is room for it."""
        held = sum(t.nbytes for own in traces.values() for t in own)
        count = sum(len(t.x) for t in next(iter(traces.values()), []))
        if held >= self.effort.memory and count >= FEWEST_SEQUENCES:
            return
        for track, trace in self._chosen(found):
            traces.setdefault(track.name, []).append(trace)

    def _add(
        self, found: dict[str, list[Trace]], windows: dict[str, RaggedWindows]
    ) -> None:
        for track, trace in self._chosen(found):
            if track.name not in windows:
                longest = int(trace.lengths.max())
                checked_lags(self.lags, longest)
                windows[track.name] = RaggedWindows(track.cell, self.lags)
            windows[track.name].add(trace.x, trace.states, trace.lengths)
        count = len(next(iter(found.values()))[0].x)
        self.sequences += count
        self.measured += count

    def _chosen(self, found: dict[str, list[Trace]]) -> Iterable[tuple[Track, Trace]]:
        names = {track.name for track in self.tracks()}
        for path, traces in found.items():
            pairs = zip(self.recorder.tracks[path], traces, strict=True)
            yield from (pair for pair in pairs if pair[0].name in names)

    def tracks(self) -> list[Track]:
        """Give the recurrences to diagnose.

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
        """Give the weights of a `Network`'s own read-out, by the state."""
        if not isinstance(self.model, Network):
            return None
        cell = self.model.cell
        weights = torch.zeros(cell.state_size, dtype=self.model.w_out.dtype)
        weights[cell.output] = self.model.w_out.detach().cpu()
        return weights


def _diagnosis(
    work: Work,
    windows: RaggedWindows,
    optimizer: optim.Optimizer | None,
    direction: Tensor | None,
    sequences: int,
    measured: int,
) -> Diagnosis:
    try:
        groups = {"detection": work.detection(direction)}
        groups |= work.envelopes(windows, optimizer)
        groups["evidence"] = work.evidence()
        groups["lyapunov"] = exponent_group(work.sample)
    except ValueError as error:
        raise Refusal(f"{work.track.name}: {error}") from error
    cell, sample = work.sample.cell, work.sample
    attributes = {
        "title": "learnability diagnosis",
        "learnability": version("learnability"),
        "torch": str(torch.__version__),
        "layer": work.track.name,
        "direction": "backward" if work.track.backward else "forward",
        "cell": type(cell).__name__,
        "layernorm": int(cell.layernorm),
        "units": cell.units,
        "inputs": cell.inputs,
        "sequences": sequences,
        "measured": measured,
        "sample": len(sample),
        "steps": sample.x.shape[1],
        "seed": work.seed,
        "measures": work.measures.model_dump_json(),
        "effort": work.effort.model_dump_json(),
    }
    order = ("envelope", "effective", "time_scales", "lyapunov", "evidence")
    order = (*order, "detection")
    kept = {name: groups[name] for name in order if name in groups}
    root = xr.Dataset(attrs=attributes)
    return Diagnosis(xr.DataTree.from_dict({"/": root, **kept}))
