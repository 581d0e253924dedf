"""Products of inputs: white, free of the inputs themselves, none where none are new."""

import numpy as np
import pytest

from learnability.verdict.facts import facts
from learnability.verdict.lag_sums import Part, lag_sums
from learnability.verdict.products import ProductMoments, multiplied

OWN = np.ones((200, 20), dtype=bool)


def products(parts, room):
    return ProductMoments.of(parts, room).products()


MADE = products([(np.random.default_rng(9).normal(size=(200, 20, 2)), OWN)], 3)


@pytest.mark.parametrize("skewed", [False, True])
def test_products_are_white_and_say_nothing_that_the_inputs_do(skewed):
    r = np.random.default_rng(0)
    z = r.normal(size=(200, 20, 3))
    z = (np.exp(z) - np.exp(0.5)) if skewed else z
    z /= z.std()
    found = products([(z[:90], OWN[:90]), (z[90:], OWN[90:])], 9)
    phi = found.of(z).reshape(-1, found.width)
    phi -= phi.mean(0)
    np.testing.assert_allclose(phi.T @ phi / len(phi), np.eye(6), atol=1e-9)
    flat = z.reshape(-1, 3) - z.mean((0, 1))
    np.testing.assert_allclose(flat.T @ phi / len(phi), 0, atol=1e-9)


def test_no_more_inputs_are_multiplied_than_there_is_room_for():
    z = np.random.default_rng(0).normal(size=(200, 20, 4))
    assert [products([(z, OWN)], room).width for room in (1, 2, 3, 5, 6, 99)] == [
        1, 1, 3, 3, 6, 10,
    ]  # fmt: skip


def test_tokens_and_signs_have_no_products_of_their_own():
    r = np.random.default_rng(0)
    tokens = (
        np.eye(4)[r.integers(4, size=(200, 20))]
        @ np.linalg.qr(r.normal(size=(4, 4)))[0]
    )
    assert products([(tokens, OWN)], 10) is None
    assert products([(np.sign(r.normal(size=(200, 20, 1))), OWN)], 10) is None


def sums_of(seed, of_product, of_input, share):
    r = np.random.default_rng(seed)
    z = r.normal(size=(100, 30, 2))
    signal = np.zeros((100, 30))
    signal[:, 3:] += of_product * (z[..., 0] * z[..., 1])[:, :-3]
    signal[:, 1:] += of_input * z[:, :-1, 0]
    noise = r.normal(size=signal.shape)
    own = np.ones((100, 30), dtype=bool)
    phi = np.concatenate([z, MADE.of(z)], axis=-1)
    columns = np.stack([-(signal + noise), share * signal, z[..., 0]], axis=-1)
    return lag_sums(lambda: [Part(phi, columns, own, own, np.arange(100))], 4, 100)


def found_of(seed, of_product, of_input, share=0.0):
    """Return facts of targets that owe to a product at lag 3 and to an input at 1."""
    train, held = (sums_of(s, of_product, of_input, share) for s in (seed, seed + 1000))
    return facts(train, held, None, list(range(5)), 1, linear=2)


def test_what_targets_owe_to_products_is_found_with_its_strength_and_share():
    size, inside = 0.5 / np.sqrt(1.5), []  # of targets of variance 1 + 2/4
    for seed in range(20):
        table = found_of(seed, 0.5, 0.5, share=0.7).loc[[1, 3]]
        assert table.found.all()
        inside += [*(table.lower < size) & (size < table.upper)]
        inside += [*(table.share_lower < 0.7) & (table.share_upper > 0.7)]
    assert np.mean(inside) >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / len(inside))


@pytest.mark.slow
def test_products_find_nothing_where_nothing_is():
    sets = 60
    found = [found_of(seed, 0.0, 0.3).found.to_numpy() for seed in range(sets)]
    assert np.array(found)[:, 1].all()
    # At 4 % over all lags of a data set: three standard errors more.
    others = np.delete(np.array(found), 1, axis=1).any(1).mean()
    assert others <= 0.04 + 3 * np.sqrt(0.04 * 0.96 / sets)


def test_pairs_come_in_order():
    assert multiplied(np.array([[2.0, 3.0, 5.0]]), 3).tolist() == [
        [4, 6, 10, 9, 15, 25]
    ]
