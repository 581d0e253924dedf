"""Tables across runs, logs, exports: every number is the diagnosis's own."""

import json
import sys
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from learnability.storage import tree_bytes, tree_from
from learnability.study import Settings, Store, load_settings
from learnability.study.logs import log_run, make_logger
from learnability.study.tables import (
    across_seeds,
    as_tree,
    by_lag,
    by_sequences,
    compared,
)
from learnability.summaries.law import regression
from learnability.summaries.windows import seen_spread
from tests.plots.records import diagnosis, training_group

GRID = load_settings("quick").changed(
    networks=[{"cell": "GRU"}], seeds=[1, 2, 3], n_sequences=[4, 100]
)
NEEDED = (np.array([1.0, 3, 9, 30, 90]), np.array([1.0, 3, 9, 300, 900]), None)
RUNS = {
    GRID.label(run): diagnosis(
        needed=needed, training=training_group(), lags=(1, 2, 4, 8, 16)
    )
    for run, needed in zip(GRID.runs(), NEEDED, strict=True)
}


def test_windows_across_seeds_are_those_of_the_seeds():
    rows = across_seeds(GRID, RUNS).set_index("n_sequences")
    reach = by_sequences(GRID, RUNS).pivot(
        index="n_sequences", columns="seed", values="seen"
    )
    for budget in (4, 100):
        values = reach.loc[budget].to_numpy(float)
        assert rows.loc[budget, "mean"] == values.mean()
        assert rows.loc[budget, "deviation"] == pytest.approx(values.std(ddof=1))
        assert rows.loc[budget, "median"] == np.median(values)
    assert rows.loc[100, "whole"] == 2  # of three seeds see lag 16, the farthest
    table = seen_spread([run.tree for run in RUNS.values()], [4, 100])
    assert table["mean"].tolist() == rows["mean"].tolist()


def test_rows_by_lag_say_whose_they_are():
    rows = by_lag(GRID, RUNS)
    assert len(rows) == 3 * 5
    second = rows.query("seed == 2 and lag == 8").iloc[0]
    assert (second["architecture"], second["optimizer"]) == ("GRU", "adamw")
    assert second["samples_needed"] == 300


def test_a_study_less_itself_is_nothing():
    rows = compared((GRID, RUNS), (GRID, RUNS))
    assert (rows["difference"] == 0).all()
    spread = across_seeds(GRID, RUNS)["deviation"].to_numpy()
    assert rows["error"].to_numpy() == pytest.approx(spread * np.sqrt(2 / 3))
    other = GRID.changed(networks=[{"cell": "LSTM"}])
    theirs = dict(zip(map(other.label, other.runs()), RUNS.values(), strict=True))
    with pytest.raises(ValueError, match="in common"):
        compared((GRID, RUNS), (other, theirs))


def test_one_tree_holds_every_run():
    tree = tree_from(tree_bytes(as_tree(GRID, RUNS)), "all")
    assert len(tree.children) == 3
    assert tree["run_001"].attrs["run"] == "GRU, seed 2"
    needed = tree["run_001/detection"]["needed"].values
    assert needed.tolist() == [1, 3, 9, 300, 900]
    assert Settings.from_toml(tree.attrs["settings"], "tree") == GRID


def test_a_regression_leaves_out_nothing_and_adds_nothing():
    random = np.random.default_rng(0)
    x = random.standard_normal(400)
    line = regression(x, 3 * x + random.standard_normal(400))
    assert line is not None
    assert abs(line.slope - 3) < 4 * line.stderr
    assert line.rvalue**2 == pytest.approx(0.9, abs=0.03)
    assert regression(x[:2], x[:2]) is None
    assert regression(x, np.full(400, 2.5)) is None
    assert regression(np.full(400, 2.5), x) is None


def test_json_lines_tell_every_epoch(tmp_path):
    store = Store(tmp_path)
    logger = make_logger("jsonl", store)
    for run in GRID.runs()[:2]:
        log_run(logger, GRID.label(run), run, RUNS[GRID.label(run)])
    lines = [json.loads(line) for line in store.log.read_text().splitlines()]
    assert [line["event"] for line in lines].count("epoch") == 24
    assert lines[0]["settings"]["seed"] == 1
    found = RUNS["GRU, seed 2"].group("training")["validation"].values
    told = [
        x["validation"] for x in lines if x["run"] == "GRU, seed 2" and "epoch" in x
    ]
    assert told == found.tolist()
    assert lines[-1]["samples_needed_lag_8"] == 300


class Recorder:
    """Stands in for a tool that is not installed: remembers what it was told."""

    def __init__(self, *args, **named):
        self.told = []

    def __getattr__(self, name):
        return lambda *args, **named: self.told.append((name, args, named))


def test_loggers_speak_the_languages_of_their_tools(tmp_path, monkeypatch):
    run = GRID.runs()[0]
    mlflow, board = Recorder(), ModuleType("torch.utils.tensorboard")
    monkeypatch.setitem(sys.modules, "mlflow", mlflow)
    monkeypatch.setattr(board, "SummaryWriter", Recorder, raising=False)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", board)
    log_run(make_logger("mlflow", Store(tmp_path)), "GRU", run, RUNS["GRU, seed 1"])
    names = [name for name, *_ in mlflow.told]
    assert names[:3] == ["set_experiment", "start_run", "log_params"]
    assert (names[-1], names.count("log_metrics")) == ("end_run", 13)
    logger = make_logger("tensorboard", Store(tmp_path))
    log_run(logger, "GRU", run, RUNS["GRU, seed 1"])
    scalars = [args for name, args, _ in logger.writer.told if name == "add_scalar"]
    assert ("validation", float(training_group()["validation"][0]), 1) in scalars


def test_missing_tools_get_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    for name in ("mlflow", "tensorboard"):
        with pytest.raises(ValueError, match=rf"learnability\[{name}\]"):
            make_logger(name, Store(tmp_path))
    with pytest.raises(ValueError, match="there is no log 'x'"):
        make_logger("x", Store(tmp_path))


def test_tables_survive_csv_and_parquet(tmp_path):
    rows = by_lag(GRID, RUNS)
    rows.to_csv(tmp_path / "a.csv", index=False)
    flags = dict.fromkeys(("seen", "kept", "learnt"), "boolean")
    again = pd.read_csv(tmp_path / "a.csv", dtype=flags)
    pd.testing.assert_frame_equal(again, rows)
    pytest.importorskip("pyarrow")
    rows.to_parquet(tmp_path / "a.parquet", index=False)
    again = pd.read_parquet(tmp_path / "a.parquet")
    pd.testing.assert_frame_equal(again, rows, check_dtype=False)
    assert isinstance(as_tree(GRID, RUNS), xr.DataTree)
