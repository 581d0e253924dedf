"""Other processes, behind the interface of `concurrent.futures`.

A task is a function of what it is handed alone: a process that is lost costs time and
no number. What a process has made of a shard it may keep. The next task with that shard
goes to it where that can be said (Dask), or is handed over when it is the process that
has waited longest, which pools serve first. Elsewhere all is made again.
"""

import io
import os
import pickle
import platform
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent import futures
from concurrent.futures.process import BrokenProcessPool
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from .refusal import UnsupportedModelError, first_line

AHEAD = 4  # tasks for each process that may be done before their turn
UNKNOWN = 16  # tasks at once, where nobody says how many processes there are
UNPICKLED = (pickle.PicklingError, AttributeError, TypeError, RuntimeError, ValueError)

Task = tuple[Hashable, Callable[[], tuple[Any, ...]]]
"""The shard that it is about, and what gives the arguments when it is handed over."""


@final
class Workers:
    """The processes of an executor.

    Args:
        executor: of `concurrent.futures`, or ``client.get_executor()`` of Dask.

    Raises:
        ValueError: if it is none.
    """

    def __init__(self, executor: Any) -> None:
        if not isinstance(executor, futures.Executor):
            raise UnsupportedModelError(
                f"executor is {executor!r}; give one of concurrent.futures, such as "
                "ProcessPoolExecutor(2), or client.get_executor() of a Dask client"
            )
        self._executor = executor
        client = getattr(executor, "_client", None)
        self._client = client if hasattr(client, "nthreads") else None  # of Dask
        self._where: dict[Hashable, str] = {}
        self._idle: deque[str] = deque()

    @property
    def count(self) -> int | None:
        """Return how many processes there are, None if nobody says it."""
        if self._client is not None:
            return max(1, len(self._client.nthreads()))
        return getattr(self._executor, "_max_workers", None)

    def each(
        self, work: Callable[..., tuple[str, bytes]], tasks: Sequence[Task]
    ) -> Iterator[bytes]:
        """Yield what the work makes of each task, in their order.

        Args:
            work: gives a process's name and what it made.
            tasks: what to do.

        Raises:
            ValueError: as the work, or if the executor's processes are gone.
        """
        left, ready = dict(enumerate(tasks)), {}
        working: dict[futures.Future[tuple[str, bytes]], int] = {}
        turn, count = 0, self.count
        most = UNKNOWN if count is None else count * (1 if self._client is None else 2)
        try:
            while left or working:
                while (
                    len(working) < most
                    and (number := self._next(left, turn, most)) is not None
                ):
                    shard, arguments = left.pop(number)
                    working[self._submit(work, shard, arguments())] = number
                done, _ = futures.wait(working, return_when="FIRST_COMPLETED")
                for future in [one for one in working if one in done]:
                    number = working.pop(future)
                    place, ready[number] = future.result()
                    self._where[tasks[number][0]] = place
                    self._idle.append(place)
                while turn in ready:
                    yield ready.pop(turn)
                    turn += 1
        except futures.CancelledError as error:
            raise UnsupportedModelError(
                "the executor was closed before all was done, or its scheduler is "
                "gone; give one that is there"
            ) from error
        except BrokenProcessPool as error:
            raise UnsupportedModelError(
                "a process of the executor died, and its pool with it, as for lack of "
                "memory; give a new one with fewer processes, or Dask's "
                "client.get_executor(), which goes on with those that are left"
            ) from error
        finally:
            for future in working:
                future.cancel()

    def _next(self, left: dict[int, Task], turn: int, most: int) -> int | None:
        """Return the task to hand over, one that the process knows that waits longest.

        None where there is none that may be done so long before its turn.
        """
        near = [number for number in left if number < turn + AHEAD * most]
        if not near:
            return None
        idle = self._idle.popleft() if self._idle else None
        places = {number: self._where.get(left[number][0]) for number in near}
        known = (number for number in near if places[number] in (idle, None))
        return next(known, near[0])

    def _submit(
        self, work: Callable[..., Any], shard: Hashable, arguments: tuple[Any, ...]
    ) -> futures.Future[tuple[str, bytes]]:
        if self._client is None:
            return self._executor.submit(work, *arguments)
        place = self._where.get(shard)
        told: dict[str, Any] = {"pure": False}
        if place is not None:
            told |= {"workers": [place], "allow_other_workers": True}
        return self._executor.submit(work, *arguments, **told)


def process_name() -> str:
    """Return the name of this process: its address in a Dask cluster, or its number."""
    try:
        from distributed import get_worker

        return str(get_worker().address)
    except (ImportError, ValueError):  # this is no worker of Dask
        return f"{platform.node()} {os.getpid()}"


class _Pickler(pickle.Pickler):
    """Pickles tensors by their own numbers alone, not by those that they are a view of.

    They travel as bytes: PyTorch would hand them over as files that a process which
    dies takes with it.
    """

    def reducer_override(self, obj: Any) -> Any:
        plain = type(obj) is Tensor and obj.layout == torch.strided
        here = plain and obj.device.type == "cpu" and not obj.requires_grad
        if here and obj.dtype is not torch.bfloat16:
            whole = obj.resolve_conj().resolve_neg().contiguous()
            return torch.from_numpy, (whole.numpy(),)
        return NotImplemented


def pickled(thing: Any) -> bytes:
    """Return what other processes make the same thing of."""
    into = io.BytesIO()
    _Pickler(into, pickle.HIGHEST_PROTOCOL).dump(thing)
    return into.getvalue()


def unpickled(told: bytes) -> Any:
    """Return what `pickled` was given, here or in a process that works for this one.

    The bytes come from there, by an executor that pickles what it carries itself.
    """
    return pickle.loads(told)  # noqa: S301


def check_pickles(name: str, thing: Any) -> bytes:
    """Return a user's thing as bytes.

    Args:
        name: what it is.
        thing: the thing.

    Raises:
        ValueError: if it cannot be pickled.
    """
    try:
        return pickle.dumps(thing, pickle.HIGHEST_PROTOCOL)
    except UNPICKLED as error:
        remedy = "define it at the top level of a module, without lambda"
        if isinstance(thing, nn.Module) and any(map(is_parametrized, thing.modules())):
            remedy = (
                "take its parametrizations off (remove_parametrizations of PyTorch)"
            )
        raise UnsupportedModelError(
            f"{name} cannot be handed to other processes ({first_line(error)}); "
            f"{remedy}, or leave executor out"
        ) from error
