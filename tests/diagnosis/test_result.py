"""What a diagnosis says of itself: in a line, a card, a table, by name."""

from html import unescape

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.nn import functional

import learnability as lw
from learnability.diagnosis import DiagnosisOptions

GENERATOR = torch.Generator().manual_seed(0)
X = torch.randn(64, 16, 2, generator=GENERATOR)
Y = X[..., 0].roll(2, 1) + 0.3 * torch.randn(64, 16, generator=GENERATOR)


class Named(nn.Module):
    """Several recurrences, one with a name that HTML would read otherwise."""

    def __init__(self, layers: int = 2) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.lstm = nn.LSTM(2, 4, layers, batch_first=True)
        self.cells = nn.ModuleDict({"<b>&": nn.GRU(4, 4, batch_first=True)})
        self.out = nn.Linear(4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.cells["<b>&"](self.lstm(x)[0])[0])[..., 0]


@pytest.fixture(scope="module")
def found() -> lw.Diagnosis:
    quick = DiagnosisOptions(resamples=20, exact_windows=8)
    return lw.diagnose(Named(), (X, Y), functional.mse_loss, [1, 2, 4], options=quick)


def test_layers_are_found_by_the_beginning_of_their_name(found: lw.Diagnosis) -> None:
    assert found["cells"] is found["cells.<b>&[layer 0, forward]"]
    assert found["lstm[layer 1"] is found["lstm[layer 1, forward]"]
    with pytest.raises(KeyError, match=r"several layers named 'lstm': lstm\[layer 0"):
        found["lstm"]
    with pytest.raises(KeyError, match="no layer named 'gru': lstm"):
        found["gru"]
    with pytest.raises(KeyError, match="no layer named 0: lstm"):
        found[0]


def test_numbers_for_loggers_are_those_of_the_tables(found: lw.Diagnosis) -> None:
    numbers = found.scalars(64)
    assert all(type(n) is float and np.isfinite(n) for n in numbers.values())
    table = found.summary(full=True)
    for name, layer in (
        ("lstm layer 1 forward", "lstm[layer 1, forward]"),
        ("cells. b layer 0 forward", "cells.<b>&[layer 0, forward]"),
    ):
        arriving = table.loc[layer, "envelope"]
        for band, lag in (("lag 1", 1), ("lags 2-3", 2), ("lags 4-7", 4)):
            assert numbers[f"{name}/arriving/{band}"] == arriving[lag]


@pytest.mark.parametrize("layers", [1, 2, 12])
def test_a_text_has_at_most_eight_lines_and_the_answer(layers: int) -> None:
    quick = DiagnosisOptions(resamples=20, exact_windows=8)
    few = lw.diagnose(Named(layers), (X, Y), functional.mse_loss, [1, 2], options=quick)
    lines = repr(few).splitlines()
    assert len(lines) == min(8, layers + 2)
    assert lines[0].startswith(f"diagnosis of {len(few)} layers on 64 sequences")
    assert lines[1].startswith("lstm[layer 0, forward]: ")
    (more,) = lines[7:] or [""]
    assert more == ("and 7 more" if layers == 12 else "")
    assert len(repr(few["lstm[layer 0"]).splitlines()) == 2


def test_a_card_shows_names_as_they_are(found: lw.Diagnosis) -> None:
    card = found._repr_html_()
    assert "cells.&lt;b&gt;&amp;[layer 0, forward]" in card
    assert "<b>" not in card
    assert card.count("<tr>") == 1 + len(found)
    for sentence in ("script", "http", "src=", "`", ">1 steps"):
        assert sentence not in card


def test_one_number_or_several(found: lw.Diagnosis) -> None:
    one, several = found.window(100), found.window([10, 100])
    pd.testing.assert_frame_equal(one, several.xs(100, level=1, drop_level=False))
    assert found.needed_window(10).index.names == ["layer", "n_sequences"]
    assert len(found["cells"].window(iter([10, 100]))) == 2
    assert len(found.window(iter([10, 100]))) == 2 * len(found)


def test_the_table_begins_with_what_is_asked(found: lw.Diagnosis) -> None:
    short, full = found.summary(), found.summary(full=True)
    assert list(short) == [
        "seen",
        "kept",
        "learnt",
        "samples_needed",
        "samples_lower",
        "samples_upper",
        "resolved",
    ]
    pd.testing.assert_frame_equal(full[list(short)], short)
    assert {"envelope", "alpha"} < set(full)


def test_all_comes_back_from_a_file(found: lw.Diagnosis, tmp_path) -> None:
    kept = lw.Diagnosis(found.layers, {"decoder": "decoder: 3 steps are too few"})
    kept.save(tmp_path / "mine.nc")
    again = lw.Diagnosis.load(tmp_path / "mine.nc")
    assert again.refused == kept.refused
    assert repr(again) == repr(kept)
    assert repr(kept).splitlines()[-1] == "decoder: 3 steps are too few"
    pd.testing.assert_frame_equal(again.summary(full=True), kept.summary(full=True))
    assert np.isfinite(again.window(100)["window"]).all()


def test_lags_are_chosen_unless_given() -> None:
    quick = DiagnosisOptions(resamples=20, exact_windows=8)
    few = lw.diagnose(Named(1), (X, Y), functional.mse_loss, options=quick)
    lags = few["lstm"].summary().index
    assert (lags[0], lags[-1]) == (1, 15)


def test_figures_and_a_page(found: lw.Diagnosis, tmp_path) -> None:
    page = found.report(tmp_path / "mine.html").read_text()
    for name in ("lstm[layer 0, forward]", "cells.&lt;b&gt;&amp;[layer 0, forward]"):
        assert name in page
    assert "<b>&[" not in page
    assert found.answer() in unescape(page)
    assert found.answer().startswith("With 64 sequences ")
    assert "what is learnt is not known (give heldout=" in found.answer()
    assert found.plot().axes
    with pytest.raises(ValueError, match="is no page"):
        found.report(tmp_path / "mine.txt")
    with pytest.raises(ValueError, match="figure"):
        found.plot("nonsense")


def test_a_figure_goes_into_given_axes(found: lw.Diagnosis) -> None:
    ax = Figure().subplots()
    assert found.plot("samples", ax, n_sequences=100) is ax
    assert ax.lines
    with pytest.raises(ValueError, match="several panels"):
        found.plot("time_scales", ax)
