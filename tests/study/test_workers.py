"""Runs in other processes: pools, a real Dask cluster, workers that are killed."""

import os
import signal
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Event

import pytest
import torch
from threadpoolctl import threadpool_info

from learnability.compiled import using_threads
from learnability.study import Store, processes, run_study
from learnability.study.folder import RunFolder
from learnability.study.pool import Pool, dask_pool, execute_in
from learnability.study.sweep import Request, execute
from tests.study.children import grid
from tests.study.small import Watcher, contents

# One more than the workers: it waits while one of them is killed.
SETTINGS = grid(["GRU"], seeds=[1, 2, 3], epochs=6)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("alone"))
    run_study(SETTINGS, store, Watcher())
    return contents(store)


def die_in_training(call, work, request):
    """Do a run in a worker that dies at the first checkpoint of the whole study."""
    save, died = RunFolder.save_checkpoint, Path(request.folder, "died")

    def saved(folder, key, record):
        save(folder, key, record)
        if not died.exists():
            died.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    RunFolder.save_checkpoint = saved
    try:
        return call(work, request)
    finally:
        RunFolder.save_checkpoint = save


def dying(pool: Pool) -> Pool:
    """Give a pool of which one worker dies."""
    return replace(pool, call=partial(die_in_training, pool.call))


@pytest.mark.slow
def test_a_pool_survives_the_death_of_a_worker(alone, tmp_path):
    watcher, pool = Watcher(), dying(processes(2))
    run_study(SETTINGS, Store(tmp_path), watcher, pool=pool, every=0.0)
    assert (tmp_path / "died").exists()
    assert any("a worker was killed" in said for said in watcher.said)
    assert {outcome.label for outcome in watcher.outcomes} == {
        SETTINGS.label(run) for run in SETTINGS.runs()
    }
    assert contents(Store(tmp_path)) == alone


@pytest.mark.slow
def test_a_cluster_survives_the_death_of_a_worker(alone, tmp_path):
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**options) as cluster:
        pool = dying(dask_pool(cluster.scheduler_address))
        watcher = Watcher()
        run_study(SETTINGS, Store(tmp_path), watcher, pool=pool, every=0.0)
    assert (tmp_path / "died").exists()
    assert len(watcher.outcomes) == len(SETTINGS.runs())
    assert contents(Store(tmp_path)) == alone


def test_no_profile_holds_on_to_what_a_cluster_writes(tmp_path):
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": None}
    with (
        distributed.LocalCluster(**options) as cluster,
        distributed.Client(cluster) as client,
    ):
        assert list(client.run(profiled).values()) == [True]
        settings = grid(["GRU"], seeds=[1], epochs=1)
        pool = dask_pool(cluster.scheduler_address)
        run_study(settings, Store(tmp_path), Watcher(), pool=pool)
        assert list(client.run(profiled).values()) == [False]


def profiled(dask_worker) -> bool:
    """Tell whether a worker is being profiled."""
    return dask_worker.periodic_callbacks["profile"].is_running()


PARTS = {name: name for name in ("first", "bad", "last")}


class Crowd:
    """Work of which "bad" kills its worker, and with it the pool of two in work.

    Args:
        greedy: whether it does so only while another part is in work.
    """

    def __init__(self, *, greedy: bool) -> None:
        self.greedy, self.met = greedy, Event()

    def __call__(self, name: str) -> str:
        if name == "first" and not self.met.is_set():
            self.met.wait()
            raise BrokenProcessPool("another worker died")
        if name == "bad" and not (self.greedy and self.met.is_set()):
            self.met.set()
            raise BrokenProcessPool("my worker died")
        return name


def pair() -> Pool:
    """Give a pool in which two parts are in work at a time."""
    return Pool(lambda: ThreadPoolExecutor(2), at_once=2)


def blamed(pool: Pool, work) -> tuple[list[str], str, list[str]]:
    """Give the parts that are done, what is said in the end, and on the way."""
    done, said = [], []
    with pytest.raises(ValueError, match="was killed twice") as caught:
        done.extend(execute_in(pool, work, PARTS, said.append))
    return sorted(done), str(caught.value), sorted(said)


def test_only_that_whose_worker_dies_again_is_blamed():
    done, error, said = blamed(pair(), Crowd(greedy=False))
    assert done == ["first", "last"]
    assert error.startswith("the worker of bad was killed twice, the second time while")
    assert said == [
        f"a worker was killed; {label} goes on by itself" for label in ("bad", "first")
    ]


def test_what_only_fails_together_is_done_one_by_one():
    said = []
    done = execute_in(pair(), Crowd(greedy=True), PARTS, said.append)
    assert sorted(done) == ["bad", "first", "last"]
    assert len(said) == 2


class Deserted(ThreadPoolExecutor):
    """An executor whose scheduler goes while something is in work."""

    def submit(self, *_):
        future = Future()
        future.cancel()
        future.set_running_or_notify_cancel()
        return future


def test_a_scheduler_that_goes_away_ends_in_one_sentence():
    with pytest.raises(ValueError, match=r"scheduler is gone.* what is done is kept"):
        list(execute_in(Pool(Deserted, 2), str, PARTS, print))


def die_where_bad(name: str) -> str:
    """Be killed, every time."""
    if name == "bad":
        os.kill(os.getpid(), signal.SIGKILL)
    return name


@pytest.mark.slow
def test_a_cluster_names_the_run_that_kills_its_workers():
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with (
        distributed.dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        distributed.LocalCluster(**options) as cluster,
    ):
        pool = dask_pool(cluster.scheduler_address)
        done, error, _ = blamed(pool, die_where_bad)
    assert done == ["first", "last"]
    assert error.startswith("the worker of bad was killed twice")


@pytest.mark.parametrize(
    ("mine", "workers", "asked", "each"),
    [(8, 2, None, 4), (8, 3, None, 2), (1, 2, None, 1), (1, 2, 5, 5), (8, 1, 3, 3)],
)
def test_workers_share_the_threads_that_the_user_gave(mine, workers, asked, each):
    pytest.importorskip("distributed")
    with using_threads(mine):
        for pool in (processes(workers, asked), dask_pool(f"local:{workers}", asked)):
            assert pool.threads == each


def test_a_run_has_its_threads_and_leaves_those_of_its_process(tmp_path):
    (run,) = grid(["GRU"], seeds=[1], epochs=1).runs()
    seen, blas, before = set(), set(), torch.get_num_threads()

    def progress(stage, share):
        seen.add(torch.get_num_threads())
        found = threadpool_info()
        blas.update(a["num_threads"] for a in found if a["user_api"] == "blas")

    for place, threads in enumerate((None, before + 2)):
        request = Request(str(tmp_path / str(place)), "GRU", run, threads=threads)
        execute(request, progress)
        assert seen == {threads or before}
        assert torch.get_num_threads() == before
        assert blas == {1}  # decompositions are small
        seen.clear()


def test_no_threads_can_do_nothing():
    for wrong in (0, -1):
        with pytest.raises(ValueError, match="threads can do nothing; give at least 1"):
            processes(2, wrong)


def test_wrong_clusters_get_one_sentence():
    with pytest.raises(ValueError, match="names no number of workers"):
        dask_pool("local:x")
    with pytest.raises(ValueError, match="is no address"):
        dask_pool("somewhere")
    with pytest.raises(ValueError, match="give at least 1"):
        processes(0)
