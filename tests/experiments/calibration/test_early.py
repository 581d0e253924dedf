"""What a warm-up shows beside the rest, against what is known of it."""

import numpy as np
import pytest
import torch

from experiments.calibration import preset, run_one
from experiments.calibration.early import look_early
from experiments.calibration.reach import learnt_reach
from learnability.cells import DiagGate
from learnability.randomness import torch_generator
from learnability.unroll import Network


def network_and_inputs(count, steps=12):
    network = Network(DiagGate(2, 5, seed=1), seed=2).double()
    x = torch.randn(count, steps, 2, generator=torch_generator(3)).double()
    return network, x


def test_the_learnt_reach_is_a_difference_along_the_mean():
    network, x = network_and_inputs(6)
    anchor, lag, h = 9, 4, 1e-6
    slopes = torch.zeros(len(x), 2).double()
    for axis in range(2):
        moved = x.clone()
        moved[:, anchor - lag, axis] += h
        with torch.no_grad():
            slopes[:, axis] = (network(moved) - network(x))[:, anchor] / h
    along = slopes.mean(dim=0) / slopes.mean(dim=0).norm()
    wanted = float((slopes @ along).pow(2).mean().sqrt())
    found = learnt_reach(network, x, [2, lag], anchors=[anchor])
    assert found[1] == pytest.approx(wanted, rel=1e-5)


def test_no_dependency_no_reach_and_wrong_lags_are_named():
    network, x = network_and_inputs(4)
    with torch.no_grad():
        network.w_out.zero_()
    assert learnt_reach(network, x, [1, 3], anchors=[5, 9]).tolist() == [0.0, 0.0]
    with pytest.raises(ValueError, match="no anchor lies 7 steps"):
        learnt_reach(network, x, [7], anchors=[5])


def test_a_warm_up_made_again_is_that_of_the_training():
    run = preset("tiny").runs()[3]
    early, whole = look_early(run), run_one(run)
    assert early["share"] == whole["warm"]["share"]
    assert early["settings"] == whole["settings"]
    assert len(early["g"]) == len(whole["warm"]["f"])
    assert (np.array(early["g"]) > 0).all()
    # After two epochs neither error is far from the targets' power.
    assert early["train_error"] == pytest.approx(early["validation_error"], rel=0.5)
