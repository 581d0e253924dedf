"""This package's cells with the weights of public implementations: the same states."""

import torch
import transformers as hf
from LRU_pytorch import LRU
from minGRU_pytorch.minGRU import minGRU
from minGRU_pytorch.minLSTM import minLSTM
from torch import Tensor, nn
from torch.nn import functional
from transformers.models.mamba.modeling_mamba import MambaMixer
from transformers.models.qwen3_next import modeling_qwen3_next as qwen3_next
from transformers.models.recurrent_gemma.modeling_recurrent_gemma import (
    RecurrentGemmaRglru,
)
from transformers.models.xlstm import modeling_xlstm as xlstm

import learnability as lw
from tests_real.checked import WIDTH
from tests_real.conftest import Row

SEQUENCES, STEPS = 3, 20


def inputs(width: int = WIDTH) -> Tensor:
    return torch.randn(
        SEQUENCES, STEPS, width, generator=torch.Generator().manual_seed(1)
    )


def filled(cell: lw.Cell, **weights: Tensor) -> lw.Cell:
    """Give a cell some weights, and zeros elsewhere."""
    with torch.no_grad():
        for name, parameter in cell.named_parameters():
            parameter.copy_(weights.get(name, torch.zeros(())))
    return cell


def hold(row: Row, what: str, measured: str, ours: Tensor, theirs: Tensor) -> None:
    """Hold numbers of order 1 together, to 1e-5."""
    apart = float((ours - theirs).abs().max() / theirs.abs().max())
    assert apart < 1e-5
    row(what, measured, "its own code, the same weights", f"{apart:.1g}")


def test_min_gru(row: Row) -> None:
    torch.manual_seed(0)
    theirs, x = minGRU(WIDTH), inputs()
    g, z = theirs.to_hidden_and_gate.weight.detach().chunk(2)
    cell = filled(lw.MinGRU(WIDTH, WIDTH, candidate="positive"), W_g=g, W_z=z)
    with torch.no_grad():
        hold(row, "minGRU (minGRU-pytorch)", "states", lw.unroll(cell, x), theirs(x))


def test_min_lstm(row: Row) -> None:
    torch.manual_seed(0)
    theirs, x = minLSTM(WIDTH), inputs()
    g, f, i = theirs.to_hidden_and_f_i_gate.weight.detach().chunk(3)
    cell = lw.MinLSTM(WIDTH, WIDTH, candidate="positive")
    filled(cell, W_g=g, W_f=f, W_i=i)
    with torch.no_grad():
        hold(row, "minLSTM (minGRU-pytorch)", "states", lw.unroll(cell, x), theirs(x))


def test_lru(row: Row) -> None:
    torch.manual_seed(0)
    theirs, x = LRU(WIDTH, WIDTH, 6, rmin=0.5, rmax=0.95), inputs()
    rates = {name: getattr(theirs, name) for name in ("nu_log", "theta_log")}
    b = torch.cat((theirs.B.real, theirs.B.imag))
    cell = filled(lw.LRU(WIDTH, 12), W_u=b, gamma_log=theirs.gamma_log, **rates)
    with torch.no_grad():
        read = torch.cat((theirs.C.real, -theirs.C.imag), dim=1)
        ours = lw.unroll(cell, x) @ read.T + x @ theirs.D.T
        hold(row, "LRU (LRU-pytorch)", "outputs", ours, theirs(x))


def test_rg_lru(row: Row) -> None:
    """From position 1 on: at position 0 theirs leaves out the factor of its inputs."""
    config = hf.RecurrentGemmaConfig(lru_width=WIDTH, num_attention_heads=2)
    theirs, x = RecurrentGemmaRglru(config), inputs()
    torch.manual_seed(0)
    for parameter in theirs.parameters():
        nn.init.normal_(parameter, std=0.5)
    gates = {"r": "recurrent", "i": "input"}
    weights = {"W_u": torch.eye(WIDTH), "decay": theirs.recurrent_param}
    for name, whose in gates.items():
        blocks = getattr(theirs, f"{whose}_gate_weight").detach()
        weights[f"W_{name}"] = torch.block_diag(*blocks).T
        weights[f"b_{name}"] = getattr(theirs, f"{whose}_gate_bias").detach().flatten()
    cell = filled(lw.RGLRU(WIDTH, WIDTH), **weights)
    with torch.no_grad():
        places = torch.arange(1, STEPS + 1).expand(SEQUENCES, -1)
        expected = theirs(x, places)
        hold(row, "RG-LRU (transformers)", "states", lw.unroll(cell, x), expected)


def test_s6(row: Row) -> None:
    """Mamba's block but for its convolution, which lets the present step pass alone."""
    config = hf.MambaConfig(
        hidden_size=WIDTH, state_size=4, expand=1, conv_kernel=2, time_step_rank=2
    )
    torch.manual_seed(0)
    theirs, x = MambaMixer(config, layer_idx=0), inputs()
    with torch.no_grad():
        theirs.conv1d.weight.zero_()
        theirs.conv1d.weight[..., -1] = 1.0
        theirs.conv1d.bias.zero_()
        nn.init.normal_(theirs.x_proj.weight)
        nn.init.normal_(theirs.dt_proj.bias)
        u, gate = theirs.in_proj(x).chunk(2, dim=-1)
        step, b, c = theirs.x_proj.weight.split([2, 4, 4])
        cell = filled(
            lw.S6(WIDTH, WIDTH, width=4),
            W_u=torch.eye(WIDTH),
            W_delta=theirs.dt_proj.weight @ step,
            b_delta=theirs.dt_proj.bias,
            W_B=b,
            W_C=c,
            A_log=theirs.A_log,
            D=theirs.D,
        )
        y = lw.unroll(cell, functional.silu(u))[..., cell.output]
        ours = theirs.out_proj(y * functional.silu(gate))
        hold(row, "S6, a Mamba block (transformers)", "outputs", ours, theirs(x))


def test_m_lstm(row: Row) -> None:
    """With one head; memory and normaliser are theirs times ``exp(m)``."""
    torch.manual_seed(0)
    cell, x = lw.MLSTM(WIDTH, WIDTH, width=4, init="uniform"), inputs()
    cap = 15.0
    with torch.no_grad():
        q, k, v, i, f, o = cell.parts(cell.input_projection(x))
        i, f = (cap * torch.tanh(gate / cap) for gate in (i, f))
        c, n = torch.zeros(SEQUENCES, 1, 4, WIDTH), torch.zeros(SEQUENCES, 1, 4)
        state, found, kept = (c, n, torch.zeros(SEQUENCES, 1, 1)), [], []
        for t in range(STEPS):
            given = [part[:, None, t] for part in (q, k, v, i, f)]
            y, state = xlstm.mlstm_recurrent_step_native(*given, *state)
            size = torch.exp(state[2])
            memory = (state[0] * size[..., None]).mT.flatten(1)
            kept.append(torch.cat((memory, (state[1] * size).flatten(1)), dim=-1))
            found.append(y[:, 0])
        expected = torch.sigmoid(o) * torch.stack(found, dim=1)
        states = lw.unroll(cell, x)
        what = "mLSTM (transformers)"
        hold(row, what, "outputs", states[..., cell.output], expected)
        hold(row, what, "memory", cell.memory(states), torch.stack(kept, dim=1))


def test_gated_delta_net(row: Row) -> None:
    torch.manual_seed(0)
    cell, x = lw.GatedDeltaNet(WIDTH, WIDTH, width=4, init="uniform"), inputs()
    with torch.no_grad():
        q, k, v, *_ = cell.parts(cell.input_projection(x))
        alpha, beta = cell.gates(cell.input_projection(x))
        heads = [part[:, :, None] for part in (q, k, v)]
        y, last = qwen3_next.torch_recurrent_gated_delta_rule(
            *heads,
            alpha.log(),
            beta,
            output_final_state=True,
            use_qk_l2norm_in_kernel=True,
        )
        states = lw.unroll(cell, x)
        what = "gated DeltaNet of Qwen3-Next (transformers)"
        hold(row, what, "outputs", states[..., cell.output], y[:, :, 0])
        final = cell.rows(states[:, -1, cell.carried])
        hold(row, what, "memory", final, last[:, 0].mT)
