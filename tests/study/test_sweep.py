"""Whole studies: same seeds give the same bytes, what is there is kept."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from learnability.cli.results import list_studies
from learnability.study import Settings, Store, run_study
from learnability.study.pages import draw_by_seed
from learnability.study.store import part_of
from tests.study.small import Watcher, contents, small_settings

SETTINGS = small_settings()


def run(folder, settings: Settings = SETTINGS) -> tuple[Store, Watcher]:
    store, watcher = Store(folder), Watcher()
    run_study(settings, store, watcher)
    return store, watcher


@pytest.fixture(scope="module")
def first(finished, tmp_path_factory):
    """The study of five cells, made in their order."""
    folder = tmp_path_factory.mktemp("first")
    shutil.copytree(finished[0] / "runs/small", folder, dirs_exist_ok=True)
    return Store(folder)


def test_same_seeds_same_bytes_in_any_order(first, tmp_path):
    turned = SETTINGS.names[::-2]
    second, watcher = run(tmp_path, part_of(SETTINGS, turned, None))
    assert watcher.began == list(turned)
    assert all(0 <= share <= 1 for share in watcher.shares)
    results = contents(second)
    assert len([name for name in results if name.endswith("fit.nc")]) == 3
    assert results.items() <= contents(first).items()


def test_an_architecture_alone_has_the_same_results(first, tmp_path):
    alone = part_of(SETTINGS, ["SharedGate"], None)
    second, _ = run(tmp_path, alone)
    (only,) = alone.runs()
    assert first.results(only).read_bytes() == second.results(only).read_bytes()


def test_another_seed_changes_every_result(first, tmp_path):
    some = part_of(SETTINGS, ["DiagGate", "GRU"], None)
    other = some.changed(seeds=[SETTINGS.seeds[0] + 1])
    second, _ = run(tmp_path, other)
    for mine, theirs in zip(some.runs(), other.runs(), strict=True):
        assert first.results(mine).read_bytes() != second.results(theirs).read_bytes()


def test_what_is_there_is_kept(first):
    before = contents(first)
    _, watcher = run(first.folder)
    assert watcher.began == []
    assert len(watcher.skipped) == 5
    assert contents(first) == before


def test_runs_are_the_same_wherever_they_are_trained(first, tmp_path):
    there = Store(tmp_path)
    shutil.copytree(first.folder, there.folder, dirs_exist_ok=True)
    _, watcher = run(there.folder, SETTINGS.changed(device="cpu:0"))
    assert watcher.began == []
    some = part_of(SETTINGS, ["LSTM"], None)
    shutil.rmtree(there.run(some.runs()[0]).path)
    _, watcher = run(there.folder, some.changed(device="cpu:0"))
    assert watcher.began == ["LSTM"]
    before, after = (store.load()["LSTM"] for store in (first, there))
    devices = [found.group("training").attrs["device"] for found in (before, after)]
    assert devices == ["cpu", "cpu:0"]
    xr.testing.assert_equal(before.tree, after.tree)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_training_on_a_gpu_is_near_that_on_the_cpu(first, tmp_path):
    some = part_of(SETTINGS, ["LSTM"], None).changed(device="cuda")
    found, _ = run(tmp_path, some)
    one, other = (store.load()["LSTM"].group("training") for store in (first, found))
    np.testing.assert_allclose(one["validation"], other["validation"], rtol=1e-3)


def test_whether_it_is_there_is_told_without_reading_results(
    first, tmp_path, monkeypatch
):
    there = Store(tmp_path / "copy")
    shutil.copytree(first.folder, there.folder)
    one, two, *_ = SETTINGS.runs()
    there.run(one).file("probe.safetensors").unlink()
    results = there.results(two)
    results.write_bytes(results.read_bytes()[:-1])
    read, read_bytes = set(), Path.read_bytes

    def reading(path):
        read.add(path.suffix)
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", reading)
    assert there.missing(SETTINGS) == [one, two]
    list_studies(str(tmp_path))
    assert read == {".json"}


def test_another_study_is_left_alone(first):
    with pytest.raises(ValueError, match="holds a study with other settings"):
        run(first.folder, SETTINGS.changed(seeds=[99]))


def test_every_figure_can_be_had_by_seed(first, tmp_path):
    alone, store = part_of(SETTINGS, ["GRU"], None), Store(tmp_path)
    names = draw_by_seed(alone, first.load(), store)
    kinds = {name.removeprefix("adamw-seed-7-") for name in names}
    assert len(kinds) == len(names)
    assert {
        "windows",
        "samples",
        "noise_floor",
        "envelope_split",
        "time_scales",
    } <= kinds
    drawn = {path.stem: path.read_bytes() for path in tmp_path.glob("figures/*.png")}
    assert set(drawn) == set(names)
    assert all(picture.startswith(b"\x89PNG") for picture in drawn.values())


def test_what_is_missing_or_damaged_is_named(first, tmp_path):
    there = Store(tmp_path)
    there.begin(SETTINGS)
    with pytest.raises(ValueError, match="results of ConstGate are not there"):
        there.load()
    for mine in SETTINGS.runs():
        for path in first.run(mine).path.iterdir():
            copy = there.run(mine).file(path.name)
            there.write(copy, path.read_bytes()[:5000])
    with pytest.raises(ValueError, match="results of ConstGate are damaged"):
        there.load()
    with pytest.raises(ValueError, match="holds no study"):
        Store(tmp_path / "nothing").load()
