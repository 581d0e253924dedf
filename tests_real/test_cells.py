"""Other people's cells in a loop, and layers of them."""

import numpy as np
import pytest
import torch
import torchrecurrent
from ncps.torch import LTC, CfC
from ncps.wirings import AutoNCP

import learnability as lw
from tests_real import truth
from tests_real.checked import LAGS, QUICK, WIDTH, Loop, Model, check, data
from tests_real.conftest import Row

CELLS = sorted(name for name in torchrecurrent.__all__ if name.endswith("Cell"))
LAYERS = ["MGU", "PeepholeLSTM", "TGRU", "coRNN", "LEM"]


@pytest.mark.parametrize("name", CELLS)
def test_all_cells_of_torchrecurrent(row: Row, name: str) -> None:
    torch.manual_seed(0)
    cell = getattr(torchrecurrent, name)(WIDTH, WIDTH)
    body = Loop(cell, "Decoupled" in str(type(cell).__mro__))
    calls = truth.Calls(cell, one_by_one=True)
    what = f"{name} (torchrecurrent)"
    check(row, what, Model(body), calls, loop=body, layers=None)


@pytest.mark.parametrize("name", LAYERS)
def test_layers_of_torchrecurrent(row: Row, name: str) -> None:
    torch.manual_seed(0)
    layer = getattr(torchrecurrent, name)(WIDTH, WIDTH, num_layers=2, batch_first=True)
    check(row, f"{name}, two layers (torchrecurrent)", Model(layer), layers=None)


@pytest.mark.parametrize(
    "kind", ["CfC", "CfC, wired", "CfC, mixed memory", "LTC, wired"]
)
def test_neural_circuits(row: Row, kind: str) -> None:
    torch.manual_seed(0)
    wiring, units = AutoNCP(10, 4, seed=0), WIDTH
    bodies = {
        "CfC": lambda: CfC(WIDTH, units, backbone_units=16),
        "CfC, wired": lambda: CfC(WIDTH, wiring),
        "CfC, mixed memory": lambda: CfC(
            WIDTH, units, backbone_units=16, mixed_memory=True
        ),
        "LTC, wired": lambda: LTC(WIDTH, wiring),
    }
    width = 4 if "wired" in kind else units
    model = Model(bodies[kind](), width)
    check(row, f"{kind} (ncps)", model, layers=None)


def test_a_cell_in_a_loop_is_a_layer(row: Row) -> None:
    """The same cell with one call per step, and inside of its layer."""
    torch.manual_seed(0)
    layer = torchrecurrent.MGU(WIDTH, WIDTH, batch_first=True)
    model = Model(layer)
    looped = Model(Loop(layer.cells[0]))
    looped.head.load_state_dict(model.head.state_dict())
    found = [
        lw.diagnose(one, data(), "mse", LAGS, options=QUICK)[name].group("detection")
        for one, name in ((model, "body"), (looped, "body.cell"))
    ]
    apart = float(np.abs(found[1]["noise"] / found[0]["noise"] - 1).max())
    assert apart < 1e-3
    row("MGU (torchrecurrent)", "N(l)", "cell and layer", f"{apart:.1g}")
