"""Recall of a token: what is drawn, what can be told of it, what is learnt of a lag."""

import itertools
import math

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from learnability import demo
from learnability.tasks import NAMING, SQUARE, MultiLag, Recall, Sequences

TASK = Recall(lags=(2, 5, 9), tokens=4, noise=0.4, steps=12)


def test_a_token_stands_at_its_lag_and_all_are_as_likely():
    task, count = TASK.model_copy(update={"noise": 0.0}), 4000
    data = task.draw(count, seed=1)
    rows = torch.arange(count)
    assert (data.x[rows, task.steps - 1 - data.lag, data.y] == 1).all()
    assert data.x.sum() == count
    for values, known in ((data.y, range(4)), (data.lag, task.lags)):
        share = 1 / len(known)
        error = (share * (1 - share) / count) ** 0.5
        for value in known:
            assert abs(float((values == value).double().mean()) - share) < 4 * error


def test_noise_is_on_every_input_and_the_token_stands_on_it():
    data = TASK.draw(2000, seed=2)
    quiet = torch.zeros_like(data.x)
    quiet[torch.arange(2000), TASK.steps - 1 - data.lag, data.y] = 1.0
    noise = (data.x - quiet).double()
    each = noise.flatten(0, 1).std(dim=0)
    error = 0.4 / (2 * 2000 * TASK.steps) ** 0.5
    np.testing.assert_allclose(each, 0.4, atol=4 * error)
    assert abs(float(noise.mean())) < 4 * 0.4 / noise.numel() ** 0.5


def test_streams_are_fixed_by_their_seed():
    first, again, other = (TASK.draw(8, seed=seed) for seed in (0, 0, 3))
    for name in ("x", "y", "lag"):
        assert torch.equal(getattr(first, name), getattr(again, name))
    assert not torch.equal(first.x, other.x)


def test_what_can_be_told_is_what_the_densities_tell():
    """The posterior by Bayes' rule, from the density of every step and input."""
    x = TASK.draw(5, seed=3).x.double()
    joint = torch.zeros(5, len(TASK.lags), TASK.tokens, dtype=torch.float64)
    for (a, lag), token in itertools.product(enumerate(TASK.lags), range(TASK.tokens)):
        quiet = torch.zeros(TASK.steps, TASK.tokens, dtype=torch.float64)
        quiet[TASK.steps - 1 - lag, token] = 1.0
        law = torch.distributions.Normal(quiet, TASK.noise)
        joint[:, a, token] = law.log_prob(x).sum(dim=(1, 2)).exp()
    expected = joint.sum(dim=1) / joint.sum(dim=(1, 2))[:, None]
    torch.testing.assert_close(TASK.posterior(x).exp(), expected)


def test_who_knows_the_task_names_most_and_without_noise_all():
    data = TASK.draw(3000, seed=4)
    places = [TASK.steps - 1 - lag for lag in TASK.lags]
    greedy = data.x[:, places].sum(dim=1)  # another sensible rule
    _, best = TASK.measured(data, TASK.posterior(data.x))
    _, other = TASK.measured(data, greedy)
    assert best["accuracy"] == best["ceiling"] == other["ceiling"]
    assert best["chance"] < other["accuracy"] < best["ceiling"] < 1
    uniform = math.log(TASK.tokens)
    assert 0 < best["floor"] < uniform
    clear = TASK.model_copy(update={"noise": 0.0})
    _, all_of_it = clear.measured(data, clear.posterior(clear.draw(3000, seed=4).x))
    assert all_of_it["accuracy"] == 1


def test_a_lag_is_learnt_by_the_share_of_it_that_is_named():
    clear = TASK.model_copy(update={"noise": 0.0})
    data = clear.draw(600, seed=5)
    outputs = torch.zeros(600, 4)
    near = data.lag == 2
    outputs[near, data.y[near]] = 1.0  # all of lag 2
    half = (data.lag == 5) & (torch.arange(600) % 2 == 0)
    outputs[~near, (data.y[~near] + 1) % 4] = 1.0  # none of the others
    outputs[half] = 0.0
    outputs[half, data.y[half]] = 1.0  # but about half of lag 5
    by_lag, facts = clear.measured(data, outputs)
    of_five = data.lag == 5
    share = float((half & of_five).sum()) / float(of_five.sum())
    np.testing.assert_allclose(by_lag["accuracy"], [1, share, 0])
    np.testing.assert_allclose(
        by_lag["learnt_share"], [1, (share - 0.25) / 0.75, -1 / 3]
    )
    assert facts["ceiling"] == 1
    assert facts["floor"] == 0
    assert facts["accuracy"] == pytest.approx(float((near | half).double().mean()))
    few = clear.draw(1, seed=6)
    by_lag, _ = clear.measured(few, few.x.sum(dim=1))
    told = [lag for lag, v in zip(clear.lags, by_lag["accuracy"], strict=True) if v > 0]
    assert told == few.lag.tolist()
    assert np.isnan(by_lag["accuracy"]).sum() == 2


def test_the_demonstration_s_noise_stands_beside_the_token():
    x, token = demo.draw(50, seed=7)
    assert x.shape[-1] == demo.TOKENS + 1
    assert set(x[..., :-1].unique().tolist()) == {0.0, 1.0}
    assert float(x[..., -1].std()) == pytest.approx(0.3, abs=0.01)
    assert token.shape == (50,)


@pytest.mark.parametrize("objective", [SQUARE, NAMING])
def test_a_loss_is_a_factor_of_the_error_and_its_mean(objective):
    drawn = torch.Generator().manual_seed(8)
    if objective is SQUARE:
        outputs, targets = torch.randn(2, 6, 3, generator=drawn)
        expected = 0.5 * ((outputs - targets) ** 2).mean()
    else:
        outputs = torch.randn(6, 3, generator=drawn)
        targets = torch.randint(3, (6,), generator=drawn)
        chosen = outputs.softmax(-1)[torch.arange(6), targets]
        expected = -chosen.log().mean()
    for loss in (
        objective.each(outputs, targets).mean(),
        objective.factor * objective.mean(outputs, targets),
    ):
        torch.testing.assert_close(loss, expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lags": (0,)}, "lags start at 1"),
        ({"lags": (12,)}, "does not fit into sequences of 12 steps"),
        ({"lags": (3, 3)}, "lag 3 is given twice"),
        ({"lags": ()}, "no lags were given"),
        ({"tokens": 1}, "greater than or equal to 2"),
        ({"noise": -0.1}, "greater than or equal to 0"),
        ({"inputs": 4}, "Extra inputs"),
        ({"kind": "multi-lag"}, "Input should be 'recall'"),
    ],
)
def test_wrong_tasks_are_refused(change, message):
    with pytest.raises(ValidationError, match=message):
        Recall(**{**TASK.model_dump(), **change})
    with pytest.raises(ValueError, match="0 sequences were asked for"):
        TASK.draw(0, seed=0)


def test_names_are_one_per_sequence_and_values_one_per_step():
    x, names = torch.zeros(3, 5, 2), torch.zeros(3, dtype=torch.long)
    assert len(Sequences(x, names)) == 3
    assert len(Sequences(x, torch.zeros(3, 5, dtype=torch.long))) == 3
    for wrong in (torch.zeros(3), names[:2], torch.zeros(3, 5, 1)):
        with pytest.raises(ValueError, match="sequences and steps must agree"):
            Sequences(x, wrong)


def test_a_multi_lag_task_is_dumped_as_before_there_were_kinds():
    task = MultiLag(lags=(2,), coefficients=(0.5,), kind="multi-lag")
    assert "kind" not in task.model_dump()
    assert task == MultiLag(**task.model_dump())
