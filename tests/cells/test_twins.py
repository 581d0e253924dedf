"""Each cell against a plain loop of its publication's equation; how each one starts."""

import numpy as np
import pytest
import torch

from learnability.cells import (
    CELLS,
    LRU,
    MLSTM,
    RGLRU,
    S6,
    GatedDeltaNet,
    MinGRU,
    MinLSTM,
)
from learnability.unroll import unroll
from tests.cells.twins import TWINS
from tests.networks import KINDS, NORMALISED, make_cell, make_data


def plainly(cell, x, twin, **options):
    """Give the states of all sequences by the twin."""
    values = {name: p.detach().numpy() for name, p in cell.named_parameters()}
    return np.stack([twin(values, one.numpy(), **options) for one in x])


@pytest.mark.parametrize("kind", TWINS)
def test_each_step_is_the_equation(kind):
    cell, (x, _) = make_cell(kind, False, 3, 4, seed=1), make_data(2, 9, 3)
    found = unroll(cell, x, engine="reference").detach()
    np.testing.assert_allclose(found, plainly(cell, x, TWINS[kind]), rtol=1e-11)


@pytest.mark.parametrize("kind", ["MinGRU", "MinLSTM"])
def test_a_positive_candidate(kind):
    cell = KINDS[kind](3, 4, init="uniform", candidate="positive", seed=2).double()
    x, _ = make_data(2, 9, 3)
    found = unroll(cell, x).detach()
    np.testing.assert_allclose(
        found, plainly(cell, x, TWINS[kind], positive=True), rtol=1e-11
    )
    assert (found > 0).all()
    state = torch.rand(2, 9, 4, dtype=x.dtype)
    adjoint, projected = state.flip(1), cell.input_projection(x).detach()
    expected = torch.func.vjp(cell.step_projected, state, projected)[1](adjoint)
    for value, wanted in zip(
        cell.pulled(adjoint, state, projected), expected, strict=True
    ):
        torch.testing.assert_close(value, wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", sorted(set(CELLS) - set(NORMALISED)))
def test_what_has_no_candidate_takes_no_layernorm(kind):
    with pytest.raises(ValueError, match=f"{kind} has no candidate .* leave out"):
        KINDS[kind](3, 4, layernorm=True)


@pytest.mark.parametrize(
    ("cell", "keeps"),
    [
        (MinGRU(3, 4, z0=0.2), 0.8),
        (MinLSTM(3, 4, f0=0.7), 0.7),
        (RGLRU(3, 4, a0=0.7), 0.7),
        (LRU(3, 4, r0=0.7), 0.7),
        (MLSTM(3, 4, f0=0.7), 0.7),
        (GatedDeltaNet(3, 4, a0=0.7), 0.7),
        (S6(3, 4, width=1, dt0=0.3), np.exp(-0.3)),
    ],
)
def test_what_is_kept_at_the_start(cell, keeps):
    x = 5 * torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        leak = cell.diagonal_jacobian(unroll(cell, x), x).leak
    torch.testing.assert_close(leak, torch.full_like(leak, float(keeps)))


@pytest.mark.parametrize("kind", [RGLRU, LRU])
def test_published_starts_are_spread(kind):
    cell, x = kind(3, 4000), torch.zeros(1, 1, 3)
    leak = cell.diagonal_jacobian(torch.zeros(1, 1, 4000), x).leak.detach()
    assert leak.min() >= 0.9 - 1e-6
    assert leak.max() <= 0.999 + 1e-6
    power = 2 if kind is LRU else 1  # uniform on the ring: the square is uniform
    mean = (0.9**power + 0.999**power) / 2
    error = (0.999**power - 0.9**power) / (12 * 2000) ** 0.5
    assert abs(float((leak**power).mean()) - mean) < 4 * error


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MinGRU(3, 4, z0=1.0), "between 0 and 1"),
        (lambda: MinLSTM(3, 4, f0=0.0), "between 0 and 1"),
        (lambda: RGLRU(3, 4, a0=1.0), "a0 is 1.0"),
        (lambda: LRU(3, 4, r0=2.0), "r0 is 2.0"),
        (lambda: LRU(3, 5), "an even number"),
        (lambda: LRU(3, 4, phase=0.0), "phase is 0.0"),
        (lambda: S6(3, 4, dt0=0.0), "dt0 is 0.0"),
        (lambda: S6(3, 4, width=0), "width is 0"),
        (lambda: MLSTM(3, 4, f0=1.5), "between 0 and 1"),
        (lambda: GatedDeltaNet(3, 4, a0=0.0), "a0 is 0.0"),
        (lambda: KINDS["DiagRNN"](3, 4, w0=float("inf")), "must be finite"),
    ],
)
def test_wrong_starts_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_large_step_of_time_keeps_its_digits():
    """A unit that keeps all but 1e-7 of its past, in float32: nothing cancels."""
    cell = RGLRU(1, 1, a0=1 - 1e-7)
    single = cell.input_projection(torch.ones(1, 1, 1))
    double = cell.double().input_projection(torch.ones(1, 1, 1).double())
    for one, two in zip(
        cell.coefficients(single), cell.coefficients(double), strict=True
    ):
        torch.testing.assert_close(one.double(), two, rtol=1e-5, atol=0)
