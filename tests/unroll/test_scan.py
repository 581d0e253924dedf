"""One scan against the loop over steps: values, first and second derivatives."""

import pytest
import torch

from learnability.cells import GRU, MinGRU
from learnability.cells.inputs import Advancing
from learnability.unroll import outputs, reference, scan, unroll
from tests.networks import KINDS, make_cell
from tests.unroll.twins import draw

SCANS = [kind for kind, cell in KINDS.items() if issubclass(cell, Advancing)]


def prepared(kind, steps=6):
    cell = make_cell(kind, False, 2, 4, seed=0)
    x = draw(3, steps, 2, seed=1, dtype=torch.float64).requires_grad_()
    state = draw(3, cell.state_size, seed=2, dtype=torch.float64).requires_grad_()
    return cell, x, state


@pytest.mark.parametrize("steps", [1, 7])
@pytest.mark.parametrize("kind", SCANS)
def test_a_scan_is_its_loop(kind, steps):
    cell, x, state = prepared(kind, steps)
    weights = draw(3, steps, cell.state_size, seed=3, dtype=torch.float64)
    wanted = [x, state, *cell.parameters()]
    found = []
    for run in (scan.unroll, reference.unroll):
        states = run(cell, x, state)
        gradients = torch.autograd.grad((weights * states).sum(), wanted)
        found.append((states, *gradients))
    for one, two in zip(*found, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("kind", SCANS)
def test_second_derivatives(kind):
    cell, x, state = prepared(kind, 3)
    inputs = (x, state, *cell.parameters())

    def states(x, state, *parameters):
        return unroll(cell, x, state)

    assert torch.autograd.gradgradcheck(states, inputs, fast_mode=True)


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
def test_of_constant_coefficients_it_is_a_geometric_sum(dtype):
    a = torch.full((1, 9, 2), 0.5 + (0.4j if dtype.is_complex else 0), dtype=dtype)
    found = scan.scanned(a, torch.ones_like(a), torch.zeros_like(a[:, 0]))
    t = torch.arange(1, 10)[:, None]
    torch.testing.assert_close(found[0], (1 - a[0] ** t) / (1 - a[0]))


def test_which_way_a_call_goes(monkeypatch):
    """A scan where nothing speaks against it; the loop where it was asked for."""
    calls = []
    own = scan.unroll
    monkeypatch.setattr(scan, "unroll", lambda *given: calls.append(1) or own(*given))
    cell, x = MinGRU(2, 4), torch.ones(1, 3, 2)
    unroll(cell, x)
    outputs(cell, x, torch.ones(4))
    assert len(calls) == 2
    unroll(cell, x, engine="reference")
    torch.func.vmap(lambda one: unroll(cell, one))(x[None])
    torch.func.jvp(lambda one: unroll(cell, one), (x,), (x,))
    unroll(GRU(2, 4), x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        unroll(cell, x)
    assert len(calls) == 2
    with pytest.raises(ValueError, match="knows no MinGRU"):
        unroll(cell, x, engine="compiled")
