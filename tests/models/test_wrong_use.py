"""Every wrong use ends in one sentence that names cause and remedy."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

import learnability as lw
from tests.models.zoo import Looped, Sequential, draw, weighted

X, Y = (
    draw(60, 12, 3, dtype=torch.float32),
    draw(60, 12, 2, seed=1, dtype=torch.float32),
)
FEW = lw.DiagnosisOptions(exact_windows=8, anchors=2, resamples=20)


def model_of(**options):
    return Sequential(nn.GRU(3, 4, batch_first=True), **options)


def refused(match, model=None, data=(X, Y), loss=F.mse_loss, lags=(1, 2), **options):
    model = model or model_of()
    with pytest.raises(lw.UnsupportedModelError, match=match) as caught:
        lw.diagnose(model, data, loss, lags, options=FEW, **options)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert ";" in sentence or ":" in sentence  # cause; remedy


def answered(words, model=None, data=(X, Y), **options):
    """Tell that a recurrence is diagnosed by autograd, and why."""
    found = lw.diagnose(model, data, F.mse_loss, (1, 2), options=FEW, **options)
    (one,) = found.values()
    assert words in one.group("envelope").attrs["no_equation"]
    assert words in found.advice()[-1]
    assert one.summary()["samples_needed"].gt(0).all()
    return one


def test_no_recurrent_layer():
    refused("Linear holds no recurrent layer", nn.Linear(3, 2))


class Idle(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn, self.head = nn.GRU(3, 4), nn.Linear(3, 2)

    def forward(self, x):
        return self.head(x)


def test_a_layer_that_is_never_called():
    refused("never called rnn", Idle())


def test_a_loss_that_does_not_depend_on_the_layer():
    class Detached(Sequential):
        def forward(self, x):
            return self.head(self.rnn(x)[0].detach())

    refused("does not depend on this layer", Detached(nn.GRU(3, 4, batch_first=True)))
    refused(
        "does not depend on any recurrent layer",
        loss=lambda z, y: F.mse_loss(z.detach(), y),
    )


def test_a_layer_that_runs_without_gradients():
    class Unseen(Sequential):
        def forward(self, x):
            with torch.no_grad():
                z = self.rnn(x)[0]
            return self.head(z)

    class Again(Sequential):
        def forward(self, x):
            def of(x):
                return self.rnn(x)[0]

            return self.head(checkpoint(of, x.requires_grad_(), use_reentrant=True))

    for kind in (Unseen, Again):
        model = kind(nn.GRU(3, 4, batch_first=True))
        refused("no_grad.. or in checkpoint.*use_reentrant", model)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_and_data_that_are_not_finite(bad):
    model = model_of()
    with torch.no_grad():
        model.rnn.weight_hh_l0[1, 2] = bad
    refused("the weights rnn.weight_hh_l0 are not finite", model)
    x = X.clone()
    x[3, 4, 1] = bad
    refused("the inputs of rnn are not finite", data=(x, Y))
    y = Y.clone()
    y[3] = bad
    refused("the loss is not finite", data=(X, y))


def test_a_loss_that_cannot_be_differentiated():
    y = Y[:, 0, 0] > 0
    model = model_of(last=True)
    refused(
        "cannot be differentiated", model, (X, y), lambda z, y: F.huber_loss(z[:, 0], y)
    )


def test_lags_that_do_not_fit():
    refused("largest possible lag is 11", lags=[12])
    refused("lag 0 is too small", lags=[0])
    refused("given twice", lags=[1, 1])
    refused("no lags were given", lags=[])


def test_shapes_that_do_not_match():
    refused(r"cannot take inputs of shape \(60, 12, 5\)", data=[(draw(60, 12, 5), Y)])
    refused(r"the loss cannot take outputs", data=(X, torch.zeros(60, 5, 7)))
    refused("sequences; give inputs and targets", data=(X, Y[:30]))
    refused("this layer has 3 inputs", direction=torch.ones(2))


def test_data_without_batches():
    used = iter([(X, Y)])
    next(used)
    refused("a generator can be walked only once", data=used)
    refused("the data gave no batch", data=[])
    refused("hold \\[60\\] sequences", data=[X])
    refused("the data are a Tensor", data=X)
    refused("the data are a int", data=7)


def test_few_sequences_have_no_tail_index_and_keep_the_rest():
    few = lw.diagnose(model_of(), (X[:20], Y[:20]), F.mse_loss, (1, 2), options=FEW)
    (found,) = few.values()
    evidence = found.group("evidence")
    assert np.isnan(evidence["alpha"]).all()
    assert (evidence["reason"] == "fewer than 50 sequences").all()
    assert np.isfinite(found.group("envelope")["normalised"]).all()


def test_projections_are_measured_by_autograd():
    rnn = nn.LSTM(3, 4, proj_size=2, batch_first=True)
    model = Sequential(rnn)
    model.head = nn.Linear(2, 2)
    answered("projections", model)


def test_states_that_do_not_start_from_zero():
    class Warm(Sequential):
        def forward(self, x):
            return self.head(self.rnn(x, torch.ones(1, len(x), 4))[0])

    answered(
        "starts from a state that is not zero", Warm(nn.GRU(3, 4, batch_first=True))
    )


def test_cells_whose_state_is_changed():
    class Masked(Looped):
        def forward(self, x):
            h, rows = None, []
            for t in range(x.shape[1]):
                h = self.cells[0](x[:, t], h) * 0.5
                rows.append(h)
            return self.head(torch.stack(rows, dim=1))

    answered("starts from another state", Masked(nn.GRUCell, layers=1))


def test_a_layer_called_again_from_a_state_that_was_changed():
    class Twice(Sequential):
        def forward(self, x):
            given, state = self.rnn(x)
            return self.head(given + self.rnn(x, 0.5 * state)[0])

    answered("called more than once", Twice(nn.GRU(3, 4, batch_first=True)))


class Mapped(nn.Module):
    """A model of one sequence, for each of a batch; the remedy is a plain loop."""

    def __init__(self, vmap):
        super().__init__()
        self.cell, self.head, self.vmap = nn.GRUCell(3, 4), nn.Linear(4, 2), vmap

    def one(self, x):
        state, given = x.new_zeros(1, 4), []
        for step in x:
            state = self.cell(step[None], state)
            given.append(state[0])
        return self.head(torch.stack(given))

    def forward(self, x):
        each = torch.vmap(self.one) if self.vmap else lambda x: map(self.one, x)
        return each(x) if self.vmap else torch.stack([*each(x)])


def test_a_cell_under_vmap():
    few = X[:10, :6], Y[:10, :6]
    refused("in a plain loop", Mapped(vmap=True), few)
    found = lw.diagnose(Mapped(vmap=False), few, "mse", (1, 2), options=FEW)
    assert list(found) == ["cell"]


def test_a_mask_that_goes_into_the_model():
    class Plain(Sequential):
        def forward(self, x):
            return super().forward(x)

    model, mask = Plain(nn.GRU(3, 4, batch_first=True)), torch.ones(60, 12)

    def loss(outputs, given):
        y, mask = given
        return ((outputs - y) ** 2 * mask[..., None]).mean()

    refused("put what the loss takes together", model, (X, Y, mask))
    assert lw.diagnose(model, (X, (Y, mask)), loss, (1, 2), options=FEW)


def test_layers_that_are_not_there():
    refused("there is no layer 'gru'", layers=["gru"])


def test_a_changed_layer_is_noticed():
    class Doubled(nn.GRU):
        def forward(self, x):
            out, h = super().forward(x)
            return 2 * out, h

    answered(
        "does not give what its equations give", Sequential(Doubled(3, 4)), [(X, Y)]
    )


def test_an_optimizer_that_trains_something_else():
    other = torch.optim.SGD(nn.Linear(2, 2).parameters(), lr=0.1)
    refused("trains no parameter of this model", optimizer=other)


def test_inputs_that_do_not_vary():
    refused("do not vary", data=(torch.ones(60, 12, 3), Y))


def test_small_slips_are_named_or_understood():
    rnn = nn.GRU(2, 3, batch_first=True)
    model = weighted(Sequential(rnn), dtype=torch.float32)
    data = (
        draw(64, 9, 2, dtype=torch.float32),
        draw(64, 9, 2, seed=1, dtype=torch.float32),
    )

    def run(lags, **options):
        return lw.diagnose(model, data, F.mse_loss, lags, **options)

    with pytest.raises(ValueError, match=r"lag 1\.5 is no whole number"):
        run(iter([1.5]))
    assert list(run([2], layers="rnn")) == ["rnn[layer 0, forward]"]


def test_a_gradient_that_is_not_finite():
    """A mean that leaves NaN out behind the square has NaN for its gradient."""
    gaps = Y.clone()
    gaps[40, 3] = torch.nan

    def loss(outputs, targets):
        return ((outputs - targets) ** 2).nanmean()

    refused("the loss is finite and its gradient is not", data=(X, gaps), loss=loss)


def test_weights_that_are_not_made_yet():
    class Lazy(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn, self.head = nn.GRU(3, 4, batch_first=True), nn.LazyLinear(2)

        def forward(self, x):
            return self.head(self.rnn(x)[0])

    refused("weights head.weight are not made yet; call the model", Lazy())
