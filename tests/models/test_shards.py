"""A diagnosis in many processes is that of one: the same numbers to rounding."""

import os
import pickle
import signal
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context

import pytest
import torch
from torch.nn.utils.parametrizations import weight_norm

import learnability as lw
from learnability.evidence import statistics
from learnability.models.refusal import UnsupportedLayerError, UnsupportedModelError
from learnability.models.shards import read_shard
from tests.models.shared import LSTM, Served, assert_same, case, data, diagnosed


@cache
def plain(name):
    """Return the diagnosis of a case in this process alone."""
    return diagnosed(case(name))


@pytest.mark.parametrize("name", ["lstm", "own cell", "lengths", "groups"])
def test_shards_give_the_numbers_of_the_whole(name):
    """Four shards, of which two processes keep what they have made."""
    executor = Served()
    found = diagnosed(case(name), executor)
    assert executor.tasks > 20
    assert_same(found, plain(name))


def test_what_is_lost_is_made_again(monkeypatch):
    """Neither held nor kept: each task begins with nothing."""
    expected = plain("lstm")
    assert_same(diagnosed(case("lstm"), Served(forgets=True)), expected)
    monkeypatch.setattr(statistics, "KEPT_BYTES", 0)
    monkeypatch.setattr(statistics, "SUM_BYTES", 1e5)
    less = lw.DiagnosisOptions(resamples=20, exact_windows=32, memory=1.0)
    assert_same(diagnosed(case("lstm"), Served(3), options=less), expected)


def test_held_out_data_and_the_next_step_are_shared_too():
    given = case("lstm") | {"heldout": data(count=100, seed=5)}
    model = given["model"]
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    x, y = given["data"]
    (model(x) - y).square().mean().backward()
    optimizer.step()
    optimizer.zero_grad()
    start = {name: value + 0.01 for name, value in model.state_dict().items()}
    given |= {"optimizer": optimizer, "start": start}
    assert_same(diagnosed(given, Served()), diagnosed(given))


def test_a_part_of_the_sequences_is_the_same_part():
    """The work is enough for the gradients of 64 sequences, less than two shards."""
    few = lw.DiagnosisOptions(resamples=20, exact_windows=8, work=1e6)
    found = diagnosed(case("lstm"), Served(), options=few)
    (layer,) = found.values()
    assert layer.group("detection").attrs["sequences"] == 64
    assert_same(found, diagnosed(case("lstm"), options=few))


def test_what_does_not_pickle_is_named():
    given = case("lstm")
    with pytest.raises(UnsupportedModelError, match="the loss cannot be handed to"):
        diagnosed(given | {"loss": lambda z, y: (z - y).square().mean()}, Served())
    lengths = {"lengths": lambda batch: torch.full((len(batch[0]),), 16)}
    with pytest.raises(UnsupportedModelError, match="lengths cannot be handed to"):
        diagnosed(given | lengths, Served())
    given["model"].act = lambda z: z
    with pytest.raises(UnsupportedModelError, match=r"the model cannot .* top level"):
        diagnosed(given, Served())
    del given["model"].act
    weight_norm(given["model"].out)
    with pytest.raises(UnsupportedModelError, match=r"remove_parametrizations"):
        diagnosed(given, Served())


def test_what_a_process_cannot_load_is_said_in_a_sentence():
    unknown = b"ctests.models.shared\nnothing_of_the_kind\n."
    with pytest.raises(UnsupportedModelError, match="put the model, the loss and"):
        read_shard("name", 0, 1e6, unknown, pickle.dumps((([], []), ())), unknown)


def test_refusals_come_home_as_they_are():
    refused = UnsupportedLayerError("encoder.gru", "encoder.gru: it is odd")
    home = pickle.loads(pickle.dumps(refused))  # noqa: S301
    assert (home.path, str(home)) == (refused.path, str(refused))
    given = case("lstm")
    given["data"][1][-1] = torch.nan  # in the last shard
    for executor in (None, Served()):
        with pytest.raises(UnsupportedModelError, match="the loss is not finite"):
            diagnosed(given, executor)


@pytest.mark.slow
def test_processes_give_the_numbers_of_one():
    fresh = get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=fresh) as executor:
        for name in ("lstm", "own cell", "half"):
            assert_same(diagnosed(case(name), executor), plain(name))


@pytest.mark.slow
def test_a_cluster_loses_a_worker_and_no_number():
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with (
        distributed.LocalCluster(**options) as cluster,
        distributed.Client(cluster) as client,
    ):
        left = [*client.run(os.getpid).values()]

        def kill(stage, share):
            if stage == "detection" and len(left) == 2:
                os.kill(left.pop(), signal.SIGKILL)

        with client.get_executor() as executor:
            found = diagnosed(case("lstm"), executor, progress=kill)
        assert len(left) == 1
    assert_same(found, plain("lstm"))


def test_a_model_is_what_it_was():
    given = case("lstm")
    before = {n: v.clone() for n, v in given["model"].state_dict().items()}
    threads = torch.get_num_threads()
    diagnosed(given, Served())
    assert torch.get_num_threads() == threads
    assert isinstance(given["model"], LSTM)
    assert given["model"].training
    assert not given["model"]._forward_pre_hooks
    for name, value in given["model"].state_dict().items():
        assert torch.equal(value, before[name])
