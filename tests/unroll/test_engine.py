"""Which engine runs, and what it says where it cannot."""

import pytest
import torch
from torch.autograd import forward_ad

from learnability.cells import CELLS, GRU, LSTM, ConstGate
from learnability.compiled.checks import chosen, obstacle
from learnability.unroll import (
    Classifier,
    Network,
    outputs,
    ready,
    tangent,
    unroll,
    warm_up,
)
from learnability.unroll.recurrence import watching
from tests.networks import GATED


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", GATED)
def test_compiled_by_itself_on_a_cpu(kind, dtype):
    cell = CELLS[kind](2, 3).to(dtype)
    assert chosen("auto", cell, torch.ones(1, 2, 2, dtype=dtype), None) == "compiled"


class Own(torch.nn.Module):
    pass


@pytest.mark.parametrize(
    ("cell", "x", "reason"),
    [
        (GRU(2, 3), torch.ones(1, 2, 2, dtype=torch.float64), "dtypes are"),
        (GRU(2, 3).half(), torch.ones(1, 2, 2).half(), "takes float32 or float64"),
        (GRU(2, 3), torch.ones(1, 2, 2, device="meta"), "on meta"),
        (GRU(2, 3), torch.ones(1, 2, 5), r"x has shape \(1, 2, 5\)"),
        (GRU(2, 3), torch.ones(1, 0, 2), "x has shape"),
        (Own(), torch.ones(1, 2, 2), "knows no Own"),
    ],
)
def test_says_why_it_cannot(cell, x, reason):
    assert chosen("auto", cell, x, None) == "reference"
    with pytest.raises(ValueError, match=reason):
        unroll(cell, x, engine="compiled")


def test_an_unknown_engine_is_refused():
    with pytest.raises(ValueError, match="must be auto, reference or compiled"):
        unroll(GRU(2, 3), torch.ones(1, 2, 2), engine="fast")


def test_transforms_use_the_reference():
    cell, x = GRU(2, 3), torch.ones(2, 4, 2)
    seen = []

    def states(x):
        seen.append(obstacle(cell, x))
        return unroll(cell, x)

    torch.func.jvp(states, (x,), (x,))
    torch.func.vmap(states)(x[None])
    torch.func.grad(lambda x: states(x).sum())(x)
    assert all("torch.func" in reason for reason in seen)
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(x, x)
        assert "forward-mode" in obstacle(cell, dual)
        assert forward_ad.unpack_dual(unroll(cell, dual)).tangent is not None
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert "autocast" in obstacle(cell, x)


def test_a_network_passes_its_engine_on():
    x = torch.ones(2, 4, 2)
    found = [Network(GRU(2, 3), engine=engine)(x) for engine in ("auto", "reference")]
    torch.testing.assert_close(*found)
    with pytest.raises(ValueError, match="dtypes are"):
        Network(GRU(2, 3), engine="compiled")(x.double())


@pytest.mark.parametrize("kind", [GRU, LSTM])
def test_a_classifier_reads_the_last_state_alone(kind):
    x = torch.randn(2, 4, 2, generator=torch.Generator().manual_seed(0))
    for engine in ("auto", "reference"):
        model = Classifier(kind(2, 3, seed=1), 5, seed=2, engine=engine)
        state = torch.zeros(2, model.cell.state_size)
        for t in range(4):
            state = model.cell.step(state, x[:, t])
        expected = state[:, model.cell.output] @ model.w_out.T + model.b_out
        torch.testing.assert_close(model(x), expected)
        ours, theirs = (
            torch.autograd.grad((z**2).sum(), [*model.parameters()])
            for z in (model(x), expected)
        )
        torch.testing.assert_close(ours, theirs)
    assert float(model.w_out.detach().abs().max()) <= 3**-0.5


@pytest.mark.parametrize("engine", ["reference", "compiled"])
def test_a_direction_must_be_one_of_the_cell(engine):
    cell, x = ConstGate(2, 3), torch.ones(2, 4, 2)
    with pytest.raises(ValueError, match="U_s is no parameter of the cell; it has"):
        tangent(cell, x, {"U_s": torch.ones(3, 3)}, engine=engine)
    with pytest.raises(ValueError, match=r"shape \(3,\); .* need \(3, 3"):
        tangent(cell, x, {"W_h": torch.ones(3)}, engine=engine)


@pytest.mark.parametrize("engine", ["reference", "compiled"])
def test_a_tangent_is_linear_in_its_direction(engine):
    cell, x = GRU(2, 3, layernorm=True).double(), torch.ones(2, 4, 2).double()
    one, two = (
        {n: torch.rand_like(p) for n, p in cell.named_parameters()} for _ in "ab"
    )
    mean = {n: (one[n] + two[n]) / 2 for n in one}
    parts = [tangent(cell, x, w, engine=engine) for w in (one, two, mean)]
    torch.testing.assert_close((parts[0] + parts[1]) / 2, parts[2])
    assert not tangent(cell, x, {}, engine=engine).any()


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_a_read_out_must_have_a_weight_for_each_unit(engine):
    with pytest.raises(ValueError, match=r"shape \(3,\); it needs \(4,\)"):
        outputs(GRU(2, 4), torch.zeros(1, 2, 2), torch.ones(3), engine=engine)


def test_a_read_out_of_another_dtype_is_no_work_for_the_compiled_engine():
    weight = torch.ones(4, dtype=torch.float64)
    assert "dtypes" in str(obstacle(GRU(2, 4), torch.zeros(1, 2, 2), None, weight))


def test_who_watches_sees_the_states_behind_outputs():
    network, seen = Network(GRU(2, 4)), []

    def watcher(cell, x, state, states):
        seen.append(states)
        return states

    x = torch.ones(3, 5, 2)
    with watching(watcher):
        found = network(x)
    assert [states.shape for states in seen] == [(3, 5, 4)]
    torch.testing.assert_close(found, network(x))


def test_ready_after_warm_up():
    said = []
    warm_up(torch.float32)
    assert ready(torch.float32)
    warm_up(torch.float32, on_wait=said.append, patience=0)
    assert not said, "nothing to wait for"
