"""Lengths of a model: warm-up, look-back and truncation, against loops by hand."""

import numpy as np
import pytest
import torch
from torch import nn

import learnability as lw

QUICK = lw.DiagnosisOptions(resamples=20, exact_windows=16)
GENERATOR = torch.Generator().manual_seed(0)
X = torch.randn(40, 60, 2, generator=GENERATOR)
Y = X[..., 0].roll(6, 1) + 0.3 * torch.randn(40, 60, generator=GENERATOR)


def found_of(model, **options):
    return lw.diagnose(model, (X, Y), "mse", [1, 6, 12], options=QUICK, **options)


def leak():
    cell = lw.ConstGate(2, 8, s=0.2, layernorm=False, seed=0)
    with torch.no_grad():
        cell.W_h.zero_()
    return lw.Network(cell)


@pytest.fixture(scope="module")
def leaky():
    return found_of(leak())


def test_a_leak_forgets_a_wrong_start_at_its_own_rate(leaky):
    table = leaky.lengths().warm_up
    steps = table.loc[("cell", "states", "other")]
    assert steps.within_10 == pytest.approx(np.log(0.1) / np.log(0.8), abs=2)
    assert steps.within_1 == pytest.approx(np.log(0.01) / np.log(0.8), abs=3)


def test_lengths_follow_from_the_lags_that_the_data_hold(leaky, tmp_path):
    lengths = leaky.lengths()
    assert lengths.lookback == 7
    assert lengths.truncation.farthest_chunks[12] == 0.5
    assert "look back 7 steps" in repr(lengths)
    assert "chunks of 12" in repr(lengths)
    leaky.save(tmp_path / "found.nc")
    again = lw.Diagnosis.load(tmp_path / "found.nc").lengths()
    assert repr(again) == repr(lengths)
    assert again.warm_up.equals(lengths.warm_up)
    assert again.truncation.equals(lengths.truncation)
    assert again.model.equals(lengths.model)


def test_every_length_has_its_interval(leaky):
    lengths = leaky.lengths()
    assert lengths.intervals["lookback"] == (7, 12)
    lower, upper = lengths.intervals["needed"]
    assert lower < lengths.needed < upper
    for table in (lengths.warm_up, lengths.model.to_frame().T):
        for level in ("within_10", "within_1"):
            assert (table[f"{level}_lower"] <= table[level]).all()
            assert (table[level] <= table[f"{level}_upper"]).all()
    assert set(lengths.why) == {"bias"}
    assert "not told from nothing" in lengths.why["bias"]


def test_a_leak_lets_the_model_look_back_as_far_as_it_reaches(leaky):
    """Without recurrent weights what arrives is 0.8 to the power of the lag."""
    model = leaky.lengths().model
    assert model.within_10 == np.ceil(np.log(0.1) / np.log(0.8))
    assert model.within_1 == np.ceil(np.log(0.01) / np.log(0.8))
    assert model.within_1_lower == model.within_1_upper


def test_a_length_bends_the_gradient_by_what_a_loop_that_is_cut_off_loses():
    """In chunks wherever they begin, on the sequences of the diagnosis."""
    x = torch.randn(256, 40, 2, generator=torch.Generator().manual_seed(5))
    y = x[..., 0].roll(2, 1) + x[..., 1].roll(6, 1)
    found = lw.diagnose(leak(), (x, y), "mse", [2, 6], options=QUICK)
    row = found.lengths().truncation.loc[12]
    assert "bias" not in found.lengths().why
    network = leak()

    def gradient(begins):
        state, given = torch.zeros(256, 8), []
        for t in range(40):
            state = network.cell.step(state.detach() if begins(t) else state, x[:, t])
            given.append(state)
        loss = ((network.read(torch.stack(given, 1)) - y) ** 2).mean()
        parts = torch.autograd.grad(loss, [*network.cell.parameters()])
        return torch.cat([g.flatten() for g in parts])

    whole = gradient(lambda t: t == 0)
    chunks = [gradient(lambda t, o=o: (t + o) % 12 == 0) for o in range(12)]
    cut = torch.stack(chunks).mean(0)
    bias, cosine = (whole - cut).norm() / whole.norm(), cut @ whole / whole.norm()
    assert row.bias_chunks_lower <= bias <= row.bias_chunks_upper
    assert row.cosine_chunks_lower <= cosine / cut.norm() <= row.cosine_chunks_upper
    assert row.bias_sliding_upper < row.bias_chunks_upper


def test_where_all_is_learnt_the_start_tells_by_how_much_a_gradient_is_bent():
    x = torch.randn(256, 40, 2, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        start, model = leak().state_dict(), leak()
        y = model(x)
    noise = 0.1 * torch.randn(256, 40, generator=torch.Generator().manual_seed(6))
    with torch.no_grad():
        start["w_out"] = -start["w_out"]
    data, lags = (x, y + noise), [2, 6]
    without = lw.diagnose(model, data, "mse", lags, options=QUICK)
    given = lw.diagnose(model, data, "mse", lags, options=QUICK, start=start)
    assert "give start=" in without.lengths().why["bias"]
    assert "bias" not in given.lengths().why
    group = given["cell"].group("truncation")
    assert group.attrs["at"] == "the start of the training"


class Headed(nn.Module):
    def __init__(self, kind, layers):
        super().__init__()
        torch.manual_seed(0)
        self.rnn = kind(2, 8, num_layers=layers, batch_first=True)
        self.out = nn.Linear(8, 1)

    def forward(self, x):
        return self.out(self.rnn(x)[0])[..., 0]


@pytest.mark.parametrize(("kind", "layers"), [(nn.LSTM, 1), (nn.GRU, 2)])
def test_zero_and_carried_states_agree_from_the_warm_up_on(kind, layers):
    model = Headed(kind, layers)
    table = found_of(model).lengths().warm_up.xs("zero", level="start")
    with torch.no_grad():
        carried, fresh = model.rnn(X)[0][:, 30:], model.rnn(X[:, 30:])[0]
        runs = {"states": (carried, fresh)}
        runs["output"] = (model.out(carried), model.out(fresh))
    top = f"rnn[layer {layers - 1}, forward]"
    for what, (right, wrong) in runs.items():
        if kind is nn.LSTM and what == "states":
            continue  # c is half of them, which a layer does not give at every step
        scale = (right - right.roll(1, 0)).square().sum((0, 2))
        apart = ((right - wrong).square().sum((0, 2)) / scale).sqrt()
        for level, share in (("within_10", 0.1), ("within_1", 0.01)):
            steps = int(table.loc[(top, what), level])
            assert (apart[steps:] <= share).all()
            assert apart[steps - 1] > share


def test_the_states_of_a_lstm_agree_by_steps_of_its_cell():
    model = Headed(nn.LSTM, 1)
    table = found_of(model).lengths().warm_up
    steps = int(table.loc[("rnn[layer 0, forward]", "states", "zero"), "within_1"])
    with torch.no_grad():
        state = model.rnn(X[:, :30])[1]
        for last, given in ((steps - 1, False), (steps, True)):
            part = X[:, 30 : 30 + last + 1]
            ends = [model.rnn(part, state)[1], model.rnn(part)[1]]
            right, wrong = (torch.cat(one, -1)[0] for one in ends)
            scale = (right - right.roll(1, 0)).norm()
            assert ((right - wrong).norm() <= 0.01 * scale) == given


@pytest.mark.parametrize("last", [False, True])
def test_the_model_looks_back_as_far_as_its_jacobian_says(last):
    """Through two layers and the head, every entry of the Jacobian by hand."""

    class Model(Headed):
        def forward(self, x):
            found = super().forward(x)
            return found[:, -1] if last else found

    model = Model(nn.GRU, 2)
    y = Y[:, -1] if last else Y
    found = lw.diagnose(model, (X, y), "mse", [1, 6], options=QUICK)
    group = found["rnn[layer 1"].group("look_back")["sensitivity"]
    at = [59] if last else [45, 49, 54, 59]
    norms = np.zeros((40, 60 if last else 46))
    for n in range(40):
        by_hand = torch.autograd.functional.jacobian(
            lambda x: Headed.forward(model, x[None])[0, at], X[n]
        )
        for row, t in zip(by_hand.norm(dim=2).numpy(), at, strict=True):
            norms[n] += row[: t + 1][::-1][: norms.shape[1]]
    mean = norms.mean(0)
    np.testing.assert_allclose(group.sel(end="value"), mean / mean.max(), rtol=1e-4)
    model = found.lengths().model
    assert (mean[int(model.within_1) :] <= 0.01 * mean.max()).all()
    assert mean[int(model.within_1) - 1] > 0.01 * mean.max()


def test_what_has_no_derivative_or_no_length_says_so():
    class Tokens(Headed):
        def __init__(self):
            super().__init__(nn.GRU, 1)
            self.embedding = nn.Embedding(4, 2)

        def forward(self, x):
            return super().forward(self.embedding(x))

    tokens = torch.randint(4, (40, 60), generator=torch.Generator().manual_seed(1))
    y = (tokens.roll(2, 1) == 1).float()
    lengths = lw.diagnose(Tokens(), (tokens, y), "mse", [1, 2], options=QUICK).lengths()
    assert "whole numbers" in lengths.why["model"]
    assert lengths.model.isna().all()


def test_targets_without_dependence_give_no_length():
    found = lw.diagnose(
        lw.Network(lw.GRU(2, 4)), (X, Y.roll(3, 0)), "mse", [1, 6], options=QUICK
    )
    lengths = found.lengths()
    assert lengths.truncation.empty
    assert np.isnan(lengths.lookback)
    assert "no lag was found" in repr(lengths)
    assert {"truncation", "bias", "lookback", "needed"} == set(lengths.why)


class Strided(nn.Module):
    """A GRU over sums of two steps each, or after two steps that nobody gave."""

    def __init__(self, way):
        super().__init__()
        torch.manual_seed(0)
        self.rnn, self.out = nn.GRU(2, 4, batch_first=True), nn.Linear(4, 1)
        self.way = way

    def forward(self, x):
        if self.way == "halved":
            return self.out(self.rnn(x[:, ::2] + x[:, 1::2])[0]).repeat(1, 2, 1)
        padded = torch.nn.functional.pad(x, (0, 0, 0, 2))
        return self.out(self.rnn(padded)[0][:, :-2])


@pytest.mark.parametrize("way", ["halved", "padded"])
def test_a_layer_of_other_steps_than_the_inputs_has_no_warm_up(way):
    """No start was wrong, so that nothing is forgotten after 0 steps."""
    data = X[:16, :12], Y[:16, :12, None]
    found = lw.diagnose(Strided(way), data, "mse", [1, 2], options=QUICK)
    lengths = found.lengths()
    assert "warm up" not in repr(lengths)
    assert "other steps" in lengths.why["warm_up"]


@pytest.mark.parametrize("steps", [16, 12])
def test_steps_first_are_told_from_sequences_first(steps):
    """Where they are as many, too: all of what is told is the same."""

    class Layer(nn.Module):
        def __init__(self, first):
            super().__init__()
            torch.manual_seed(0)
            self.rnn, self.out = nn.GRU(2, 4, batch_first=first), nn.Linear(4, 1)
            self.double()

        def forward(self, x):
            return self.out(self.rnn(x)[0])[..., 0]

    x, y = X[:16, :steps].double(), Y[:16, :steps].double()
    turned = (x.transpose(0, 1), y.transpose(0, 1))
    batches = {True: [(x, y)] * 2, False: [turned] * 2}
    one, other = (
        lw.diagnose(Layer(first), data, "mse", [1, 2, 6], options=QUICK)
        for first, data in batches.items()
    )
    for name in ("warm_up", "look_back"):
        (own,), (twin,) = (
            [layer.group(name) for layer in found.values()] for found in (one, other)
        )
        assert set(own) == set(twin)
        assert set(own)
        for variable in own:
            np.testing.assert_allclose(own[variable], twin[variable], rtol=1e-6)


def test_an_own_cell_is_truncated_as_in_evaluation():
    """Its dropout and its statistics of a batch are those of a model at rest."""

    class Cell(nn.Module):
        def __init__(self):
            super().__init__()
            self.mix, self.norm = nn.Linear(6, 4), nn.BatchNorm1d(4)

        def step(self, state, x):
            return torch.tanh(self.norm(self.mix(torch.cat([state, x], dim=-1))))

        def forward(self, state, x):
            return self.step(state, x)

    class Loop(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.cell, self.out = Cell(), nn.Linear(4, 1)
            self.double()

        def forward(self, x):
            state, given = x.new_zeros(len(x), 4), []
            for step in x.unbind(1):
                state = self.cell(state, step)
                given.append(state)
            return self.out(torch.stack(given, dim=1))[..., 0]

    x = X[:32, :10].double()
    data = x, x[..., 0].roll(1, 1)
    one, other = (
        lw.diagnose(Loop().train(mode), data, "mse", [1, 2, 4], options=QUICK)
        for mode in (True, False)
    )
    found, twin = (v["cell"].group("truncation") for v in (one, other))
    assert found.attrs["notes"] == ""
    assert found.equals(twin)
