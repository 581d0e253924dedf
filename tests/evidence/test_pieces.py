"""Pieces of sequences, and what is held of them."""

import pickle

import torch

from learnability.evidence.inputs import InputMoments, input_probes
from learnability.evidence.pieces import PROCESS_BYTES, Memo, first_of, in_one
from learnability.evidence.sample import Sample


def sample(*items):
    """Give sequences of one step that count for items."""
    x = torch.arange(float(len(items)))[:, None, None]
    looks = torch.ones(len(items), 1, dtype=torch.bool)
    steps = torch.ones(len(items), dtype=torch.long)
    return Sample(None, x, x, steps, x, x, looks, torch.tensor(items))


def test_the_first_samples_end_inside_a_part():
    parts = lambda: [sample(0, 0, 1), sample(0, 1, 1), sample(0)]  # noqa: E731
    sizes = [
        [len(one) for one in first_of(parts, count)()] for count in (1, 2, 3, 5, 9)
    ]
    assert sizes == [[1], [2], [2, 1], [2, 2, 1], [2, 2, 1]]
    assert [len(one.x) for one in first_of(parts, 3)()] == [3, 1]


def test_one_piece_is_given_its_own_arguments():
    (found,) = in_one(lambda: [sample(0)])(
        lambda parts, a, b: (parts(), a, b), [1], "x"
    )
    assert found[1:] == (1, "x")


def test_a_memo_holds_one_kind_within_its_bytes():
    memo, made = Memo(10), []

    def ask(kind, number, size):
        def make():
            made.append((kind, number))
            return size

        assert memo.of(kind, number, make, float) == size
        return len(made)

    assert [ask("a", 0, 6), ask("a", 0, 6)] == [1, 1]
    assert [ask("a", 1, 6), ask("a", 1, 6)] == [2, 3]  # has no room
    assert [ask("a", 2, 4), ask("a", 2, 4), ask("a", 0, 6)] == [4, 4, 4]
    assert [ask("b", 0, 10), ask("b", 0, 10), ask("a", 0, 6)] == [5, 5, 6]


def test_a_memo_that_travels_is_that_of_the_process():
    one, other = (pickle.loads(pickle.dumps(Memo(k))) for k in (1, 2))  # noqa: S301
    assert one is other
    assert one._most == PROCESS_BYTES


def test_moments_of_inputs_add_up():
    """Sequences of several lengths in parts of several lengths."""
    g = torch.Generator().manual_seed(0)
    x = torch.randn(20, 9, 3, generator=g, dtype=torch.float64)
    lengths = torch.randint(3, 10, (20,), generator=g)
    own = torch.arange(9) < lengths[:, None]
    parts = []
    for place in (slice(0, 6), slice(6, 7), slice(7, 20)):
        steps = int(lengths[place].max())
        parts.append((x[place, :steps], own[place, :steps]))
    whole = input_probes([(x, own)])
    found = input_probes(
        sum((InputMoments.of([p]) for p in parts[1:]), InputMoments.of(parts[:1]))
    )
    torch.testing.assert_close(found.weights.abs(), whole.weights.abs())
    steps = len(found.centre)
    torch.testing.assert_close(found.centre, whole.centre[:steps])
