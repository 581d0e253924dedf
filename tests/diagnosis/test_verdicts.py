"""What stops each lag: small models whose causes are known, files, forms, refusals."""

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from torch import nn
from torch.nn import functional

import learnability as lw
from learnability.diagnosis.judging import trained
from learnability.diagnosis.verdicts import leading
from learnability.tasks import learnt_shares
from learnability.verdict.rules import Case

LAGS = (1, 4)
TASK = lw.MultiLag(lags=LAGS, coefficients=(0.6, 0.6), inputs=2, steps=24, noise=0.5)
U = TASK.direction(seed=0)
GRID = [1, 2, 4, 8]
QUICK = lw.DiagnosisOptions(resamples=20, exact_windows=16)


def drawn(count, seed):
    data = TASK.draw(count, seed=seed, direction=U)
    return data.x, data.y


DATA, HELD = drawn(96, 1), drawn(128, 2)


def test_the_layer_speaks_that_has_found_a_lag_and_then_that_which_learnt_most():
    def said(**other) -> Case:
        cases = {"found": True, "share": 0.1, "kept": 0.1, "layer": "first"}
        return leading(
            [{4: Case(4, **cases)}, {4: Case(4, layer="second", **other)}], 4
        )

    assert said(found=False, share=0.9, kept=0.9).layer == "first"
    assert said(found=True, share=0.2).layer == "second"


class Model(nn.Module):
    """A recurrence with a read-out, and a layer before it that is trained, too."""

    def __init__(self, kind=nn.GRU, units=16, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.before = nn.Linear(2, 2)
        self.rnn, self.out = kind(2, units, batch_first=True), nn.Linear(units, 1)

    def forward(self, x):
        return self.out(self.rnn(self.before(x))[0])[..., 0]


def fitted(model, data, updates, batch=32, kind=torch.optim.Adam):
    """Train a model; return its optimizer."""
    x, y = data
    optimizer = kind(model.parameters(), lr=5e-3)
    generator = torch.Generator().manual_seed(0)
    for _ in range(updates):
        chosen = torch.randperm(len(x), generator=generator)[:batch]
        optimizer.zero_grad()
        functional.mse_loss(model(x[chosen]), y[chosen]).backward()
        optimizer.step()
    return optimizer


def found_of(model, data, optimizer, held=HELD, lags=GRID, **options):
    options = {"options": QUICK, **options}
    return lw.diagnose(
        model, data, "mse", lags, heldout=held, optimizer=optimizer, **options
    )


@pytest.fixture(scope="module")
def young():
    model = Model()
    optimizer = fitted(model, drawn(1024, 3), 60)
    return model, optimizer, found_of(model, drawn(1024, 3), optimizer)


@pytest.fixture(scope="module")
def learnt():
    model = Model()
    optimizer = fitted(model, drawn(2048, 3), 1500, batch=64)
    return model, optimizer, found_of(model, DATA, optimizer)


def verdicts(found):
    (one,) = found.values()
    return one.verdicts()


def test_what_a_model_has_learnt_is_learnt_and_the_rest_is_not_in_the_data(learnt):
    model, _, found = learnt
    table = verdicts(found)
    assert table.verdict[list(LAGS)].tolist() == ["learnt", "learnt"]
    assert set(table.verdict.drop(list(LAGS))) == {"not in the data"}
    x, _ = drawn(2000, 9)
    with torch.no_grad():
        truth = learnt_shares(TASK, x, model(x), U)
    for lag, share in zip(LAGS, truth, strict=True):
        row = table.loc[lag]
        width = row.share_upper - row.share_lower
        assert abs(row.share - share) < width


def test_a_young_model_has_too_few_steps(young):
    table = verdicts(young[2])
    assert "too few steps" in table.verdict[list(LAGS)].tolist()
    assert (table.b > 0).all()


class Held(nn.Module):
    """h' = A h + B x: what is held of a cue, the last input, and a unit at rest."""

    def __init__(self):
        super().__init__()
        self.a = nn.Parameter(torch.diag(torch.tensor([1.0, 0.0, 0.5])))
        self.b = nn.Parameter(torch.eye(3)[:2].clone())

    def step(self, state, x):
        return state @ self.a + x @ self.b

    def forward(self, state, x):
        return self.step(state, x)


class Guess(nn.Module):
    """Guesses a cue's sign by a coin; a unit moves the outputs where it is right."""

    SURE, MOVES = 2.0, 1.0

    def __init__(self):
        super().__init__()
        self.cell = Held()

    def forward(self, x):
        state = x.new_zeros(len(x), 3)
        for t in range(x.shape[1]):
            state = self.cell(state, x[:, t])
        cue, coin, rest = state.unbind(1)
        z = self.SURE * coin + self.MOVES * rest * (1 + cue * coin)
        return torch.stack([-z / 2, z / 2], 1)

    @staticmethod
    def draw(count, seed):
        generator = torch.Generator().manual_seed(seed)
        x = torch.randn(count, 4, 2, generator=generator)
        x[:, 1:, 0] = 0.0
        x[:, 0, 0], x[:, 3, 1] = x[:, 0, 0].sign(), x[:, 3, 1].sign()
        return x, (x[:, 0, 0] > 0).long()


def test_a_guess_is_not_learnt_however_its_outputs_can_be_moved():
    """Of the cue s the outputs hold nothing: they are q = tanh(C/2) g of a coin g.

    The logit's gradient by the state is j = (0, C, B (1 + s g)), so that e = -j s/2 and
    p = j q/2 have the coefficients -(C, B)/2 and (0, B tanh(C/2))/2 by s: the share is
    B^2 tanh(C/2)/(B^2 + C^2). Where the guess is wrong j has no third part: along axes
    of the error, each scaled to 1, that part would count as much as the second.
    """
    c, b = Guess.SURE, Guess.MOVES
    share = b**2 * np.tanh(c / 2) / (b**2 + c**2)
    data, held = Guess.draw(512, 1), Guess.draw(1024, 2)
    found = lw.diagnose(Guess(), data, "ce", [1, 3], heldout=held, options=QUICK)
    row = verdicts(found).loc[3]
    assert row.verdict != "learnt"
    assert abs(row.share - share) < row.share_upper - row.share_lower
    assert row.strength == pytest.approx(
        ((c**2 + b**2) / (c**2 + 2 * b**2)) ** 0.5, abs=0.02
    )


def test_targets_of_other_sequences_are_not_in_the_data(young):
    model, optimizer, _ = young
    dealt, held = (DATA[0], DATA[1].roll(5, 0)), (HELD[0], HELD[1].roll(5, 0))
    table = verdicts(found_of(model, dealt, optimizer, held))
    assert set(table.verdict) == {"not in the data"}
    assert table.smallest.max() < 0.3


def test_a_model_that_knows_noise_by_heart_has_too_few_sequences():
    x, y = drawn(16, 5)
    noise = torch.randn(y.shape, generator=torch.Generator().manual_seed(0))
    few = x, y + 2 * noise
    model = Model(units=32)
    optimizer = fitted(model, few, 600, batch=16)
    table = verdicts(found_of(model, few, optimizer, drawn(256, 6)))
    assert table.verdict[4] == "too few sequences"


def test_a_start_that_forgets_vanishes():
    task = lw.MultiLag(lags=(40,), coefficients=(1.0,), inputs=2, steps=64, noise=0.1)
    u = task.direction(seed=0)
    data, held = (task.draw(64, seed=s, direction=u) for s in (1, 2))
    model = Model(nn.LSTM)
    optimizer = fitted(model, (data.x, data.y), 30)
    found = found_of(model, (data.x, data.y), optimizer, (held.x, held.y), [2, 8, 40])
    assert verdicts(found).verdict[40] == "vanishes"
    code = found.explain(40).code
    assert code == "lw.design.gate_bias(40, units=16, n_sequences=64).apply(model.rnn)"
    before = model.rnn.bias_ih_l0.detach().clone()
    exec(code, {"lw": lw, "model": model})
    assert not torch.equal(before, model.rnn.bias_ih_l0)


def test_b_is_the_slope_of_the_held_out_loss_and_gain_that_of_the_share(young):
    """The step is made in full smallness, by hand."""
    model, optimizer, found = young
    (one,) = found.values()
    facts = one.group("verdict").attrs
    parameters, rates = trained(model, optimizer)
    x, y = drawn(1024, 3)

    def loss(pair):
        return functional.mse_loss(model(pair[0]), pair[1])

    gradient = torch.autograd.grad(loss((x, y)), parameters)
    flat = torch.cat([g.flatten() for g in gradient]).double().numpy()
    assert facts["c"] == pytest.approx(flat @ (rates * flat), rel=1e-3)
    other = torch.autograd.grad(loss(HELD), parameters)
    held = torch.cat([g.flatten() for g in other]).double().numpy()
    assert facts["b"] == pytest.approx(held @ (rates * flat), rel=1e-3)
    now, change = by_lag(model), 0.01
    step = torch.from_numpy(change * rates * flat).float()
    with torch.no_grad():
        kept = [p.clone() for p in parameters]
        sizes = [p.numel() for p in parameters]
        for p, part in zip(parameters, step.split(sizes), strict=True):
            p -= part.view_as(p)
        after = by_lag(model)
        for p, value in zip(parameters, kept, strict=True):
            p.copy_(value)
    table = one.verdicts()
    for lag in LAGS:
        asked = now[1][lag]
        by_hand = (after[0][lag] - now[0][lag]) @ asked / (asked @ asked) / change
        towards = np.sign(1 - table.share[lag])
        assert table.gain[lag] == pytest.approx(towards * by_hand, rel=0.02)


def by_lag(model):
    """Return the coefficients of outputs and targets on all lags, held-out data."""
    x, y = (v - v.mean(dim=0) for v in HELD)
    with torch.no_grad():
        output = model(HELD[0])
    output = output - output.mean(dim=0)
    past = [x[:, 8 - lag : 24 - lag] for lag in range(9)]
    design = torch.cat(past, dim=-1).flatten(0, 1).double().numpy()
    values = torch.stack([output[:, 8:], y[:, 8:]], dim=-1).flatten(0, 1)
    fit = np.linalg.lstsq(design, values.double().numpy())[0]
    return fit[:, 0].reshape(9, 2), fit[:, 1].reshape(9, 2)


def test_further_updates_are_the_optimizers_and_losses_those_of_average_weights():
    data, held, criterion = drawn(32, 5), drawn(64, 6), functional.mse_loss
    model = Model()
    optimizer = fitted(model, data, 40)
    attrs = found_of(model, data, optimizer, held)["rnn"].group("verdict").attrs
    twin = Model()
    twin.load_state_dict(model.state_dict())
    same = torch.optim.Adam(twin.parameters(), lr=5e-3)
    same.load_state_dict(optimizer.state_dict())
    size = sum(s["exp_avg_sq"].sum() for s in optimizer.state.values())
    size = (size / (1 - 0.999**40)) ** 0.5
    halves = []
    for update in range(64):
        same.zero_grad()
        criterion(twin(data[0]), data[1]).backward()
        nn.utils.clip_grad_norm_(twin.parameters(), size)
        same.step()
        if update % 32 == 0:
            halves.append(torch.optim.swa_utils.AveragedModel(twin))
        halves[-1].update_parameters(twin)
    for name, (x, y) in {"train": data, "held": held}.items():
        with torch.no_grad():
            losses = [((one(x) - y) ** 2).mean(1).double() for one in halves]
        falls = (losses[0] - losses[1]).numpy()
        assert attrs[f"{name}_fall"] == pytest.approx(falls.mean(), rel=1e-3)
        error = falls.std(ddof=1) / len(falls) ** 0.5
        assert attrs[f"{name}_fall_error"] == pytest.approx(error, rel=0.3)


def test_large_states_have_all_that_small_ones_have(young, monkeypatch):
    model, optimizer, found = young
    monkeypatch.setattr("learnability.verdict.lag_sums.HELD", 1)  # as few as there are
    few = found_of(model, drawn(1024, 3), optimizer)["rnn"].group("verdict")
    whole = found["rnn"].group("verdict")
    assert few.attrs["notes"] == whole.attrs["notes"]
    for name in ("share", "gain", "strength"):
        np.testing.assert_allclose(few[name], whole[name], rtol=0.02, atol=5e-3)


def test_cards_and_pages_say_what_stops_each_lag(young, tmp_path):
    _, _, found = young
    said, advice = "too few steps at lag 4", "train on, five times as long"
    assert f"{said} ({advice})." in found._repr_html_()
    assert f"{said}: {advice}" in found.report(tmp_path / "mine.html").read_text()
    alone = found_of(Model(), DATA, None)
    assert "too few" not in alone._repr_html_()


def test_neither_the_model_nor_its_optimizer_is_changed(young):
    model, optimizer, _ = young
    before = {k: v.clone() for k, v in model.state_dict().items()}
    state = optimizer.state_dict()["state"][0]["exp_avg_sq"].clone()
    found_of(model, DATA, optimizer)
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    assert torch.equal(state, optimizer.state_dict()["state"][0]["exp_avg_sq"])


def test_a_file_holds_all_that_is_explained(young, tmp_path):
    found = young[2]
    found.save(tmp_path / "found.nc")
    again = lw.Diagnosis.load(tmp_path / "found.nc")
    assert again.verdicts().equals(found.verdicts())
    assert again.explain(4) == found.explain(4)
    assert list(found.verdicts().index.names) == ["layer", "lag"]


def test_lags_that_were_not_measured_name_both_neighbours(young):
    words = str(young[2].explain(3))
    assert "lag 2: not in the data; lag 4: " in words
    assert len(words.splitlines()) <= 6
    assert "lag 8: " in str(young[2].explain(20))


def test_what_is_not_given_is_said(young):
    model, _, _ = young
    alone = found_of(model, DATA, None, None)
    (one,) = alone.values()
    assert "measured on training data" in one.group("verdict").attrs["notes"]
    assert "give heldout=" in one.group("verdict").attrs["notes"]
    table = one.verdicts()
    assert table[["share", "gain", "b"]].isna().to_numpy().all()
    assert set(table.verdict[list(LAGS)]) == {"not resolved"}
    assert "heldout=heldout" in alone.explain(4).code
    (one,) = found_of(model, DATA, None).values()
    assert "give optimizer=" in one.group("verdict").attrs["notes"]
    assert one.verdicts().share[list(LAGS)].notna().all()


def test_what_is_said_of_the_start_is_that_of_its_weights(young):
    model, optimizer, _ = young
    start = Model(seed=3)
    of_start = found_of(start, DATA, None)["rnn"].envelope["normalised"]
    before = {k: v.clone() for k, v in model.state_dict().items()}
    found = found_of(model, DATA, optimizer, start=start.state_dict())
    group = found["rnn"].group("verdict")["start"]
    np.testing.assert_allclose(group.sel(lag=GRID), of_start, rtol=1e-5)
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    with pytest.raises(ValueError, match="the start does not fit the model"):
        found_of(model, DATA, optimizer, start=Model(units=3).state_dict())


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.RMSprop])
def test_rates_are_the_optimizers(kind):
    model = Model()
    optimizer = fitted(model, DATA, 20, kind=kind)
    table = verdicts(found_of(model, DATA, optimizer))
    assert table.b.notna().all()


class Signed(torch.optim.Optimizer):
    """A step of one size for every number, as Lion's: nothing in it is a rate."""

    def __init__(self, parameters, lr):
        super().__init__(parameters, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                p -= group["lr"] * p.grad.sign()


@pytest.mark.parametrize(
    ("kind", "updates", "reason"),
    [
        (torch.optim.Adam, 0, "the optimizer has made no step yet"),
        (torch.optim.RMSprop, 0, "the optimizer has made no step yet"),
        (torch.optim.Adagrad, 2, "no base rate is known for Adagrad"),
        (Signed, 2, "no base rate is known for Signed"),
    ],
)
def test_without_rates_all_but_the_step_is_told(kind, updates, reason):
    model = Model()
    optimizer = fitted(model, DATA, updates, kind=kind)
    (one,) = found_of(model, DATA, optimizer).values()
    (alone,) = found_of(model, DATA, None).values()
    assert reason in one.group("verdict").attrs["notes"]
    assert reason in one.group("envelope").attrs["effective_undefined"]
    assert reason in str(one.explain(4))
    assert "effective" not in one.tree.children
    table, other = one.verdicts(), alone.verdicts()
    assert table[["b", "rel", "unfitted", "gain"]].isna().to_numpy().all()
    pd.testing.assert_frame_equal(table, other)
    xr.testing.assert_equal(one.group("detection"), alone.group("detection"))


def test_layers_that_the_optimizer_leaves_alone_have_no_rates_only():
    model = Model()
    model.rnn.requires_grad_(False)
    optimizer = torch.optim.SGD(model.out.parameters(), lr=0.1)
    (one,) = found_of(model, DATA, optimizer).values()
    attrs = one.group("envelope").attrs
    assert "does not train this parameter" in attrs["effective_undefined"]
    assert one.verdicts().b.notna().all()


def test_any_module_has_verdicts():
    """A convolution over the past, of which only what it takes and gives is known."""

    class Inner(nn.Module):
        def __init__(self):
            super().__init__()
            self.past, self.out = PastLayer(), nn.Linear(8, 1)

        def forward(self, x):
            return self.out(self.past(x))[..., 0]

    class PastLayer(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.convolution = nn.Conv1d(2, 8, 6)

        def forward(self, x):
            padded = functional.pad(x.transpose(1, 2), (5, 0))
            return self.convolution(padded).transpose(1, 2)

    model = Inner()
    optimizer = fitted(model, drawn(512, 3), 400)
    table = verdicts(found_of(model, DATA, optimizer, layers=["past"]))
    assert table.verdict[list(LAGS)].tolist() == ["learnt", "learnt"]
    assert table.kept[1] > 0.5
    assert table.kept[8] < 0.1  # further back than the kernel reaches


def test_classes_of_sequences_have_verdicts():
    """Is the input above its median four steps before the end?"""
    x = drawn(1024, 7)[0]
    y = (x[:, -5] @ U > 0).long()
    hx, hy = HELD[0], (HELD[0][:, -5] @ U > 0).long()

    class Last(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.rnn, self.out = nn.GRU(2, 8, batch_first=True), nn.Linear(8, 2)

        def forward(self, values):
            return self.out(self.rnn(values)[0][:, -1])

    model = Last()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(150):
        optimizer.zero_grad()
        functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    found = lw.diagnose(
        model, (x, y), "ce", GRID, heldout=(hx, hy), optimizer=optimizer, options=QUICK
    )
    table = verdicts(found)
    assert table.found[4]
    assert table.verdict[4] == "learnt"
    assert table.strength[4] > 0.5 > table.strength.drop(4).max()


@pytest.mark.parametrize(
    ("held", "said"),
    [
        (drawn(5, 1), "heldout has 5 sequences; give at least 8"),
        ((HELD[0][..., :1], HELD[1]), "cannot take inputs of shape"),
    ],
)
def test_held_out_data_that_do_not_fit_are_refused(held, said):
    with pytest.raises(ValueError, match=said):
        found_of(Model(), DATA, None, held)


def test_what_shrinks_below_all_numbers_vanishes_and_the_first_sentence_says_so():
    model = Model(nn.RNN)
    with torch.no_grad():
        model.rnn.weight_hh_l0.mul_(1e-11)  # f(4)/f(0) is below 1e-44
    frozen = torch.optim.Adam(
        [p for n, p in model.named_parameters() if "weight_hh" not in n]
    )
    found = found_of(model, DATA, frozen)
    lag = found["rnn"]
    assert np.isnan(lag.envelope["normalised"].sel(lag=4))
    assert found.verdicts().verdict.droplevel(0)[4] == "vanishes"
    assert "too small for its numbers" in found.explain(4).evidence
    assert "lag 4 vanishes" in repr(found)
    need = lag.group("detection")  # of what is lost in rounding no number is enough
    lost = [np.isinf(need[name].sel(lag=4)) for name in ("needed", "lower", "upper")]
    assert all(lost)
    assert not need["resolved"].sel(lag=4)
    assert np.isfinite(need["lower"].sel(lag=1))


@pytest.mark.parametrize("scale", [0.0, 1e-11])
def test_lag_1_shows_in_the_gradient_by_recurrent_weights_that_are_0(scale):
    """It is ``delta_t h_{t-1}'``, which holds x_{t-1}; and so the lag is learnt."""
    x = torch.randn(512, 8, 2, generator=torch.Generator().manual_seed(1))
    data, model = (x, x[..., 0].roll(1, 1)), Model(nn.RNN)
    with torch.no_grad():
        model.rnn.weight_hh_l0.mul_(scale)
    one = found_of(model, data, None, None, [1, 2, 5])["rnn"]
    need, f = one.group("detection"), one.envelope["normalised"].fillna(0.0)
    assert (f < 1e-10).all()
    assert need["needed"].sel(lag=1) < 64
    assert np.isinf(need["lower"].sel(lag=[2, 5])).all()
    fitted(model, data, 200)
    with torch.no_grad():
        assert functional.mse_loss(model(x)[:, 1:], data[1][:, 1:]) < 0.1


@pytest.mark.parametrize("left", [0.0, 1e-4, 0.05])
def test_the_end_of_a_schedule_tells_nothing_of_whether_training_on_pays(young, left):
    model, optimizer, _ = young
    (group,) = optimizer.param_groups
    rate = group["lr"]
    try:
        group |= {"lr": left * rate, "initial_lr": rate}
        found = found_of(model, DATA, optimizer)
    finally:
        group["lr"] = rate
        del group["initial_lr"]
    table = found.verdicts()
    assert table["held_fall"].isna().all()
    assert "forgotten" not in set(table["verdict"])
    assert "at the end of a schedule" in found.explain(4).evidence
