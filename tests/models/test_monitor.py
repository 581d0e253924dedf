"""The monitor: when it measures, what it keeps, that it changes nothing."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import TensorDataset

import learnability as lw
from tests.models.zoo import Sequential, weighted

TASK = lw.MultiLag(lags=(1, 4), coefficients=(0.6, 0.5), inputs=2, steps=16)
DATA = TASK.draw(80, seed=1, direction=TASK.direction(seed=0))
BATCH = (DATA.x, DATA.y[..., None])


class Clock:
    """Goes on by itself by a little, and by more when told."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        self.now += 0.25
        return self.now


def model_of(seed=1):
    rnn = nn.GRU(2, 6, num_layers=2, batch_first=True)
    return weighted(Sequential(rnn, outputs=1), seed=seed, dtype=torch.float32)


def monitor_of(model, **options):
    return lw.Monitor(model, BATCH, F.mse_loss, [1, 2, 4, 8], **options)


def test_every_counts_calls():
    monitor = monitor_of(model_of(), every=4)
    assert [monitor() for _ in range(9)] == [k % 4 == 0 for k in range(9)]
    assert monitor.record()["step"].values.tolist() == [0, 4, 8]


def test_start_end_and_three_between_are_measured_however_short_the_training():
    """With a clock by which a measurement takes as long as all of the training."""
    clock = Clock()
    known = monitor_of(model_of(), steps=41, share=1e-6, clock=clock)
    assert [call for call in range(41) if known()] == [0, 10, 20, 30, 40]
    known.finish()  # it was the last call
    assert len(known.snapshots) == 5
    unknown = monitor_of(model_of(), share=1e-6, clock=clock)
    assert [call for call in range(70) if unknown()] == [0, 4, 16, 64]
    unknown.finish()
    assert unknown.record()["step"].values.tolist() == [0, 4, 16, 64, 70]
    often = monitor_of(model_of(), steps=6, every=4)
    assert [call for call in range(6) if often()] == [0, 4, 5]


def batches(data, size):
    x, y = data
    return list(zip(x.split(size), y.split(size), strict=True))


@pytest.mark.parametrize("form", ["tensors", "batches", "generator", "dataset"])
def test_windows_are_those_of_the_data_s_own_number_of_sequences(form):
    """Of 200 sequences, of which 64 are looked at: 2, 20 and 200."""
    x = torch.randn(200, 8, 2, generator=torch.Generator().manual_seed(0))
    data = {
        "tensors": (x, x),
        "batches": batches((x, x), 30),
        "generator": iter(batches((x, x), 30)),
        "dataset": TensorDataset(x, x),
    }[form]
    rnn = nn.GRU(2, 2, batch_first=True)
    model = weighted(Sequential(rnn, outputs=2), seed=0, dtype=torch.float32)
    monitor = lw.Monitor(model, data, F.mse_loss, [1, 2])
    assert monitor.n_sequences == [2, 20, 200]
    assert monitor()


@pytest.mark.slow
def test_the_share_bounds_the_overhead():
    """A measurement of a quarter second waits for 6.25 s of training at 4 %."""
    clock = Clock()
    monitor = monitor_of(model_of(), clock=clock)
    taken = 0
    for call in range(600):
        clock.now += 0.1
        taken += monitor()
        if call > 256:  # what is measured in any case is paid for
            assert monitor.overhead < 0.05
    assert taken == len(monitor.snapshots)
    assert 5 < taken < 200
    training = clock.now - monitor.spent
    assert monitor.spent <= 0.04 * training


def test_training_is_the_same_with_a_monitor():
    """Same weights to the bit, and the same random state, with it and without."""
    results = []
    for watched in (False, True):
        model = model_of()
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        monitor = monitor_of(model, every=2)
        for step in range(4):
            optimizer.zero_grad()
            F.mse_loss(model(BATCH[0]), BATCH[1]).backward()
            optimizer.step()
            if watched:
                gradients = [p.grad.clone() for p in model.parameters()]
                random = torch.get_rng_state()
                monitor(step)
                assert torch.equal(random, torch.get_rng_state())
                for p, g in zip(model.parameters(), gradients, strict=True):
                    assert torch.equal(p.grad, g)
        assert model.training
        results.append(copy.deepcopy(model.state_dict()))
    for name, value in results[0].items():
        assert torch.equal(value, results[1][name])


def test_its_envelope_is_that_of_a_diagnosis():
    model = model_of()
    monitor = monitor_of(model, every=1, sequences=80)
    monitor(0)
    few = lw.DiagnosisOptions(exact_windows=8, anchors=2, resamples=20)
    found = lw.diagnose(model, BATCH, F.mse_loss, [1, 2, 4, 8], options=few)
    record = monitor.record()
    assert record["layer"].values.tolist() == list(found)
    for name, one in found.items():
        f = one.group("envelope")["normalised"].sel(order="diagonal")
        got = record["envelope"].sel(layer=name).isel(step=0)
        np.testing.assert_allclose(got, f, rtol=1e-5)


def test_a_layer_s_name_alone_is_one_layer():
    model = model_of()
    names = [monitor_of(model, every=1, layers=one) for one in ("rnn", ["rnn"])]
    for monitor in names:
        monitor()
    assert names[0].names == names[1].names != []
    monitor = monitor_of(model, every=1, layers="lstm")
    with pytest.raises(ValueError, match="there is no layer 'lstm'"):
        monitor()


def drawn(ax):
    """Give the lines of axes that are no entry of their legend."""
    return [line for line in ax.lines if len(line.get_xdata())]


def test_table_and_figure():
    monitor = monitor_of(model_of(), every=1, n_sequences=[10, 1e4])
    with pytest.raises(ValueError, match="nothing has been measured"):
        monitor.table()
    for _ in range(2):
        monitor()
    table = monitor.table()
    assert table.shape == (4, 2)
    assert list(table.columns) == ["H at 10", "H at 10000"]
    numbers, last = monitor.scalars(), monitor.snapshots[-1]
    for n, name in enumerate(("rnn layer 0 forward", "rnn layer 1 forward")):
        assert numbers[f"{name}/window at 10"] == last.windows[0, n, 0]
        assert numbers[f"{name}/arriving/lags 2-3"] == last.envelope[n, 1]
    made = monitor.figure()
    windows, envelopes = made.axes
    assert len(drawn(windows)) == 2
    assert len(drawn(envelopes)) == 4  # of two layers at two steps
    alone = monitor.figure(layer=monitor.names[0])
    assert len(drawn(alone.axes[1])) == 2
    with pytest.raises(ValueError, match="no window of 7 sequences"):
        monitor.figure(n_sequences=7)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"every": 0}, "every is 0"),
        ({"share": 1.5}, "share is"),
        ({"steps": 0}, "steps is 0"),
    ],
)
def test_wrong_cadences_are_named(options, match):
    with pytest.raises(ValueError, match=match):
        monitor_of(model_of(), **options)


def test_windows_lie_in_their_intervals_and_a_page_shows_them(tmp_path):
    monitor = monitor_of(model_of(), every=1, n_sequences=[10, 80])
    for step in range(2):
        monitor(step)
    record = monitor.record()
    assert (record["lower"] <= record["window"]).all()
    assert (record["window"] <= record["upper"]).all()
    page = monitor.report(tmp_path / "training.html", title="mine").read_text()
    assert "<title>mine</title>" in page
    assert monitor.names[0] in page
