"""The output's reach against automatic differentiation."""

import numpy as np
import pytest
import torch

from experiments.calibration.reach import output_sensitivity
from tests.networks import ALL, make_data, make_network


@pytest.mark.parametrize(("kind", "norm"), ALL)
def test_reach_is_the_derivative_by_past_preactivations(kind, norm):
    network = make_network(kind, norm, inputs=2, units=4)
    cell = network.cell
    x, _ = make_data(2, 7, 2)
    found = output_sensitivity(network, x, [1, 3, 5], anchors=[4, 6])
    shift = torch.zeros_like(cell.input_projection(x)).requires_grad_()
    state = x.new_zeros(2, cell.state_size)
    outputs = []
    for t in range(7):
        state = cell.step_projected(state, cell.input_projection(x[:, t]) + shift[:, t])
        outputs.append(network.read(state))
    for value, lag in zip(found, (1, 3, 5), strict=True):
        norms = []
        for t in (4, 6):
            if t >= lag:
                by = torch.autograd.grad(outputs[t].sum(), shift, retain_graph=True)[0]
                norms.append(by[:, t - lag].norm(dim=-1))
        assert value == pytest.approx(float(torch.stack(norms).mean()), rel=1e-10)


def test_an_anchor_must_lie_behind_the_longest_lag():
    network = make_network("GRU", False)
    with pytest.raises(ValueError, match="no anchor"):
        output_sensitivity(network, make_data(1, 9, 3)[0], [1, 8], anchors=[5])
    assert np.isfinite(
        output_sensitivity(network, make_data(1, 9, 3)[0], [8], anchors=[8])
    )
