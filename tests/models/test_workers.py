"""Tasks in order, to the process that knows them; what travels, and what cannot."""

import os
import pickle
from collections import deque
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from itertools import pairwise
from threading import Event, Timer

import pytest
import torch

from learnability.models.refusal import UnsupportedModelError
from learnability.models.workers import AHEAD, Workers, pickled


def named(*words):
    """Give tasks, each about a shard of its own."""
    return [(word, lambda word=word: (word,)) for word in words]


def test_results_come_in_the_order_of_the_tasks():
    ended = Event()

    def work(name):
        ended.wait() if name == "first" else ended.set()
        return "here", name.encode()

    with ThreadPoolExecutor(3) as executor:
        found = Workers(executor).each(work, named("first", "second", "third"))
        assert list(found) == [b"first", b"second", b"third"]


class Turns(Executor):
    """Processes that are served in turn, whose tasks end when they are asked for."""

    def __init__(self, processes):
        self._max_workers, self.seen = processes, []
        self.idle = deque(range(processes))

    def submit(self, fn, /, *args, **kwargs):
        future, place = Future(), self.idle.popleft()
        self.idle.append(place)
        self.seen.append((args[0], place))
        future.set_result((str(place), fn(*args, **kwargs)[1]))
        return future


def test_a_shard_goes_to_the_process_that_has_it():
    executor = Turns(3)
    workers, tasks = Workers(executor), named(*map(str, range(11)))
    for _ in range(4):
        list(workers.each(lambda name: ("", name.encode()), tasks))
    where = [dict(executor.seen[k : k + 11]) for k in range(0, 44, 11)]
    moved = [sum(a[n] != b[n] for n in a) for a, b in pairwise(where)]
    assert max(moved) <= 2  # what is left at the end goes to whoever is free


class Waiting(Executor):
    """Ends the first task when nothing else has been asked for in a while."""

    def __init__(self, processes):
        self._max_workers, self.before_first = processes, 0
        self.submitted = 0

    def submit(self, fn, /, *args, **kwargs):
        future, made = Future(), fn(*args, **kwargs)
        self.submitted += 1
        if self.submitted > 1:
            future.set_result(made)
            return future

        def end():
            self.before_first = self.submitted
            future.set_result(made)

        Timer(0.2, end).start()
        return future


def test_few_results_wait_for_their_turn():
    """While the first task lasts no more are done than may wait."""
    executor, tasks = Waiting(2), named(*map(str, range(100)))
    found = Workers(executor).each(lambda name: ("", name.encode()), tasks)
    assert [int(one) for one in found] == list(range(100))
    assert executor.before_first <= AHEAD * 2


def die(name):
    """End the process."""
    os._exit(1)


@pytest.mark.slow
def test_a_broken_pool_is_said_in_a_sentence():
    with (
        ProcessPoolExecutor(1) as executor,
        pytest.raises(UnsupportedModelError, match="a process of the executor died"),
    ):
        list(Workers(executor).each(die, named("only")))


def test_what_is_no_executor_is_refused():
    with pytest.raises(UnsupportedModelError, match=r"executor is 2; give one of conc"):
        Workers(2)


def test_a_view_travels_without_what_it_is_a_view_of():
    whole = torch.arange(10**6, dtype=torch.float32).reshape(1000, 1000)
    kinds = [
        whole[3],
        whole[:, 2],
        torch.tensor(1.5),
        torch.tensor([True]),
        torch.tensor([1 + 2j]).conj(),
        torch.tensor([0.5]).bfloat16(),
        torch.nn.Parameter(torch.ones(2)),
    ]
    made = pickled(kinds)
    assert len(made) < 20_000
    for one, other in zip(pickle.loads(made), kinds, strict=True):  # noqa: S301
        assert torch.equal(one, other)
        assert one.requires_grad == other.requires_grad
        assert one.dtype == other.dtype
