"""Measured a part at a time, a diagnosis is what it is measured at once."""

import numpy as np
import pytest
import torch

from learnability import work
from learnability.cells import GRU, LSTM
from learnability.chunks import parts
from learnability.tasks import MultiLag
from learnability.training import predicted
from learnability.unroll import Network
from learnability.work import Measures, Work, silent


def made(kind, most, monkeypatch):
    """Give the work of one network on 12 sequences, in parts of some bytes."""
    task = MultiLag(lags=(2,), coefficients=(0.6,), inputs=2, steps=14)
    data = task.draw(12, seed=0, direction=task.direction(seed=1))
    network = Network(kind(2, 5, seed=3), seed=4)
    monkeypatch.setattr(work, "parts", lambda cell, x: parts(cell, x, most=most))
    measures = Measures(exact_windows=6, anchors=2)
    return Work(network, data, [1, 2, 5, 9], 7, measures, silent)


@pytest.mark.parametrize("kind", [GRU, LSTM])
def test_parts_change_no_number(kind, monkeypatch):
    one = made(kind, 2**28, monkeypatch)
    rates = torch.optim.SGD(one.network.parameters(), lr=0.3)
    whole, psi = one.envelopes(rates), one.psi()
    bytes_ = 14 * one.network.cell.state_size * 4
    some = made(kind, 5 * bytes_, monkeypatch)
    assert [p.stop - p.start for p in some.parts] == [5, 5, 2]
    own = torch.optim.SGD(some.network.parameters(), lr=0.3)
    found = some.envelopes(own)
    assert list(found) == list(whole) == ["envelope", "time_scales", "effective"]
    for name, group in found.items():
        for key, values in group.items():
            np.testing.assert_allclose(
                values.values,
                whole[name][key].values,
                rtol=1e-4,
                atol=1e-7,
                err_msg=str(key),
            )
    np.testing.assert_allclose(some.psi(), psi, rtol=1e-4, atol=1e-8)


def test_prediction_is_that_of_one_batch(monkeypatch):
    one = made(GRU, 2**28, monkeypatch)
    x = one.data.x
    few = [one.network(x[:5]), one.network(x[5:])]
    torch.testing.assert_close(predicted(one.network, x), torch.cat(few).detach())
