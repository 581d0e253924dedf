"""Scans and linear attention: Mamba, RG-LRU, xLSTM, gated DeltaNet, minGRU, LRU."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
import transformers as hf
from LRU_pytorch import LRU
from minGRU_pytorch.minGRU import minGRU
from minGRU_pytorch.minLSTM import minLSTM
from torch import Tensor, nn
from torch.nn import functional
from transformers.models.mamba.modeling_mamba import MambaMixer

from tests_real.checked import LAGS, STEPS, WIDTH, Model, check, data, diagnosed
from tests_real.conftest import Row


class Embedded(nn.Module):
    """A language model's layers without its tokens.

    Args:
        kind: the model's class.
        config: its configuration.
    """

    def __init__(self, kind: Callable, config: hf.PretrainedConfig) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = kind(config)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(inputs_embeds=x, use_cache=False)[0]


def small(kind: type, **settings: object) -> hf.PretrainedConfig:
    sizes = {"vocab_size": 11, "hidden_size": WIDTH, "num_hidden_layers": 2}
    return kind(**(sizes | settings))


def mamba() -> nn.Module:
    config = small(hf.MambaConfig, state_size=4)
    return Embedded(hf.MambaModel, config)


def mamba2() -> nn.Module:
    config = small(
        hf.Mamba2Config, state_size=4, num_heads=4, head_dim=4, n_groups=1, chunk_size=4
    )
    return Embedded(hf.Mamba2Model, config)


def recurrent_gemma() -> nn.Module:
    config = small(
        hf.RecurrentGemmaConfig,
        num_attention_heads=2,
        intermediate_size=16,
        lru_width=WIDTH,
        block_types=["recurrent"],
    )
    return Embedded(hf.RecurrentGemmaModel, config)


def xlstm() -> nn.Module:
    config = small(hf.xLSTMConfig, num_heads=2, chunk_size=STEPS, qk_dim_factor=0.5)
    return Embedded(hf.xLSTMModel, config)


def delta_net() -> nn.Module:
    config = small(
        hf.Qwen3NextConfig,
        intermediate_size=16,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=4,
        linear_key_head_dim=4,
        linear_value_head_dim=4,
        linear_num_key_heads=2,
        linear_num_value_heads=2,
        num_experts=2,
        num_experts_per_tok=1,
        moe_intermediate_size=8,
        shared_expert_intermediate_size=8,
        layer_types=["linear_attention"] * 2,
    )
    return Embedded(hf.Qwen3NextModel, config)


def convolutions() -> nn.Module:
    config = small(
        hf.Lfm2Config,
        intermediate_size=16,
        num_attention_heads=2,
        num_key_value_heads=1,
        conv_L_cache=3,
        layer_types=["conv"] * 2,
    )
    return Embedded(hf.Lfm2Model, config)


SCANS = {
    "Mamba": mamba,
    "Mamba-2": mamba2,
    "RecurrentGemma": recurrent_gemma,
    "xLSTM": xlstm,
    "Qwen3-Next, linear attention": delta_net,
}


@pytest.mark.parametrize("name", SCANS)
def test_scans_of_transformers(row: Row, name: str) -> None:
    found = check(row, f"{name} (transformers)", Model(SCANS[name]()))
    attrs = found.group("envelope").attrs
    assert attrs["looks_ahead"] == 0
    assert "past_ends" not in attrs


def test_a_control_whose_past_ends(row: Row) -> None:
    """Two convolutions over three steps reach four steps back, and no farther."""
    found = check(row, "LFM2, convolutions (transformers)", Model(convolutions()))
    assert found.group("envelope").attrs["past_ends"] == 4
    need = found.summary()["samples_needed"]
    assert need.loc[[5, 8, 11]].eq(np.inf).all()


def test_a_hybrid_with_an_lstm(row: Row) -> None:
    class Hybrid(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scan, self.lstm = mamba(), nn.LSTM(WIDTH, WIDTH, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            return self.lstm(self.scan(x))[0]

    model = Model(Hybrid())
    check(row, "hybrid of Mamba and LSTM", model)
    own = diagnosed(model, data(), layers=["body.lstm"])
    assert own.tree.attrs["cell"] == "LSTM"


def test_mamba_by_its_closed_form(row: Row) -> None:
    """``d h_t / d u_s = prod_r a_r (d a_s / d u_s h_{s-1} + d b_s / d u_s)``.

    Of a diagonal recurrence the product is taken number by number. The convolution
    lets the present step pass alone.
    """
    config = small(hf.MambaConfig, state_size=4, conv_kernel=2)
    torch.manual_seed(0)
    mixer = MambaMixer(config, layer_idx=0)
    with torch.no_grad():
        mixer.conv1d.weight.zero_()
        mixer.conv1d.weight[..., -1] = 1.0
        mixer.conv1d.bias.zero_()
    x, y = data()
    found = diagnosed(Model(mixer), (x, y), layers=["body"]).group("envelope")
    exact = np.mean([_of_mamba(mixer, one) for one in x], axis=0)
    own = found["mean"].sel(order="sensitivity").values
    apart = float(np.abs(np.log(own / exact)).max())
    assert apart < 1e-3
    row("Mamba", "f(l)", "closed form, diagonal", f"{apart:.1g}")


def _of_mamba(mixer: MambaMixer, x: Tensor) -> list[float]:
    """Return the norm of the Jacobian of the last step by each lag, of a sequence."""
    rank, state = mixer.time_step_rank, mixer.ssm_state_size
    decay = -torch.exp(mixer.A_log)

    def local(x_s: Tensor, before: Tensor) -> Tensor:
        u = functional.silu(mixer.in_proj(x_s).chunk(2)[0])
        step, b, _ = mixer.x_proj(u).split([rank, state, state])
        step = functional.softplus(mixer.dt_proj(step))[:, None]
        return torch.exp(step * decay) * before + step * b * u[:, None]

    def gain(x_s: Tensor) -> Tensor:
        u = functional.silu(mixer.in_proj(x_s).chunk(2)[0])
        step = mixer.x_proj(u).split([rank, state, state])[0]
        step = functional.softplus(mixer.dt_proj(step))[:, None]
        return torch.exp(step * decay)

    with torch.no_grad():
        states = [torch.zeros(mixer.intermediate_size, state)]
        for x_s in x:
            states.append(local(x_s, states[-1]))
        gate = functional.silu(mixer.in_proj(x[-1]).chunk(2)[1])
        u = functional.silu(mixer.in_proj(x[-1]).chunk(2)[0])
        c = mixer.x_proj(u).split([rank, state, state])[2]
        through = torch.ones_like(states[0])
        sizes = {}
        for lag in range(max(LAGS) + 1):
            s = len(x) - 1 - lag
            if lag:
                by = torch.func.jacrev(local)(x[s], states[s])
                into = torch.einsum("dni,dn,n->di", by, through, c)
                out = mixer.out_proj.weight @ (gate[:, None] * into)
                sizes[lag] = float(out.norm())
            through = through * gain(x[s])
    return [sizes[lag] for lag in LAGS]


@pytest.mark.parametrize("kind", [minGRU, minLSTM])
def test_minimal_cells(row: Row, kind: type[nn.Module]) -> None:
    torch.manual_seed(0)
    check(row, f"{kind.__name__} (minGRU-pytorch)", Model(kind(WIDTH)))


def test_min_gru_by_its_closed_form(row: Row) -> None:
    """``h_t = (1 - z_t) h_{t-1} + z_t g_t``, gates of the present input alone."""
    torch.manual_seed(0)
    body = minGRU(WIDTH)
    x, y = data()
    found = diagnosed(Model(body), (x, y), layers=["body"]).group("envelope")
    w_h, w_z = body.to_hidden_and_gate.weight.detach().chunk(2)
    exact = np.zeros(len(LAGS))
    with torch.no_grad():
        for one in x:
            a, b = one @ w_h.T, one @ w_z.T
            z = torch.sigmoid(b)
            g = torch.where(a >= 0, a + 0.5, torch.sigmoid(a))
            slope = torch.where(a >= 0, 1.0, torch.sigmoid(a) * torch.sigmoid(-a))
            h = [torch.zeros(WIDTH)]
            for t in range(len(one)):
                h.append((1 - z[t]) * h[-1] + z[t] * g[t])
            for place, lag in enumerate(LAGS):
                s = len(one) - 1 - lag
                through = torch.prod(1 - z[s + 1 :], dim=0)
                by = (z[s] * slope[s])[:, None] * w_h
                by = by + (z[s] * (1 - z[s]) * (g[s] - h[s]))[:, None] * w_z
                exact[place] += float((through[:, None] * by).norm()) / len(x)
    own = found["mean"].sel(order="sensitivity").values
    apart = float(np.abs(np.log(own / exact)).max())
    assert apart < 1e-3
    row("minGRU", "f(l)", "closed form, diagonal", f"{apart:.1g}")


def test_a_linear_recurrent_unit(row: Row) -> None:
    """``d y_t / d x_{t-l} = Re(C Lambda^l Gamma B)``: complex parameters."""
    torch.manual_seed(0)
    body = LRU(WIDTH, WIDTH, 6, rmin=0.5, rmax=0.95)
    found = check(row, "LRU (LRU-pytorch)", Model(body), given=data(count=16))
    with torch.no_grad():
        size = torch.exp(-torch.exp(body.nu_log))
        lam = torch.polar(size, torch.exp(body.theta_log))
        gamma = torch.exp(body.gamma_log)[:, None]
        exact = [
            float(((body.C * lam**lag) @ (gamma * body.B)).real.norm()) for lag in LAGS
        ]
    own = found.group("envelope")["mean"].sel(order="sensitivity").values
    apart = float(np.abs(np.log(own / exact)).max())
    assert apart < 1e-3
    row("LRU", "f(l)", "closed form, diagonal", f"{apart:.1g}")


def test_a_scan_in_chunks_is_the_scan(row: Row) -> None:
    """A state handed on between chunks: as in one call."""

    class Chunks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.scan, self.head = minGRU(WIDTH), nn.Linear(WIDTH, 1)

        def forward(self, x: Tensor) -> Tensor:
            state, made = None, []
            for chunk in x.split(4, dim=1):
                out, state = self.scan(chunk, state, return_next_prev_hidden=True)
                made.append(out)
            return self.head(torch.cat(made, dim=1))[..., 0]

    torch.manual_seed(0)
    whole = Model(minGRU(WIDTH))
    model = Chunks()
    model.head.load_state_dict(whole.head.state_dict())
    whole.body.load_state_dict(model.scan.state_dict())
    one = diagnosed(whole, data(), layers=["body"]).group("detection")
    other = diagnosed(model, data(), layers=["scan"]).group("detection")
    apart = float(np.abs(other["noise"] / one["noise"] - 1).max())
    assert apart < 1e-3
    row("minGRU in chunks", "N(l)", "one call", f"{apart:.1g}")
