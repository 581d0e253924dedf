"""Spectra over seeds: optimizers told apart in both panels, nothing hidden."""

import numpy as np
import pytest
from matplotlib.colors import to_hex

from learnability.plots.spectra import NO_SCALE, spectra
from learnability.plots.style import theme

BY = ("adamw", "sgd", "rmsprop")
TAU = np.array([2.0, 3.0, 8.0, 40.0])


def grid() -> dict[str, np.ndarray]:
    return {f"{cell}, {by}": TAU for cell in ("GRU", "LSTM") for by in BY}


@pytest.mark.parametrize("look", ["light", "dark"])
def test_optimizers_of_a_cell_differ_in_more_than_colour(look):
    with theme(look):
        density, beyond = spectra(grid()).axes
    assert len(density.patches) == len(beyond.lines) == 6
    for colour in {to_hex(p.get_edgecolor()) for p in density.patches}:
        own = [p for p in density.patches if to_hex(p.get_edgecolor()) == colour]
        assert len({str(p.get_linestyle()) for p in own}) == 3
        lines = [line for line in beyond.lines if to_hex(line.get_color()) == colour]
        assert len({line.get_marker() for line in lines}) == 3
        assert len({str(line._dash_pattern) for line in lines}) == 3
        assert all(line.get_markevery() for line in lines)


def test_marks_of_equal_densities_do_not_hide_each_other():
    density = spectra(grid()).axes[0]
    first = [line.get_xdata()[0] for line in density.lines]
    assert len(set(first)) == 6
    # Each lies within the bin that it marks.
    edges = density.patches[0].get_data().edges
    assert all(edges[0] < x < edges[1] for x in first)


def test_a_density_holds_all_units_and_a_share_the_endless_ones():
    made = spectra({"GRU": np.append(TAU, [np.inf, np.nan])})
    density, beyond = made.axes
    values, edges, _ = density.patches[0].get_data()
    assert (values * np.diff(np.log10(edges))).sum() == pytest.approx(4 / 6)
    assert beyond.lines[0].get_ydata() == pytest.approx(np.array([5, 4, 3, 2]) / 6)
    assert beyond.lines[1].get_ydata()[0] == pytest.approx(1 / 6)
    labels = [t.get_text() for t in made.legends[0].get_texts()]
    assert labels == ["GRU", "units that do not decay"]


def test_no_time_scale_at_all_is_said_in_both_panels():
    made = spectra({"GRU": np.full(3, np.nan)})
    assert [ax.texts[0].get_text() for ax in made.axes] == [NO_SCALE] * 2
