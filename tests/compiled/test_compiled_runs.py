"""Threads, runs, processes and denormal numbers leave no trace in a result."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from learnability.cells import DiagGate
from learnability.compiled import runtime as workers
from learnability.compiled.engine import backward_bytes, unrolling
from learnability.unroll import unroll, warm_up
from tests.networks import COMPILED, LOOPED, make_cell
from tests.unroll.twins import draw, everything


@pytest.fixture
def restored_threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def problem(kind):
    cell = make_cell(kind, True, 3, 17, seed=0).float()
    x, state, weights = (
        draw(*shape, seed=n, dtype=torch.float32)
        for n, shape in enumerate(
            ((71, 9, 3), (71, cell.state_size), (71, 9, cell.state_size))
        )
    )
    return lambda: everything(cell, x, state, weights, "compiled")


@pytest.mark.usefixtures("restored_threads")
@pytest.mark.parametrize("kind", LOOPED)
def test_the_number_of_threads_changes_no_bit(kind, monkeypatch):
    run = problem(kind)
    first = run()
    for threads in (1, 2, 3):
        monkeypatch.setattr(workers, "threads", lambda n=threads: n)
        again = run()
        assert all(torch.equal(first[name], again[name]) for name in first)


@pytest.mark.usefixtures("restored_threads")
def test_torch_limits_the_threads():
    torch.set_num_threads(1)
    assert workers.threads() == 1


def test_calls_from_several_threads_do_not_meet():
    run = problem("GRU")
    first = run()
    with ThreadPoolExecutor(4) as pool:
        for again in pool.map(lambda _: run(), range(8)):
            assert all(torch.equal(first[name], again[name]) for name in first)


def test_underflow_leaves_no_denormal_number():
    """A gradient that halves 300 times ends at 0; the caller's mode stays."""
    cell = DiagGate(1, 16, s0=0.5)
    with torch.no_grad():
        cell.W_h.zero_()
    x = torch.zeros(4, 300, 1, requires_grad=True)
    states = unroll(cell, x, engine="compiled")
    (gradient,) = torch.autograd.grad(states[:, -1].sum(), x)
    tiny = torch.finfo(torch.float32).tiny
    assert gradient[:, -1].abs().min() > tiny
    assert not ((gradient != 0) & (gradient.abs() < tiny)).any()
    assert (torch.tensor([tiny]) / 2 != 0).all(), "the caller's thread flushes now"


def test_a_second_process_compiles_nothing():
    warm_up(torch.float32)
    code = """
import torch, warnings
warnings.simplefilter("error")
from learnability.compiled import _scan as scan
from learnability.unroll import warm_up
warm_up(torch.float32)
kernels = scan.forward, scan.backward, scan.tangent
print([sum(k.stats.cache_misses.values()) for k in kernels])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[0, 0, 0]"
    assert done.stderr == ""


@pytest.mark.parametrize(("kind", "norm"), COMPILED)
@pytest.mark.parametrize(("batch", "steps"), [(3, 5), (64, 33), (200, 9)])
def test_what_the_backward_pass_needs_is_as_large_as_said(kind, norm, batch, steps):
    cell = make_cell(kind, norm, 2, 9, seed=0)
    dtype = next(cell.parameters()).dtype
    x = torch.zeros(batch, steps, 2, dtype=dtype)
    start = x.new_zeros(batch, cell.state_size)
    whole = unrolling(cell, dict(cell.named_parameters()), x, start)
    held = sum(part.nbytes for part in whole.forward(keep=True)[1])
    assert held == backward_bytes(cell, batch, steps, x.numpy().dtype)
