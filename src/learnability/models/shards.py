"""A reading split into shards of whole batches, which other processes read.

What is asked of a layer is a sum over its sequences or a row for each
(`evidence.pieces`): a process runs the model on the batches of a shard, does the work
with them and gives what it made. Model and data travel with each task.
"""

from collections.abc import Callable, Iterable, Iterator
from copy import copy
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate
from threading import Lock
from typing import Any, final
from uuid import uuid4

from ..compiled.engine import using_threads
from ..evidence.pieces import first_of
from .batches import Batch
from .module_tap import ModuleTap
from .quiet import kept_random_states, no_half_precision, quiet, uncompiled
from .refusal import UnsupportedModelError, first_line
from .workers import Workers, check_pickles, pickled, process_name, unpickled

BATCHES = 16  # of a shard, at most
EACH = 4  # shards for each process, at least: the last one to end is waited for

Tell = Callable[[float], None]
_alone = Lock()  # random states and threads are those of a process
_readings: dict[int, Any] = {}  # that this process keeps, by shard
_of: list[str] = [""]  # what they are shards of


@final
@dataclass(frozen=True)
class Split:
    """A reading in shards.

    Attributes:
        workers: who reads them.
        reading: the reading without its batches, as bytes.
        batches: of each shard, with the samples of their items.
        name: of the reading.
        memory: bytes that a process may keep of what the model did.
    """

    workers: Workers
    reading: bytes
    batches: list[tuple[list[Batch], list[Any]]]
    name: str
    memory: float

    @property
    def samples(self) -> list[int]:
        """Return how many samples each shard holds."""
        return [sum(int(n[-1]) + 1 for n in of) for _, of in self.batches]

    def over(
        self, work: Callable[..., Any], own: Iterable[Iterable[Any]], tell: Tell
    ) -> Iterator[Any]:
        """Yield what a work makes of each shard's reading, as far as arguments reach.

        Args:
            work: called with the reading of a shard and its own of each argument.
            own: arguments, at least one of them as long as there are shards to read.
            tell: called with the share that is done.
        """
        told, every = pickled(work), list(zip(*own, strict=False))
        tasks = [
            ((self.name, k), partial(self._arguments, k, told, mine))
            for k, mine in enumerate(every)
        ]
        for done, made in enumerate(self.workers.each(read_shard, tasks)):
            tell((done + 1) / len(tasks))
            yield unpickled(made)

    def _arguments(self, number: int, work: bytes, own: tuple[Any, ...]) -> tuple:
        data = pickled((self.batches[number], own))
        return self.name, number, self.memory, self.reading, data, work


def split(reading: Any, workers: Workers | None) -> Split | None:
    """Return a reading in shards.

    None without workers, of a single batch, and of a module without a known equation,
    which is measured together with its batches.

    Args:
        reading: a `Reading`.
        workers: who reads them.

    Raises:
        ValueError: if the model, the loss or the lengths cannot be pickled.
    """
    recorder = reading.recorder
    alone = any(isinstance(tap, ModuleTap) for tap in recorder.taps)
    if workers is None or alone or len(reading.batches) < 2:
        return None
    for tap in recorder.taps:
        tap.clear()  # what it saw last hangs together with a graph
    check_pickles("the loss", recorder.loss)
    check_pickles("lengths", recorder.lengths)
    check_pickles("the model", recorder.model)
    told = copy(reading)
    told.batches, told.numbers, told.kept, told.split = [], [], [], None
    told.recorder = replace(recorder, tracks={}, _kept=None)
    size = -(-len(reading.batches) // (EACH * (workers.count or BATCHES)))
    size = min(max(1, size), BATCHES)
    shards = [
        (reading.batches[k : k + size], reading.numbers[k : k + size])
        for k in range(0, len(reading.batches), size)
    ]
    whole = check_pickles("the model under its taps", told)
    return Split(workers, whole, shards, uuid4().hex, reading.memory)


def read_shard(
    name: str, number: int, memory: float, reading: bytes, data: bytes, work: bytes
) -> tuple[str, bytes]:
    """Do some work with a shard: what a process is asked for.

    Args:
        name: of the reading that it is a shard of.
        number: of the shard.
        memory: bytes that may be kept of what the model did.
        reading: the reading without batches, pickled.
        data: batches, samples of their items, further arguments, pickled.
        work: what to do with the shard's reading, pickled.

    Returns:
        The name of this process and what was made, pickled.
    """
    with _alone, using_threads(1), kept_random_states(), uncompiled():
        try:
            (batches, numbers), own = unpickled(data)
            of_shard = _reading(name, number, memory, reading)
            task = unpickled(work)
        except (AttributeError, ImportError) as error:
            raise UnsupportedModelError(
                f"a process of the executor cannot load what it is handed "
                f"({first_line(error)}); put the model, the loss and lengths into a "
                "module that it can import"
            ) from error
        of_shard.batches, of_shard.numbers = batches, numbers
        with quiet(of_shard.model), no_half_precision(of_shard.single):
            made = task(of_shard, *own)
        return process_name(), pickled(made)


def _reading(name: str, number: int, memory: float, reading: bytes) -> Any:
    """Return the reading of a shard that this process keeps, or another one.

    Those of another reading are let go. What the model did on all of them together is
    kept as far as there is memory.
    """
    if _of[0] != name:
        _readings.clear()
        _of[0] = name
    if number not in _readings:
        _readings[number] = unpickled(reading)
    others = sum(one.held for k, one in _readings.items() if k != number)
    _readings[number].memory = max(0.0, memory - others)
    return _readings[number]


@final
@dataclass(frozen=True)
class Pieces:
    """The sequences of one layer in the shards of a reading.

    Attributes:
        split: the reading.
        layer: the layer's name.
        counts: how many samples of each shard are looked at; shards behind them none.
    """

    split: Split
    layer: str
    counts: list[int]

    def first(self, count: int) -> "Pieces":
        """Return the pieces of the first samples alone."""
        before = accumulate(self.counts, initial=0)
        left = (count - k for k in before)
        kept = [min(k, own) for k, own in zip(left, self.counts, strict=False) if k > 0]
        return replace(self, counts=kept)

    def over(
        self, work: Callable[..., Any], own: Iterable[Iterable[Any]], tell: Tell
    ) -> Iterator[Any]:
        """Yield what a work makes of each piece; see `evidence.pieces.Over`."""
        return self.split.over(_OfLayer(self.layer, work), [self.counts, *own], tell)


@final
@dataclass(frozen=True)
class _OfLayer:
    """Work with one layer of a shard's reading."""

    layer: str
    work: Callable[..., Any]

    def __call__(self, reading: Any, count: int, *own: Any) -> Any:
        parts = first_of(reading.parts_of(self.layer), count)
        return self.work(parts, *own)
