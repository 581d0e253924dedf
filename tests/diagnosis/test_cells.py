"""Diagnoses of cells whose memory is wider than their output, or linear."""

import numpy as np
import pytest
import torch

import learnability as lw
from learnability.cells.inputs import FromInputs, Scan
from learnability.diagnosis import LayerDiagnosis
from tests.diagnosis.test_layer import DATA, FEW, LAGS, half_square
from tests.networks import make_cell

KINDS = ("DiagRNN", "MinGRU", "LRU", "S6", "SLSTM", "MLSTM", "GatedDeltaNet")


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_of_any_cell_is_diagnosed(kind, tmp_path):
    network = lw.Network(make_cell(kind, False, 2, 4, seed=3).float(), seed=4)
    cell, optimizer = network.cell, torch.optim.AdamW(network.parameters())
    half_square(network(DATA.x), DATA.y).mean().backward()
    optimizer.step()
    found = lw.diagnose(
        network, DATA, half_square, LAGS, options=FEW, optimizer=optimizer
    )["cell"]
    f = found.group("envelope")
    assert f.sizes["unit"] == cell.carried_units
    gated = ["exact", "diagonal"] if kind == "DiagRNN" else f["order"]
    assert np.isfinite(f["normalised"].sel(order=gated)).all()
    if isinstance(cell, FromInputs):
        assert "effective" not in found.tree
        assert "gates are made of the inputs alone" in f.attrs["effective_undefined"]
    else:
        effective = found.group("effective")["normalised"].sel(order=gated)
        assert np.isfinite(effective).all()
    if isinstance(cell, Scan):  # the exact order alone is a sample of windows
        zero, first, diagonal = (
            f["mean"].sel(order=order) for order in ("zero", "first", "diagonal")
        )
        np.testing.assert_allclose(first, zero, rtol=1e-6)
        np.testing.assert_allclose(diagonal, zero, rtol=1e-6)
    assert (found.summary()["samples_lower"] > 0).all()
    found.save(tmp_path / "found.nc")
    again = LayerDiagnosis.load(tmp_path / "found.nc")
    assert again.group("envelope").equals(f)
    assert again.tree.attrs["cell"] == kind
