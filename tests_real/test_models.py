"""Whole models as their libraries call them, and ways in which people train."""

import os

import gymnasium
import keras
import numpy as np
import pytest
import torch
from darts import TimeSeries
from darts.models import RNNModel
from darts.utils.data.torch_datasets.utils import ModuleStage, PLModuleInput
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy
from sb3_contrib.common.recurrent.type_aliases import RNNStates
from torch import Tensor, nn
from torch.nn import functional

import learnability as lw
from learnability.diagnosis import LayerDiagnosis
from tests_real import truth
from tests_real.checked import (
    LAGS,
    QUICK,
    STEPS,
    WIDTH,
    Model,
    check,
    data,
    diagnosed,
)
from tests_real.conftest import Row

NUMBERS = ("signal", "noise", "needed")


def apart(one: LayerDiagnosis, other: LayerDiagnosis) -> float:
    """Return how far what N(l) is made of lies apart, relative to the largest."""
    worst = 0.0
    for name in NUMBERS:
        a, b = (d.group("detection")[name].values for d in (one, other))
        assert (np.isfinite(a) == np.isfinite(b)).all()
        known = np.isfinite(a)
        if known.any():
            size = np.abs(a[known]).max()
            worst = max(worst, float(np.abs(a[known] - b[known]).max() / size))
    return worst


def control(lstm: nn.LSTM, head: nn.Module) -> Model:
    """Return a plain model with a layer's weights."""
    model = Model(nn.LSTM(lstm.input_size, lstm.hidden_size, batch_first=True))
    model.body.load_state_dict(lstm.state_dict())
    model.head.load_state_dict(head.state_dict())
    return model


def test_projections(row: Row) -> None:
    torch.manual_seed(0)
    body = nn.LSTM(WIDTH, 12, proj_size=WIDTH, batch_first=True)
    check(row, "nn.LSTM(proj_size=8)", Model(body), layers=None)


def test_half_precision(row: Row) -> None:
    """Weights of bfloat16 are diagnosed in float32, and nothing is left changed."""
    torch.manual_seed(0)
    x, y = data()
    model = Model(nn.LSTM(WIDTH, WIDTH, batch_first=True)).bfloat16()
    single = Model(nn.LSTM(WIDTH, WIDTH, batch_first=True))
    single.load_state_dict(model.state_dict())
    found = diagnosed(model, (x.bfloat16(), y.bfloat16()))
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}
    assert "torch.bfloat16" in found.tree.attrs["precision"]
    twin = diagnosed(single, (x.bfloat16().float(), y.bfloat16().float()))
    far = apart(twin, found)
    assert far == 0
    row("nn.LSTM in bfloat16", "N(l)", "the same weights in float32", f"{far:g}")


def test_compiled_models(row: Row) -> None:
    torch.manual_seed(0)
    plain = Model(nn.GRU(WIDTH, WIDTH, batch_first=True))
    compiled = torch.compile(plain, backend="eager")
    one, other = diagnosed(plain, data()), diagnosed(compiled, data())
    far = apart(one, other)
    assert far < 1e-5
    row("torch.compile, nn.GRU", "N(l)", "the same model as it is", f"{far:.1g}")


def test_compiled_modules(row: Row) -> None:
    class Causal(nn.Conv1d):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(functional.pad(x.mT, (3, 0))).mT.tanh()

    torch.manual_seed(0)
    plain = Model(Causal(WIDTH, WIDTH, 4))
    one = diagnosed(plain, data(), layers=["body"])
    plain.body = torch.compile(plain.body, backend="eager")
    other = diagnosed(plain, data(), layers=["body"])
    far = apart(one, other)
    assert far < 1e-5
    row("torch.compile, a module", "N(l)", "the module as it is", f"{far:.1g}")


@pytest.mark.parametrize("kind", ["GRU", "LSTM", "SimpleRNN"])
def test_keras(row: Row, kind: str) -> None:
    assert keras.backend.backend() == "torch"
    keras.utils.set_random_seed(0)
    body = getattr(keras.layers, kind)(WIDTH, return_sequences=True)
    body.build((None, STEPS, WIDTH))
    check(row, f"{kind} (Keras 3, torch)", Model(body))


class Darts(nn.Module):
    """darts' own module, called as in training.

    Args:
        module: of a fitted `RNNModel`.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        given = PLModuleInput(past_target=x, stage=ModuleStage.TRAIN)
        return self.module(given).prediction[..., 0, 0]


def test_darts(row: Row) -> None:
    rng = np.random.default_rng(0)
    series = TimeSeries.from_values(rng.normal(size=(60, 1)).astype(np.float32))
    model = RNNModel(
        input_chunk_length=6,
        training_length=STEPS,
        model="LSTM",
        hidden_dim=WIDTH,
        n_epochs=1,
        random_state=0,
        save_checkpoints=False,
        pl_trainer_kwargs={
            "accelerator": "cpu",
            "enable_progress_bar": False,
            "logger": False,
            "enable_model_summary": False,
        },
    )
    model.fit(series)
    module = model.model.float()
    own = Darts(module)
    plain = control(module.rnn, module.V)
    given = data(width=1)
    far = apart(diagnosed(plain, given), diagnosed(own, given))
    assert far < 1e-5
    row("RNNModel (darts)", "N(l)", "nn.LSTM of its weights", f"{far:.1g}")


class Policy(nn.Module):
    """The critic of a recurrent policy on whole episodes, as in a PPO update.

    Args:
        policy: of sb3-contrib.
    """

    def __init__(self, policy: nn.Module) -> None:
        super().__init__()
        self.policy = policy

    def forward(self, x: Tensor, starts: Tensor) -> Tensor:
        size = self.policy.lstm_hidden_state_shape
        zero = x.new_zeros(size[0], len(x), size[2])
        states = RNNStates((zero, zero), (zero, zero))
        actions = torch.zeros(x.shape[0] * x.shape[1], dtype=torch.long)
        values, _, _ = self.policy.evaluate_actions(
            x.flatten(0, 1), actions, states, starts.flatten()
        )
        return values.view(x.shape[:2])


def policy() -> RecurrentActorCriticPolicy:
    torch.manual_seed(0)
    return RecurrentActorCriticPolicy(
        gymnasium.spaces.Box(-5, 5, (WIDTH,)),
        gymnasium.spaces.Discrete(2),
        lambda _: 1e-3,
        net_arch=[],
        lstm_hidden_size=WIDTH,
    )


def test_recurrent_ppo_without_resets(row: Row) -> None:
    """Where no episode starts anew the critic is a layer with a read-out."""
    own = Policy(policy())
    x, y = data()
    starts = torch.zeros(x.shape[:2])
    found = lw.diagnose(
        own, (x, starts, y), "mse", LAGS, layers=["policy.lstm_critic"], options=QUICK
    )
    (one,) = found.values()
    lstm = own.policy.lstm_critic
    twin = diagnosed(control(lstm, own.policy.value_net), (x, y))
    far = apart(twin, one)
    assert far < 1e-3
    row("RecurrentPPO's critic (sb3-contrib)", "N(l)", "nn.LSTM", f"{far:.1g}")


def test_recurrent_ppo_with_episode_starts(row: Row) -> None:
    """Where all episodes start anew at a step nothing passes it."""
    own = Policy(policy())
    x, y = data()
    starts = torch.zeros(x.shape[:2])
    starts[:, [0, 6]] = 1.0
    one = _critic(own, x, starts, y)
    assert one.group("sensitivity").attrs["past_ends"] == 5
    assert (one.group("sensitivity")["mean"].sel(lag=[8, 11]) == 0).all()
    # Two episodes of six steps, one behind the other or as two sequences.
    split = diagnosed(
        control(own.policy.lstm_critic, own.policy.value_net),
        (x.reshape(-1, 6, WIDTH), y.reshape(-1, 6)),
        lags=[1, 2, 3, 5],
    )
    own_states = one.group("envelope")["normalised"].sel(order="exact", lag=[1, 2, 3])
    twin = split.group("envelope")["normalised"].sel(order="exact", lag=[1, 2, 3])
    far = float(np.abs(np.log(own_states.values / twin.values)).max())
    assert far < 0.15
    row("RecurrentPPO, episode starts", "f(l)", "episodes as sequences", f"{far:.1g}")


def test_recurrent_ppo_with_starts_of_its_own(row: Row) -> None:
    """Each row has its own episodes: at every step some begin."""
    own = Policy(policy())
    x, y = data()
    generator = torch.Generator().manual_seed(1)
    starts = (torch.rand(x.shape[:2], generator=generator) < 0.2).float()
    one = _critic(own, x, starts, y)
    calls = truth.Calls(own.policy.lstm_critic, steps_first=True)

    class Fixed(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return own(x, starts[: len(x)])

    exact = truth.envelope(Fixed(), calls, x, [0, *LAGS])
    group = one.group("sensitivity").sel(order="sensitivity")
    measured = np.array([float(group["origin"]), *group["mean"].values])
    there = exact > 0
    assert (measured[~there] == 0).all()
    far = float(np.abs(np.log(measured[there] / exact[there])).max())
    assert far < 1e-3
    row("RecurrentPPO, starts by row", "f(l)", "autograd by hand", f"{far:.1g}")


def _critic(own: nn.Module, x: Tensor, starts: Tensor, y: Tensor) -> LayerDiagnosis:
    found = lw.diagnose(
        own, (x, starts, y), "mse", LAGS, layers=["policy.lstm_critic"], options=QUICK
    )
    return found["policy.lstm_critic"]


class Spelled(nn.Module):
    """Encoder and decoder of g2p-en, from the weights in its wheel.

    Args:
        weights: by the names that its own file has.
        looped: whether the encoder is called step by step.
    """

    def __init__(self, weights: dict[str, Tensor], looped: bool = False) -> None:
        super().__init__()
        self.letters = nn.Embedding.from_pretrained(weights["enc_emb"])
        self.sounds = nn.Embedding.from_pretrained(weights["dec_emb"])
        self.looped = looped
        sizes = weights["enc_emb"].shape[1], weights["enc_w_hh"].shape[1]
        self.encoder = nn.GRUCell(*sizes) if looped else nn.GRU(*sizes)
        self.decoder = nn.GRUCell(*sizes)
        self.out = nn.Linear(sizes[1], len(weights["fc_b"]))
        with torch.no_grad():
            for part, cell in (("enc", self.encoder), ("dec", self.decoder)):
                for name in ("w_ih", "w_hh", "b_ih", "b_hh"):
                    long = name.replace("w_", "weight_").replace("b_", "bias_")
                    long += "_l0" if isinstance(cell, nn.GRU) else ""
                    getattr(cell, long).copy_(weights[f"{part}_{name}"])
            self.out.weight.copy_(weights["fc_w"])
            self.out.bias.copy_(weights["fc_b"])

    def encoded(self, word: Tensor) -> Tensor:
        x = self.letters(word).transpose(0, 1)
        if not self.looped:
            return self.encoder(x)[1][0]
        state = None
        for step in x:
            state = self.encoder(step, state)
        return state

    def forward(self, word: Tensor, before: Tensor) -> Tensor:
        state, made = self.encoded(word), []
        for sound in self.sounds(before).unbind(dim=1):
            state = self.decoder(sound, state)
            made.append(self.out(state))
        return torch.stack(made, dim=1)


def spelled() -> dict[str, Tensor]:
    """Return the weights, read from the package's folder without importing it."""
    from importlib.util import find_spec

    spec = find_spec("g2p_en")
    assert spec is not None
    (folder,) = spec.submodule_search_locations
    with np.load(os.path.join(folder, "checkpoint20.npz")) as file:
        return {name: torch.from_numpy(file[name]).float() for name in file.files}


# Sounds of "learning" in the order of the network's own list, and its letters.
WORD, SOUNDS = "learning", ["L", "ER1", "N", "IH0", "NG"]
LETTERS = ["<pad>", "<unk>", "</s>", *"abcdefghijklmnopqrstuvwxyz"]


def test_spelling_is_what_the_network_says() -> None:
    model = Spelled(spelled())
    word = torch.tensor([[LETTERS.index(c) for c in WORD] + [2]])
    before, said = [2], []
    for _ in range(12):
        sound = int(model(word, torch.tensor([before]))[0, -1].argmax())
        if sound == 3:
            break
        said.append(sound)
        before.append(sound)
    assert len(said) == len(SOUNDS)


def words(count: int = 64) -> tuple[Tensor, Tensor, Tensor]:
    """Return spelled words, sounds before each sound, and sounds, some of them wrong.

    Words are drawn letter by letter, vowel after consonant.
    """
    rng = np.random.default_rng(0)
    vowels = [LETTERS.index(c) for c in "aeiou"]
    others = [LETTERS.index(c) for c in "bcdfghklmnprstvwz"]
    drawn = np.stack(
        [rng.choice(vowels if k % 2 else others, count) for k in range(6)], axis=1
    )
    word = torch.from_numpy(np.c_[drawn, np.full(count, 2)]).long()
    model, before = Spelled(spelled()), torch.full((count, 1), 2)
    with torch.no_grad():
        for _ in range(6):
            sound = model(word, before)[:, -1:].argmax(dim=-1)
            before = torch.cat([before, sound], dim=1)
    sounds = before[:, 1:].clone()
    wrong = torch.from_numpy(rng.random(sounds.shape) < 0.2)
    sounds[wrong] = torch.from_numpy(rng.integers(4, 74, int(wrong.sum())))
    return word, before[:, :-1], sounds


def test_an_encoder_and_a_decoder_that_begins_where_it_ended(row: Row) -> None:
    given = words()
    found = [
        lw.diagnose(
            Spelled(spelled(), looped), given, "ce", [1, 2, 3, 5], options=QUICK
        )
        for looped in (False, True)
    ]
    whole, steps = found[0]["encoder"], found[1]["encoder"]
    f = [d.group("envelope")["normalised"].sel(order="exact") for d in (whole, steps)]
    far = float(np.abs(f[0] / f[1] - 1).max())
    assert far < 0.05
    assert "no_equation" not in whole.group("envelope").attrs
    start = found[0]["decoder"].group("sensitivity")["start"].sel(lag=[1, 2])
    exact = _of_start(Spelled(spelled()), given, 2)
    low = float(np.abs(np.log(start.values / exact)).max())
    assert low < 0.1
    row("g2p-en, decoder", "start", "autograd by hand", f"{low:.1g}")
    row("g2p-en, encoder", "f(l)", "the same cell step by step", f"{far:.1g}")


def _of_start(model: Spelled, given: tuple[Tensor, ...], steps: int) -> np.ndarray:
    """Return ``||d h_l / d h_0||_F`` of the decoder, the mean over words."""
    word, before, _ = given
    with torch.no_grad():
        start = model.encoded(word)
    state, norms = start.requires_grad_(), []
    for sound in model.sounds(before[:, :steps]).unbind(dim=1):
        state = model.decoder(sound, state)
        square = torch.zeros(len(word))
        for k in range(state.shape[1]):
            (by,) = torch.autograd.grad(state[:, k].sum(), start, retain_graph=True)
            square += by.square().sum(dim=1)
        norms.append(float(square.sqrt().mean()))
    return np.array(norms)


class Attending(nn.Module):
    """A decoder that looks at all that an encoder gave.

    The last state of the encoder is the first of the decoder.
    """

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.encoder = nn.LSTM(WIDTH, WIDTH, batch_first=True)
        self.body = nn.LSTMCell(2 * WIDTH, WIDTH)
        self.head = nn.Linear(WIDTH, 1)

    def forward(self, x: Tensor) -> Tensor:
        memory, (h, c) = self.encoder(x)
        h, c, made = h[0], c[0], []
        for step in x.unbind(dim=1):
            weights = torch.softmax(memory @ h[:, :, None], dim=1)
            context = (weights * memory).sum(dim=1)
            h, c = self.body(torch.cat([step, context], dim=-1), (h, c))
            made.append(h)
        return self.head(torch.stack(made, dim=1))[..., 0]


def test_sequence_to_sequence_with_attention(row: Row) -> None:
    model = Attending()
    calls = truth.Calls(model.body, one_by_one=True)
    check(row, "seq2seq with attention, decoder", model, calls)


class Carried(nn.Module):
    """A character language model that keeps its state from batch to batch.

    Args:
        names: how many characters there are.
    """

    def __init__(self, names: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed = nn.Embedding(names, WIDTH)
        self.rnn = nn.GRU(WIDTH, 16, batch_first=True)
        self.out = nn.Linear(16, names)
        self.state: Tensor | None = None

    def forward(self, text: Tensor) -> Tensor:
        state = None if self.state is None else self.state.detach()
        made, self.state = self.rnn(self.embed(text), state)
        return self.out(made)


def text(names: int = 60) -> Tensor:
    """Return a text in which each of some letters has thirty that may follow."""
    rng = np.random.default_rng(0)
    after = rng.integers(names, size=(names, 30))
    found = [0]
    for k in rng.integers(30, size=32 * 121 - 1):
        found.append(int(after[found[-1], k]))
    return torch.tensor(found)


def test_a_language_model_with_carried_state(row: Row) -> None:
    """From the same carried state it is what a model is that is given this state."""
    rows = text().view(32, 121)
    batches = [
        (rows[:, k : k + STEPS], rows[:, k + 1 : k + STEPS + 1])
        for k in range(0, 120, STEPS)
    ]
    model = Carried(60)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(10):
        model.state = None
        for x, y in batches:
            loss = functional.cross_entropy(model(x).transpose(1, 2), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    kept = model.state
    found = lw.diagnose(model, batches, "ce", LAGS, options=QUICK)["rnn"]
    assert model.state is kept
    assert found.group("sensitivity").attrs.get("past_ends") is None

    class Given(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.carried = model

        def forward(self, text: Tensor) -> Tensor:
            self.carried.state = kept
            return self.carried(text)

    twin = lw.diagnose(Given(), batches, "ce", LAGS, options=QUICK)["carried.rnn"]
    far = apart(twin, found)
    assert far < 1e-6
    row("language model, carried state", "N(l)", "its state given", f"{far:.1g}")
