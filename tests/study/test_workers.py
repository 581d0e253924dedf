"""Runs in other processes: pools, a real Dask cluster, workers that are killed."""

import multiprocessing
import os
import signal
import threading
import time

import pytest

from learnability.study import Store, processes, run_study
from learnability.study.cluster import dask_pool
from learnability.study.execute import Request, execute
from learnability.study.executors import Pool, execute_in
from tests.study.children import grid
from tests.study.small import Watcher, contents

# One more than the workers: it waits while one of them is killed.
SETTINGS = grid(["GRU"], seeds=[1, 2, 3], epochs=30)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("alone"))
    run_study(SETTINGS, store, Watcher())
    return contents(store)


def kill_in_training(folder, pids) -> threading.Thread:
    """Kill a worker as soon as a training has left a checkpoint."""

    def watch():
        end = time.monotonic() + 120
        while time.monotonic() < end:
            if list(folder.rglob("checkpoint.bin")):
                os.kill(pids()[0], signal.SIGKILL)
                return
            time.sleep(0.005)

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


def test_a_pool_survives_the_death_of_a_worker(alone, tmp_path):
    watcher = Watcher()
    killer = kill_in_training(
        tmp_path, lambda: [c.pid for c in multiprocessing.active_children()]
    )
    run_study(SETTINGS, Store(tmp_path), watcher, pool=processes(2), every=0.0)
    killer.join()
    assert any("a worker was killed" in said for said in watcher.said)
    assert {outcome.label for outcome in watcher.outcomes} == {
        SETTINGS.label(run) for run in SETTINGS.runs()
    }
    assert contents(Store(tmp_path)) == alone


def test_a_cluster_survives_the_death_of_a_worker(alone, tmp_path):
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**options) as cluster:
        killer = kill_in_training(
            tmp_path, lambda: [w.pid for w in cluster.workers.values()]
        )
        pool = dask_pool(cluster.scheduler_address)
        watcher = Watcher()
        run_study(SETTINGS, Store(tmp_path), watcher, pool=pool, every=0.0)
        killer.join()
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


class Broken:
    """An executor whose workers die at once."""

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return False

    def submit(self, call, work, request):
        from concurrent.futures import Future
        from concurrent.futures.process import BrokenProcessPool

        future = Future()
        future.set_exception(BrokenProcessPool("died"))
        return future


def test_a_run_whose_worker_dies_twice_is_named():
    request = Request("nowhere", "GRU", SETTINGS.runs()[0])
    said = []
    with pytest.raises(ValueError, match="worker of GRU was killed twice"):
        list(execute_in(Pool(Broken, 1), execute, {"GRU": request}, said.append))
    assert len(said) == 1


def test_wrong_clusters_get_one_sentence():
    with pytest.raises(ValueError, match="names no number of workers"):
        dask_pool("local:x")
    with pytest.raises(ValueError, match="is no address"):
        dask_pool("somewhere")
    with pytest.raises(ValueError, match="give at least 1"):
        processes(0)
