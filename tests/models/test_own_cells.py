"""Own cells, known by their step alone, against this package's cells and autograd."""

from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import nn
from torch.autograd.function import once_differentiable
from torch.func import jacrev, vmap
from torch.nn import functional as F

import learnability as lw
from learnability.cells import previous
from learnability.evidence import immediate_sensitivity, random_direction
from learnability.evidence.gradients import cell_gradients
from learnability.models.own import Stepped
from learnability.transport import ExactWindows, Windows, jacobians, sampled_windows
from tests.models.zoo import Unrolled, draw, weighted

FEW = lw.DiagnosisOptions(exact_windows=8, anchors=2, resamples=20)
B, T, D, H = 5, 12, 3, 4


class GRU(nn.Module):
    """This package's GRU, written by hand."""

    def __init__(self, twin):
        super().__init__()
        self.p = nn.ParameterDict({n: p.detach() for n, p in twin.named_parameters()})

    def gate(self, name, x, h):
        return (
            x @ self.p[f"W_{name}"].T + self.p[f"b_{name}"] + h @ self.p[f"U_{name}"].T
        )

    def step(self, h, x):
        z, r = (torch.sigmoid(self.gate(k, x, h)) for k in "zr")
        return (1 - z) * h + z * torch.tanh(self.gate("g", x, r * h))

    def forward(self, state, x):
        return self.step(state, x)


class Gate(GRU):
    """DiagGate, written by hand."""

    def step(self, h, x):
        p = self.p
        s = torch.sigmoid(x @ p["W_s"].T + p["b_s"] + h @ p["U_s"].T)
        c = torch.tanh(x @ p["W_x"].T + p["b_x"] + h @ p["W_h"].T)
        return (1 - s) * h + s * c


class State(NamedTuple):
    h: torch.Tensor
    c: torch.Tensor


class LSTM(GRU):
    """The LSTM on a state in two parts."""

    form = staticmethod(lambda h, c: (h, c))

    def step(self, state, x):
        h, c = state
        i, f, o = (torch.sigmoid(self.gate(k, x, h)) for k in "ifo")
        c = f * c + i * torch.tanh(self.gate("g", x, h))
        return self.form(o * torch.tanh(c), c)


class Named(LSTM):
    form = State


TWINS = {
    GRU: lw.GRU(D, H, init="uniform", seed=1).double(),
    Gate: lw.DiagGate(D, H, init="uniform", seed=2).double(),
    LSTM: lw.LSTM(D, H, init="uniform", seed=3).double(),
    Named: lw.LSTM(D, H, init="uniform", seed=3).double(),
}


def own_of(kind):
    """Return a cell written by hand as an own cell, and its twin."""
    twin, x = weighted(TWINS[kind], seed=4), draw(B, D, seed=5)
    state = draw(B, twin.state_size, seed=6)
    if issubclass(kind, LSTM):
        state = kind.form(*state.chunk(2, dim=-1))
    return Stepped(kind(twin), state, x), twin


@pytest.mark.parametrize("kind", TWINS)
def test_an_own_cell_has_its_twins_envelopes(kind):
    own, twin = own_of(kind)
    x, lags = draw(B, T, D), [1, 2, 5]
    states = lw.unroll(own, x).detach()
    torch.testing.assert_close(states, lw.unroll(twin, x))
    lengths, found = torch.full((B,), T), []
    sample = sampled_windows(lengths, lags, windows=20, seed=0)
    for cell in (own, twin):
        sums, exact = Windows(cell, lags), ExactWindows(cell, sample)
        sums.add(x, states, lengths)
        exact.add(x, states)
        found.append({"diagonal": sums.result()["diagonal"], "exact": exact.result()})
    for order in ("diagonal", "exact"):
        one, two = (f[order] for f in found)
        for name in ("mean", "error", "typical", "unit_mean", "normalised", "origin"):
            a, b = getattr(one, name), getattr(two, name)
            np.testing.assert_allclose(a, b, rtol=1e-9, err_msg=f"{order} {name}")


@pytest.mark.parametrize("kind", TWINS)
def test_an_own_cell_has_its_twins_gradients(kind):
    own, twin = own_of(kind)
    x, by = draw(B, T, D), draw(B, 3, T, twin.state_size, seed=7)
    states = lw.unroll(own, x).detach()
    one, two = (cell_gradients(cell, x, states, by) for cell in (own, twin))
    # The parameters come in another order.
    products = (torch.einsum("nrp,msp->nrms", g, g) for g in (one, two))
    torch.testing.assert_close(*products)


@pytest.mark.parametrize("kind", TWINS)
def test_pulling_back_is_the_product_with_the_whole_jacobian(kind):
    own, _ = own_of(kind)
    x, rows = draw(B, T, D), draw(B, 3, own.state_size, seed=8)
    states = lw.unroll(own, x).detach()
    partials = own.local_derivatives(states, x)
    whole = jacobians(own, x, states)
    for t in (0, 5, T - 1):
        got = own.vjp(rows, partials[:, None, t])[0]
        torch.testing.assert_close(got, rows @ whole[:, t])
    if own.route.startswith("from each unit of the state"):
        steps = own.diagonal_jacobian(states, x)
        torch.testing.assert_close(steps.correction, whole.diagonal(dim1=-2, dim2=-1))


def test_chunks_change_nothing(monkeypatch):
    own, twin = own_of(LSTM)
    x, by = draw(B, T, D), draw(B, 3, T, twin.state_size, seed=7)
    states = lw.unroll(own, x).detach()

    def measured():
        steps = own.diagonal_jacobian(states, x)
        return cell_gradients(own, x, states, by), steps.correction, steps.exit

    whole = measured()
    monkeypatch.setattr("learnability.models.own.BYTES", 1)
    for one, two in zip(measured(), whole, strict=True):
        torch.testing.assert_close(one, two)


class Odd(nn.Module):
    """Parameters of every shape, one that the step does not use, one frozen."""

    def __init__(self, branch=False):
        super().__init__()
        self.scalar = nn.Parameter(torch.tensor(0.3))
        self.vector = nn.Parameter(torch.tensor([0.1, -0.2, 0.3, 0.4]))
        self.cube = nn.Parameter(0.2 * draw(2, 3, H, dtype=torch.float32))
        self.unused = nn.Parameter(torch.ones(2))
        self.frozen = nn.Parameter(torch.tensor([0.7]), requires_grad=False)
        self.branch = branch

    def step(self, state, x):
        if self.branch and bool(state.isnan().any()):  # vmap cannot take it
            raise ValueError
        drive = torch.einsum("bd,kdh->bh", x, self.cube) * self.frozen
        return torch.tanh(self.scalar * state + self.vector * state.roll(1, -1) + drive)

    def forward(self, state, x):
        return self.step(state, x)


@pytest.mark.parametrize("branch", [False, True])
def test_gradients_by_parameters_of_any_shape_are_autograds(branch):
    module = Odd(branch).double()
    own = Stepped(module, draw(B, H), draw(B, D))
    x, by = draw(B, T, D), draw(B, 2, T, H, seed=7)
    found = cell_gradients(own, x, lw.unroll(own, x).detach(), by)
    module.frozen.requires_grad_(True)
    for n in range(B):
        for r in range(2):
            total = (lw.unroll(own, x[n : n + 1])[0] * by[n, r]).sum()
            parts = torch.autograd.grad(
                total,
                list(own.parameters()),
                allow_unused=True,
                materialize_grads=True,
            )
            expected = torch.cat([g.flatten() for g in parts])
            torch.testing.assert_close(found[n, r], expected)


class Mixed(nn.Module):
    """States in parts that are not (h, c), or whose h is not unit by unit of c."""

    def __init__(self, kind):
        super().__init__()
        self.kind, self.a = kind, nn.Linear(D + H, 2 * H)
        self.norm, self.out = nn.LayerNorm(H), nn.Linear(H, H)

    def step(self, state, x):
        h, c = state[0], state[1]
        f, g = self.a(torch.cat((h, x), dim=-1)).chunk(2, dim=-1)
        new = torch.sigmoid(f) * c + torch.tanh(g)
        if self.kind == "normalised":
            return torch.tanh(self.norm(new)), new
        if self.kind == "mixed":
            return torch.tanh(self.out(new)), new
        if self.kind == "delayed":
            return torch.tanh(new), h
        if self.kind == "before":
            return torch.tanh(c), new
        if self.kind == "c first":
            return new, torch.tanh(new)
        return torch.tanh(new), new, state[2] * 0.5 + new


@pytest.mark.parametrize(
    "kind", ["normalised", "mixed", "delayed", "before", "c first", "third"]
)
def test_where_no_part_is_known_to_carry_every_unit_counts(kind):
    """Then the exact gain is the own entry of the product of whole Jacobians."""
    module = weighted(Mixed(kind), seed=2)
    parts = tuple(draw(B, H, seed=k) for k in range(3 if kind == "third" else 2))
    own = Stepped(module, parts, draw(B, D))
    assert own.units == own.state_size
    assert "(h, c)" in own.route
    x = draw(B, T, D)
    states = lw.unroll(own, x).detach()
    whole = vmap(vmap(jacrev(own.step)))(previous(states), x)
    every = sampled_windows(torch.full((B,), T), [3], windows=10**6, seed=0)
    exact = ExactWindows(own, every)
    exact.add(x, states)
    product = whole[:, 3:] @ whole[:, 2:-1] @ whole[:, 1:-2]
    expected = product.diagonal(dim1=-2, dim2=-1).abs().sum(dim=-1).mean()
    np.testing.assert_allclose(exact.result().mean[0], expected.item())


class Looping(nn.Module):
    """A model around an own cell, from a zero state or none."""

    def __init__(self, cell, start):
        super().__init__()
        self.cell, self.start, self.head = cell, start, nn.Linear(H, 2)

    def forward(self, x):
        state, rows = self.start(x), []
        for t in range(x.shape[1]):
            state = self.cell(state, x[:, t])
            rows.append(state[0] if isinstance(state, tuple) else state)
        return self.head(torch.tanh(torch.stack(rows, dim=1)))


DATA = draw(64, T, D), draw(64, T, 2, seed=1)


def diagnosed(model, **options):
    return lw.diagnose(model, [DATA], F.mse_loss, [1, 2, 4], options=FEW, **options)


@pytest.mark.parametrize("kind", [LSTM, Named])
def test_an_own_lstm_is_diagnosed_like_the_native_one(kind):
    twin = weighted(lw.LSTM(D, H), seed=3)
    known = weighted(Unrolled(twin), seed=4)
    own = Looping(
        kind(known.cell), lambda x: kind.form(*x.new_zeros(2, len(x), H).unbind())
    ).double()
    own.head = known.head
    one, two = (diagnosed(model)["cell"] for model in (own, known))
    for name in ("envelope", "time_scales"):
        a, b = (d.group(name).sel(order=["diagonal", "exact"]) for d in (one, two))
        for key in a.data_vars:
            np.testing.assert_allclose(a[key], b[key], rtol=1e-6, err_msg=key)
    a, b = (d.group("detection") for d in (one, two))
    np.testing.assert_allclose(a["needed"], b["needed"], rtol=1e-5)
    group = one.group("envelope")
    for order in ("zero", "first"):
        assert np.isnan(group["mean"].sel(order=order)).all()
        assert "names no gate" in group.attrs[f"{order}_undefined"]
    assert "from each unit of c" in group.attrs["route"]


def test_a_cell_with_odd_parameters_is_diagnosed():
    model = Looping(Odd(), lambda x: x.new_zeros(len(x), H)).double()
    found = diagnosed(model)["cell"]
    assert np.isfinite(found.group("envelope")["mean"].sel(order="exact")).all()
    assert np.isfinite(found.group("evidence")["psi"]).all()


def test_nested_states_are_taken():
    class Stack(nn.Module):
        def __init__(self):
            super().__init__()
            self.low, self.high = LSTM(TWINS[LSTM]), nn.GRUCell(H, H)

        def step(self, state, x):
            low, box = state
            low = self.low.step(low, x)
            return State(low, [self.high(low[0], box[0])])

        def forward(self, state, x):
            return self.step(state, x)

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = Stack()

        def forward(self, x):
            zero = x.new_zeros(len(x), H)
            state, rows = State((zero, zero), [zero]), []
            for t in range(x.shape[1]):
                state = self.cell(state, x[:, t])
                rows.append(state.c[0])
            return torch.stack(rows, dim=1)[..., :2]

    found = diagnosed(Model().double(), layers="cell")
    assert list(found) == ["cell"]
    assert found["cell"].tree.attrs["units"] == 3 * H


class Wrapped(nn.Module):
    """A cell of PyTorch inside an own cell that changes what it gives."""

    def __init__(self, factor, inner=True):
        super().__init__()
        self.inner, self.factor = nn.GRUCell(D, H), factor

    def step(self, state, x):
        return self.factor * self.inner(x, state)

    def forward(self, state, x):
        return self.step(state, x)


def test_a_cell_inside_an_own_cell_is_a_part_of_its_step():
    found = diagnosed(Looping(Wrapped(0.9), lambda x: x.new_zeros(len(x), H)).double())
    assert list(found) == ["cell"]


def test_a_step_may_call_the_module_itself():
    class Around(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.tensor(0.5))

        def forward(self, state, x):
            return torch.tanh(self.scale * state + x.sum(dim=-1, keepdim=True))

        def step(self, state, x):
            return self(state, x)

    found = diagnosed(Looping(Around(), lambda x: x.new_zeros(len(x), H)).double())
    assert list(found) == ["cell"]


class Lightning(nn.Module):
    """A part of a model with the `step` that training frameworks know."""

    def __init__(self, names="batch"):
        super().__init__()
        self.rnn, self.head = nn.GRU(D, H, batch_first=True), nn.Linear(H, 2)
        if names == "other":
            self.step = self.other

    def step(self, batch, batch_idx):
        raise AssertionError("a framework's step is not called")

    def other(self, data, number):
        raise AssertionError("a framework's step is not called")

    def forward(self, x, mask=None):
        out = self.head(self.rnn(x)[0])
        return out if mask is None else out * mask[..., :1]


@pytest.mark.parametrize("names", ["batch", "other"])
@pytest.mark.parametrize("masked", [False, True])
def test_a_step_that_is_never_called_as_a_cell_is_left_alone(names, masked):
    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.part = Lightning(names)

        def forward(self, x):
            return self.part(x, torch.ones_like(x)) if masked else self.part(x)

    assert list(diagnosed(Outer().double())) == ["part.rnn[layer 0, forward]"]


def test_the_outermost_model_is_no_cell():
    class Whole(Lightning):
        def step(self, state, x):
            return state

    assert list(diagnosed(Whole().double())) == ["rnn[layer 0, forward]"]


def refused(model, match):
    with pytest.raises(ValueError, match=match) as caught:
        diagnosed(model.double())
    assert "\n" not in str(caught.value)


def answered(model, words):
    """Tell that a cell is diagnosed by autograd alone, and why."""
    (one,) = diagnosed(model.double()).values()
    assert words in one.group("envelope").attrs["no_equation"]
    assert one.summary()["samples_needed"].gt(0).all()


def test_what_cannot_be_a_state_is_named():
    class Counting(Wrapped):
        def step(self, state, x):
            return self.inner(x, state[0]), state[1] + 1

    def start(kind):
        return lambda x: (x.new_zeros(len(x), H), torch.zeros(len(x), dtype=kind))

    answered(Looping(Counting(1.0), start(torch.long)), "a part of type torch.int64")


def test_a_cell_without_parameters_is_named():
    class Fixed(nn.Module):
        def step(self, state, x):
            return 0.5 * state + x.sum(dim=-1, keepdim=True)

        forward = step

    refused(Looping(Fixed(), lambda x: x.new_zeros(len(x), H)), "has no parameters")


def test_a_step_that_mixes_sequences_is_named():
    class Mixing(Odd):
        def step(self, state, x):
            return super().step(state, x - x.mean(dim=0))

    refused(Looping(Mixing(), lambda x: x.new_zeros(len(x), H)), "mix sequences")


class Shifted(LSTM):
    """The LSTM from another point."""

    def step(self, state, x):
        return super().step((state[0] + 1, state[1] + 1), x + 1)


class Written(LSTM):
    """The same, its state and its inputs written over."""

    def step(self, state, x):
        return super().step(tuple(part.add_(1) for part in state), x.add_(1))


def test_a_step_may_write_over_what_it_is_given():
    x, by = draw(B, T, D), draw(B, 3, T, 2 * H, seed=7)
    twin = own_of(LSTM)[1]
    parts = draw(B, 2 * H, seed=6).chunk(2, dim=-1)
    own, known = (Stepped(k(twin), parts, draw(B, D)) for k in (Written, Shifted))
    assert own.units == H
    states = lw.unroll(known, x).detach()
    torch.testing.assert_close(lw.unroll(own, x), states)
    one, two = (c.diagonal_jacobian(states, x) for c in (own, known))
    torch.testing.assert_close(one.correction, two.correction)
    torch.testing.assert_close(one.exit, two.exit)
    one, two = (cell_gradients(c, x, states, by) for c in (own, known))
    torch.testing.assert_close(one, two)


class Noisy(Odd):
    """Dropout, a count and a kept state inside the step."""

    def __init__(self):
        super().__init__()
        self.drop, self.calls, self.last = nn.Dropout(0.5), 0, None
        self.register_buffer("mean", torch.zeros(H))

    def step(self, state, x):
        self.calls, self.last = self.calls + 1, state
        self.mean += 1
        return super().step(self.drop(state), x)


def test_a_step_is_measured_as_in_evaluation_and_leaves_no_trace():
    zero = lambda x: x.new_zeros(len(x), H)  # noqa: E731
    noisy, plain = Looping(Noisy(), zero).double(), Looping(Odd(), zero).double()
    plain.load_state_dict(noisy.state_dict(), strict=False)
    optimizer = torch.optim.SGD(noisy.parameters(), lr=0.1)
    one = diagnosed(noisy.train(), optimizer=optimizer)["cell"]
    two = diagnosed(plain)["cell"]
    for name, key in (
        ("envelope", "mean"),
        ("evidence", "psi"),
        ("detection", "needed"),
    ):
        np.testing.assert_allclose(one.group(name)[key], two.group(name)[key])
    assert "no recurrent weights" in one.group("envelope").attrs["effective_undefined"]
    assert noisy.cell.calls == 0
    assert noisy.cell.last is None
    assert not noisy.cell.mean.any()
    assert noisy.cell.drop.training


class Tanh(torch.autograd.Function):
    """A user's own function, without what forward mode and `vmap` ask for."""

    @staticmethod
    def forward(ctx, a):
        ctx.save_for_backward(a)
        return a.tanh()

    @staticmethod
    def backward(ctx, g):
        return g * (1 - ctx.saved_tensors[0].tanh() ** 2)


class Once(Tanh):
    """One that autograd cannot take twice."""

    backward = staticmethod(once_differentiable(Tanh.backward))


class Writing(Odd):
    """A step by a user's own function that writes into a tensor of its own."""

    def __init__(self, function=Tanh):
        super().__init__()
        self.last, self.function = torch.zeros(H, dtype=torch.float64), function

    def step(self, state, x):
        self.last.add_(x.sum())
        return self.function.apply(torch.atanh(super().step(state, x)))


def test_a_step_needs_nothing_but_autograd():
    own, plain = (
        Stepped(kind().double(), draw(B, H), draw(B, D)) for kind in (Writing, Odd)
    )
    x, by = draw(B, T, D), draw(B, 2, T, H, seed=7)
    states = lw.unroll(plain, x).detach()
    one, two = (cell_gradients(cell, x, states, by) for cell in (own, plain))
    torch.testing.assert_close(one, two)
    w = random_direction(own, seed=1)
    one, two = (immediate_sensitivity(cell, x, states, w) for cell in (own, plain))
    torch.testing.assert_close(one, two)
    at = {name: p.detach() for name, p in plain.named_parameters()}
    forward = super(Stepped, plain).parameter_jvp(previous(states), x, at, w)
    torch.testing.assert_close(two, forward)


def test_a_step_that_autograd_cannot_take_twice_is_named():
    model = Looping(Writing(Once), lambda x: x.new_zeros(len(x), H))
    answered(model, "no second derivative")
    assert not model.cell.last.any()


def test_states_of_another_axis_first_are_named():
    class Layers(Odd):
        def step(self, state, x):
            return super().step(state[0], x)[None]

    model = Looping(Layers(), lambda x: x.new_zeros(1, len(x), H))
    refused(model, r"shape \(1, 64, 4\); let .* the 64 sequences first")


def test_a_start_that_is_not_zero_is_named():
    cell = Odd()
    answered(Looping(cell, lambda x: x.new_ones(len(x), H)), "that is not zero")


class Images(nn.Module):
    """A convolutional LSTM, (h, c) of four axes; `flat` hides the axes."""

    CHANNELS, SIZE = 2, 3

    def __init__(self, *, flat):
        super().__init__()
        self.mix = nn.Conv2d(1 + self.CHANNELS, 4 * self.CHANNELS, 3, padding=1)
        self.flat = flat

    def next(self, state, x):
        shape = (len(x), self.CHANNELS, self.SIZE, self.SIZE)
        h, c = (part.reshape(shape) for part in state)
        x = x.reshape(len(x), 1, self.SIZE, self.SIZE)
        i, f, o, g = self.mix(torch.cat([x, h], dim=1)).chunk(4, dim=1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        state = torch.sigmoid(o) * torch.tanh(c), c
        return tuple(part.flatten(1) for part in state) if self.flat else state


class ImageStep(Images):
    def step(self, state, x):
        return self.next(state, x)

    def forward(self, state, x):
        return self.step(state, x)


class ImageCall(Images):
    def forward(self, x, state):
        return self.next(state, x)


class Video(nn.Module):
    """A convolutional cell in a loop over pictures (sequence, step, 1, row, column)."""

    def __init__(self, kind, *, flat):
        super().__init__()
        torch.manual_seed(0)
        self.cell = kind(flat=flat)
        self.head = nn.Linear(Images.CHANNELS * Images.SIZE**2, 1)
        self.double()

    def forward(self, x):
        shape = (len(x), Images.CHANNELS, Images.SIZE, Images.SIZE)
        zero = x.new_zeros(shape).flatten(1) if self.cell.flat else x.new_zeros(shape)
        state, rows = (zero, zero), []
        for step in x.unbind(1):
            step = step.flatten(1) if self.cell.flat else step
            own = isinstance(self.cell, ImageStep)
            state = self.cell(state, step) if own else self.cell(step, state)
            rows.append(state[0].flatten(1))
        return self.head(torch.stack(rows, dim=1))[..., 0]


@pytest.mark.parametrize("kind", [ImageStep, ImageCall])
def test_states_and_inputs_may_have_any_axes(kind):
    x = draw(16, 6, 1, Images.SIZE, Images.SIZE)
    data, few = (x, x[:, :, 0, 1, 1].roll(2, 1)), lw.DiagnosisOptions(resamples=20)
    one, other = (
        lw.diagnose(Video(kind, flat=flat), data, "mse", [1, 2], options=few)
        for flat in (False, True)
    )
    for group in ("detection", "evidence", "dependence"):
        for name, values in other["cell"].group(group).data_vars.items():
            if values.dtype.kind == "f":
                own = one["cell"].group(group)[name]
                np.testing.assert_allclose(own, values, rtol=1e-6)
