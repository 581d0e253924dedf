"""A GRU that reads handwritten digits row by row: how many rows back does it see?

Needs scikit-learn (``pip install learnability[examples]``), which ships the digits:
1,797 pictures of 8 x 8 points. Run ``python examples/digits.py``; it takes about a
minute and writes digits.png.
"""

from pathlib import Path

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional

import learnability as lw
from learnability.plots import draw, rendered
from learnability.summaries import summed

EPOCHS, BATCH, UNITS = 30, 64, 32


class Reader(nn.Module):
    """Reads eight rows, names the digit after the last."""

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        self.gru = nn.GRU(8, UNITS, batch_first=True)
        self.head = nn.Linear(UNITS, 10)
        with torch.no_grad():
            for p in self.parameters():
                p.uniform_(-(UNITS**-0.5), UNITS**-0.5, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.gru(x)[0][:, -1])


def main() -> None:
    """Train, diagnose before and after, draw."""
    pictures, names = load_digits(return_X_y=True)
    x = torch.tensor(pictures / 16, dtype=torch.float32).view(-1, 8, 8)
    y = torch.tensor(names)
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(len(x), generator=generator)
    train, test = order[:1200], order[1200:]
    model = Reader(generator)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    lags = range(1, 8)
    runs = {}

    def diagnose(name: str) -> lw.Diagnosis:
        found = lw.diagnose(
            model,
            (x[test], y[test]),
            functional.cross_entropy,
            lags,
            options=lw.DiagnosisOptions(sequences=len(test)),
            seed=0,
        )
        runs[name] = found["gru[layer 0, forward]"]
        print(f"{name}:\n{runs[name].window([10, 100, 1200])}")
        return found

    diagnose("before training")
    for _ in range(EPOCHS):
        for part in train[torch.randperm(1200, generator=generator)].split(BATCH):
            optimizer.zero_grad()
            functional.cross_entropy(model(x[part]), y[part]).backward()
            optimizer.step()
    right = (model(x[test]).argmax(dim=1) == y[test]).float().mean()
    print(f"{right:.1%} of 597 fresh digits are right")
    found = diagnose("after training")
    print(*found.advice(1200), sep="\n")
    seen = summed({name: [run.tree] for name, run in runs.items()}, [10, 100, 1200])
    Path("digits.png").write_bytes(rendered(draw("samples", seen)))
    print("digits.png")


if __name__ == "__main__":
    main()
