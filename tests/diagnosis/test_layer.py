"""Diagnoses: what they hold, round trips, sentences for what is wrong."""

import numpy as np
import pytest
import torch
import xarray as xr

import learnability as lw
from learnability.diagnosis import DiagnosisOptions, LayerDiagnosis

TASK = lw.MultiLag(lags=(1, 3), coefficients=(0.6, 0.5), inputs=2, steps=16)
DIRECTION = TASK.direction(seed=0)
DATA = TASK.draw(80, seed=1, direction=DIRECTION)
LAGS = [1, 2, 4, 8]
FEW = DiagnosisOptions(exact_windows=16, anchors=3, resamples=20)


def half_square(outputs, targets):
    return 0.5 * (outputs - targets) ** 2


def diagnosed(network, lags=LAGS, data=DATA, options=FEW, **others):
    found = lw.diagnose(network, data, half_square, lags, options=options, **others)
    return found["cell"]


def diagnose(kind="GRU", seed=0, **options):
    network = lw.Network(getattr(lw, kind)(2, 5, seed=3), seed=4)
    return diagnosed(network, seed=seed, direction=DIRECTION, **options)


@pytest.fixture(scope="module")
def diagnosis():
    return diagnose()


def test_summary_has_a_row_a_lag(diagnosis):
    table = diagnosis.summary(full=True)
    assert table.index.tolist() == LAGS
    assert (table["alpha_lower"] <= table["alpha"]).all()
    assert (table["alpha"] <= table["alpha_upper"]).all()
    assert (table["samples_lower"] <= table["samples_needed"]).all()
    assert (table["samples_needed"] <= table["samples_upper"]).all()


def test_windows_grow_with_the_budget(diagnosis):
    table = diagnosis.window([1, 10, 100, 1e4, 1e8])
    assert (np.diff(table["window"]) >= 0).all()
    assert (table["lower"] <= table["window"]).all()
    assert (table["window"] <= table["upper"]).all()
    assert (table["window"] <= table["maximal"]).all()


@pytest.mark.parametrize("budget", [0, -5, float("nan")])
def test_budgets_are_positive(diagnosis, budget):
    with pytest.raises(ValueError, match="positive"):
        diagnosis.window([budget])


def test_round_trip(diagnosis, tmp_path):
    diagnosis.save(tmp_path / "gru.nc")
    back = LayerDiagnosis.load(tmp_path / "gru.nc")
    xr.testing.assert_identical(back.tree, diagnosis.tree)
    assert [p.name for p in tmp_path.iterdir()] == ["gru.nc"]


def test_same_seed_same_bytes(tmp_path):
    for name in ("one.nc", "two.nc"):
        diagnose().save(tmp_path / name)
    assert (tmp_path / "one.nc").read_bytes() == (tmp_path / "two.nc").read_bytes()
    diagnose(seed=1).save(tmp_path / "three.nc")
    assert (tmp_path / "one.nc").read_bytes() != (tmp_path / "three.nc").read_bytes()


def test_damaged_files_are_named(diagnosis, tmp_path):
    whole = tmp_path / "whole.nc"
    diagnosis.save(whole)
    content = whole.read_bytes()
    for name, damage in (("cut", content[: len(content) // 2]), ("text", b"hello")):
        path = tmp_path / f"{name}.nc"
        path.write_bytes(damage)
        with pytest.raises(ValueError, match="cannot be read"):
            LayerDiagnosis.load(path)
    with pytest.raises(ValueError, match="there is no file"):
        LayerDiagnosis.load(tmp_path / "missing.nc")
    xr.DataTree(xr.Dataset()).to_netcdf(tmp_path / "other.nc", engine="h5netcdf")
    with pytest.raises(ValueError, match="holds no diagnosis"):
        LayerDiagnosis.load(tmp_path / "other.nc")


@pytest.mark.parametrize("kind", ["ConstGate", "SharedGate", "LSTM"])
def test_every_cell_has_finite_envelopes(kind):
    group = diagnose(kind).group("envelope")
    for name in ("mean", "error", "typical", "normalised"):
        assert np.isfinite(group[name]).all()
    # All orders agree where nothing has been carried yet.
    one = group["origin"].sel(order=["zero", "first", "diagonal"])
    assert np.ptp(one.values) == 0


def test_optimizer_adds_the_effective_envelope():
    network = lw.Network(lw.GRU(2, 5))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.25)
    found = diagnosed(network, optimizer=optimizer)
    rate = found.group("effective")["mean"] / found.group("envelope")["mean"]
    np.testing.assert_allclose(rate, 0.25, rtol=1e-5)


def test_every_stage_grows_and_ends_once():
    seen = []
    network = lw.Network(lw.GRU(2, 5))
    diagnosed(
        network,
        optimizer=torch.optim.SGD(network.parameters(), lr=0.1),
        progress=lambda *share: seen.append(share),
    )
    stages = dict.fromkeys(stage for stage, _ in seen)
    stages_of_a_layer = ["envelope", "evidence", "detection", "verdict"]
    assert list(stages) == ["running the model", *stages_of_a_layer]
    for stage in stages:
        shares = [share for name, share in seen if name == stage]
        assert shares == sorted(shares)
        assert shares.count(1.0) == 1


def test_stated_strength_is_used():
    stated = FEW.model_copy(update={"effect_size": 0.1})
    network = lw.Network(lw.GRU(2, 5))
    found = diagnosed(network, options=stated)
    assert found.group("detection").attrs["effect_size"] == 0.1


def test_wrong_input_is_named():
    network = lw.Network(lw.GRU(2, 5))
    with pytest.raises(ValueError, match="largest possible lag is 15"):
        diagnosed(network, [16])
    with torch.no_grad():
        network.w_out[0] = torch.nan
    with pytest.raises(ValueError, match="w_out are not finite"):
        diagnosed(network)
