"""A second process compiles what a diagnosis asks for later; no number changes."""

import os
import subprocess
import sys

import pytest
import torch

from learnability.compiled import ahead, engine
from tests.networks import make_cell

# Every loop as it is called by the library: from 40 sequences, blocks, parts of steps.
CALLS = """
import torch
from learnability.cells import Steps
from learnability.compiled import __main__ as alone
from learnability.compiled import ahead, engine
from tests.networks import make_cell

cell = make_cell("GRU", False, 2, 5, seed=0).float()
x = torch.randn(40, 9, 2)
states = torch.zeros(40, 9, cell.state_size)
engine.tangent(cell, x, {"W_g": torch.ones(5, 2)})
engine.lag_projection(cell, x, states, states, [1, 2], [4, 8])
engine.exact_gains(cell, x, torch.tensor([[3, 7], [20, 2]]), torch.tensor([3, 1]), [3])
engine.row_gradients(cell, x, torch.zeros(40, 3, 9), torch.zeros(3, 5), states)
engine.window_sums([(Steps(states, states), None)], [0, 1])
for call in alone.calls(torch.float32).values():
    call()
print({name: len(loop.signatures) for name, loop in ahead.LOOPS.items()})
"""

FIRST = """
import torch
import learnability as lw
from learnability.compiled import ahead

torch.set_num_threads(2)
gru = torch.nn.GRU(2, 4, batch_first=True)
x = torch.randn(32, 12, 2)

def loss(outputs, targets):
    return ((outputs[0].sum(-1) - targets) ** 2).mean()

lw.diagnose(gru, (x, x[..., 0].roll(2, 1)), loss, [1, 2])
print([sum(loop.stats.cache_misses.values()) for loop in ahead.LOOPS.values()])
"""


def run(code, **environment):
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()[-1]


def test_a_loop_is_compiled_for_one_kind_of_arrays():
    """Others would be compiled when they are met, seconds each."""
    assert run(CALLS) == str(dict.fromkeys(ahead.LOOPS, 1))


@pytest.mark.slow
def test_what_the_other_process_has_compiled_is_not_compiled_again(tmp_path):
    found = run(FIRST, NUMBA_CACHE_DIR=str(tmp_path), OMP_NUM_THREADS="2")
    assert found == str([0] * len(ahead.LOOPS))


@pytest.fixture
def begun(monkeypatch):
    """The loops that other processes were asked for, by dtype."""
    asked = {}

    class Helper:
        def __init__(self, dtype, loops):
            asked[dtype] = loops

    monkeypatch.setattr(ahead, "_helpers", {})
    monkeypatch.setattr(ahead, "_Helper", Helper)
    return asked


def test_another_process_is_asked_once_and_for_what_was_never_compiled(
    begun, monkeypatch
):
    kept = {id(ahead.LOOPS["partials"])}
    monkeypatch.setattr(ahead, "_kept", lambda loop: id(loop) in kept)
    ahead.compile_ahead(torch.float64)
    kept.clear()
    ahead.compile_ahead(torch.float64)
    assert begun == {"float64": [name for name in ahead.LOOPS if name != "partials"]}


def test_where_all_was_compiled_no_process_begins(begun):
    run(CALLS)
    ahead.compile_ahead(torch.float32)
    assert begun == {}


@pytest.mark.parametrize("program", ["", "/no/such/python"])
def test_without_another_process_all_is_compiled_here(program, monkeypatch):
    monkeypatch.setattr(ahead, "_helpers", {})
    monkeypatch.setattr(ahead, "_kept", lambda loop: False)
    monkeypatch.setattr(sys, "executable", program)
    ahead.compile_ahead(torch.float32)
    ahead.settle(torch.float32, *ahead.LOOPS)
    assert ahead._helpers == {}


def test_what_the_other_process_cannot_do_is_done_here(monkeypatch):
    helper = ahead._Helper("float32", ["no_such_loop", "partials"])
    monkeypatch.setattr(ahead, "_helpers", {"float32": helper})
    cell, x = make_cell("LSTM", False, 2, 3, seed=0).float(), torch.zeros(2, 4, 2)
    states = x.new_zeros(2, 4, cell.state_size)
    found = engine.lag_projection(cell, x, states, states, [1], [3])
    assert not found.any()
    assert helper.left == set()
    helper.end()
