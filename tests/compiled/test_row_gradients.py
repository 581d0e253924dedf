"""Compiled gradients of many cotangents, against the plain ones."""

import pytest
import torch

import learnability as lw
from learnability.compiled.engine import row_gradients
from learnability.evidence.gradients import cell_gradients

CELLS = [
    ("ConstGate", {"s": 0.3}),
    ("SharedGate", {}),
    ("DiagGate", {}),
    ("GRU", {}),
    ("LSTM", {}),
    ("TorchGRU", {}),
    ("TorchRNN", {}),
]


def gram(gradients):
    flat = gradients.double().flatten(0, 1)
    return flat @ flat.T


@pytest.mark.parametrize("layernorm", [False, True])
@pytest.mark.parametrize(("name", "options"), CELLS)
def test_gradients_have_the_products_of_the_plain_ones(name, options, layernorm):
    """All products between sequences and rows: the same up to a rotation."""
    if name.startswith("Torch") and layernorm:
        pytest.skip("PyTorch's cells have no LayerNorm")
    cell = getattr(lw, name)(3, 9, layernorm=layernorm, init="uniform", **options)
    cell, g = cell.double(), torch.Generator().manual_seed(0)
    x = torch.randn(10, 7, 3, generator=g, dtype=torch.float64)
    weight = torch.randn(10, 3, 7, generator=g, dtype=torch.float64)
    axes = torch.randn(3, cell.state_size, generator=g, dtype=torch.float64)
    delta = torch.randn(10, 7, cell.state_size, generator=g, dtype=torch.float64)
    by = torch.cat((weight[..., None] * axes[:, None], delta[:, None]), dim=1)
    with torch.no_grad():
        states = lw.unroll(cell, x)
    plain = cell_gradients(cell, x, states, by)
    found = row_gradients(cell, x, weight, axes, delta)
    torch.testing.assert_close(gram(found), gram(plain), rtol=1e-10, atol=1e-10)
    assert (found != 0).any(dim=(0, 1)).sum() == (plain != 0).any(dim=(0, 1)).sum()
    mean = found[:, :3].mean(dim=0)
    centred = row_gradients(cell, x, weight, axes, delta, mean)
    found[:, :3] -= weight.sum(dim=-1, keepdim=True) * mean
    torch.testing.assert_close(centred, found, rtol=1e-10, atol=1e-10)
