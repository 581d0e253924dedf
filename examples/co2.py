"""An LSTM that forecasts the weekly CO2 of Mauna Loa: does a year ago show?

Needs statsmodels (``pip install learnability[examples]``), which ships the series:
2,284 weeks from 1958 on. Run ``python examples/co2.py``; it takes about a minute and
writes co2.png.
"""

from pathlib import Path

import torch
from statsmodels.datasets import co2
from torch import Tensor, nn
from torch.nn import functional

import learnability as lw
from learnability.plots import monitor_figure, rendered, theme

STEPS, STRIDE, EPOCHS, UNITS = 128, 8, 40, 32


class Forecaster(nn.Module):
    """Gives the next week's change from the weeks before."""

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        self.lstm = nn.LSTM(1, UNITS, batch_first=True)
        self.head = nn.Linear(UNITS, 1)
        with torch.no_grad():
            for p in self.parameters():
                p.uniform_(-(UNITS**-0.5), UNITS**-0.5, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.lstm(x)[0])


def windows() -> tuple[Tensor, Tensor]:
    """Give windows of weekly changes, standardised, and the change after each week."""
    series = co2.load_pandas().data["co2"].interpolate().diff().dropna().to_numpy()
    values = torch.tensor((series - series.mean()) / series.std(), dtype=torch.float32)
    cut = values.unfold(0, STEPS + 1, STRIDE)
    return cut[:, :-1, None], cut[:, 1:, None]


def main() -> None:
    """Train with a monitor, diagnose, draw."""
    x, y = windows()
    generator = torch.Generator().manual_seed(0)
    model = Forecaster(generator)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    lags = [1, 2, 4, 8, 13, 20, 26, 39, 52, 65, 78, 104]
    monitor = lw.Monitor(
        model, (x, y), functional.mse_loss, lags, every=60, n_sequences=20
    )
    step = 0
    for _ in range(EPOCHS):
        for part in torch.randperm(len(x), generator=generator).split(32):
            optimizer.zero_grad()
            functional.mse_loss(model(x[part]), y[part]).backward()
            optimizer.step()
            monitor(step)
            step += 1
    found = lw.diagnose(model, (x, y), functional.mse_loss, lags, seed=0)
    with torch.no_grad():
        share = 1 - functional.mse_loss(model(x), y) / y.var()
    print(f"{share:.1%} of the variance of weekly changes is forecast")
    print(found.summary(full=True)[["envelope", "samples_needed", "samples_upper"]])
    print(*found.advice(), sep="\n")
    with theme("light"):
        figure = monitor_figure(monitor.record())
    Path("co2.png").write_bytes(rendered(figure))
    print("co2.png; windows overlap and are not independent: N counts such")


if __name__ == "__main__":
    main()
