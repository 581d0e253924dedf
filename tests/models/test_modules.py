"""Modules whose equation is not known: against those whose equation is."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import learnability as lw
from learnability.diagnosis import DiagnosisOptions
from learnability.diagnosis.advice import advice
from learnability.models.module_tap import ModuleTap
from learnability.models.quiet import quiet
from learnability.models.reading import Reading
from learnability.models.split import SKETCH, Splitting, pulled, sketched

GENERATOR = torch.Generator().manual_seed(0)
X = torch.randn(64, 24, 2, generator=GENERATOR)
Y = X[..., 0].roll(2, 1) + 0.5 * torch.randn(64, 24, generator=GENERATOR)
LAGS = [1, 2, 3, 6]
QUICK = DiagnosisOptions(resamples=20, exact_windows=64, pairs=1)


class Ways(nn.Module):
    """One recurrence, called in one of several ways."""

    def __init__(self, way: str, kind: type[nn.Module] = nn.GRU, layers: int = 1):
        super().__init__()
        torch.manual_seed(0)
        self.rnn = kind(2, 6, layers, batch_first=True)
        self.out, self.way = nn.Linear(6, 1), way
        self.start = nn.Parameter(torch.full((layers, 1, 6), 1e-12))

    def forward(self, x: Tensor) -> Tensor:
        if self.way == "whole":
            return self.out(self.rnn(x)[0])[..., 0]
        if self.way == "learnt start":
            start = self.start.expand(-1, len(x), 6).contiguous()
            start = (start, start) if isinstance(self.rnn, nn.LSTM) else start
            return self.out(self.rnn(x, start)[0])[..., 0]
        size = 1 if self.way in ("steps", "last states") else 8
        state, outputs = None, []
        for chunk in x.split(size, dim=1):
            given, state = self.rnn(chunk, state)
            if self.way == "cut":
                several = isinstance(state, tuple)
                cut = [s.detach() for s in (state if several else (state,))]
                state = tuple(cut) if several else cut[0]
            if self.way == "last states":
                h = state if isinstance(state, Tensor) else state[0]
                given = h[-1][:, None]
            outputs.append(given)
        return self.out(torch.cat(outputs, dim=1))[..., 0]


class On(nn.Module):
    """Some module with a read-out."""

    def __init__(self, module: nn.Module, width: int) -> None:
        super().__init__()
        self.module, self.out = module, nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.module(x))[..., 0]


def diagnosed(model: nn.Module, data=(X, Y), **options) -> lw.LayerDiagnosis:
    options = {"options": QUICK} | options
    loss = options.pop("loss", functional.mse_loss)
    (found,) = lw.diagnose(model, data, loss, LAGS, **options).values()
    return found


@pytest.mark.slow
@pytest.mark.parametrize("kind", [nn.GRU, nn.LSTM, nn.RNN])
def test_a_start_that_is_given_leaves_what_the_equation_gives(
    kind: type[nn.Module],
) -> None:
    """The detection window of the compiled cell is the twin.

    PyTorch's layers have each bias twice; one of the two is not trained here. Of a
    GRU's a part is another bias.
    """
    data = X.double(), Y.double()
    tolerance = 0.2 if kind is nn.GRU else 1e-6
    expected = diagnosed(Ways("whole", kind).double(), data)
    assert "no_equation" not in expected.group("envelope").attrs
    model = Ways("learnt start", kind).double()
    model.rnn.bias_hh_l0.requires_grad_(kind is nn.GRU)
    found = diagnosed(model, data)
    assert model.rnn.bias_hh_l0.requires_grad == (kind is nn.GRU)
    assert "rnn" in found.group("envelope").attrs["no_equation"]
    for name in ("signal", "noise", "needed"):
        twin = expected.group("detection")[name].values
        np.testing.assert_allclose(
            found.group("detection")[name],
            twin,
            rtol=tolerance,
            atol=tolerance * np.abs(twin[0]),
            err_msg=name,
        )


@pytest.mark.parametrize(("kind", "layers"), [(nn.GRU, 1), (nn.LSTM, 2), (nn.RNN, 1)])
def test_chunks_and_steps_are_one_call(kind: type[nn.Module], layers: int) -> None:
    """The same network has the same numbers however its sequences are cut."""
    data = X.double(), Y.double()
    settings = {"loss": functional.mse_loss, "lags": LAGS, "options": QUICK}
    ways = ("whole", "chunks", "steps", "last states")
    whole, *others = (
        lw.diagnose(Ways(way, kind, layers).double(), data, **settings) for way in ways
    )
    for found in others:
        assert list(found) == list(whole)
        for name, layer in whole.items():
            for group in ("envelope", "evidence", "detection", "dependence"):
                for key, values in layer.group(group).data_vars.items():
                    if values.dtype.kind == "f":
                        own = found[name].group(group)[key]
                        np.testing.assert_allclose(own, values, rtol=1e-6, atol=1e-12)


def test_a_layer_of_two_directions_is_two_layers() -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.ahead = nn.GRU(2, 6, batch_first=True)
            self.back = nn.GRU(2, 6, batch_first=True)
            self.out = nn.Linear(12, 1)

        def forward(self, x: Tensor) -> Tensor:
            back = self.back(x.flip(1))[0].flip(1)
            return self.out(torch.cat([self.ahead(x)[0], back], dim=-1))[..., 0]

    class One(nn.Module):
        def __init__(self, twin: Both) -> None:
            super().__init__()
            self.rnn = nn.GRU(2, 6, batch_first=True, bidirectional=True)
            self.out = twin.out
            for name, value in twin.ahead.named_parameters():
                getattr(self.rnn, name).data = value.data
            for name, value in twin.back.named_parameters():
                getattr(self.rnn, f"{name}_reverse").data = value.data

        def forward(self, x: Tensor) -> Tensor:
            return self.out(self.rnn(x)[0])[..., 0]

    twin = Both().double()
    data = X.double(), Y.double()
    settings = {"loss": functional.mse_loss, "lags": LAGS, "options": QUICK}
    one, two = (lw.diagnose(m, data, **settings) for m in (One(twin), twin))
    for way, name in (("forward", "ahead"), ("backward", "back")):
        found = one[f"rnn[layer 0, {way}]"].group("detection")
        own = two[f"{name}[layer 0, forward]"].group("detection")
        for key in ("signal", "noise"):
            np.testing.assert_allclose(own[key], found[key], rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [nn.GRU, nn.LSTM])
def test_where_a_state_is_cut_off_nothing_passes(kind: type[nn.Module]) -> None:
    cut, uncut = (diagnosed(Ways(way, kind)) for way in ("cut", "learnt start"))
    found, whole = cut.group("sensitivity"), uncut.group("sensitivity")
    states = (one.group("envelope")["normalised"] for one in (cut, uncut))
    np.testing.assert_allclose(*(f.sel(order="exact") for f in states), rtol=0.1)
    assert found.attrs["past_ends"] == 7  # of chunks of 8 steps
    assert "past_ends" not in whole.attrs
    assert (found["mean"] <= whole["mean"] * (1 + 1e-6)).all()
    assert (found["mean"] < 0.9 * whole["mean"]).any()


@pytest.mark.parametrize("way", ["layer", "cell"])
def test_what_runs_without_gradients_is_cut_off(way: str) -> None:
    """Steps that warm a state up under `no_grad` are those behind a `detach`."""

    class Warm(nn.Module):
        def __init__(self, cuts: bool) -> None:
            super().__init__()
            torch.manual_seed(0)
            kind = nn.GRU if way == "layer" else nn.GRUCell
            settings = {"batch_first": True} if way == "layer" else {}
            self.rnn, self.out, self.cuts = (
                kind(2, 6, **settings),
                nn.Linear(6, 1),
                cuts,
            )

        def run(self, x: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
            if isinstance(self.rnn, nn.GRU):
                return self.rnn(x, state)
            given = []
            for step in x.unbind(dim=1):
                state = self.rnn(step, state)
                given.append(state)
            return torch.stack(given, dim=1), given[-1]

        def forward(self, x: Tensor) -> Tensor:
            with torch.set_grad_enabled(self.cuts and torch.is_grad_enabled()):
                _, state = self.run(x[:, :4], None)
            given, _ = self.run(x[:, 4:], state.detach() if self.cuts else state)
            return self.out(given)[..., 0]

    one, other = (diagnosed(Warm(cuts), (X[:24], Y[:24, 4:])) for cuts in (False, True))
    for group, name in (("detection", "needed"), ("evidence", "psi")):
        own, twin = (found.group(group)[name] for found in (one, other))
        np.testing.assert_allclose(own, twin, rtol=1e-5)
    assert "no_equation" in one.group("envelope").attrs


def test_a_causal_convolution_by_fourier_transforms_looks_ahead_by_rounding_alone() -> (
    None
):
    class Long(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.kernel = nn.Parameter(0.8 ** torch.arange(24.0))

        def forward(self, x: Tensor) -> Tensor:
            steps = x.shape[1]
            turned = torch.fft.rfft(self.kernel[:steps], 2 * steps)[:, None]
            product = torch.fft.rfft(x, 2 * steps, dim=1) * turned
            return torch.fft.irfft(product, dim=1)[:, :steps]

    found = diagnosed(On(Long(), 2), layers="module").group("envelope")
    assert found.attrs["looks_ahead"] == 0
    np.testing.assert_allclose(
        found["normalised"].sel(order="sensitivity"), 0.8 ** np.array(LAGS), rtol=1e-5
    )


def test_a_linear_recurrence_has_its_own_powers() -> None:
    class Leaky(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.decay = nn.Parameter(torch.tensor(0.8))

        def forward(self, x: Tensor) -> Tensor:
            state, outputs = torch.zeros_like(x[:, 0]), []
            for step in x.unbind(dim=1):
                state = self.decay * state + step
                outputs.append(state)
            return torch.stack(outputs, dim=1)

    found = diagnosed(On(Leaky(), 2), layers="module").group("envelope")
    np.testing.assert_allclose(
        found["normalised"].sel(order="sensitivity"), 0.8 ** np.array(LAGS), rtol=1e-5
    )
    assert found.attrs["looks_ahead"] == 0


def test_a_run_without_taps_has_the_gradient_of_all_parameters() -> None:
    """A tap on a module cuts off what it gives; none is left when it is taken off."""
    torch.manual_seed(0)
    model = On(nn.Sequential(nn.Linear(2, 4), nn.Linear(4, 4)), 4)
    taps = [ModuleTap("module.1", model.module[1])]
    reading = Reading(
        model, functional.mse_loss, (X, Y), taps=taps, sequences=64, memory=1e9, seed=0
    )
    reading.layers()
    (batch,), parameters = reading.batches, [*model.parameters()]
    with quiet(model):
        loss = reading.recorder.losses(reading.recorder.run(batch), batch)
        found = torch.autograd.grad(loss, parameters)
    by_hand = functional.mse_loss(model(batch[0]), batch[1]) * len(batch[0])
    expected = torch.autograd.grad(by_hand, parameters)
    torch.testing.assert_close(found, expected)


def test_a_convolution_ends_exactly() -> None:
    class Causal(nn.Conv1d):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(functional.pad(x.mT, (3, 0))).mT

    found = diagnosed(On(Causal(2, 5, 4), 5), layers="module")
    assert found.group("envelope").attrs["past_ends"] == 3
    assert found.summary(full=True)["envelope"].loc[6] == 0
    assert found.summary()["samples_needed"].loc[6] == math.inf
    assert np.isfinite(found.summary()["samples_needed"].loc[2])


def test_a_module_without_a_past_detects_nothing_behind_lag_0() -> None:
    """White inputs: the gradient of a map of each step holds no other step."""
    found = diagnosed(On(nn.Linear(2, 5), 5), layers="module")
    assert (found.window([100, 10_000])["window"] == 0).all()
    assert found.group("envelope").attrs["past_ends"] == 0


@pytest.mark.parametrize("causal", [True, False])
def test_attention_says_whether_it_looks_ahead(causal: bool) -> None:
    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
            self.embed = nn.Linear(2, 8)

        def forward(self, x: Tensor) -> Tensor:
            steps = x.shape[1]
            mask = nn.Transformer.generate_square_subsequent_mask(steps)
            return self.layer(self.embed(x), src_mask=mask if causal else None)

    torch.manual_seed(0)
    found = diagnosed(On(Attention(), 8), layers=["module.layer"])
    assert found.group("envelope").attrs["looks_ahead"] == (not causal)
    assert found.summary(full=True)["envelope"].gt(0).all()


def test_tokens_and_classes() -> None:
    class Tagger(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.out = nn.Embedding(7, 6), nn.Linear(6, 7)
            self.mix = nn.Conv1d(6, 6, 3)

        def forward(self, tokens: Tensor) -> Tensor:
            mixed = self.mix(functional.pad(self.embed(tokens).mT, (2, 0))).mT
            return self.out(mixed.tanh())

    torch.manual_seed(0)
    tokens = torch.randint(0, 7, (64, 24), generator=GENERATOR)
    data = tokens, tokens.roll(2, 1)
    model = nn.Sequential(Tagger())
    found = diagnosed(model, data, loss="ce", layers=["0"])
    assert "whole numbers" in found.group("envelope").attrs["undefined"]
    assert found.group("dependence")["found"].values.tolist() == [
        lag == 2 for lag in [0, *LAGS]
    ]
    assert found.window([1000])["window"].item() in (1, 2)


def test_what_is_not_named_is_left_alone() -> None:
    """Only the named layer counts, whatever the others do."""

    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.good = nn.GRU(2, 6, batch_first=True)
            self.bad, self.out = nn.GRUCell(6, 6), nn.Linear(6, 1)

        def forward(self, x: Tensor) -> Tensor:
            y = self.good(x)[0]
            state = torch.ones(len(x), 6)
            return self.out(y + self.bad(y[:, -1], state)[:, None])[..., 0]

    found = lw.diagnose(
        Two(), (X, Y), functional.mse_loss, LAGS, layers="good", options=QUICK
    )
    assert list(found) == ["good[layer 0, forward]"]
    assert not found.refused


def test_a_layer_that_cannot_be_diagnosed_does_not_take_the_others() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.good = nn.GRU(2, 6, batch_first=True)
            self.once, self.out = nn.GRUCell(6, 6), nn.Linear(6, 1)

        def forward(self, x: Tensor) -> Tensor:
            y = self.good(x)[0]
            return self.out(y + self.once(y[:, -1])[:, None])[..., 0]

    found = lw.diagnose(Two(), (X, Y), functional.mse_loss, LAGS, options=QUICK)
    assert list(found) == ["good[layer 0, forward]"]
    assert "once" in found.refused
    assert found.advice()[-1] == found.refused["once"]


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_half_precision_is_diagnosed_in_single(half: torch.dtype) -> None:
    """The same numbers as from a model of single precision with the same weights."""
    model, twin = Ways("whole").to(half), Ways("whole")
    twin.load_state_dict(model.state_dict())
    before = {name: p.clone() for name, p in model.named_parameters()}
    found = diagnosed(model, (X.to(half), Y.to(half)))
    for name, p in model.named_parameters():
        assert p.dtype == half
        assert torch.equal(p, before[name])
    expected = diagnosed(twin, (X.to(half).float(), Y.to(half).float()))
    assert found.group("detection").equals(expected.group("detection"))
    assert advice(found)[-1] == f"diagnosed in torch.float32, of weights of {half}."
    assert "precision" not in expected.tree.attrs


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_what_casts_to_half_precision_is_diagnosed_in_single(half: torch.dtype) -> None:
    class Casts(Ways):
        def forward(self, x: Tensor) -> Tensor:
            x = x.half() if half is torch.float16 else x.bfloat16()
            scale = torch.ones(1, dtype=half, device=x.device)
            return super().forward((x * scale).to(half))

    model, twin = Casts("whole").to(half), Ways("whole")
    twin.load_state_dict(model.state_dict())
    expected, found = diagnosed(twin, (X, Y)), diagnosed(model, (X, Y))
    assert found.group("detection").equals(expected.group("detection"))
    assert model(X[:2]).dtype == half


def test_parameters_may_be_complex() -> None:
    """A complex weight has the gradient of its real and its imaginary part."""

    class Turning(nn.Module):
        def __init__(self, pair: bool) -> None:
            super().__init__()
            generator = torch.Generator().manual_seed(0)
            value = torch.randn(2, 4, dtype=torch.complex64, generator=generator)
            self.pair = pair
            self.mix = nn.Parameter(torch.view_as_real(value) if pair else value)

        def forward(self, x: Tensor) -> Tensor:
            mix = torch.view_as_complex(self.mix) if self.pair else self.mix
            return (x.cumsum(dim=1).to(mix.dtype) @ mix).abs()

    torch.manual_seed(0)
    one, other = On(Turning(True), 4), On(Turning(False), 4)
    other.out.load_state_dict(one.out.state_dict())
    found = [diagnosed(m, layers="module").group("detection") for m in (one, other)]
    np.testing.assert_allclose(found[0]["noise"], found[1]["noise"], rtol=1e-5)
    np.testing.assert_allclose(found[0]["signal"], found[1]["signal"], rtol=1e-5)


def test_norms_are_exact_along_as_many_directions_as_there_are_outputs() -> None:
    mix = torch.randn(2, 5, generator=torch.Generator().manual_seed(0))

    class Sums(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.mix = nn.Parameter(mix.clone())

        def forward(self, x: Tensor) -> Tensor:
            return x.cumsum(dim=1) @ self.mix

    found = diagnosed(On(Sums(), 5), layers="module").group("envelope")
    np.testing.assert_allclose(found["mean"], float(mix.norm()), rtol=1e-5)


def test_what_a_start_lets_through_is_a_row_of_its_own() -> None:
    """``d y_l / d s = decay^l`` of a state that is handed to the first call."""
    decay = torch.tensor([0.5, 0.9])

    class Leaky(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(2))

        def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
            state = decay * state + self.scale * x
            return state, state

    class Warm(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.cell, self.out = Leaky(), nn.Linear(2, 1)

        def forward(self, x: Tensor) -> Tensor:
            state, made = torch.ones(len(x), 2), []
            for step in x.unbind(dim=1):
                given, state = self.cell(step, state)
                made.append(given)
            return self.out(torch.stack(made, dim=1))[..., 0]

    found = diagnosed(Warm(), layers="cell").group("envelope")
    exact = [float((decay**lag).norm()) for lag in LAGS]
    np.testing.assert_allclose(found["start"], exact, rtol=1e-5)


def test_rows_that_begin_anew_do_not_part_the_calls() -> None:
    """Single steps with resets by row: what a past leaves is what it is by hand."""

    class Resets(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.rnn, self.out = nn.GRU(2, 5), nn.Linear(5, 1)

        def forward(self, x: Tensor, begins: Tensor) -> Tensor:
            state, made = x.new_zeros(1, len(x), 5), []
            for step, anew in zip(x.unbind(1), begins.unbind(1), strict=True):
                given, state = self.rnn(step[None], state * (1 - anew)[None, :, None])
                made.append(given[0])
            return self.out(torch.stack(made, dim=1))[..., 0]

    begins = torch.zeros(64, 24)
    begins[torch.arange(64), 18 + torch.arange(64) % 3] = 1.0
    found = diagnosed(Resets(), (X, begins, Y), layers="rnn")
    assert "no_equation" in found.group("envelope").attrs
    assert (found.group("sensitivity")["mean"].sel(lag=[1, 2, 3]) > 0).all()


def test_a_state_that_is_kept_is_put_back_before_every_run() -> None:
    """All runs of a diagnosis begin with the state that the model came with."""

    class Keeps(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.rnn, self.out = nn.GRU(2, 6, batch_first=True), nn.Linear(6, 1)
            self.state: Tensor | None = None

        def forward(self, x: Tensor) -> Tensor:
            begin = None if self.state is None else self.state.detach()
            given, self.state = self.rnn(x, begin)
            return self.out(given)[..., 0]

    class Anew(Keeps):
        def forward(self, x: Tensor) -> Tensor:
            self.state = None
            return super().forward(x)

    found = [diagnosed(model).group("detection") for model in (Keeps(), Anew())]
    assert found[0].equals(found[1])


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_scripted_modules_are_named() -> None:
    model = On(torch.jit.script(nn.Linear(2, 5)), 5)
    with pytest.raises(ValueError, match="module is scripted"):
        diagnosed(model, layers="module")
    with pytest.raises(ValueError, match=r"layers=\[\.\.\.\], such as"):
        diagnosed(model)
    whole = torch.jit.script(On(nn.Linear(2, 5), 5))
    with pytest.raises(ValueError, match="the model is scripted"):
        diagnosed(whole)
    beside = diagnosed(model, layers="out")
    assert beside.tree.attrs["cell"] == "unknown"


def test_a_layer_that_is_called_on_what_it_gave_is_no_cell() -> None:
    class Deep(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.block, self.out = nn.Linear(2, 2), nn.Linear(2, 1)

        def forward(self, x: Tensor) -> Tensor:
            for _ in range(3):
                x = torch.tanh(self.block(x))
            return self.out(x)[..., 0]

    with pytest.raises(ValueError, match="holds no recurrent layer that is known"):
        diagnosed(Deep())


class Parts(nn.Module):
    """A map of each step, a cell in a loop, a layer, and what is not split."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed, self.cell = nn.Linear(2, 6), nn.GRUCell(6, 6)
        self.mix, self.gain = nn.Conv1d(6, 6, 2), nn.Parameter(torch.ones(6))

    def forward(self, x: Tensor) -> Tensor:
        x, state, made = self.embed(x), None, []
        x = self.mix(functional.pad(x.mT, (1, 0))).mT
        for step in x.unbind(dim=1):
            state = self.cell(step, state)
            made.append(state)
        return self.gain * torch.stack(made, dim=1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_by_lag_add_up(dtype: torch.dtype) -> None:
    """All lags and what is not split are what ``loss.backward()`` gives."""
    model = On(Parts(), 6).to(dtype)
    x, y, module = X[:8].to(dtype), Y[:8].to(dtype), model.module
    functional.mse_loss(model(x), y, reduction="sum").backward()
    parameters = list(module.parameters())
    whole = torch.cat([p.grad.flatten() for p in parameters])  # pyright: ignore
    generator = torch.Generator().manual_seed(0)
    u = torch.randn(len(whole), generator=generator).to(dtype)
    splitting = Splitting(module, parameters)
    with splitting.attached():
        outputs = module(x)
    assert all(a is b for a, b in zip(module.parameters(), parameters, strict=True))
    (delta,) = torch.autograd.grad(
        functional.mse_loss(model.out(outputs)[..., 0], y, reduction="sum"),
        outputs,
        retain_graph=True,
    )
    by = torch.stack([torch.zeros_like(delta) for _ in range(24)])
    for t in range(24):
        by[t, :, t] = delta[:, t]
    split = splitting.along(outputs, by, u)
    total = float(split.by_step.sum() + split.rest.sum())
    tolerance = 1e-9 if dtype is torch.float64 else 1e-5
    assert total == pytest.approx(float(whole @ u), rel=tolerance)
    # No step after t has a part in what is given at t.
    assert not split.by_step.triu(1).any()
    own = torch.cat([p.grad.flatten() for p in module.mix.parameters()])
    own = torch.cat([module.gain.grad, own])
    left = torch.autograd.grad(
        outputs, [module.gain, *module.mix.parameters()], delta, retain_graph=True
    )
    torch.testing.assert_close(torch.cat([g.flatten() for g in left]), own)
    places = [
        p is module.gain or any(p is q for q in module.mix.parameters())
        for p in parameters
    ]
    sizes = [p.numel() for p in parameters]
    there = torch.cat([torch.full((n,), k) for n, k in zip(sizes, places, strict=True)])
    rest = float(split.rest.sum())
    assert rest == pytest.approx(float((whole * u)[there].sum()), rel=100 * tolerance)


class Called(nn.Module):
    """A recurrence that is called in one of several ways, from one of several starts.

    Args:
        way: how; "cut" detaches the state every 8 steps, "resets" sets it to 0 for some
            of the rows.
        start: of the state: nothing, or what is "given", "carried" or "learnt".
    """

    def __init__(self, way: str, start: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.way, self.begins = way, start
        self.rnn, self.out = nn.GRU(2, 6, batch_first=True), nn.Linear(6, 1)
        self.start = nn.Parameter(torch.randn(6), requires_grad=start == "learnt")
        self.outputs = torch.zeros(())

    def state(self, x: Tensor) -> Tensor | None:
        """Return the state to begin with."""
        if self.begins == "nothing":
            return None
        if self.begins == "carried":
            return self.rnn(x.flip(1))[1].detach()
        return self.start.expand(1, len(x), -1).contiguous()

    def forward(self, x: Tensor) -> Tensor:
        size = {"whole": x.shape[1], "chunks": 8}.get(self.way, 1)
        state, made = self.state(x), []
        for t, part in enumerate(x.split(size, dim=1)):
            if state is not None and self.way == "cut" and t and t % 8 == 0:
                state = state.detach()
            if state is not None and self.way == "resets" and t == 10:
                state = state * (torch.arange(len(x)) % 2)[:, None].to(state)
            given, state = self.rnn(part, state)
            made.append(given)
        self.outputs = torch.cat(made, dim=1)
        return self.out(self.outputs)[..., 0]


CALLS = [
    *[(way, "nothing") for way in ("whole", "chunks", "steps", "cut", "resets")],
    *[(way, b) for way in ("steps", "cut") for b in ("given", "carried", "learnt")],
]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("way", "start"), CALLS)
def test_lags_start_and_what_is_not_split_are_the_whole_gradient(
    way: str, start: str, dtype: torch.dtype
) -> None:
    """They add up to what ``loss.backward()`` gives, and end where the state is cut."""
    model, x, y = Called(way, start).to(dtype), X[:8].to(dtype), Y[:8].to(dtype)
    functional.mse_loss(model(x), y, reduction="sum").backward()
    parameters = list(model.rnn.parameters())
    learnt = [model.start] if start == "learnt" else []
    every = [p.grad.flatten() for p in parameters + learnt]  # pyright: ignore
    generator = torch.Generator().manual_seed(0)
    u = torch.randn(sum(map(len, every)), generator=generator).to(dtype)
    own = u[: sum(p.numel() for p in parameters)]
    splitting = Splitting(model.rnn, parameters)
    with splitting.attached():
        if start == "carried":
            state = model.state(x)
            model.state = lambda x: state  # the calls that made it are of before
        splitting.begin()
        loss = functional.mse_loss(model(x), y, reduction="sum")
    outputs = model.outputs
    (delta,) = torch.autograd.grad(loss, outputs, retain_graph=True)
    by = torch.zeros(24, *delta.shape, dtype=dtype)
    by[range(24), :, range(24)] = delta.movedim(1, 0)
    split = splitting.along(outputs, by, own)
    begun = torch.zeros(24, dtype=dtype)
    for of_start in pulled(outputs, learnt, by) if learnt else []:
        begun += of_start @ u[len(own) :]
    total = split.by_step.sum() + split.rest.sum() + begun.sum()
    tolerance = 1e-9 if dtype is torch.float64 else 1e-5
    size = float(torch.cat(every).norm() * u.norm())
    assert float(total) == pytest.approx(
        float(torch.cat(every) @ u), abs=tolerance * size
    )
    assert bool(split.by_step.any()) == (way not in ("whole", "chunks"))
    if way == "cut":
        t, s = torch.tril_indices(24, 24)
        beyond = s < t - t % 8
        assert not split.by_step[t[beyond], s[beyond]].any()
        assert not begun[8:].any()


def test_what_is_split_by_lag_is_what_the_equation_gives() -> None:
    """The gradient by lag of a cell in a loop, along any direction."""
    cell = nn.GRUCell(2, 5).double()
    twin = lw.models.convert.converted(cell).cell
    x = X[:6].double()
    states, state = [], None
    splitting = Splitting(cell, list(cell.parameters()))
    with splitting.attached():
        for step in x.unbind(dim=1):
            state = cell(step, state)
            states.append(state)
    outputs = torch.stack(states, dim=1)
    by = torch.zeros(1, 6, 24, 5, dtype=torch.float64)
    by[0, :, 20] = 1.0
    u = torch.zeros(sum(p.numel() for p in cell.parameters()), dtype=torch.float64)
    start = cell.weight_ih.numel() + cell.weight_hh.numel()
    u[start + 10 : start + 15] = 1.0  # the biases of the candidate state
    split = splitting.along(outputs, by, u)
    assert float(split.left / split.size) < 1e-20
    direction = {n: torch.zeros_like(p) for n, p in twin.named_parameters()}
    direction["b_g"][:] = 1.0
    own = lw.evidence.lag_projection(
        twin, x, outputs.detach(), by[0], direction, [0, 1, 5, 20], anchors=[20]
    )
    found = split.by_step[0, [20, 19, 15, 0]]
    torch.testing.assert_close(found, own[..., 0].sum(dim=1), rtol=1e-9, atol=1e-12)


def test_modules_have_evidence_by_lag() -> None:
    model = On(Parts(), 6)
    found = diagnosed(model, layers="module").group("evidence")
    assert 0 < found.attrs["not_split"] < 1
    assert np.isfinite(found["alpha"]).all()
    whole = diagnosed(On(nn.Linear(2, 5), 5), layers="module").group("evidence")
    assert whole.attrs["not_split"] < 1e-9
    assert (whole["psi"].sel(lag=[1, 2, 3, 6]) == 0).all()


class Begun(nn.Module):
    """A cell in a loop that begins with a state which is learnt, beside a gain."""

    def __init__(self, learnt: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.cell, self.out = nn.GRUCell(2, 5), nn.Linear(5, 1)
        self.start = nn.Parameter(torch.randn(5), requires_grad=learnt)
        self.gain = nn.Parameter(torch.ones(2))

    def forward(self, x: Tensor) -> Tensor:
        state = self.start.expand(len(x), -1)
        for step in (self.gain * x).unbind(dim=1):
            state = self.cell(step, state)
        return self.out(state)[:, 0]


def test_a_learnt_start_has_its_share_of_the_gradient() -> None:
    """That of the gradients of single sequences, by the start and by the cell."""
    x, y = X[:40, :6], X[:40, 2, 0]
    model = Begun(learnt=True)
    squares = []
    for one, target in zip(x, y, strict=True):
        model.zero_grad()
        functional.mse_loss(model(one[None]), target[None]).backward()
        own = [float(p.grad.square().sum()) for p in model.cell.parameters()]  # pyright: ignore
        squares.append((sum(own), float(model.start.grad.square().sum())))  # pyright: ignore
    by_cell, by_start = np.sum(squares, axis=0)
    shares = []
    for learnt in (True, False):
        options = lw.DiagnosisOptions(resamples=20)
        (found,) = lw.diagnose(
            Begun(learnt), (x, y), "mse", [1, 2, 4], layers="cell", options=options
        ).values()
        shares.append(found.group("evidence").attrs)
    share = by_start / (by_cell + by_start)
    assert shares[0]["of_start"] == pytest.approx(share, rel=1e-4)
    assert shares[0]["not_split"] == pytest.approx(share, rel=1e-4)
    assert shares[1]["of_start"] == 0
    assert shares[1]["not_split"] < 1e-6


def test_sketches_keep_products() -> None:
    rows = torch.randn(4, 5 * SKETCH, generator=torch.Generator().manual_seed(1))
    rows[1] = rows[0] + 0.3 * rows[1]
    exact, short = rows @ rows.T, sketched(rows)
    assert short.shape == (4, SKETCH)
    size = exact.diagonal().mean()
    assert (short @ short.T - exact).abs().max() < 5 * size * math.sqrt(2 / SKETCH)


@pytest.mark.parametrize(
    ("layers", "sentence"),
    [
        ("nowhere", "there is no layer 'nowhere'; the model has"),
        ("out", None),
    ],
)
def test_names(layers: str, sentence: str | None) -> None:
    model = Ways("whole")
    if sentence is None:
        assert diagnosed(model, layers=layers).tree.attrs["cell"] == "unknown"
        return
    with pytest.raises(ValueError, match=sentence):
        diagnosed(model, layers=layers)


def test_a_model_without_recurrence_names_its_modules() -> None:
    with pytest.raises(ValueError, match=r"layers=\[...\], such as 'module', 'out'"):
        diagnosed(On(nn.Linear(2, 5), 5))


class Foreign(nn.Module):
    """A cell as others write them: called with input and state, gives both."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Linear(8, 6)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        state = torch.tanh(self.mix(torch.cat([x, state], dim=-1)))
        return 0.5 * state, state


class Layer(nn.Module):
    """A layer as others write them: sequences in, outputs and a state out."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = Foreign()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        state, outputs = torch.zeros(len(x), 6), []
        for step in x.unbind(dim=1):
            given, state = self.cell(step, state)
            outputs.append(given)
        return torch.stack(outputs, dim=1), state


class Loops(nn.Module):
    """A model with a foreign cell in its own loop."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.cell, self.out = Foreign(), nn.Linear(6, 1)

    def forward(self, x: Tensor) -> Tensor:
        state, outputs = torch.zeros(len(x), 6), []
        for step in x.unbind(dim=1):
            given, state = self.cell(step, state)
            outputs.append(given)
        return self.out(torch.stack(outputs, dim=1))[..., 0]


class Stacked(nn.Module):
    """A model with a foreign layer."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer, self.out = Layer(), nn.Linear(6, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.layer(x)[0])[..., 0]


def test_other_peoples_cells_are_recognised_by_their_calls() -> None:
    options = {"options": QUICK}
    loop = lw.diagnose(Loops(), (X, Y), functional.mse_loss, LAGS, **options)
    layer = lw.diagnose(Stacked(), (X, Y), functional.mse_loss, LAGS, **options)
    assert (list(loop), list(layer)) == (["cell"], ["layer"])
    one, other = loop["cell"].group("detection"), layer["layer"].group("detection")
    np.testing.assert_allclose(one["needed"], other["needed"], rtol=1e-3)
    assert "no_equation" not in loop["cell"].group("envelope").attrs


def test_what_cells_of_others_hand_on_is_the_product_of_their_jacobians() -> None:
    """What a cell gives beside its state carries nothing on and counts for nothing."""
    model = Loops()
    every = DiagnosisOptions(resamples=20, exact_windows=10**4, pairs=1)
    found = diagnosed(model, options=every).group("envelope").sel(order="exact")
    state, through = torch.zeros(64, 6), []
    for step in X.unbind(dim=1):
        by_row = torch.func.vmap(torch.func.jacrev(lambda h, x: model.cell(x, h)[1]))
        through.append(by_row(state, step).detach())
        state = model.cell(step, state)[1].detach()
    for lag in LAGS:
        gains = []
        for t in range(lag, 24):
            product = torch.eye(6).expand(64, 6, 6)
            for s in range(t - lag + 1, t + 1):
                product = through[s] @ product
            gains.append(product.diagonal(dim1=1, dim2=2).abs().sum(dim=1))
        exact = float(torch.stack(gains).mean())
        assert float(found["mean"].sel(lag=lag)) == pytest.approx(exact, rel=1e-4)
    assert float(found["origin"]) == pytest.approx(6)


def test_a_cell_may_be_declared() -> None:
    """Which of two states that are alike goes on is declared, and how to step."""

    class Timed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.own = Foreign()

        def forward(
            self, x: Tensor, state: Tensor, seconds: Tensor
        ) -> tuple[Tensor, Tensor]:
            given, state = self.own(seconds * x, state)
            return given, state

    class Loop(Loops):
        def __init__(self) -> None:
            super().__init__()
            self.cell = Timed()
            self.cell.own.load_state_dict(Loops().cell.state_dict())

        def forward(self, x: Tensor) -> Tensor:
            state, outputs = torch.zeros(len(x), 6), []
            for step in x.unbind(dim=1):
                given, state = self.cell(step, state, torch.tensor(1.0))
                outputs.append(given)
            return self.out(torch.stack(outputs, dim=1))[..., 0]

    model = Loop()
    one = torch.tensor(1.0)
    declared = lw.cell(model.cell, step=lambda h, x: model.cell(x, h, one))
    found = diagnosed(model, layers=[declared])
    twin = diagnosed(Loops())
    for name in ("detection", "envelope"):
        np.testing.assert_allclose(
            *(
                d.group(name)["needed" if name == "detection" else "mean"]
                for d in (found, twin)
            ),
            rtol=1e-4,
        )
    with pytest.raises(ValueError, match="no module of the model"):
        diagnosed(Loops(), layers=declared)
