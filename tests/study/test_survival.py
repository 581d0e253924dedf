"""Kills, full disks, flipped bits, two at once: nothing lost, nothing wrong."""

import errno
import os
import shutil

import pytest

from learnability import storage
from learnability.study import Store, run_study
from learnability.study.stages import stage_keys
from tests.study.children import KILLED, child, grid, killed, load_ahead
from tests.study.small import Watcher, contents

SETTINGS = grid(KILLED, seeds=[1])
ONE = grid(KILLED[:1], seeds=[1])
"""The first run of it, where two tell no more."""
STAGES = ["training", "envelope", "evidence", "probe", "verdict", "fit"]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The study left alone, and the bytes of all of its files."""
    load_ahead()
    store = Store(tmp_path_factory.mktemp("alone"))
    run_study(SETTINGS, store, Watcher())
    return store, contents(store)


@pytest.fixture
def first(alone):
    """The bytes of all files of the first run."""
    (run,) = ONE.runs()
    return {k: v for k, v in alone[1].items() if k.startswith(run.identity())}


def again(folder, settings=SETTINGS) -> Watcher:
    watcher = Watcher()
    run_study(settings, Store(folder), watcher)
    return watcher


@pytest.mark.slow
def test_kills_at_random_moments_change_no_byte(alone, tmp_path):
    def whole():
        assert contents(Store(tmp_path)) == alone[1]
        shutil.rmtree(tmp_path / "runs")

    before: dict[str, bytes] = {}
    met = set()
    moments = {"kills": 16, "seed": 3, "latest": 250}
    for _ in killed(str(tmp_path), SETTINGS, **moments, finished=whole):
        left = contents(Store(tmp_path))
        met |= {name.split("/")[1] for name in left.keys() - before.keys()}
        before = left
    # The kills met trainings in work, and stages after them.
    assert {"checkpoint.bin", "training.json", "probe.json"} <= met
    assert contents(Store(tmp_path)) == alone[1]
    assert not list(tmp_path.rglob("*.tmp"))


def test_two_processes_at_once_end_with_the_same_bytes(alone, tmp_path):
    both = [child(str(tmp_path), SETTINGS) for _ in range(2)]
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    assert contents(Store(tmp_path)) == alone[1]


def test_flipped_bits_are_found_and_made_again(first, tmp_path):
    store = Store(tmp_path)
    for name, content in first.items():
        place = len(content) // 2
        flipped = content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :]
        store.write(store.folder / "runs" / name, flipped)
    watcher = again(tmp_path, ONE)
    assert contents(store) == first
    assert sum("checksum" in said or "read" in said for said in watcher.said) >= 4


@pytest.mark.parametrize(
    ("part", "file"),
    [
        ("training", "history.json"),
        ("training", "optimizer.pt"),
        ("probe", "probe.safetensors"),
        ("fit", "fit.nc"),
    ],
)
def test_a_truncated_file_costs_its_stage_alone(alone, tmp_path, part, file):
    store = Store(tmp_path)
    for name, content in alone[1].items():
        whole = None if not name.endswith(file) else -1
        store.write(store.folder / "runs" / name, content[:whole])
    watcher = again(tmp_path)
    assert [outcome.made for outcome in watcher.outcomes] == [(part,)] * 2
    assert contents(store) == alone[1]


def test_a_damaged_checkpoint_begins_again(first, tmp_path):
    store, (run,) = Store(tmp_path), ONE.runs()
    folder = store.run(run)
    folder.save_checkpoint(stage_keys(run)["training"], {"epoch": 1})
    broken = folder.checkpoint_file.read_bytes().replace(b"epoch", b"epoxy")
    store.write(folder.checkpoint_file, broken)
    watcher = again(tmp_path, ONE)
    assert any("training begins again" in said for said in watcher.said)
    assert contents(store) == first


def test_a_kill_at_the_very_end_of_a_run_leaves_no_checkpoint(alone, tmp_path):
    store, (run, *_) = Store(tmp_path), SETTINGS.runs()
    for name, content in alone[1].items():
        store.write(store.folder / "runs" / name, content)
    store.run(run).save_checkpoint(stage_keys(run)["training"], {"epoch": 1})
    with store.run(run).locked(wait=True):
        again(tmp_path)
        assert store.run(run).checkpoint_file.exists()  # another process is at it
    assert again(tmp_path).outcomes == []
    assert contents(store) == alone[1]


def test_a_file_too_large_for_the_disk_ends_in_a_sentence(first, tmp_path):
    process = child(str(tmp_path), ONE, limit=30_000)
    process.join()
    assert process.exitcode == 3
    assert "make room and run the same command again" in (tmp_path / "said").read_text()
    again(tmp_path, ONE)
    assert contents(Store(tmp_path)) == first


@pytest.mark.parametrize("writes", [0, 3, 9])
def test_a_disk_that_fills_up_loses_nothing(first, tmp_path, monkeypatch, writes):
    left = [writes]

    def fsync(_):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as full:
        full.setattr(storage.os, "fsync", fsync)
        with pytest.raises(ValueError, match="No space left on device"):
            again(tmp_path, ONE)
    assert not list(tmp_path.rglob("*.tmp"))
    again(tmp_path, ONE)
    assert contents(Store(tmp_path)) == first


@pytest.mark.parametrize(
    ("change", "made"),
    [
        ({"n_sequences": [5, 50]}, None),
        ({"options": {"significance": 0.01}}, ("probe", "fit")),
        ({"options": {"level": 0.9}}, ("fit",)),
        ({"options": {"anchors": 3}}, ("evidence", "fit")),
        ({"options": {"exact_windows": 9}}, ("envelope", "fit")),
        ({"lags": [1, 2]}, ("envelope", "evidence", "probe", "verdict", "fit")),
        (
            {"diagnosis_sequences": 60},
            ("envelope", "evidence", "probe", "verdict", "fit"),
        ),
    ],
)
def test_a_change_costs_only_what_depends_on_it(first, tmp_path, change, made):
    store = Store(tmp_path)
    for name, content in first.items():
        store.write(store.folder / "runs" / name, content)
    watcher = again(tmp_path, ONE.changed(**change))
    expected = [] if made is None else [made]
    assert [outcome.made for outcome in watcher.outcomes] == expected


def test_a_run_lies_on_any_file_system(alone):
    store = Store("memory://survival")
    watcher = Watcher()
    run_study(ONE, store, watcher)
    (run,) = ONE.runs()
    assert store.results(run).read_bytes() == alone[0].results(run).read_bytes()
