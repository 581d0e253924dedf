"""Generated diagnoses: each must end in a result or in one sentence.

Models, shapes, losses, lags, types and faults of the data are drawn at random; many
draws fit together, many do not. A result must hold numbers, or nan where a lag does not
fit; everything else must end in a ValueError of one line. What does neither is a
finding, and is printed with the command that makes it again.
"""

import random
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, final

import numpy as np
import torch
from rich.console import Console
from torch import Tensor, nn
from torch.distributions import Categorical, Normal
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence
from torch.utils.data import DataLoader, TensorDataset

from learnability import GRU, LSTM, DiagnosisOptions, TorchRNN, diagnose, unroll
from learnability.checked import checked_seed
from learnability.cli.app import NUMBER
from learnability.cli.terminal import Display
from learnability.diagnosis import Diagnosis

OPTIONS = DiagnosisOptions(
    exact_windows=2,
    anchors=1,
    resamples=20,
    sequences=64,
    pairs=4,
    axes=2,
    probes=2,
    work=1e8,
)
USUAL = 0.93  # share of choices that fit together
LAYERS = {"RNN": nn.RNN, "GRU": nn.GRU, "LSTM": nn.LSTM}
CELLS = {"RNNCell": nn.RNNCell, "GRUCell": nn.GRUCell, "LSTMCell": nn.LSTMCell}
OWN = {"TorchRNN": TorchRNN, "own GRU": GRU, "own LSTM": LSTM}


class Stepping(nn.Module):
    """A cell as users write it."""

    def __init__(self, inputs: int, units: int) -> None:
        super().__init__()
        self.by_x, self.by_h = nn.Linear(inputs, units), nn.Linear(units, units)

    def step(self, state: Tensor, x: Tensor) -> Tensor:
        """Return the next state."""
        return torch.tanh(self.by_x(x) + self.by_h(state))

    def forward(self, state: Tensor, x: Tensor) -> Tensor:
        """Return the next state."""
        return self.step(state, x)


class Net(nn.Module):
    """A recurrence with a head.

    Args:
        recurrence: any module that is understood.
        head: of its outputs.
        returned: makes what the model returns of the head's values.
        pooled: "all", "last" or "mean" of the steps.
        embedding: of whole numbers, or None.
        first: whether sequences come before steps.
    """

    def __init__(
        self,
        recurrence: nn.Module,
        head: nn.Module,
        returned: Callable[[Tensor], Any],
        pooled: str,
        embedding: nn.Module | None,
        first: bool,
    ) -> None:
        super().__init__()
        self.recurrence, self.head, self.embedding = recurrence, head, embedding
        self.returned, self.pooled, self.first = returned, pooled, first

    def forward(self, x: Tensor, *lengths: Tensor) -> Any:
        """Return what is made of the head's values."""
        if self.embedding is not None:
            x = self.embedding(x[..., 0])
        outputs = self._outputs(x, *lengths)
        along = 1 if self.first or isinstance(self.recurrence, Stepping) else 0
        if self.pooled == "last" and outputs.ndim > 2:
            outputs = outputs.select(along, -1)
        elif self.pooled == "mean" and outputs.ndim > 2:
            outputs = outputs.mean(dim=along)
        return self.returned(self.head(outputs))

    def _outputs(self, x: Tensor, *lengths: Tensor) -> Tensor:
        layer = self.recurrence
        if isinstance(layer, nn.RNNBase):
            if lengths:
                packed = pack_padded_sequence(
                    x, lengths[0], batch_first=self.first, enforce_sorted=False
                )
                state = layer(packed)[1]
                return (state[0] if isinstance(state, tuple) else state)[-1]
            return layer(x)[0]
        if isinstance(layer, nn.RNNCellBase):
            state, rows = None, []
            for t in range(x.shape[1]):
                state = layer(x[:, t], state)
                rows.append(state[0] if isinstance(state, tuple) else state)
            return torch.stack(rows, dim=1)
        if isinstance(layer, Stepping):
            state, rows = x.new_zeros(len(x), layer.by_h.out_features), []
            for t in range(x.shape[1]):
                state = layer(state, x[:, t])
                rows.append(state)
            return torch.stack(rows, dim=1)
        return unroll(layer, x)[..., layer.output]  # pyright: ignore


def cross_entropy(z: Tensor, y: Tensor) -> Tensor:
    """Return the mean cross-entropy of classes, however many axes there are."""
    return F.cross_entropy(z.flatten(0, -2), y.flatten())


def likelihood(law: Any, y: Tensor) -> Tensor:
    """Return the mean negative log-likelihood."""
    return -law.log_prob(y).mean()


REAL = {
    "mse": F.mse_loss,
    "l1": F.l1_loss,
    "mse, summed": lambda z, y: F.mse_loss(z, y, reduction="sum"),
    "mse, apart": lambda z, y: F.mse_loss(z, y, reduction="none"),
    "huber": F.huber_loss,
    "masked mse": lambda z, y: ((z - y) ** 2 * (y > 0)).sum() / (y > 0).sum(),
}
BINARY = {"bce": F.binary_cross_entropy_with_logits}
CLASS = {
    "cross-entropy": cross_entropy,
    "nll": lambda z, y: F.nll_loss(z.log_softmax(-1).flatten(0, -2), y.flatten()),
    "labels smoothed": lambda z, y: F.cross_entropy(
        z.flatten(0, -2), y.flatten(), label_smoothing=0.1
    ),
}
ODD = {
    "nothing of the targets": lambda z, y: z.square().mean(),
    "a number": lambda z, y: 1.0,
    "detached": lambda z, y: F.mse_loss(z.detach(), y),
    "zero": lambda z, y: 0.0 * F.mse_loss(z, y),
    "correlation": lambda z, y: (z * y).mean() - z.mean() * y.mean(),
    "log of anything": lambda z, y: (z - y).log().mean(),
    "None": lambda z, y: None,
}
RETURNED: dict[str, tuple[Callable[[Tensor], Any], Callable[[Any], Any]]] = {
    "values": (lambda z: z, lambda o: o),
    "a tuple": (lambda z: (z, None), lambda o: o[0]),
    "a dict": (lambda z: {"z": z}, lambda o: o["z"]),
    "a law": (lambda z: Normal(z, 1.0), lambda o: o.mean),
    "classes": (lambda z: Categorical(logits=z), lambda o: o.logits),
}


@final
@dataclass
class Case:
    """One diagnosis to try.

    Attributes:
        words: what was drawn, for people.
        arguments: of `diagnose`.
    """

    words: list[str] = field(default_factory=list)
    arguments: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return ", ".join(self.words)


@final
class Draw:
    """Choices of one case."""

    def __init__(self, seed: int, number: int) -> None:
        self.choose = random.Random(f"{seed} {number}")
        torch.manual_seed(self.choose.getrandbits(60))
        self.case = Case()

    def one(self, name: str, choices: Any, usual: Any = None) -> Any:
        """Choose one, noted under a name; a usual one in most cases where given."""
        every = list(choices)
        chosen = self.choose.choice(every)
        if usual is not None and self.choose.random() < USUAL:
            chosen = usual
        self.case.words.append(f"{name} {chosen}")
        return chosen

    def drawn(self) -> Case:
        """Return the case."""
        sizes = self._sizes()
        model, first, targets, unpacked = self._model(*sizes)
        x, y, lengths = self._data(*sizes, model, first, targets)
        loss = self._loss(targets)
        self.case.arguments = {
            "model": self._weights(model),
            "data": self._form(x, y, lengths),
            "loss": lambda outputs, y: loss(unpacked(outputs), y),
            "lags": self._lags(sizes[1]),
            **self._options(),
        }
        return self.case

    def _sizes(self) -> tuple[int, int, int, int]:
        many = self.choose.random() < 0.6
        count = self.choose.randint(50, 80) if many else self.choose.randint(1, 40)
        steps = self.one("steps", range(1, 21))
        self.case.words.append(f"sequences {count}")
        return (
            count,
            steps,
            self.one("inputs", range(1, 6)),
            self.one("outputs", range(1, 6)),
        )

    def _model(
        self, count: int, steps: int, inputs: int, outputs: int
    ) -> tuple[Net, bool, str, Callable[[Any], Any]]:
        del count, steps
        units = self.one("units", range(1, 7))
        kind = self.one("model", [*LAYERS, *LAYERS, *CELLS, *OWN, "Stepping"])
        first, features = True, units
        if kind in LAYERS:
            first = self.one("batch_first", [True, False], usual=True)
            layers, both = self.one("layers", [1, 2]), self.one("ways", [False, True])
            layer = LAYERS[kind](
                inputs, units, layers, batch_first=first, bidirectional=both
            )
            features = 2 * units if both else units
        else:
            every = {**CELLS, **OWN, "Stepping": Stepping}
            layer = every[kind](inputs, units)
        self.packed = kind in LAYERS and self.one("packed", [True, False], usual=False)
        features = units if self.packed else features
        embedded = self.one("embedded", [True, False], usual=False)
        targets = self.one("targets", ["real", "binary", "class"])
        returned = self.one("returns", RETURNED, usual="values")
        made, unpacked = RETURNED[returned]
        embedding = nn.Embedding(5, inputs) if embedded else None
        self.pooled = "last" if self.packed else self.one("pooled", POOLED)
        head = nn.Linear(features, outputs)
        net = Net(layer, head, made, self.pooled, embedding, first)
        return net, first, targets, unpacked

    def _data(
        self,
        count: int,
        steps: int,
        inputs: int,
        outputs: int,
        model: Net,
        first: bool,
        targets: str,
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        lead = (count, steps) if first else (steps, count)
        x = torch.randn(*lead, inputs)
        if model.embedding is not None:
            x = torch.randint(0, 5, (*lead, inputs))
        at = lead if self.pooled == "all" else (count,)
        y = torch.randn(*at, outputs) + self._past(x, at)
        if targets == "binary":
            y = (y > 0).float()
        elif targets == "class":
            y = y.argmax(dim=-1)
        x, y = self._spoilt("inputs", x), self._spoilt("targets", y)
        dtype = self.one("dtype", [torch.float32, torch.float64])
        model.to(dtype)
        of_data = self.one("data's dtype", [torch.float32, torch.float64], usual=dtype)
        x, y = (v.to(of_data) if v.is_floating_point() else v for v in (x, y))
        lengths = torch.randint(1, steps + 1, (count,)) if self.packed else None
        return x, y, lengths

    @staticmethod
    def _past(x: Tensor, at: tuple[int, ...]) -> Tensor:
        signal = x[..., :1].float()
        return signal.roll(1, 1) if len(at) == 2 else torch.zeros(1)

    def _spoilt(self, name: str, values: Tensor) -> Tensor:
        how = self.one(name, SPOILT, usual="usual")
        values = values.clone()
        real = values.is_floating_point()
        if how == "constant":
            return torch.ones_like(values)
        if how == "nan" and real and values.numel():
            values.view(-1)[self.choose.randrange(values.numel())] = torch.nan
        elif how == "inf" and real and values.numel():
            values.view(-1)[self.choose.randrange(values.numel())] = torch.inf
        elif how == "huge":
            return values * (1e20 if real else 10)
        elif how == "tiny" and real:
            return values * 1e-30
        elif how == "one sequence for all":
            return values[:1].expand_as(values).contiguous()
        elif how == "whole numbers":
            return values.long()
        elif how == "numbers of another kind":
            return values.bool() if real else values.float()
        elif how == "an axis more":
            return values[..., None]
        elif how == "an axis less" and values.ndim > 1:
            return values.select(-1, 0)
        elif how == "one less":
            return values[1:]
        elif how == "none":
            return values[:0]
        elif how == "no steps" and values.ndim > 1:
            return values[:, :0]
        return values

    def _weights(self, model: nn.Module) -> nn.Module:
        how = self.one("weights", ["zero", "huge", "nan", "frozen"], usual="usual")
        with torch.no_grad():
            for weights in model.parameters():
                if how == "zero":
                    weights.zero_()
                elif how == "huge":
                    weights.mul_(1e3)
                elif how == "nan":
                    weights.view(-1)[0] = torch.nan
        if how == "frozen":
            model.requires_grad_(False)
        return model

    def _loss(self, targets: str) -> Callable[[Any, Any], Any]:
        fitting = {"real": REAL, "binary": {**REAL, **BINARY}, "class": CLASS}[targets]
        usual = self.choose.choice(list(fitting))
        every = {**REAL, **BINARY, **CLASS, **ODD}
        return every[self.one("loss", every, usual=usual)]

    def _form(self, x: Tensor, y: Tensor, lengths: Tensor | None) -> Any:
        parts = (x, y) if lengths is None else (x, lengths, y)
        form = self.one("data", FORMS, usual=self.choose.choice(FORMS[:3]))
        size = self.choose.randint(1, 40)
        if form == "one batch":
            return [parts]
        if form == "batches":
            return list(zip(*(part.split(size) for part in parts), strict=False))
        if form == "loader" and len({len(part) for part in parts}) == 1 and len(x):
            return DataLoader(TensorDataset(*parts), batch_size=size)
        if form == "generator":
            return (parts for _ in range(3))
        if form == "arrays":
            return [tuple(part.numpy() for part in parts)]
        if form == "dict":
            return [({"x": x}, y)]
        odd = {"one tensor": x, "no targets": (x,), "no batch": [], "nothing": None}
        return odd.get(form, parts)

    def _lags(self, steps: int) -> Any:
        how = self.one("lags", LAGS, usual="some")
        most = max(1, steps - 1)
        some = sorted(self.choose.sample(range(1, most + 1), min(most, 4)))
        odd = {
            "all": range(1, most + 1),
            "none": [],
            "too long": [1, steps],
            "zero": [0, 1],
            "negative": [-1, 1],
            "twice": [1, 1],
            "descending": some[::-1],
            "real": [1.0, 1.5],
            "words": ["1"],
            "a number": most,
            "huge": [10**12],
            "array": np.array(some),
            "tensor": torch.tensor(some),
        }
        return odd.get(how, some)

    def _options(self) -> dict[str, Any]:
        odd: dict[str, dict[str, Any]] = {
            "a layer that is none": {"layers": ["nothing"]},
            "one layer": {"layers": "recurrence"},
            "lengths": {"lengths": lambda batch: torch.full((len(batch[0]),), 3)},
            "lengths of 0": {"lengths": lambda batch: torch.zeros(len(batch[0]))},
            "lengths of one": {"lengths": lambda batch: [1]},
            "targets 1": {"targets": 1},
            "targets -1": {"targets": -1},
            "targets 0": {"targets": 0},
            "targets 7": {"targets": [7]},
            "targets by name": {"targets": "y"},
            "direction": {"direction": torch.ones(1)},
            "direction 0": {"direction": torch.zeros(3)},
            "strength": {"options": OPTIONS.model_copy(update={"effect_size": 0.3})},
            "exponents": {"options": OPTIONS.model_copy(update={"exponents": 2})},
        }
        return odd.get(self.one("options", odd, usual="usual"), {})


POOLED = ["all", "all", "last", "mean"]
FORMS = [
    *["whole tensors", "one batch", "batches", "loader", "generator", "arrays"],
    *["dict", "one tensor", "no targets", "no batch", "nothing"],
]
SPOILT = [
    *["usual", "constant", "nan", "inf", "huge", "tiny", "one sequence for all"],
    *["whole numbers", "numbers of another kind", "an axis more", "an axis less"],
    *["one less", "none", "no steps"],
]
LAGS = [
    *["some", "all", "none", "too long", "zero", "negative", "twice", "descending"],
    *["real", "words", "a number", "huge", "array", "tensor"],
]


def case(seed: int, number: int) -> Case:
    """Return one diagnosis to try.

    Args:
        seed: of all cases.
        number: of the case.
    """
    return Draw(seed, number).drawn()


def faults(found: Diagnosis) -> Iterator[str]:
    """Yield what is wrong with a result."""
    for name, one in found.items():
        need = one.group("detection")
        if not np.isfinite(need.attrs["effect_size"]):
            yield f"{name}: the strength is {need.attrs['strength']}"
        if np.isnan(need["needed"].values).any():
            yield f"{name}: N(l) is {need['needed'].values}"
        if not np.isfinite(one.window([50, 1e9])[["window", "maximal"]].values).all():
            yield f"{name}: a window is no number"
        envelope = one.group("envelope")
        for key, values in envelope.data_vars.items():
            if np.isinf(values.values).any():
                yield f"{name}: {key} of the envelope is {values.values}"
    found.summary()
    found.advice()


def ending(one: Case) -> tuple[str, str]:
    """Return how a case ends: "result", "sentence" or "finding", and in which words."""
    options = {"options": OPTIONS, **one.arguments}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", RuntimeWarning)
        try:
            wrong = list(faults(diagnose(**options)))
        except ValueError as error:
            words = str(error)
            plain = words.strip() and "\n" not in words
            return "sentence" if plain else "finding", words
        except Exception as error:
            return "finding", f"{type(error).__name__}: {error}"
    return ("finding", "; ".join(wrong)) if wrong else ("result", "")


def fuzz(
    *,
    count: Annotated[int, NUMBER] = 1000,
    seed: Annotated[int, NUMBER] = 0,
    first: Annotated[int, NUMBER] = 0,
) -> None:
    """Try generated diagnoses: each must end in a result or in one sentence.

    Prints every finding with the command that makes it again, how many cases ended how,
    and the commonest sentences. About three cases a second.

    Parameters
    ----------
    count
        How many cases.
    seed
        Seed of all cases.
    first
        Number of the first case.
    """
    checked_seed(seed)
    if count < 1 or first < 0:
        raise ValueError(f"{count} cases from {first} on are none; give 1 or more")
    endings: Counter[str] = Counter()
    sentences: Counter[str] = Counter()
    console = Console()
    with Display(console) as display:
        progress = display.stage("cases")
        for number in range(first, first + count):
            one = case(seed, number)
            how, words = ending(one)
            endings[how] += 1
            sentences[words.split(";")[-1].strip()] += how == "sentence"
            if how == "finding":
                again = f"fuzz --count 1 --seed {seed} --first {number}"
                print(f"FINDING python -m experiments {again}\n  {one}\n  {words}")
            progress((number + 1 - first) / count)
    print(", ".join(f"{how}: {some}" for how, some in sorted(endings.items())))
    for words, some in sentences.most_common(40):
        if some and count > 1:
            print(f"{some:6d} {words}")
