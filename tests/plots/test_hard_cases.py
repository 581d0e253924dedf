"""Studies that found nothing, or numbers at an end: panels say so in words."""

import warnings

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from learnability import plots
from learnability.plots import across, apart
from learnability.plots._parts import lag_axis, moved
from learnability.plots.law import NO_POINTS, law_figure
from learnability.plots.samples import NO_END, NOT_RESOLVED, NOTHING
from learnability.plots.style import KNOWN, styles
from learnability.plots.windows import NO_WINDOW
from learnability.summaries import envelope_spread, window_spread
from tests.plots.records import diagnosis, nothing_resolved, training_group
from tests.plots.test_plots_files import visible_extents

LONG = (1, 2, 3, 4, 6, 8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64, 96, 128, 192)


@pytest.fixture(autouse=True)
def _light():
    with plots.theme("light"):
        yield


def said(ax) -> list[str]:
    return [text.get_text() for text in ax.texts]


def entries(made: Figure) -> list[str]:
    return [text.get_text() for text in made.legends[0].get_texts()]


def blind():
    """Give a diagnosis that saw nothing at all."""
    gone = np.full(5, np.inf)
    return diagnosis(needed=gone, lower=gone, upper=gone, training=training_group())


def test_no_window_anywhere_is_said():
    made = plots.FIGURES["windows"]({"GRU": nothing_resolved()})
    assert said(made.axes[0]) == [NO_WINDOW]
    tables = {"GRU": window_spread([nothing_resolved()] * 2, [1.0, 10.0, 100.0])}
    assert [said(ax) for ax in across.window_spreads(tables).axes] == [[NO_WINDOW]] * 2
    assert said(plots.FIGURES["windows"]({"GRU": diagnosis()}).axes[0]) == []


def test_a_scale_of_nothing_has_no_numbers():
    made = plots.FIGURES["samples"]({"GRU": blind()})
    (ax,) = made.axes
    made.draw_without_rendering()
    assert said(ax) == [NOTHING]
    assert not any(label.get_text() for label in ax.get_yticklabels())
    assert NO_END in entries(made)
    assert NOT_RESOLVED not in entries(made)
    some = entries(plots.FIGURES["samples"]({"GRU": nothing_resolved()}))
    assert {NO_END, NOT_RESOLVED} <= set(some)


def test_windows_over_seeds_count_whole_steps_and_stay_inside():
    tables = {name: window_spread([diagnosis()] * 2, [1, 10, 1e6]) for name in KNOWN}
    made = across.window_spreads(tables)
    made.draw_without_rendering()
    for ax in made.axes:
        low, high = ax.get_ylim()
        assert low < 0 < 16 < high
        ticks = [t for t in ax.get_yticks() if low <= t <= high]
        assert all(float(t).is_integer() for t in ticks)
        for line in ax.lines:
            assert all(
                ax.get_xlim()[0] < x < ax.get_xlim()[1] for x in line.get_xdata()
            )
    assert "there or beyond" in entries(made)


def test_no_band_of_windows_reaches_below_0():
    table = window_spread([diagnosis(), nothing_resolved()], [1, 10, 100])
    assert (table["mean"] < table["deviation"]).any()
    band = across.window_spreads({"GRU": table}).axes[0].collections[0]
    assert band.get_paths()[0].vertices[:, 1].min() == 0


def test_one_seed_is_not_called_a_spread():
    made = across.window_spreads({"GRU": window_spread([diagnosis()], [1, 10])})
    assert made.axes[0].get_title("left") == "one seed: no spread"


def test_lines_of_many_runs_stay_where_their_numbers_are():
    names = [f"{cell}, {by}" for cell in KNOWN for by in "abc"]
    ax = Figure(dpi=72).subplots()
    places = [
        moved(ax, style, 15, upright=True).transform((0, 0))[1]
        for style in styles(names).values()
    ]
    assert np.ptp(places) < 8
    assert len(set(places)) == 15


def test_an_envelope_too_short_to_fit_says_so():
    made = across.envelope_spreads({"GRU": envelope_spread([diagnosis()] * 2)})
    assert "no fit: fewer than 6 lags" in entries(made)
    f = np.exp(-np.array(LONG) / 9.0)
    fitted = {"GRU": envelope_spread([diagnosis(lags=LONG, f=f)] * 2)}
    assert "best fit" in entries(across.envelope_spreads(fitted))


def test_a_point_alone_is_not_cut_off():
    ax = plots.envelope({"GRU": diagnosis(lags=(4,))}, scaling="logarithmic")
    assert ax.get_ylim()[1] > 1


def test_shares_far_from_0_and_1_lie_inside():
    group = training_group()
    group["learnt_share"] = ("task_lag", np.array([-7000.0, 0.5, 6000.0]))
    ax = plots.learnt_shares({"GRU": diagnosis(training=group)}, Figure().subplots())
    low, high = ax.get_ylim()
    assert low < -7300
    assert high > 6300


def test_a_single_epoch_is_marked_as_1():
    runs = {"GRU": diagnosis(training=training_group(1))}
    ax = plots.learning(runs, Figure().subplots())
    low, high = ax.get_xlim()
    assert [t for t in ax.get_xticks() if low < t < high] == [1]


def test_lines_without_rates_are_counted_or_explained():
    rated = pd.DataFrame(
        {"gates": [0.5, 0.2], "network": [0.6, 0.3], "trained": [0.6, 0.3]},
        index=[1, 2],
    )
    bare = rated.assign(trained=np.nan)
    some = apart.split_figure({"GRU": rated, "LSTM": bare})
    assert [said(ax) for ax in some.axes] == [[], [], ["1 of 2 have no rates"]]
    none = apart.split_figure({"GRU": bare})
    assert said(none.axes[2]) == [apart.NO_RATES]


def floors(signal, censored) -> pd.DataFrame:
    table = pd.DataFrame(
        {"signal": signal, 10.0: 0.1, "censored": censored}, index=[1, 2]
    )
    table.attrs["budgets"] = [10.0]
    return table


def test_no_signal_at_all_is_said():
    none = floors([0.0, 0.0], [True, True])
    made = apart.floor_figure({"GRU": none})
    assert said(made.axes[0]) == [apart.NO_SIGNAL]
    assert "not resolved, at most" not in entries(made)
    some = apart.floor_figure({"GRU": none, "LSTM": floors([0.5, 0.2], [False, True])})
    assert said(some.axes[0]) == []
    assert "not resolved, at most" in entries(some)


def law(count: int, far: float) -> pd.DataFrame:
    x = np.linspace(0, 1, count)
    values = {n: np.append(x, far) for n in ("attenuation", "confounded")}
    values |= {n: np.append(x, far) for n in ("log_needed", "log_noise")}
    return pd.DataFrame({**values, "censored": False})


def test_a_point_far_out_does_not_flatten_the_others_and_is_counted():
    lines = {"GRU": (None, None)}
    for ax in law_figure({"GRU": law(99, 1e6)}, lines).axes:
        assert ax.get_xlim()[1] < 3
        assert said(ax) == ["1 of 100 points lie beyond"]
    for ax in law_figure({"GRU": law(99, 1.1)}, lines).axes:
        assert ax.get_xlim()[1] > 1.1
        assert said(ax) == []
    empty = law_figure({"GRU": law(3, 1.0).iloc[:0]}, lines)
    assert [said(ax) for ax in empty.axes] == [[NO_POINTS]] * 2


def test_estimators_show_how_far_seeds_differ():
    lags = pd.Index([1, 2, 4], name="lag")
    values = {"alpha": [1.5, 1.6, 1.7], "deviation": [0.1, 0.2, 0.1]}
    tables = {"GRU": {n: pd.DataFrame(values, index=lags) for n in ("mcculloch", "b")}}
    made = across.estimator_figure(tables)
    assert made.axes[0].get_title("left") == "McCulloch"
    band = made.axes[0].collections[0].get_paths()[0].vertices
    assert band[:, 1].max() == pytest.approx(1.8)
    assert band[:, 1].min() == pytest.approx(1.4)
    gone = {"GRU": {n: pd.DataFrame(values, lags) * np.nan for n in ("mcculloch", "b")}}
    assert said(across.estimator_figure(gone).axes[0]) == ["no lag has an alpha"]


@pytest.mark.parametrize("width", [plots.COLUMN, plots.PAGE])
def test_ticks_of_long_lags_do_not_overlap_in_narrow_panels(width):
    runs = {"GRU": diagnosis(lags=LONG, f=np.exp(-np.array(LONG) / 40.0))}
    made = plots.FIGURES["envelope"](runs, width=width)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made.draw_without_rendering()
    for ax in made.axes:
        ends = visible_extents(ax.xaxis, "x")
        assert len(ends) > 2
        assert (ends[1:, 0] >= ends[:-1, 1]).all()
    few = Figure().subplots()
    lag_axis(few, [3])
    assert list(few.get_xticks()) == [3]
