"""A tiny calibration: its records, what is kept, its page, its table."""

import json
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from experiments.calibration import (
    Trial,
    brute,
    diagnosed,
    findings,
    make_page,
    new_seeds,
    preset,
    run_all,
    run_one,
    store_of,
    try_all,
)
from experiments.calibration import in_short as in_short_module
from experiments.calibration import sweep as sweep_module
from experiments.calibration.cells import cell_effects
from experiments.calibration.in_short import ROWS
from experiments.calibration.sweep import do_all
from experiments.calibration.table import bands_table, contiguous, longest, windows
from experiments.cli import main

TINY = preset("tiny").model_copy(
    update={
        "trial": Trial(
            repetitions=20, studies=5, diagnoses=5, sequences=60, sizes=(1, 4)
        )
    }
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("calibration")
    run_all(TINY, store_of(path))
    return path


def test_runs_are_kept_by_their_settings(folder, monkeypatch):
    files = sorted((folder / "runs").iterdir())
    assert len(files) == len(TINY.runs()) == 8
    shares = []
    shutil.rmtree(files[3])
    made = []
    monkeypatch.setattr(
        sweep_module, "run_one", lambda run: made.append(run) or run_one(run)
    )
    run_all(TINY, store_of(folder), progress=shares.append)
    assert len(made) == 1
    assert shares == [1.0]
    assert sorted((folder / "runs").iterdir()) == files


def test_a_run_is_the_same_again(folder):
    run = TINY.runs()[5]
    path = folder / "runs" / run.identity() / "record.json"
    kept = json.loads(path.read_text())
    again = json.loads(json.dumps(run_one(run)))
    assert again == kept
    assert run.model_copy(update={"seed": 1}).identity() != run.identity()


def test_a_record_does_not_know_how_many_threads_there_are(folder):
    """The state's memory comes from LAPACK, whose sums are split by threads."""
    run, before = TINY.runs()[5], torch.get_num_threads()
    with tempfile.TemporaryDirectory() as other:
        store = store_of(Path(other))
        try:
            torch.set_num_threads(2)
            do_all(run_one, "runs", {run.identity(): run}, store, 1, None)
            assert torch.get_num_threads() == 2
        finally:
            torch.set_num_threads(before)
        (made,) = (Path(other) / "runs").iterdir()
        kept = folder / "runs" / made.name
        for name in ("record.json", "done.json"):
            assert (made / name).read_bytes() == (kept / name).read_bytes()


@pytest.mark.slow
def test_processes_make_the_same_records(folder, tmp_path):
    chosen = {run.identity(): run for run in TINY.runs()[4:6]}
    do_all(run_one, "runs", chosen, store_of(tmp_path), 2, None)
    for name in chosen:
        made, kept = (
            place / "runs" / name / "record.json" for place in (tmp_path, folder)
        )
        assert made.read_bytes() == kept.read_bytes()


def test_windows_that_reach_the_last_lag_are_counted():
    """A grid cut after 4 of 7 bands, and windows known by hand."""
    detected = np.array([[1] * 7, [1] * 4 + [0] * 3, [1] * 3 + [0] * 4, [1] * 7], bool)
    learnt = np.array([[1] * 7, [1] * 7, [1] * 7, [1] * 6 + [0]], bool)
    rows = pd.DataFrame(
        {
            "family": "one",
            "run": np.repeat(np.arange(4), 7),
            "band": np.tile(np.arange(7), 4),
            "end": np.where(detected, 1.0, -1.0).ravel(),
            "learnt": learnt.ravel(),
        }
    )
    cut, full = in_short_module._last_lag(rows)
    assert cut.seen.startswith("2 of 3: ")
    assert full.seen.startswith("1 of 2: ")


def test_cells_are_held_against_those_with_the_same_task():
    """Cells made in parts of the trainings only, and effects put in by hand."""
    random, truth = np.random.default_rng(3), np.array([-1.0, 0.0, 0.25, 0.75])
    rows = []
    for place in range(40):
        for cell in random.choice(4, size=3, replace=False):
            window = place % 7 + truth[cell] + random.normal(scale=0.2)
            rows.append((f"f{place % 8}", place // 8, f"cell {cell}", window))
    table = pd.DataFrame(rows, columns=["family", "samples", "cell", "window"])
    found = cell_effects(table)
    error = (found["effect_upper"] - found["effect_lower"]) / 3.92
    # Of some 30 runs a cell, each with an error of 0.2.
    assert error.between(0.02, 0.1).all()
    assert (abs(found["effect"] - truth) < 3 * error).all()
    assert found["runs"].sum() == 120


def test_samples_of_learning_are_held_against_those_of_detection():
    needs = pd.DataFrame(
        [
            ("delays", 64, 32.0, False),
            ("delays", 64, 128.0, False),
            ("delays", 16, 1.0, True),
            ("smooth, noisy", 64, 128.0, False),
            ("smooth", 64, np.inf, False),
        ],
        columns=["family", "learning", "detection", "at_smallest"],
    )
    alone, one = in_short_module._against_detection(needs)
    assert alone.seen.startswith("1 of 2: ")
    assert alone.seen.endswith("0.5 to 2 times as many")
    assert one.seen.startswith("1 of 1: ")


def test_a_damaged_record_is_named_and_made_again(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "copy")
    store, said = store_of(tmp_path / "copy"), []
    damaged = next((tmp_path / "copy" / "runs").iterdir())
    (damaged / "done.json").write_text("{")
    with pytest.raises(ValueError, match="cannot be read"):
        make_page(TINY, store)
    found = run_all(TINY, store, tell=said.append)
    assert len(said) == 1
    assert damaged.name in said[0]
    assert "cannot be read" in said[0]
    assert found == run_all(TINY, store_of(folder))


def test_a_record_with_other_content_is_not_believed(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "copy")
    damaged = next((tmp_path / "copy" / "runs").iterdir())
    (damaged / "record.json").write_text("{}")
    with pytest.raises(ValueError, match="does not agree with its checksum"):
        make_page(TINY, store_of(tmp_path / "copy"))


def test_the_table_has_a_row_a_band(folder):
    records = run_all(TINY, store_of(folder))
    rows = bands_table(records)
    assert len(rows) == 8 * 7
    first = rows[rows["run"] == 0]
    record = records[0]
    n, task = TINY.runs()[0].samples, TINY.families[0].task
    wanted = (
        np.array(record["coefficient"])
        * np.array(record["warm"]["f"])
        * np.sqrt(n * (task.steps - np.array(record["centre"])))
        / task.noise
    )
    np.testing.assert_allclose(np.exp(first["f"]), wanted, rtol=1e-9)
    assert (windows(rows)["window"] <= 7).all()


def test_windows_of_what_is_reached():
    reached = np.array([[1, 1, 0, 1], [0, 1, 1, 0], [0, 0, 0, 0]], bool)
    assert contiguous(reached).tolist() == [2, 0, 0]
    assert longest(reached).tolist() == [4, 3, 0]


def known_records():
    """Give records in which f decides what is learnt, by a law known exactly."""
    random, records = np.random.default_rng(0), []
    base = run_one(TINY.runs()[0])
    for cell in ("ConstGate", "DiagGate", "GRU", "LSTM"):
        for seed in range(6):
            f = np.exp(random.normal(size=7))
            learnt = 0.9 * (f > 1)
            stage = base["warm"] | {"f": f.tolist(), "share": [0.0] * 7}
            settings = base["settings"] | {"label": cell, "seed": seed}
            end = base["end"] | {"share": learnt.tolist()}
            records.append(
                base
                | {"settings": settings, "warm": stage, "end": end, "half": [0.0] * 7}
            )
    return records


def test_the_predictor_that_decides_wins():
    scores = findings(known_records()).scores.set_index("method")
    assert scores.loc["output sensitivity", "auc"] > 0.9
    assert scores.loc["output sensitivity", "cells"] == 4
    blind = scores.loc["learnt share at that step"]
    assert blind["auc_lower"] <= blind["auc"] <= blind["auc_upper"]
    assert abs(scores.loc["learnt share at that step", "auc"] - 0.5) < 0.2


@pytest.mark.slow
def test_the_same_records_give_the_same_page(folder, monkeypatch):
    for name in ("DIAGNOSED", "MIDDLE"):
        monkeypatch.setattr(brute, name, 500)
    for name, size in (("TRUTH", 500), ("COMPARED", 2), ("CHECKED", 1)):
        monkeypatch.setattr(diagnosed, name, size)
    module = sys.modules["experiments.calibration.findings"]
    monkeypatch.setattr(module, "RESAMPLES", 20)
    try_all(TINY, store_of(folder))
    make_page(TINY, store_of(folder))
    page = (folder / "calibration.html").read_bytes()
    make_page(TINY, store_of(folder))
    assert (folder / "calibration.html").read_bytes() == page
    assert page.count(b"<h2 id=") >= 8
    rows = (folder / "in-short.md").read_text().splitlines()[2:]
    named = [row.split("**")[1] for row in rows]
    assert named == [name for name in ROWS if name in named]
    # Two cells and two sizes learn too little for what was learnt on its own.
    assert len(named) >= len(ROWS) - 2
    for name in named:
        assert f'<th scope="row"><bdi>{name}</bdi></th>'.encode() in page
    assert len(pd.read_csv(folder / "windows.csv")) == 8


def test_the_command_names_what_is_wrong(capsys, tmp_path):
    for words, said in (
        (["calibrate", "medium"], "no preset 'medium'"),
        (["calibrate", "tiny", "--partial", "-o", str(tmp_path)], "no runs yet"),
        (["calibrate", "tiny", "--laws", str(tmp_path)], "use confirm"),
        (["calibrate", "confirm", "--laws", str(tmp_path / "no")], "is no folder"),
        (["calibrate", "tiny", "--workers", "0", "-o", str(tmp_path)], "at least 1"),
    ):
        with pytest.raises(SystemExit) as stop:
            main(words)
        assert stop.value.code == 2
        assert said in capsys.readouterr().err


def test_every_beginning_of_the_trainings_is_spread():
    large = preset("large")
    turn = large.in_turn()
    assert {r.identity() for r in turn} == {r.identity() for r in large.runs()}
    assert len(turn) == 720
    places = len(large.families) * len(large.samples)
    rounds = [turn[places * k : places * (k + 1)] for k in range(24)]
    for own in rounds:
        assert len({(r.family.name, r.samples) for r in own}) == places
        assert len({r.seed for r in own}) == 1
        assert {r.label for r in own} == set(large.architectures)
    assert [own[0].seed for own in rounds] == [0] * 8 + [1] * 8 + [2] * 8


def test_a_partial_page_says_first_what_it_rests_on(folder, tmp_path, monkeypatch):
    module = sys.modules["experiments.calibration.findings"]
    monkeypatch.setattr(module, "RESAMPLES", 20)
    shutil.copytree(folder / "runs", tmp_path / "runs")
    for run in TINY.in_turn()[5:]:
        shutil.rmtree(tmp_path / "runs" / run.identity())
    make_page(TINY, store_of(tmp_path))
    page = (tmp_path / "calibration.html").read_text()
    lead = page.split('class="lead">')[1]
    assert lead.startswith("Partial: this page rests on 5 of 8 trainings (2 networks")
    assert len(pd.read_csv(tmp_path / "windows.csv")) == 5


def test_laws_are_tried_on_other_seeds_only(folder):
    with pytest.raises(ValueError, match="share the seed 0"):
        new_seeds(TINY, store_of(folder), (TINY, store_of(folder)))
    other = TINY.model_copy(update={"seeds": (1,)})
    with pytest.raises(ValueError, match="no runs yet"):
        new_seeds(other, store_of(folder), (TINY, store_of(folder)))
