"""Models without a recurrence: convolution, attention, diagnosed by autograd alone.

How often is a dependency found where targets belong to other sequences, and how often
does the interval of N(l) hold what thousands of sequences say, and that of f(l)/f(0)
the mean of all diagnoses? ``python -m experiments.modules`` prints both; it takes some
minutes.
"""

from unittest.mock import patch

import pandas as pd
import torch
import xarray as xr
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from learnability import DiagnosisOptions, LayerDiagnosis, diagnose
from learnability.randomness import stream, torch_generator

STEPS, INPUTS, UNITS, KERNEL = 20, 2, 8, 7
LAGS = [1, 2, 4]
SEQUENCES = 100
STUDIES, DIAGNOSES = 200, 600
TRUTH = 6000  # sequences that stand for infinitely many
OPTIONS = DiagnosisOptions(exact_windows=2, anchors=1, resamples=20, effect_size=0.5)
FOUND = OPTIONS.model_copy(update={"effect_size": None})
BUDGET = 1e12  # sequences: any lag that is detected at all is seen with so many


class Causal(nn.Module):
    """A convolution of the steps up to the present one."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(INPUTS, UNITS, KERNEL, padding=KERNEL - 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the features of each step."""
        return torch.tanh(self.conv(x.transpose(1, 2))[..., :STEPS]).transpose(1, 2)


class Attention(nn.Module):
    """A layer of a transformer that looks at the steps up to the present one."""

    def __init__(self) -> None:
        super().__init__()
        self.into, self.place = nn.Linear(INPUTS, UNITS), nn.Embedding(STEPS, UNITS)
        self.layer = nn.TransformerEncoderLayer(
            UNITS, 2, 2 * UNITS, dropout=0.0, batch_first=True
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the features of each step."""
        ahead = nn.Transformer.generate_square_subsequent_mask(STEPS)
        return self.layer(self.into(x) + self.place.weight, ahead, is_causal=True)


PASTS = {"convolution": Causal, "attention": Attention}


class Model(nn.Module):
    """A module that looks back, with a linear head."""

    def __init__(self, past: type[nn.Module], generator: Generator) -> None:
        super().__init__()
        self.past, self.out = past(), nn.Linear(UNITS, 1)
        with torch.no_grad():
            norms = [m for m in self.modules() if isinstance(m, nn.LayerNorm)]
            left = {id(w) for norm in norms for w in norm.parameters()}
            for weights in (w for w in self.parameters() if id(w) not in left):
                uniform = torch.rand(weights.shape, generator=generator)
                weights.copy_((2 * uniform - 1) / UNITS**0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Return a value of each step."""
        return self.out(self.past(x))[..., 0]


def drawn(generator: Generator, count: int = SEQUENCES) -> tuple[Tensor, Tensor]:
    """Return inputs, and targets that follow from those of some steps before."""
    x = torch.randn(count, STEPS, INPUTS, generator=generator)
    past = sum(x[..., 0].roll(lag, 1) for lag in LAGS)
    return x, past + torch.randn(count, STEPS, generator=generator)


def diagnosed(
    model: nn.Module,
    data: tuple[Tensor, Tensor],
    options: DiagnosisOptions,
    seed: int = 0,
) -> LayerDiagnosis:
    """Return the diagnosis of what looks back."""
    (found,) = diagnose(
        model,
        data,
        F.mse_loss,
        LAGS,
        layers=["past"],
        direction=torch.eye(INPUTS)[0],
        options=options,
        seed=seed,
    ).values()
    return found


def null(past: type[nn.Module]) -> int:
    """Return in how many studies nothing is found, targets being dealt to others."""
    none = 0
    for number in range(STUDIES):
        generator = torch_generator(stream(0, f"causal {number}"))
        model, (x, y) = Model(past, generator), drawn(generator)
        y = y[torch.randperm(len(y), generator=generator)]
        found = diagnosed(model, (x, y), FOUND).window(BUDGET)
        none += int(found["window"].iloc[0] == 0)
    return none


def coverage(past: type[nn.Module]) -> pd.DataFrame:
    """Return how often intervals hold what many sequences or all diagnoses say."""
    model, rows = Model(past, torch_generator(stream(0, "coverage"))), []
    truth = _truth(model)
    for number in range(DIAGNOSES):
        data = drawn(torch_generator(stream(0, f"coverage {number}")))
        one = diagnosed(model, data, OPTIONS, number)
        need, envelope = one.group("detection"), one.envelope
        for lag in LAGS:
            n, f = need.sel(lag=lag), envelope.sel(lag=lag)
            row = {name: float(n[name]) for name in ("lower", "upper")}
            row["truth"] = float(truth.sel(lag=lag))
            row |= {
                f"f {name}": float(f[name]) for name in ("normalised", "lower", "upper")
            }
            rows.append({"lag": lag, **row})
    found = pd.DataFrame(rows)
    return found.groupby("lag").apply(_covered, include_groups=False)


def _truth(model: nn.Module) -> xr.DataArray:
    """Return N(l) of many sequences; a diagnosis takes the gradients of few."""
    data = drawn(torch_generator(stream(0, "truth")), TRUTH)
    options = OPTIONS.model_copy(update={"sequences": TRUTH})
    with patch("learnability.diagnosis.modules.SEQUENCES", TRUTH):
        return diagnosed(model, data, options).group("detection")["needed"]


def _covered(some: pd.DataFrame) -> pd.Series:
    truth, f = some["truth"], some["f normalised"].mean()
    below, above = truth < some["lower"], some["upper"] < truth
    envelope = (some["f lower"] <= f) & (f <= some["f upper"])
    return pd.Series(
        {
            "N(l)": 1 - below.mean() - above.mean(),
            "truth below": below.mean(),
            "truth above": above.mean(),
            "f(l)/f(0)": envelope.mean(),
        }
    )


def main() -> None:
    """Print both, of each module."""
    for name, past in PASTS.items():
        print(f"{name}: window 0 in {null(past)} of {STUDIES} studies", flush=True)
        print(coverage(past).map("{:.1%}".format).to_string(), flush=True)


if __name__ == "__main__":
    main()
