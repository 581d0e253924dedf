"""Sequences that hang together: named groups, and windows of one series."""

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

import learnability as lw
from learnability.diagnosis import DiagnosisOptions
from learnability.models.groups import in_parts, labels_of, overlapping, stretches
from learnability.models.items import Items

PAIR = Items({(0,): 0, (1,): 0})


class Summed(nn.Module):
    """A GRU with a read-out of one number a step."""

    def __init__(self) -> None:
        super().__init__()
        self.gru, self.out = nn.GRU(1, 8, batch_first=True), nn.Linear(8, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.gru(x)[0])[..., 0]


def cut(values: torch.Tensor, steps: int, stride: int) -> torch.Tensor:
    starts = torch.arange(0, len(values) - steps + 1, stride)
    return values[starts[:, None] + torch.arange(steps)]


def series(seed: int, steps: int, by: float = 0.9) -> tuple[torch.Tensor, torch.Tensor]:
    """Give two autocorrelated series that have nothing to do with one another."""
    generator = torch.Generator().manual_seed(seed)
    x, y = torch.randn(2, steps, generator=generator)
    for t in range(1, steps):
        x[t] += by * x[t - 1]
        y[t] += by * y[t - 1]
    return x[:, None], y


def diagnosed(data, seed: int = 0, **options) -> lw.LayerDiagnosis:
    torch.manual_seed(seed)
    quick = DiagnosisOptions(resamples=20, exact_windows=16)
    loss = options.pop("loss", functional.mse_loss)
    lags = [1, 2, 4, 8]
    found = lw.diagnose(Summed(), data, loss, lags, options=quick, **options)
    return found["gru[layer 0, forward]"]


@pytest.mark.parametrize("stride", [1, 3, 20])
@pytest.mark.parametrize("steps", [20, 47])
def test_stretches_share_no_step(stride: int, steps: int) -> None:
    rng = np.random.default_rng(0)
    place = rng.permutation(np.arange(0, 4000, stride))
    labels = stretches(place % 3, place, steps)
    for one in range(3):
        own = (place % 3 == one) & (labels >= 0)
        for group in np.unique(labels[own]):
            at = place[own & (labels == group)]
            others = place[own & (labels != group)]
            between = (others > at.min() - steps) & (others < at.max() + steps)
            assert not between.any()
    assert sorted(set(labels[labels >= 0])) == list(range(labels.max() + 1))


def text(shape: tuple[int, ...], symbols: int, rule: str, seed: int) -> torch.Tensor:
    """Return sequences of few symbols, at random or each after the one before."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(0, symbols, shape, generator=generator)
    follows = torch.rand(shape, generator=generator) < {"random": 0.0}.get(rule, 0.9)
    for t in range(1, shape[-1]):
        after = (drawn[..., t - 1] + (rule == "turns")) % symbols
        drawn[..., t] = torch.where(follows[..., t], after, drawn[..., t])
    return drawn


@pytest.mark.parametrize("rule", ["random", "stays", "turns"])
@pytest.mark.parametrize("symbols", [2, 4, 8])
@pytest.mark.parametrize("steps", [10, 32, 64])
def test_sequences_of_few_symbols_are_no_windows_of_a_series(
    rule: str, symbols: int, steps: int
) -> None:
    for seed in range(8):
        x = text((64, steps), symbols, rule, seed)
        given = functional.one_hot(x, symbols).float() if seed % 2 else x
        assert overlapping((given, x.roll(-1, 1)), PAIR) is None


@pytest.mark.parametrize("stride", [1, 8])
def test_windows_of_a_series_of_few_symbols_are_found(stride: int) -> None:
    x = cut(text((900,), 8, "random", 0), 48, stride)
    assert overlapping((x, x), PAIR) is not None


@pytest.mark.parametrize("kind", ["floats", "tokens"])
@pytest.mark.parametrize("stride", [1, 7, 20])
def test_windows_of_a_series_are_put_back_into_their_places(
    kind: str, stride: int
) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(900, 2, generator=generator)
    if kind == "tokens":
        x = torch.randint(0, 50, (900,), generator=generator)
    windows = cut(x, 36, stride)
    order = torch.randperm(len(windows), generator=generator)
    labels = overlapping((windows[order], windows[order]), PAIR)
    place = order.numpy() * stride
    expected = stretches(place * 0, place, 36)
    pairs = np.unique(np.stack([labels, expected]), axis=1)
    assert len(pairs[0]) == len(np.unique(labels)) == len(np.unique(expected))


@pytest.mark.parametrize("values", [2, 26, 1000])
def test_sequences_that_are_no_windows_do_not_overlap(values: int) -> None:
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randint(0, values, (1024, 24), generator=generator)
    tokens[:, 18:] = 0  # padding
    assert overlapping((tokens, tokens[:, 0]), PAIR) is None
    assert overlapping((tokens.float(), tokens), PAIR) is None


def test_neighbouring_windows_without_common_steps_do_not_overlap() -> None:
    x = torch.randn(960, generator=torch.Generator().manual_seed(0))
    assert overlapping((cut(x, 24, 24), cut(x, 24, 24)), PAIR) is None


def test_a_group_is_in_one_part() -> None:
    labels = np.random.default_rng(0).integers(-1, 60, 700)
    parts = in_parts(labels)
    groups = [set(labels[part].tolist()) for part in parts]
    assert len(parts) > 2
    assert sum(map(len, groups)) == len(set().union(*groups)) == 60
    assert min(map(len, groups)) >= 8
    assert sum(map(len, parts)) == (labels >= 0).sum()


@pytest.mark.slow
def test_nothing_is_found_in_overlapping_windows_of_independent_series() -> None:
    found = 0
    for seed in range(12):
        x, y = series(seed, 720)
        one = diagnosed((cut(x, 24, 1), cut(y, 24, 1)), seed)
        assert one.tree.attrs["counted"] == "stretches without overlap"
        found += bool(one.group("dependence")["found"].any())
    assert stats.binom.sf(found - 1, 12, 0.05) > 0.005


def test_a_dependency_is_found_in_overlapping_windows() -> None:
    x, y = series(0, 1200, by=0.0)
    y[4:] += x[:-4, 0]
    one = diagnosed((cut(x, 24, 1), cut(y, 24, 1)))
    assert one.group("dependence")["found"].sel(lag=4)


def test_window_cuts_a_series_as_by_hand() -> None:
    x, y = series(0, 1200, by=0.0)
    y[2:] += x[:-2, 0]
    whole = diagnosed((x, y), window=24)
    by_hand = diagnosed((cut(x, 24, 12), cut(y, 24, 12)))
    for name in ("needed", "signal"):
        one, other = whole.group("detection")[name], by_hand.group("detection")[name]
        np.testing.assert_allclose(one, other, rtol=1e-6)
    with pytest.raises(ValueError, match="window 2000 does not fit"):
        diagnosed((x, y), window=2000)


def test_copies_of_sequences_tell_no_more_than_one_of_each() -> None:
    """Named groups: with every sequence four times N(l) is that of the sequences."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(64, 24, 1, generator=generator)
    y = x[..., 0].roll(2, 1) + torch.randn(64, 24, generator=generator)
    alone = diagnosed((x, y)).group("dependence")
    named = torch.arange(64).repeat(4)
    four = diagnosed((x.repeat(4, 1, 1), y.repeat(4, 1)), groups=named)
    assert four.tree.attrs["counted"] == "groups"
    assert four.tree.attrs["sample"] == 64
    assert four.tree.attrs["sequences"] == 256
    # Others' targets are those of other parts, so that only the order is the same.
    np.testing.assert_allclose(
        four.group("dependence")["p_value"], alone["p_value"], rtol=0.5, atol=0.02
    )
    needed = [
        one.group("detection")["needed"].values for one in (four, diagnosed((x, y)))
    ]
    np.testing.assert_allclose(*needed, rtol=0.4)


def test_groups_of_a_loader() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(96, 24, 1, generator=generator)
    y = x[..., 0].roll(2, 1)
    person = torch.arange(96) % 24
    loader = DataLoader(TensorDataset(x, person, y), batch_size=32)

    class WithPerson(Summed):
        def forward(self, x: torch.Tensor, person: torch.Tensor) -> torch.Tensor:
            return super().forward(x)

    torch.manual_seed(0)
    found = lw.diagnose(
        WithPerson(),
        loader,
        functional.mse_loss,
        [1, 2],
        groups=lambda batch: batch[1],
    )
    assert found["gru[layer 0, forward]"].tree.attrs["sample"] == 24


def test_wrong_groups_are_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(3,\); give one label for each of"):
        labels_of([1, 2, 3], 4)
    x, y = series(0, 480)
    with pytest.raises(ValueError, match="too few groups: 2"):
        diagnosed((cut(x, 24, 24), cut(y, 24, 24)), groups=[0, 1] * 10)
    with pytest.raises(ValueError, match="too few stretches without overlap: "):
        diagnosed((cut(x[:100], 24, 1), cut(y[:100], 24, 1)))
