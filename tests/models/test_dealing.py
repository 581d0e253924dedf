"""The targets' part of the error signal, against its control and a slow twin."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.distributions import Bernoulli, Categorical, Normal
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import learnability as lw
from learnability.evidence.sample import joined
from learnability.models.quiet import kept_random_states
from learnability.models.reading import Reading

ITEMS, STEPS, INPUTS, UNITS, CLASSES = 10, 7, 2, 4, 3
SHARED_BY = 8
TOLERANCE = 1e-5
IGNORED = -100
OF_CLASS = torch.tensor([0.5, 1.0, 2.0])
FEW = lw.DiagnosisOptions(exact_windows=2, anchors=1, resamples=20)


def drawn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def weighted(model, seed=0):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(0.6 * torch.randn(p.shape, generator=generator))
    return model


class Model(nn.Module):
    """An LSTM with a linear head; what it returns is made of the head's values."""

    def __init__(self, returned=lambda z, y: z, outputs=CLASSES, first=True):
        super().__init__()
        self.rnn = nn.LSTM(INPUTS, UNITS, batch_first=first)
        self.out, self.returned = nn.Linear(UNITS, outputs), returned
        weighted(self)

    def forward(self, x, y=None):
        return self.returned(self.out(self.rnn(x)[0]), y)


@kept_random_states()
def asked_of(model, loss, data, **options):
    """Return the one recurrence on its sequences, with what the loss asks of it."""
    reading = Reading(model, loss, data, sequences=256, memory=1e9, seed=0, **options)
    (layer,) = reading.layers()
    return joined(layer.parts())


def by_output(sample):
    """Return the targets' part by a layer's output; by anything else it is 0."""
    output = torch.zeros(sample.cell.state_size, dtype=torch.bool)
    output[sample.cell.output] = True
    assert not sample.target[..., ~output].any()
    return sample.target[..., output]


def close(got, expected, tolerance=TOLERANCE):
    assert got.shape == expected.shape
    size = float(expected.abs().max())
    assert size > 0
    assert float((got - expected).abs().max()) <= tolerance * size


def shared_out(every, has):
    """Return own less the others' mean, less what all sequences have in common.

    Args:
        every: the gradient of item n's loss with the targets of m; (n, m, row, t, h).
        has: the steps that a row of an item has; (n, row, t).
    """
    count = len(every)
    e = torch.zeros_like(every[:, 0])
    shared = has.sum(dim=0)
    for n in range(count):
        others = [m for m in range(count) if m != n]
        both = torch.stack([has[n] & has[m] for m in others])[..., None]
        mean = (every[n, others] * both).sum(dim=0) / both.sum(dim=0).clamp(min=1)
        e[n] = (every[n, n] - mean) * has[n][..., None]
    e = e * (shared >= min(SHARED_BY, count))[..., None]
    return (e - (e.sum(dim=0) / shared.clamp(min=1)[..., None])) * has[..., None]


def twin(states, alone, targets, has=None):
    """Return the targets' part by one backward pass for every pair of sequences.

    Args:
        states: of every item, (row, step, unit).
        alone: gives item n's own loss from its states and the targets of an item.
        targets: of every item.
        has: the steps that a row of an item has; all unless given.
    """
    every = []
    for n, own in enumerate(states):
        own = own.detach().requires_grad_()
        losses = (alone(n, own, y) for y in targets)
        every.append(torch.stack([torch.autograd.grad(v, own)[0] for v in losses]))
    every = torch.stack(every)
    if has is None:
        has = torch.ones(every.shape[0], *every.shape[2:4], dtype=torch.bool)
    return shared_out(every, has)


def states_of(model, x):
    return list(model.rnn(x)[0][:, None])


@dataclass
class Output:
    """What a model returns, as a record."""

    logits: torch.Tensor


@dataclass(frozen=True)
class Kind:
    """A loss, and the ways to write it that are not logits.

    Attributes:
        plain: of logits of any leading axes, and targets.
        logs: makes log-probabilities, or what comes nearest to them; and their loss.
        shares: the same with probabilities.
        law: the same with a distribution.
        targets: (item, step, ...).
        classes: whether logits and targets may be (item, class, step) as well.
    """

    plain: Callable[[Any, Any], torch.Tensor]
    logs: tuple[Callable[[Any], Any], Callable[[Any, Any], torch.Tensor]]
    shares: tuple[Callable[[Any], Any], Callable[[Any, Any], torch.Tensor]]
    law: tuple[Callable[[Any], Any], Callable[[Any, Any], torch.Tensor]]
    targets: torch.Tensor


X = drawn(ITEMS, STEPS, INPUTS, seed=1)
REAL = X[..., :1].roll(2, 1) + 0.5 * drawn(ITEMS, STEPS, CLASSES, seed=2)
LABELS = REAL.argmax(dim=-1)
HOLES = torch.rand(ITEMS, STEPS, generator=torch.Generator().manual_seed(3)) < 0.1
HOLES[:4, 3] = True  # fewer than eight have this step
HOLED = LABELS.masked_fill(HOLES, IGNORED)


def cross_entropy(z, y):
    return F.cross_entropy(z.flatten(0, -2), y.flatten())


def nll(z, y):
    return F.nll_loss(z.log_softmax(-1).flatten(0, -2), y.flatten())


def of_logs(z, y):
    return F.nll_loss(z.flatten(0, -2), y.flatten())


def of_shares(p, y):
    return -p.gather(-1, y[..., None]).log().mean()


def weighing(z, y):
    return F.cross_entropy(
        z.flatten(0, -2), y.flatten(), weight=OF_CLASS, ignore_index=IGNORED
    )


def weighing_logs(logs, y):
    return F.nll_loss(
        logs.flatten(0, -2), y.flatten(), weight=OF_CLASS, ignore_index=IGNORED
    )


def weighing_law(law, y):
    weight = OF_CLASS[y.clamp(min=0)] * (y != IGNORED)
    return -(law.log_prob(y.clamp(min=0)) * weight).sum() / weight.sum()


def binary_logs(logs, y):
    return -(y * logs + (1 - y) * torch.log1p(-logs.exp())).mean()


def normal(z):
    return Normal(z[..., 0], F.softplus(z[..., 1]) + 0.1)


def likelihood(law, y):
    return -law.log_prob(y).mean()


LOG_SOFTMAX, SOFTMAX = (partial(f, dim=-1) for f in (torch.log_softmax, torch.softmax))
KINDS = {
    "mse": Kind(
        F.mse_loss,
        (torch.asinh, lambda a, y: F.mse_loss(a.sinh(), y)),
        (torch.sigmoid, lambda p, y: F.mse_loss(p.logit(), y)),
        (lambda z: Normal(z, 1.0), lambda law, y: F.mse_loss(law.mean, y)),
        REAL,
    ),
    "cross-entropy": Kind(
        cross_entropy,
        (LOG_SOFTMAX, cross_entropy),
        (SOFTMAX, of_shares),
        (lambda z: Categorical(logits=z), likelihood),
        LABELS,
    ),
    "nll": Kind(
        nll,
        (LOG_SOFTMAX, of_logs),
        (SOFTMAX, lambda p, y: of_logs(p.log(), y)),
        (lambda z: Categorical(probs=z.softmax(-1)), likelihood),
        LABELS,
    ),
    "bce with logits": Kind(
        F.binary_cross_entropy_with_logits,
        (F.logsigmoid, binary_logs),
        (torch.sigmoid, F.binary_cross_entropy),
        (lambda z: Bernoulli(logits=z), likelihood),
        (REAL > 0).float(),
    ),
    "log_prob": Kind(
        lambda z, y: likelihood(normal(z), y),
        (torch.asinh, lambda a, y: likelihood(normal(a.sinh()), y)),
        (torch.sigmoid, lambda p, y: likelihood(normal(p.logit()), y)),
        (normal, likelihood),
        REAL[..., 0],
    ),
    "class weights and ignored labels": Kind(
        weighing,
        (LOG_SOFTMAX, weighing_logs),
        (SOFTMAX, lambda p, y: weighing_logs(p.log(), y)),
        (lambda z: Categorical(logits=z), weighing_law),
        HOLED,
    ),
}


def plainly(head, unpacked):
    """Return a way to hand logits on, from how they are packed and unpacked."""
    return lambda kind: (head, lambda o, y: kind.plain(unpacked(o), y), False)


def otherwise(name):
    def way(kind):
        made, loss = getattr(kind, name)
        return (lambda z, y: made(z)), loss, False

    return way


WAYS = {
    "logits": plainly(lambda z, y: z, lambda o: o),
    "log-probabilities": otherwise("logs"),
    "probabilities": otherwise("shares"),
    "flattened": lambda kind: (
        lambda z, y: z.flatten(0, 1),
        lambda o, y: kind.plain(o, y.flatten(0, 1)),
        False,
    ),
    "classes before steps": plainly(
        lambda z, y: z.transpose(1, 2), lambda o: o.transpose(1, 2)
    ),
    "tuple": plainly(lambda z, y: (z, z[0], None), lambda o: o[0]),
    "list": plainly(lambda z, y: [None, z], lambda o: o[1]),
    "dict": plainly(lambda z, y: {"logits": z, "name": "z"}, lambda o: o["logits"]),
    "dataclass": plainly(lambda z, y: Output(z), lambda o: o.logits),
    "namespace": plainly(lambda z, y: SimpleNamespace(z=z), lambda o: o.z),
    "distribution": otherwise("law"),
    "loss inside, alone": lambda kind: (kind.plain, lambda o, y: o, True),
    "loss inside, with logits": lambda kind: (
        lambda z, y: (kind.plain(z, y), z),
        lambda o, y: o[0],
        True,
    ),
}


def written(kind, way, first=True, repeated=1):
    """Return model, loss and batch of a loss written in one of the ways."""
    returned, loss, inside = WAYS[way](KINDS[kind])
    x, y = X.repeat(repeated, 1, 1), KINDS[kind].targets
    y = y.repeat(repeated, *(1,) * (y.ndim - 1))
    if not first:
        x, y = x.transpose(0, 1).contiguous(), y.transpose(0, 1).contiguous()
    return Model(returned, first=first), loss, (x, y, y) if inside else (x, y)


@cache
def control(kind):
    model, loss, batch = written(kind, "logits")
    return asked_of(model, loss, [batch])


@pytest.mark.parametrize("first", [True, False], ids=["batch first", "time first"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
def test_however_outputs_are_written(kind, way, first):
    model, loss, batch = written(kind, way, first)
    got, expected = asked_of(model, loss, [batch]), control(kind)
    close(got.target, expected.target)
    close(got.delta, expected.delta)
    assert torch.equal(got.looks, expected.looks)


@pytest.mark.parametrize("kind", KINDS)
def test_a_pass_for_every_pair_says_the_same(kind):
    model, y, has = Model(), KINDS[kind].targets, None
    share = (OF_CLASS[LABELS] * ~HOLES).sum() / ITEMS  # of a sequence in the mean

    def alone(n, h, target):
        z = model.out(h)
        if kind != "class weights and ignored labels":
            return KINDS[kind].plain(z, target[None])
        weights = OF_CLASS[target.clamp(min=0)] * (target != IGNORED)
        own = F.cross_entropy(z[0], target.clamp(min=0), reduction="none")
        return (own * weights).sum() / share

    if kind == "class weights and ignored labels":
        has = ~HOLES[:, None]
        assert not by_output(control(kind))[:, 3].any()  # fewer than eight have it
    expected = twin(states_of(model, X), alone, y, has)
    close(by_output(control(kind)), expected[:, 0])


def needed(model, loss, data, **options):
    found = lw.diagnose(model, data, loss, [1, 2, 3], options=FEW, **options)
    (layer,) = found.values()
    group = layer.group("detection")
    return group.attrs["effect_size"], group["needed"].values


@cache
def needed_by_control(kind):
    model, _, batch = written(kind, "logits", repeated=6)
    x, y = noisy(batch)
    return needed(model, KINDS[kind].plain, [(x, y)])


def noisy(batch):
    """Return a batch of which no two sequences have the same inputs."""
    x, *targets = batch
    return (x + 0.3 * drawn(*x.shape, seed=4), *targets)


# A loss inside the model is asked with the targets of 16 others only, unless the mean
# of targets stands for all of them.
PAIRS = [
    ("nll", "log-probabilities"),
    ("cross-entropy", "probabilities"),
    ("cross-entropy", "flattened"),
    ("nll", "classes before steps"),
    ("bce with logits", "tuple"),
    ("mse", "list"),
    ("class weights and ignored labels", "dict"),
    ("cross-entropy", "dataclass"),
    ("log_prob", "namespace"),
    ("log_prob", "distribution"),
    ("mse", "loss inside, alone"),
    ("bce with logits", "loss inside, with logits"),
]


@pytest.mark.parametrize(("kind", "way"), PAIRS)
def test_the_whole_diagnosis_is_the_same(kind, way):
    model, loss, batch = written(kind, way, repeated=6)
    (strength, got), (c, expected) = (
        needed(model, loss, [noisy(batch)]),
        needed_by_control(kind),
    )
    assert c > 0
    assert strength == pytest.approx(c, rel=1e-4)
    np.testing.assert_allclose(got, expected, rtol=1e-4)


# Targets of other forms, each against a pass for every pair.

LENGTHS = torch.tensor([7, 7, 6, 7, 7, 5, 7, 7, 4, 7])
OWN = torch.arange(STEPS) < LENGTHS[:, None]
WEIGHTS = torch.linspace(0.5, 2.0, ITEMS)


def steps_of(model, y, mask, size):
    """Return the loss of an item's masked steps, with targets of any item."""

    def alone(n, h, target):
        apart = (model.out(h)[0] - target) ** 2
        return (apart.mean(dim=-1) * mask[n]).sum() / size

    return twin(states_of(model, X), alone, y, mask[:, None] > 0)[:, 0]


def masked(z, pair):
    y, mask = pair
    apart = ((z - y) ** 2).mean(dim=-1)
    return (apart * mask).sum() / mask.sum()


def test_targets_with_a_mask():
    model, mask = Model(), OWN.float()
    padded = REAL * mask[..., None]
    expected = steps_of(model, padded, mask, mask.sum() / ITEMS)
    close(by_output(asked_of(model, masked, [(X, (padded, mask))])), expected)
    as_dict = lambda z, t: masked(z, (t["y"], t["mask"]))  # noqa: E731
    data = [(X, {"y": padded, "mask": mask.bool()})]
    close(by_output(asked_of(model, as_dict, data)), expected)


def test_a_mask_inside_the_model():
    model, mask = Model(), OWN.float()
    padded = REAL * mask[..., None]
    expected = steps_of(model, padded, mask, mask.sum() / ITEMS)
    inside = Model(lambda z, pair: masked(z, pair))
    data = [(X, (padded, mask), padded)]
    close(by_output(asked_of(inside, lambda o, y: o, data)), expected)


def test_padded_targets_and_lengths():
    model, mask = Model(), OWN.float()
    padded = REAL * mask[..., None]
    expected = steps_of(model, padded, mask, mask.sum() / ITEMS)

    def loss(z, y):
        own = (y != 0).any(dim=-1).float()
        return masked(z, (y, own))

    lengths = lambda batch: LENGTHS  # noqa: E731
    sample = asked_of(model, loss, [(X, padded)], lengths=lengths)
    close(by_output(sample), expected)
    assert torch.equal(sample.lengths, LENGTHS)


class Packed(Model):
    """Sequences of several lengths, packed; outputs of every step or of the last."""

    def __init__(self, last=False):
        super().__init__()
        self.last = last

    def forward(self, x, lengths, y=None):
        packed = pack_padded_sequence(x, lengths, True, enforce_sorted=False)
        outputs, (h, _) = self.rnn(packed)
        if self.last:
            return self.out(h[0])
        return self.out(pad_packed_sequence(outputs, batch_first=True)[0])


@pytest.mark.parametrize("padding", [0.0, 5.0])
def test_packed_sequences_and_padded_targets(padding):
    model, mask = Packed(), OWN.float()
    expected = steps_of(model, REAL, mask, mask.sum() / ITEMS)
    padded = REAL.masked_fill(~OWN[..., None], padding)
    got = asked_of(model, masked, [(X, LENGTHS, (padded, mask))])
    close(by_output(got), expected)

    def by_target(z, y):
        return masked(z, (y, (y != padding).any(dim=-1).float()))

    close(by_output(asked_of(model, by_target, [(X, LENGTHS, padded)])), expected)


@pytest.mark.parametrize("loss", [cross_entropy, F.mse_loss])
def test_one_target_a_sequence_whatever_its_length(loss):
    model = Packed(last=True)
    y = LABELS[:, 0] if loss is cross_entropy else REAL[:, 0]
    alone = lambda n, h, target: loss(model.out(h)[0], target[None])  # noqa: E731
    last = [h[:, n - 1] for h, n in zip(states_of(model, X), LENGTHS, strict=True)]
    expected = torch.zeros(ITEMS, STEPS, UNITS)
    rows = torch.arange(ITEMS)
    expected[rows, LENGTHS - 1] = twin([h[:, None] for h in last], alone, y)[:, 0, 0]
    close(by_output(asked_of(model, loss, [(X, LENGTHS, y)])), expected)


def test_targets_at_steps_that_hardly_any_two_share():
    alone = torch.eye(ITEMS, STEPS, dtype=torch.bool)
    y = LABELS.masked_fill(~alone, IGNORED)
    with pytest.raises(ValueError, match="nothing of the targets is left"):
        asked_of(Model(), cross_entropy, [(X, y)])


@pytest.mark.parametrize("by_step", [False, True])
def test_targets_with_weights(by_step):
    model = Model()
    weights = WEIGHTS[:, None].expand(ITEMS, STEPS)
    if by_step:
        weights = weights * torch.linspace(0.1, 1.0, STEPS)
    expected = steps_of(model, REAL, weights, weights.sum() / ITEMS)
    given = weights.contiguous() if by_step else WEIGHTS

    def loss(z, pair):
        y, w = pair
        own = w if by_step else w[:, None].expand(ITEMS, STEPS)[: len(w)]
        return masked(z, (y, own))

    close(by_output(asked_of(model, loss, [(X, (REAL, given))])), expected)


def test_several_horizons():
    model = Model(lambda z, y: z.unflatten(-1, (2, CLASSES)), outputs=2 * CLASSES)
    y = torch.stack([LABELS, LABELS.roll(1, 1)], dim=-1)

    def alone(n, h, target):
        z = model.out(h).unflatten(-1, (2, CLASSES))
        return F.cross_entropy(z[0].flatten(0, 1), target.flatten())

    expected = twin(states_of(model, X), alone, y)[:, 0]
    close(by_output(asked_of(model, cross_entropy, [(X, y)])), expected)


def soft(z, y):
    return -(y * z.log_softmax(-1)).sum(dim=-1).mean()


def count_loss(z, y):
    return F.poisson_nll_loss(z, y)


@pytest.mark.parametrize(
    ("loss", "y"),
    [
        (soft, REAL.softmax(-1)),
        (count_loss, REAL.exp().round()),
        (F.l1_loss, REAL),
        (F.smooth_l1_loss, REAL),
        (lambda z, y: F.gaussian_nll_loss(z[..., 0], y, z[..., 1].exp()), REAL[..., 0]),
        (lambda z, y: F.mse_loss(z, y, reduction="sum"), REAL),
        (lambda z, y: F.mse_loss(z, y, reduction="none"), REAL),
        (lambda z, y: ((z - y) ** 2).mean(dim=(1, 2)), REAL),
        (lambda z, y: F.mse_loss(z[:, -1], y), REAL[:, 0]),
        (lambda z, y: F.cross_entropy(z.mean(dim=1), y), LABELS[:, 2]),
    ],
    ids=[
        "soft labels",
        "poisson",
        "l1",
        "smooth l1",
        "gaussian nll",
        "sum",
        "a value a number",
        "a value a sequence",
        "last step",
        "mean over steps",
    ],
)
def test_relatives_of_the_losses(loss, y):
    model = Model()
    alone = lambda n, h, target: loss(model.out(h), target[None]).sum()  # noqa: E731
    sample = asked_of(model, loss, [(X, y)])
    expected = twin(states_of(model, X), alone, y)[:, 0]
    values = loss(model(X), y)
    if values.ndim and values.numel() > ITEMS:  # a mean, like the others
        expected = expected * ITEMS / values.numel()
    looks = sample.looks[..., None]
    close(by_output(sample), expected * looks)


def test_targets_that_are_named():
    model, loss, batch = written("mse", "logits")
    expected = control("mse").target
    for targets in (1, -1, [(1,)]):
        close(asked_of(model, loss, [batch], targets=targets).target, expected)
    inside, loss, batch = written("mse", "loss inside, alone")
    for targets in (1, -2, [1, 2], [(1,), -1]):
        close(asked_of(inside, loss, [batch], targets=targets).target, expected)
    with pytest.raises(ValueError, match="changes what a layer sees"):
        asked_of(model, F.mse_loss, [(X, REAL)], targets=0)
    with pytest.raises(ValueError, match="the batch has no targets"):
        asked_of(model, F.mse_loss, [(X, REAL)], targets=5)


# Losses that mix sequences.


class Last(nn.Module):
    """A value a sequence, (B, width)."""

    def __init__(self, width=1):
        super().__init__()
        self.rnn = nn.GRU(INPUTS, UNITS, batch_first=True)
        self.out = nn.Linear(UNITS, width)
        weighted(self, seed=2)

    def forward(self, x):
        return self.out(self.rnn(x)[0][:, -1])


def correlation(z, y):
    return 1 - torch.corrcoef(torch.stack([z.flatten(), y.flatten()]))[0, 1]


def contrast(z, y):
    return F.cross_entropy(z @ y.T, torch.arange(len(z)))


@pytest.mark.filterwarnings("ignore:Using a target size")
@pytest.mark.parametrize(
    ("width", "loss", "y"),
    [
        (1, F.mse_loss, REAL[:, 0, 0]),
        (1, F.l1_loss, REAL[:, 0, 0]),
        (1, lambda z, y: ((z - y) ** 2).mean(), REAL[:, 0, 0]),
        (1, correlation, REAL[:, 0, 0]),
        (3, contrast, REAL[:, 0]),
        (3, lambda z, y: F.mse_loss(z - z.mean(0), y - y.mean(0)), REAL[:, 0]),
    ],
    ids=["mse", "l1", "by hand", "correlation", "InfoNCE", "less the batch's mean"],
)
def test_losses_that_mix_sequences_are_refused(width, loss, y):
    # A step of the absolute value may hide that targets matter at all.
    match = "the loss mixes sequences|no targets were found"
    with pytest.raises(ValueError, match=match) as caught:
        asked_of(Last(width), loss, [(X, y)])
    assert "\n" not in str(caught.value)


def test_targets_that_do_not_matter_are_refused():
    same = REAL[:1].expand_as(REAL).contiguous()
    with pytest.raises(ValueError, match="no targets were found"):
        asked_of(Model(), F.mse_loss, [(X, same)])
    with pytest.raises(ValueError, match="no targets were found"):
        asked_of(Model(), lambda z, y: z.square().mean(), [(X, REAL)])


def test_a_tensor_that_is_input_and_target_is_passed_twice():
    x = drawn(ITEMS, STEPS, INPUTS, seed=6)
    expected = asked_of(Model(outputs=2), F.mse_loss, [(x, x.clone())]).target
    close(asked_of(Model(outputs=2), F.mse_loss, [(x, x)]).target, expected)
    inside = Model(outputs=2)
    inside.returned = None
    inside.forward = lambda x: (inside.out(inside.rnn(x)[0]) - x).square().mean()
    with pytest.raises(ValueError, match="input and target twice"):
        asked_of(inside, lambda o, y: o, [(x, x)])


# Axes.


def turned(values):
    return values.transpose(0, 1).contiguous()


def test_time_first_whole_tensors_are_refused():
    model = Model(first=False)
    for data in ((X, REAL), (turned(X), turned(REAL))):
        with pytest.raises(ValueError, match="put sequences first"):
            asked_of(model, F.mse_loss, data)


def test_whole_tensors_and_batches_say_the_same():
    close(asked_of(Model(), F.mse_loss, (X, REAL)).target, control("mse").target)


@pytest.mark.parametrize("sizes", [[1] * ITEMS, [4, 3, 3], [3, 3, 3, 1]])
@pytest.mark.parametrize("kind", KINDS)
def test_small_batches_are_put_together(kind, sizes):
    y = KINDS[kind].targets
    data = list(zip(X.split(sizes), y.split(sizes), strict=True))
    got = asked_of(Model(), KINDS[kind].plain, data)
    close(got.target, control(kind).target)


@pytest.mark.parametrize("sizes", [[1] * ITEMS, [4, 3, 3]])
def test_small_batches_with_time_first(sizes):
    parts = (turned(X).split(sizes, 1), turned(REAL).split(sizes, 1))
    data = list(zip(*parts, strict=True))
    got = asked_of(Model(first=False), F.mse_loss, data)
    close(got.target, control("mse").target)


@pytest.mark.parametrize("kind", ["mse", "cross-entropy"])
def test_as_many_steps_as_sequences(kind):
    x, y = X[:STEPS], KINDS[kind].targets[:STEPS]
    loss = KINDS[kind].plain
    model = Model()
    alone = lambda n, h, target: loss(model.out(h), target[None])  # noqa: E731
    expected = twin(states_of(model, x), alone, y)[:, 0]
    for data in ((x, y), [(x, y)]):
        close(by_output(asked_of(model, loss, data)), expected)
    other = Model(first=False)
    got = asked_of(other, loss, [(turned(x), turned(y))])
    close(by_output(got), expected)
    with pytest.raises(ValueError, match="put sequences first"):
        asked_of(other, loss, (x, y))


class Siamese(Last):
    """Two sequences an item, all first ones before all second ones."""

    def forward(self, a, b):
        values = super().forward(torch.cat([a, b]))
        return values[: len(a)] - values[len(a) :]


class Documents(Last):
    """Several sentences an item, one behind the other."""

    def forward(self, x):
        values = super().forward(x.flatten(0, 1)).unflatten(0, x.shape[:2])
        return values[:, 0] - values[:, 1]


def test_two_sequences_an_item_are_folded():
    a, b = X, drawn(ITEMS, STEPS, INPUTS, seed=8)
    y = REAL[:, 0, :1]
    model = Siamese()

    def alone(n, h, target):
        first, second = model.out(h[:, -1])
        return F.mse_loss(first - second, target)

    both = torch.stack([a, b], dim=1)
    states = [model.rnn(own)[0] for own in both]
    expected = twin(states, alone, y)
    batches = {
        model: (a, b, y),
        Documents(): (both, y),
    }
    for one, batch in batches.items():
        sample = asked_of(one, F.mse_loss, [batch])
        assert sample.item.tolist() == [n // 2 for n in range(2 * len(sample))]
        assert len(sample) == ITEMS
        got = by_output(sample).unflatten(0, (ITEMS, 2))
        close(got, expected)
        assert torch.equal(sample.x, both.flatten(0, 1))


# Items and models that are no others' like.


def test_items_that_are_given_twice():
    x, y = torch.cat([X, X[:3]]), torch.cat([REAL, REAL[:3]])
    model = Model()
    alone = lambda n, h, target: F.mse_loss(model.out(h), target[None])  # noqa: E731
    expected = twin(states_of(model, x), alone, y)[:, 0]
    copies_together = [0, len(X), 1, len(X) + 1, 2, len(X) + 2, *range(3, len(X))]
    found = by_output(asked_of(model, F.mse_loss, [(x, y)]))
    close(found, expected[copies_together])
    x[:, :] = x[:1]  # one sequence with many targets
    expected = twin(states_of(model, x), alone, y)[:, 0]
    found = by_output(asked_of(model, F.mse_loss, [(x, y)]))
    close(found, expected[copies_together])


def test_most_items_have_one_target():
    y = torch.zeros(40, STEPS, dtype=torch.long)
    y[30:] = LABELS
    x = drawn(40, STEPS, INPUTS, seed=9)
    model = Model()
    alone = lambda n, h, target: cross_entropy(model.out(h), target[None])  # noqa: E731
    expected = twin(states_of(model, x), alone, y)[:, 0]
    for data in ((x, y), [(x, y)]):
        close(by_output(asked_of(model, cross_entropy, data)), expected)


class Dropping(Model):
    """Drops at random although it is evaluated."""

    def forward(self, x, y=None):
        return self.out(F.dropout(self.rnn(x)[0], 0.5, training=True))


def test_a_model_may_be_random():
    x, y, model = X, REAL, Dropping()
    torch.manual_seed(11)
    kept = F.dropout(torch.ones_like(model.rnn(x)[0]), 0.5, training=True)

    def alone(n, h, target):
        return F.mse_loss(model.out(h * kept[n]), target[None])

    looks = kept.any(dim=-1)[:, None]  # a step may be dropped altogether
    expected = twin(states_of(model, x), alone, y, looks)[:, 0]
    torch.manual_seed(11)
    close(by_output(asked_of(model, F.mse_loss, [(x, y)])), expected)
    state = torch.get_rng_state()
    asked_of(model, F.mse_loss, [(x, y)])
    assert torch.equal(state, torch.get_rng_state())


class Fixed(Model):
    """Takes batches of one size only."""

    size = ITEMS

    def forward(self, x, y=None):
        return super().forward(x.view(self.size, STEPS, INPUTS))


@pytest.mark.parametrize("size", [ITEMS, 2 * ITEMS, 7 * ITEMS])
def test_a_model_may_take_batches_of_one_size_only(size):
    x, y = drawn(size, STEPS, INPUTS, seed=12), drawn(size, STEPS, CLASSES, seed=13)
    model = Fixed()
    model.size = size
    alone = lambda n, h, target: F.mse_loss(model.out(h), target[None])  # noqa: E731
    expected = twin(states_of(model, x), alone, y)[:, 0]
    for data in ([(x, y)], (x, y)):
        close(by_output(asked_of(model, F.mse_loss, data)), expected)
