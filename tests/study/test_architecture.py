"""Networks of a study: what is not given, what is refused, and how they start."""

import re
from importlib.resources import files

import pytest
import torch
from pydantic import ValidationError

from learnability.cells import CELLS
from learnability.study import NetworkSettings, load_settings
from learnability.study.taught import new_network
from learnability.unroll import Network
from tests.networks import NORMALISED


@pytest.mark.parametrize("cell", CELLS)
def test_what_is_not_given_fits_the_cell(cell):
    found = NetworkSettings(cell=cell.lower())
    assert found.cell == cell
    assert found.layernorm == (cell in NORMALISED)
    assert NetworkSettings(**found.model_dump()) == found
    built = found.architecture.build(3, seed=0)
    assert type(built) is CELLS[cell]
    assert built.layernorm == found.layernorm


@pytest.mark.parametrize("cell", CELLS)
def test_the_gate_starts_where_it_is_told(cell):
    low, high = (
        NetworkSettings(cell=cell, gate=gate, layernorm=False).architecture.build(3, 0)
        for gate in (0.1, 0.4)
    )
    x = torch.ones(1, 2, 3)
    leaks = [c.diagonal_jacobian(Network(c).states(x), x) for c in (low, high)]
    kept = [(s.leak + s.correction)[0, -1].detach() for s in leaks]
    assert not torch.allclose(*kept)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"cell": "S6", "layernorm": True},
            "S6 has no candidate .* leave out layernorm",
        ),
        ({"cell": "LRU", "units": 3}, "an even number"),
        ({"cell": "GRU", "gate": None}, "the gate of GRU has no start"),
        ({"cell": "MinGRU", "gate": 1.0}, "less than 1"),
    ],
)
def test_what_is_not_possible_is_refused(given, message):
    with pytest.raises(ValidationError, match=message):
        NetworkSettings(**given)


@pytest.mark.parametrize(
    ("preset", "shape"), [("today", (2, 96)), ("today-recall", (2, 4))]
)
def test_networks_of_today_are_of_one_size(preset, shape):
    settings = load_settings(preset)
    first = [run for run in settings.runs() if run.seed == settings.seeds[0]]
    models = [*map(new_network, first)]
    x = torch.zeros(2, settings.task.steps, settings.task.inputs)
    assert {tuple(model(x).shape) for model in models} == {shape}
    sizes = [sum(p.numel() for p in model.parameters()) for model in models]
    text = files("learnability.study").joinpath(f"presets/{preset}.toml").read_text()
    assert re.findall(r"^cell = .* # ([\d,]+)$", text, re.M) == [
        f"{n:,}" for n in sizes
    ]
    assert {n.cell for n in settings.networks} == {
        *(set(CELLS) - {"ConstGate", "SharedGate", "DiagGate"})
    }
    assert max(sizes) <= 1.06 * min(sizes)
