"""A second process compiles while PyTorch goes on; no number changes."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch

import learnability as lw
from learnability.compiled import ahead, engine
from learnability.evidence import probe
from tests.networks import make_cell

# Every loop as it is called by the library: from 40 sequences, blocks, parts of steps.
CALLS = """
import torch
from learnability.cells import Steps
from learnability.compiled import __main__ as alone
from learnability.compiled import ahead, engine
from learnability.unroll.recurrence import outputs, unroll
from tests.networks import make_cell

cell = make_cell("GRU", False, 2, 5, seed=0).float()
x = torch.randn(40, 9, 2)
states = torch.zeros(40, 9, cell.state_size)
unroll(cell, x).sum().backward()
outputs(cell, x, torch.zeros(5)).sum().backward()
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
            asked[dtype] = self.left = loops

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
    ahead.settle(torch.float32, *ahead.NEEDED)
    assert ahead._helpers == {}


def test_what_the_other_process_cannot_do_is_done_here(monkeypatch):
    helper = ahead._Helper("float32", ["no_such_loop", "partials"])
    monkeypatch.setattr(ahead, "_helpers", {"float32": helper})
    cell, x = make_cell("LSTM", False, 2, 3, seed=0).float(), torch.zeros(2, 4, 2)
    states = x.new_zeros(2, 4, cell.state_size)
    found = engine.lag_projection(cell, x, states, states, [1], [3])
    assert not found.any()
    helper.wait(("no_such_loop",))
    assert helper.left == set()


ENDING = """
import atexit
import torch

atexit.register(lambda: print(*(h.process.wait() for h in others)))  # runs last
from learnability.compiled import ahead

ahead.compile_ahead(torch.float32)
others = list(ahead._helpers.values())
"""


def test_the_other_process_ends_with_this_one(tmp_path):
    ended = run(ENDING, NUMBA_CACHE_DIR=str(tmp_path))
    assert ended == str(-signal.SIGTERM)  # by itself it would end with 0


class Compiling:
    """Another process that is never done with some loops."""

    def __init__(self, *loops):
        self.left = set(loops)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_meanwhile_pytorch_does_what_is_small_with_the_same_numbers(dtype, monkeypatch):
    def found():
        gru = torch.nn.GRU(2, 4, batch_first=True).to(dtype)
        with torch.no_grad():
            for place, value in enumerate(gru.parameters()):
                value.copy_(torch.linspace(-1, 1, value.numel()).view_as(value) + place)
        x = torch.linspace(-2, 2, 32 * 12 * 2, dtype=dtype).sin().view(32, 12, 2)

        def loss(outputs, targets):
            return ((outputs[0].sum(-1) - targets) ** 2).mean()

        data = x, x[..., 0].roll(2, 1)
        return lw.diagnose(gru, data, loss, [1, 2])["model"].tree

    expected = found()
    helpers = {str(dtype).removeprefix("torch."): Compiling(*ahead.LOOPS)}
    monkeypatch.setattr(ahead, "_helpers", helpers)
    for name in ("exact_gains", "lag_projection", "row_gradients", "window_sums"):
        monkeypatch.delattr(engine, name)  # none of them is called
    monkeypatch.setattr(probe, "row_gradients", None)
    own, apart = found(), {torch.float32: 1e-3, torch.float64: 1e-9}[dtype]
    for name in ("envelope", "detection", "evidence"):
        for key, values in expected[name].data_vars.items():
            if values.dtype.kind == "f":
                np.testing.assert_allclose(own[name][key], values, apart, apart / 10)


def test_what_is_large_waits_for_its_loops_and_what_is_compiled_is_used(monkeypatch):
    helpers = {"float32": Compiling("all_windows")}
    monkeypatch.setattr(ahead, "_helpers", helpers)
    assert ahead.better_in_pytorch(torch.float32, "window_sums", ahead.SMALL)
    assert not ahead.better_in_pytorch(torch.float32, "window_sums", ahead.SMALL + 1)
    assert not ahead.better_in_pytorch(torch.float32, "exact_gains", 1)
    assert not ahead.better_in_pytorch(torch.float64, "window_sums", 1)
    cell, x = make_cell("GRU", False, 2, 5, seed=0).float(), torch.zeros(1, 3, 2)
    helpers["float32"].left.add("partials")
    assert engine.chosen("auto", cell, x, task="exact_gains") == "reference"
    assert engine.chosen("compiled", cell, x, task="exact_gains") == "compiled"
    assert engine.chosen("auto", cell, x, task="window_sums") == "reference"
    assert engine.chosen("auto", cell, x) == "compiled"
