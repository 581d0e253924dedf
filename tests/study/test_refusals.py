"""What a study refuses: in one sentence, before anything is written."""

import contextlib
import errno
import os
import socket
import subprocess
import threading

import pytest

from learnability import storage
from learnability.study import (
    Store,
    cost,
    load_settings,
    pool,
    processes,
    run_study,
)
from learnability.study.pool import dask_pool
from learnability.study.sweep import check_device
from tests.study.small import Watcher, small_settings
from tests.test_cli import call

SMALL = small_settings()


def refused(tmp_path, *words: str) -> str:
    """Call the command line; give its sentence after seeing that it left nothing."""
    (tmp_path / "small.toml").write_text(SMALL.to_toml())
    done = call("run", "small.toml", *words, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["small.toml"]
    return done.stderr


@pytest.fixture
def impatient(monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(pool, "START", 0.3)


@pytest.mark.parametrize("place", ["nowhere.invalid:1", "127.0.0.1:1"])
def test_a_scheduler_that_is_not_there(impatient, tmp_path, place):
    said = refused(tmp_path, "--cluster", f"tcp://{place}")
    assert f"no Dask scheduler answers at tcp://{place}" in said
    assert "start one with `dask scheduler`" in said


@pytest.mark.parametrize("answer", [None, b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_something_else_that_answers_is_no_scheduler(impatient, answer):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            other, _ = server.accept()
            with other:
                if answer:
                    other.sendall(answer)
                other.recv(1)
                done.wait()

        done = threading.Event()
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        with pytest.raises(ValueError, match="no Dask scheduler answers"):
            dask_pool(f"tcp://127.0.0.1:{server.getsockname()[1]}")
        done.set()
        thread.join()


@pytest.mark.parametrize(
    "address", ["", ":", "tcp://x", "foo://x:1", "http://x:1", "tcp://x:y", "x:99999"]
)
def test_addresses_that_are_none(address):
    pytest.importorskip("distributed")
    with pytest.raises(ValueError, match=r"is no address; give tcp://HOST:PORT"):
        dask_pool(address)


@pytest.mark.parametrize("device", ["gpu", "meta", "cuda:x", ""])
def test_a_device_that_cannot_be_used(tmp_path, device):
    said = refused(tmp_path, "--device", device)
    assert f"device '{device}' cannot be used" in said
    assert "give one that is there, such as 'cpu'" in said
    assert "cannot be used" in refused(tmp_path, "--device", device, "--workers", "1")
    with pytest.raises(ValueError, match="cannot be used"):
        run_study(SMALL.changed(device=device), Store(tmp_path / "new"), Watcher())
    assert not (tmp_path / "new").exists()


def test_a_device_of_another_machine_is_that_machine_s():
    far = pool.Pool(make=contextlib.nullcontext, at_once=1)  # workers may join it
    check_device(SMALL.changed(device="gpu"), far)


def test_sequences_that_no_memory_holds(tmp_path):
    said = refused(tmp_path, "--sequences", "100000000000")
    assert "100000000000 training sequences take" in said
    assert "make them fewer or smaller" in said
    assert "training sequences" in refused(tmp_path, "--sequences", "9" * 18)
    for workers in (["--workers", "100000"], ["--cluster", "local:100000"]):
        assert "100000 workers do not fit" in refused(tmp_path, *workers)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"diagnosis_sequences": 10**11}, "100000000000 diagnosis sequences"),
        ({"task": {"steps": 10**12}}, "training sequences"),
        ({"task": {"inputs": 10**12}}, "training sequences"),
        ({"networks": [{"cell": "GRU", "units": 10**6}]}, "weights of 1000000 u"),
        ({"options": {"exact_windows": 10**15}}, "exact windows"),
        ({"options": {"anchors": 10**15}}, "anchors"),
        ({"options": {"resamples": 10**15}}, "resamples"),
    ],
)
def test_arrays_that_no_memory_holds(change, named):
    with pytest.raises(ValueError, match=named):
        cost.check_memory(SMALL.changed(**change).runs())


def test_only_memory_that_is_too_small_is_refused(monkeypatch):
    run = load_settings("livi-2026-final").runs()[0]
    # Exactly what its sequences take: a page less is too little.
    drawn = run.training_sequences + run.validation_sequences + run.diagnosis_sequences
    bytes_ = drawn * run.task.steps * (run.task.inputs + 1) * 4
    monkeypatch.setattr(cost, "machine_bytes", lambda: float(bytes_))
    cost.check_memory([run])
    monkeypatch.setattr(cost, "machine_bytes", lambda: float(bytes_ - 4096))
    with pytest.raises(ValueError, match="sequences together"):
        cost.check_memory([run])


def test_workers_that_no_memory_holds():
    with pytest.raises(ValueError, match=r"1000000 workers do not fit .* at most"):
        processes(10**6)
    pytest.importorskip("distributed")
    with pytest.raises(ValueError, match="1000000 workers do not fit"):
        dask_pool("local:1000000")


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EROFS, os.strerror(errno.EROFS)),
        PermissionError(errno.EACCES, os.strerror(errno.EACCES)),
        NotImplementedError("this file system knows no locks"),
    ],
)
def test_a_folder_without_locks_is_named(tmp_path, monkeypatch, error):
    def acquire(lock, **options):
        raise error

    monkeypatch.setattr(storage.FileLock, "acquire", acquire)
    mine = Store(tmp_path).run(SMALL.runs()[0])
    with (
        pytest.raises(ValueError, match=r"cannot be written .* choose another folder"),
        mine.locked(wait=True),
    ):
        pass


@pytest.fixture
def read_only(tmp_path):
    """A study's folder that even root cannot write to."""
    place = tmp_path / "mounted"
    Store(place).begin(SMALL)
    for words in (["--bind", place, place], ["-o", "remount,ro,bind", place]):
        made = subprocess.run(["mount", *words], capture_output=True, check=False)
        if made.returncode:
            pytest.skip("mounting is not allowed here")
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_read_only_folder_is_left_alone(read_only):
    before = sorted(p.name for p in read_only.rglob("*"))
    for words in (["run", "quick"], ["run", "small.toml"]):
        (read_only.parent / "small.toml").write_text(SMALL.to_toml())
        there = ["--output", str(read_only / "new" if "quick" in words else read_only)]
        done = call(*words, *there, cwd=read_only.parent)
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
        assert "cannot be written (Read-only file system)" in done.stderr
    assert sorted(p.name for p in read_only.rglob("*")) == before
