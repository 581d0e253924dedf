"""Training: recipes, checkpoints, divergence as an outcome."""

import io
from dataclasses import asdict

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch.nn import functional

from learnability.cells import CELLS, DiagGate
from learnability.checked import digest
from learnability.recipe import GradientNoise, Recipe, make_optimizer
from learnability.stable import distribution
from learnability.tasks import MultiLag, Recall, Sequences
from learnability.training import (
    Snapshot,
    mean_square_error,
    predicted,
    r_squared,
    train,
)
from learnability.unroll import Classifier, Network
from tests.networks import GATED

TASK = MultiLag(lags=(1, 2), coefficients=(0.6, 0.5), noise=0.3, inputs=2, steps=12)
DIRECTION = TASK.direction(seed=0)
DATA = TASK.draw(128, seed=1, direction=DIRECTION)
VALIDATION = TASK.draw(64, seed=2, direction=DIRECTION)


def fit(recipe, seed=0, weights=0):
    network = Network(DiagGate(2, 12, s0=0.3, seed=weights), seed=weights)
    return network, train(network, DATA, VALIDATION, recipe, seed=seed)


@pytest.mark.parametrize(
    ("optimizer", "rate"),
    [("adamw", 2e-2), ("rmsprop", 5e-3), ("momentum", 0.3), ("sgd", 1.0)],
)
def test_every_optimizer_learns(optimizer, rate):
    network, training = fit(
        Recipe(optimizer=optimizer, learning_rate=rate, epochs=40, batch_size=16)
    )
    assert not training.diverged
    training.restore(network, training.best)
    assert r_squared(network, VALIDATION) > 0.4 * TASK.ceiling


def test_names_are_learnt_beyond_a_guess():
    task = Recall(lags=(1, 3), tokens=3, steps=8, noise=0.1)
    data, fresh = task.draw(256, seed=1), task.draw(128, seed=2)
    model = Classifier(DiagGate(3, 8, s0=0.3, seed=0), 3, seed=0)
    recipe = Recipe(learning_rate=2e-2, epochs=15, batch_size=32)
    training = train(model, data, fresh, recipe, seed=0, objective=task.objective)
    assert not training.diverged
    training.restore(model, training.best)
    _, facts = task.measured(fresh, predicted(model, fresh.x))
    assert facts["accuracy"] > 0.5 * (facts["chance"] + facts["ceiling"])
    error = functional.cross_entropy(model(fresh.x), fresh.y)
    assert training.best.validation == pytest.approx(float(error.detach()))
    assert facts["floor"] < training.best.validation < training.history["train"][0]


def test_best_and_last_are_both_kept():
    network, training = fit(Recipe(learning_rate=3e-2, epochs=15, batch_size=16))
    errors = training.history["validation"]
    assert training.best.epoch == int(np.argmin(errors))
    assert training.last.epoch == 14
    for checkpoint in (training.best, training.last):
        training.restore(network, checkpoint)
        assert mean_square_error(network, VALIDATION) == checkpoint.validation
        assert checkpoint.validation == errors[checkpoint.epoch]


def test_seeds_of_order_and_weights_are_apart():
    recipe = Recipe(learning_rate=1e-2, epochs=2, batch_size=16)
    first, again, other = (fit(recipe, seed=s)[1].history for s in (0, 0, 1))
    assert first == again
    assert first["train"] != other["train"]
    assert first != fit(recipe, weights=1)[1].history


@pytest.mark.parametrize("kind", GATED)
def test_training_ends_alike_with_either_engine(kind):
    recipe = Recipe(learning_rate=1e-2, epochs=8, batch_size=16)
    errors = []
    for engine in ("compiled", "reference"):
        cell = CELLS[kind](2, 12, layernorm=True, seed=3)
        network = Network(cell, seed=3, engine=engine)
        errors.append(train(network, DATA, VALIDATION, recipe, seed=4).best.validation)
    assert errors[0] == pytest.approx(errors[1], rel=0.01)
    assert errors[0] < 0.9 * float(VALIDATION.y.var())  # something was learnt


def test_divergence_is_an_outcome_with_a_sentence():
    network, training = fit(
        Recipe(
            optimizer="momentum", learning_rate=1e6, epochs=30, batch_size=16, clip=None
        )
    )
    assert training.diverged
    assert "diverged in epoch" in training.outcome
    assert "lower the learning rate" in training.outcome
    lengths = {name: len(values) for name, values in training.history.items()}
    assert len(lengths) == 5
    assert set(lengths.values()) == {training.last.epoch + 1}
    training.restore(network, training.best)
    assert all(torch.isfinite(p).all() for p in network.parameters())


def test_a_divergence_in_a_later_epoch_takes_its_row_away():
    """The rate grows from nothing to what no training survives."""
    whole = Recipe(
        optimizer="sgd", learning_rate=1e-3, epochs=4, batch_size=16, clip=None
    )
    _, training = fit(whole)

    class Rising(Recipe):
        def rate_at(self, progress):
            return 1e-3 if progress < 0.5 else 1e9

    recipe = Rising(**whole.model_dump())
    _, diverged = fit(recipe)
    assert diverged.diverged
    assert diverged.last.epoch == 1
    assert diverged.history == {n: v[:2] for n, v in training.history.items()}


def test_constant_targets_have_no_r_squared():
    network = Network(DiagGate(2, 12))
    constant = Sequences(VALIDATION.x, torch.full_like(VALIDATION.y, 0.3))
    assert np.isnan(r_squared(network, constant))


def test_clipping_bounds_the_step():
    clip, rate = 1e-3, 1.0
    recipe = Recipe(
        optimizer="sgd", learning_rate=rate, epochs=1, batch_size=128, clip=clip
    )
    before = Network(DiagGate(2, 12, s0=0.3))
    network, training = fit(recipe)
    moved = [
        a - b for a, b in zip(network.parameters(), before.parameters(), strict=True)
    ]
    length = torch.cat([m.flatten() for m in moved]).norm()
    assert float(length.detach()) == pytest.approx(rate * clip, rel=1e-3)
    assert training.history["clipped"] == [1.0]


def test_batches_grow_and_rates_fall():
    recipe = Recipe(
        epochs=5,
        batch_size=8,
        final_batch_size=128,
        learning_rate=0.4,
        schedule="cosine",
    )
    assert [recipe.batch_at(e) for e in range(5)] == [8, 16, 32, 64, 128]
    assert recipe.rate_at(0) == 0.4
    assert recipe.rate_at(0.5) == pytest.approx(0.2)
    assert recipe.rate_at(1) == pytest.approx(0)
    assert fit(recipe)[1].history["batch"] == [8, 16, 32, 64, 128]


def test_loss_is_half_the_square_error():
    """One step of SGD moves against the gradient of 1/2 (yhat - y)^2."""
    network, _ = fit(
        Recipe(optimizer="sgd", learning_rate=0.1, epochs=1, batch_size=128, clip=None)
    )
    twin = Network(DiagGate(2, 12, s0=0.3))
    loss = 0.5 * ((twin(DATA.x) - DATA.y) ** 2).mean()
    loss.backward()
    for new, old in zip(network.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(new, old - 0.1 * old.grad, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("alpha", [1.2, 2.0])
def test_noise_of_a_gradient_has_its_law_and_its_scale(alpha):
    weight = torch.nn.Parameter(torch.zeros(100, 200))
    still = torch.nn.Parameter(torch.zeros(3))
    weight.grad = torch.full_like(weight, 2.0)
    weight.grad[:50] = 4.0
    noise = GradientNoise(alpha=alpha, scale=0.5)
    before = weight.grad.double()
    noise.add_to([weight, still], seed=[1, 2])
    assert still.grad is None
    xi = (weight.grad.double() - before).numpy().ravel() / (0.5 * 10**0.5)
    n = xi.size
    law = distribution(np.sort(xi), alpha)
    # Kolmogorov's distance is larger than this once in a thousand times.
    assert np.abs(law - (np.arange(n) + 0.5) / n).max() < 1.95 / n**0.5


def test_noise_comes_before_the_clip_and_another_at_every_step():
    loud = GradientNoise(alpha=1.5, scale=1e6)
    steps = {"optimizer": "sgd", "learning_rate": 1.0, "epochs": 2, "batch_size": 64}
    kept = []
    start = Network(DiagGate(2, 12, s0=0.3, seed=0), seed=0)
    train(
        start,
        DATA,
        VALIDATION,
        Recipe(**steps, clip=1e-3, noise=loud),
        seed=0,
        save=lambda snapshot: kept.append(snapshot().now.weights),
    )
    every = [torch.cat([w.flatten() for w in one.values()]) for one in kept]
    moved = torch.stack(every).diff(dim=0).double()
    lengths = moved.norm(dim=1)
    torch.testing.assert_close(
        lengths, torch.full_like(lengths, 1e-3), rtol=0.01, atol=0
    )
    moved /= lengths[:, None]
    assert (moved @ moved.T).fill_diagonal_(0).abs().max() < 0.9


def test_what_is_kept_of_a_recipe_without_noise_is_as_before():
    recipe = Recipe(learning_rate=0.5)
    assert "noise" not in recipe.model_dump()
    assert digest(recipe.model_dump(mode="json")) == "4a50ed05ad6b"
    noisy = Recipe(noise=GradientNoise(alpha=1.5))
    assert Recipe.model_validate(noisy.model_dump(mode="json")) == noisy


def test_decay_reaches_the_optimizer():
    network = Network(DiagGate(2, 3))
    for name in ("adamw", "sgd", "momentum", "rmsprop"):
        recipe = Recipe(optimizer=name, weight_decay=0.01, learning_rate=0.5)
        group = make_optimizer(recipe, network.parameters()).param_groups[0]
        assert (group["lr"], group["weight_decay"]) == (0.5, 0.01)


def test_wrong_recipes_are_named():
    with pytest.raises(ValidationError, match="batches stay or grow"):
        Recipe(batch_size=8, final_batch_size=4)
    with pytest.raises(ValidationError, match="learning_rate"):
        Recipe(learning_rate=0)
    with pytest.raises(ValueError, match="does not fit into 128 sequences"):
        fit(Recipe(batch_size=200))


@pytest.mark.parametrize("optimizer", ["adamw", "rmsprop", "momentum", "sgd"])
@pytest.mark.parametrize("steps", [1, 8, 13])
def test_a_training_goes_on_bit_for_bit(optimizer, steps):
    recipe = Recipe(
        optimizer=optimizer,
        learning_rate=1e-2,
        epochs=3,
        batch_size=16,
        schedule="cosine",
        noise=GradientNoise(scale=0.1) if optimizer == "sgd" else None,
    )
    whole, reference = fit(recipe)
    taken = []

    def save(snapshot):
        taken.append(None)
        if len(taken) == steps:
            taken[-1] = file = io.BytesIO()
            torch.save(asdict(snapshot()), file)

    network = Network(DiagGate(2, 12, s0=0.3, seed=0), seed=0)
    train(network, DATA, VALIDATION, recipe, seed=0, save=save)
    taken[steps - 1].seek(0)
    record = torch.load(taken[steps - 1], weights_only=True)
    start = Snapshot.from_record(record)
    other = Network(DiagGate(2, 12, s0=0.3, seed=5), seed=5)
    training = train(other, DATA, VALIDATION, recipe, seed=9, start=start)
    assert training.history == reference.history
    assert training.best.epoch == reference.best.epoch
    for mine, theirs in zip(other.parameters(), whole.parameters(), strict=True):
        assert torch.equal(mine, theirs)
    for name, theirs in reference.best.weights.items():
        assert torch.equal(training.best.weights[name], theirs)
