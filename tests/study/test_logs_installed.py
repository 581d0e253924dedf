"""The loggers with the tools themselves, where they are installed."""

import numpy as np
import pytest

from learnability.study import Store
from learnability.study.logs import log_run, make_logger
from tests.study.test_tables import GRID, RUNS

LABEL = "GRU, seed 1"


@pytest.fixture(autouse=True)
def _untold(monkeypatch):
    """MLflow tells its makers of its use otherwise."""
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")


def test_tensorboard_reads_what_was_logged(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = GRID.runs()[0]
    log_run(make_logger("tensorboard", Store(tmp_path)), LABEL, run, RUNS[LABEL])
    found = EventAccumulator(str(tmp_path / "tensorboard" / run.identity()))
    found.Reload()
    told = found.Scalars("validation")
    expected = RUNS[LABEL].group("training")["validation"].values
    assert [event.step for event in told] == list(range(1, len(expected) + 1))
    np.testing.assert_allclose([e.value for e in told], expected, rtol=1e-6)


def test_mlflow_that_is_not_reached_gets_one_sentence(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    # No scheme that MLflow knows, and a port where nobody listens.
    for address in ("nonsense://x", "http://127.0.0.1:1"):
        mlflow.set_tracking_uri(address)
        with pytest.raises(ValueError, match=r"MLflow at .* does not take") as caught:
            make_logger("mlflow", Store(tmp_path))
        assert address in str(caught.value)
        assert "set MLFLOW_TRACKING_URI" in str(caught.value)
        assert "\n" not in str(caught.value)


def test_mlflow_reads_what_was_logged(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri((tmp_path / "mlruns").as_uri())
    run = GRID.runs()[0]
    store = Store(tmp_path / "mine")
    log_run(make_logger("mlflow", store), LABEL, run, RUNS[LABEL])
    (found,) = mlflow.search_runs(experiment_names=["mine"], output_format="list")
    assert found.info.run_name == LABEL
    assert found.info.status == "FINISHED"
    assert found.data.params["seed"] == str(run.seed)
    told = mlflow.MlflowClient().get_metric_history(found.info.run_id, "validation")
    expected = RUNS[LABEL].group("training")["validation"].values
    np.testing.assert_allclose([m.value for m in told], expected)
