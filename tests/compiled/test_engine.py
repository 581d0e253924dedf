"""The door to compiled loops: nothing that does not fit gets through it."""

import ast
from importlib import resources
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from learnability.cells import GRU, LSTM, Steps
from learnability.compiled import checks, engine

N, T, D, H, ROWS = 3, 10, 2, 4, 2
CELL = LSTM(D, H)


def draw(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def given() -> dict[str, dict]:
    """Return what each function takes."""
    state, x = CELL.state_size, draw(N, T, D)
    rows = {"weight": draw(N, ROWS, T), "axes": draw(ROWS, state)}
    ends = torch.tensor([[0, 9], [2, 5], [1, 3]])
    return {
        "unrolling": {
            "values": dict(CELL.named_parameters()),
            "x": x,
            "state": draw(N, state),
            "read": draw(H),
        },
        "tangent": {"x": x, "direction": {"W_i": draw(H, D)}, "state": draw(N, state)},
        "lag_projection": {
            "x": x,
            "delta": draw(N, T, state),
            "source": draw(N, T, state),
            "lags": [0, 4],
            "anchors": [9, 2],
        },
        "exact_gains": {
            "x": x,
            "ends": ends,
            "reach": torch.tensor([9, 5, 2]),
            "lags": [0, 2, 9],
        },
        "row_gradients": {"x": x, **rows, "delta": draw(N, T, state), "mean": None},
    }


@pytest.mark.parametrize("name", given())
def test_what_fits_goes_through(name):
    assert getattr(engine, name)(CELL, **given()[name]) is not None


WRONG = [
    (name, what, changed)
    for name, arguments in given().items()
    for what, value in arguments.items()
    if isinstance(value, torch.Tensor) and what not in ("ends", "reach")
    for changed in ("longer", "shorter", "deeper", "double")
]


@pytest.mark.parametrize(("name", "what", "changed"), WRONG)
def test_a_shape_or_dtype_that_does_not_fit_is_refused(name, what, changed):
    if (what, changed) in {("x", "longer"), ("x", "shorter")} and name in (
        "tangent",
        "unrolling",
        "exact_gains",
    ):
        pytest.skip("another number of steps or inputs is tried below")
    arguments = given()[name]
    value = arguments[what]
    arguments[what] = {
        "longer": torch.cat((value, value), dim=-1),
        "shorter": value[..., :-1],
        "deeper": value[None],
        "double": value.double(),
    }[changed]
    with pytest.raises(ValueError, match=r"shape|dtypes"):
        getattr(engine, name)(CELL, **arguments)


@pytest.mark.parametrize(
    ("name", "what", "value"),
    [
        ("unrolling", "x", draw(N, T, D + 1)),
        ("unrolling", "x", draw(N, 0, D)),
        ("unrolling", "values", {"W_i": draw(H, D + 1)}),
        ("tangent", "direction", {"W_i": draw(H)}),
        ("tangent", "direction", {"W_q": draw(H)}),
        ("lag_projection", "lags", [10]),
        ("lag_projection", "lags", [-1]),
        ("lag_projection", "anchors", [10]),
        ("lag_projection", "anchors", [-1]),
        ("exact_gains", "lags", [10]),
        ("exact_gains", "lags", [1]),
        ("exact_gains", "ends", torch.tensor([[3, 9], [2, 5], [1, 3]])),
        ("exact_gains", "ends", torch.tensor([[-1, 9], [2, 5], [1, 3]])),
        ("exact_gains", "ends", torch.tensor([[0, 10], [2, 5], [1, 3]])),
        ("exact_gains", "reach", torch.tensor([9, 6, 2])),
        ("exact_gains", "reach", torch.tensor([2, 5, 1])),
        ("exact_gains", "reach", torch.tensor([9, 5, -1])),
        ("exact_gains", "reach", torch.tensor([9, 5])),
        ("row_gradients", "mean", draw(ROWS, 3)),
    ],
)
def test_what_lies_outside_is_refused(name, what, value):
    with pytest.raises(ValueError, match=r"shape|lie|fit|step|too small|parameter"):
        getattr(engine, name)(CELL, **{**given()[name], what: value})


@pytest.mark.parametrize("what", ["leak", "correction", "exit", "rates"])
def test_factors_of_windows_have_one_shape(what):
    steps = {name: draw(N, T, H) for name in ("leak", "correction", "exit", "rates")}
    rates = steps.pop("rates")
    assert len(engine.window_sums([(Steps(**steps), rates)], [0, 9])) == 1
    with pytest.raises(ValueError, match="does not fit"):
        engine.window_sums([(Steps(**steps), rates)], [0, 10])
    for wrong in (draw(N, T, H + 1), draw(N, T - 1, H), draw(N, T, H).double()):
        named = {**steps, "rates": rates, what: wrong}
        other = named.pop("rates")
        with pytest.raises(ValueError, match=r"shape|dtypes"):
            engine.window_sums([(SimpleNamespace(**named), other)], [0, 9])


def test_a_cell_that_is_not_compiled_is_refused():
    arguments = given()["lag_projection"]
    with pytest.raises(ValueError, match="use engine='auto'"):
        engine.lag_projection(LSTM(D, H).bfloat16(), **arguments)
    with pytest.raises(ValueError, match="knows no"):
        engine.exact_gains(torch.nn.Module(), **given()["exact_gains"])
    assert checks.obstacle(GRU(D, H), draw(N, T, D)) is None


def test_the_engine_is_the_only_door():
    root = Path(str(resources.files("learnability")))
    for path in root.rglob("*.py"):
        if path.parent.name == "compiled":
            continue
        for node in ast.walk(ast.parse(path.read_bytes())):
            module = getattr(node, "module", None) or ""
            if isinstance(node, ast.ImportFrom) and "compiled" in module.split("."):
                assert module.split("compiled")[-1] in ("", ".engine"), (path, module)
