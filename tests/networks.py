"""Small float64 networks and sequences of every kind, for tests."""

import torch
from hypothesis import strategies as st
from torch import Tensor

from learnability.cells import CELLS, Cell, TorchGRU, TorchRNN
from learnability.cells.closed import ClosedForm
from learnability.cells.inputs import Matrix
from learnability.compiled.layout import compiles
from learnability.evidence.gradients import cell_gradients
from learnability.unroll import Network

KINDS: dict[str, type[Cell]] = CELLS | {
    "TorchGRU": TorchGRU,
    "TorchRNN": TorchRNN,
}
NORMALISED = [
    kind for kind, c in KINDS.items() if issubclass(c, ClosedForm) and c.normalises
]
ALL = [(k, n) for k in KINDS for n in (False, True) if not n or k in NORMALISED]
# Those that the compiled loops know.
LOOPED = [kind for kind, cell in KINDS.items() if compiles(cell(2, 2))]
GATED = [kind for kind in LOOPED if kind in CELLS]
COMPILED = [(kind, norm) for kind, norm in ALL if kind in LOOPED]


def make_cell(kind: str, norm: bool, inputs: int, units: int, seed: int) -> Cell:
    """Give a float64 cell with uniform weights, LayerNorm's made uneven too.

    An LRU has one unit more where their number is odd.
    """
    units += units % 2 if kind == "LRU" else 0
    wide = {"width": 3} if issubclass(KINDS[kind], Matrix) else {}
    options = {"layernorm": norm, "init": "uniform", "seed": seed, **wide}
    cell = KINDS[kind](inputs, units, **options)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in cell.named_parameters():
            if name.startswith("ln_"):
                p.add_(0.3 * torch.randn(p.shape, generator=generator))
    return cell.double()


def make_network(
    kind: str, norm: bool, inputs: int = 3, units: int = 5, seed: int = 0
) -> Network:
    """Give a float64 network around `make_cell`."""
    return Network(make_cell(kind, norm, inputs, units, seed), seed=seed).double()


def sequence_gradients(
    network: Network, x: Tensor, states: Tensor, weight: Tensor
) -> Tensor:
    """Return ``sum_t weight_t d yhat_t / d theta`` of every sequence and row.

    Parameters are LayerNorm's, the cell's in the order of `Cell.factors`, the
    read-out's; weights are (sequence, row, step).
    """
    cell = network.cell
    cotangent = states.new_zeros(*weight.shape, cell.state_size)
    cotangent[..., cell.output] = weight[..., None] * network.w_out.detach()
    by_cell = cell_gradients(cell, x, states, cotangent)
    to_read_out = weight @ states[..., cell.output]
    return torch.cat([by_cell, to_read_out, weight.sum(-1, keepdim=True)], dim=-1)


def make_data(
    sequences: int, steps: int, inputs: int, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """Give float64 inputs and targets."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(sequences, steps, inputs, generator=generator, dtype=torch.float64)
    y = torch.randn(sequences, steps, generator=generator, dtype=torch.float64)
    return x, y


sizes = st.fixed_dictionaries(
    {
        "sequences": st.integers(1, 3),
        "steps": st.integers(1, 7),
        "inputs": st.integers(1, 4),
        "units": st.integers(2, 5),
        "seed": st.integers(0, 10_000),
    }
)
