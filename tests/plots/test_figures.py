"""What is drawn is what the record says, and what is not known is drawn as that."""

import warnings
from functools import cache

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from learnability import plots
from learnability.plots import answer, envelope, learning, tails, windows
from learnability.plots._parts import Group, lag_axis
from learnability.plots.style import KNOWN
from learnability.summaries import Summary, summed
from learnability.summaries.law import envelope_shares, mean_alphas, noise_floor
from learnability.summaries.progress import Progress
from learnability.summaries.shares import share_spread
from learnability.summaries.spread import curve_spread, envelope_spread, tail_spread
from learnability.summaries.windows import sample_spread, window_spread

from .records import (
    LAGS,
    diagnosis,
    extreme,
    measured,
    nothing_resolved,
    training_group,
)

LONG = (1, 2, 3, 4, 6, 8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64, 96, 128, 192)
BUDGETS = [1.0, 5.0, 10.0, 1e3]


@pytest.fixture(autouse=True)
def _light():
    with plots.theme("light"):
        yield


def axes():
    return Figure().subplots()


def drawn(ax, style: str = "") -> set[tuple[float, float]]:
    """Give the finite points of all lines of the axes with such a marker, or any."""
    found = set()
    for line in ax.lines:
        if style in ("", line.get_marker()) and Group.of(line):
            x, y = (np.asarray(v, float) for v in line.get_data())
            found |= {(a, b) for a, b in zip(x, y, strict=True) if np.isfinite(b)}
    return found


def said(ax) -> list[str]:
    return [text.get_text() for text in ax.texts]


def labels(ax) -> list[str]:
    return ax.get_legend_handles_labels()[1]


def test_an_envelope_is_the_record_on_logarithmic_axes():
    table = envelope_spread([diagnosis().tree])
    ax = envelope.envelope({"GRU": table}, axes())
    assert set(zip(LAGS, table["mean"], strict=True)) <= drawn(ax)
    band = ax.collections[0].get_paths()[0].vertices
    assert band[:, 1].max() == pytest.approx(table["upper"].max())
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")


def test_an_envelope_that_has_gone_is_marked_at_the_edge():
    table = envelope_spread([extreme().tree])
    ax = envelope.envelope({"GRU": table}, axes())
    assert drawn(ax, "v") >= {(lag, envelope.FLOOR) for lag in (4, 8, 16)}
    assert "below 10⁻¹²" in labels(ax)
    assert ax.get_ylim()[0] < envelope.FLOOR


def test_an_envelope_too_short_to_fit_says_so():
    few = {"GRU": envelope_spread([diagnosis().tree])}
    assert "no fit: fewer than 6 lags" in labels(envelope.envelope(few, axes()))
    f = np.exp(-np.array(LONG) / 9.0)
    many = {"GRU": envelope_spread([diagnosis(lags=LONG, f=f).tree] * 2)}
    assert "best fit" in labels(envelope.envelope(many, axes()))


def test_shares_of_an_envelope_have_one_scale_and_missing_rates_are_counted():
    rated, bare = (
        envelope_shares([measured().tree]),
        envelope_shares([diagnosis().tree]),
    )
    tables = {"GRU": rated, "LSTM": bare}
    panels = [envelope.split(tables, axes(), column=c) for c in envelope.SHARES]
    assert len({ax.get_ylim() for ax in panels}) == 1
    assert [said(ax) for ax in panels] == [[], [], ["1 of 2 have no rates"]]
    alone = envelope.split({"LSTM": bare}, axes(), column="trained")
    assert said(alone) == [envelope.NO_RATES]


def test_samples_are_points_and_none_lies_below_one():
    tables = {
        "GRU": sample_spread([diagnosis().tree]),
        "LSTM": sample_spread([extreme().tree]),
    }
    ax = windows.samples(tables, axes())
    for table in tables.values():
        seen = table[np.isfinite(table["needed"])]
        values = seen["needed"].clip(lower=1)
        assert set(zip(seen.index, values, strict=True)) <= drawn(ax)
    low, high = ax.get_ylim()
    assert 0.5 < low < 1
    assert high > 1e13


def test_unresolved_lags_are_open_arrows_at_their_lower_ends():
    table = {"GRU": sample_spread([nothing_resolved().tree])}
    ax = windows.samples(table, axes())
    assert drawn(ax, "^") == {(lag, 50.0) for lag in LAGS[:-1]}
    # The last lag's interval has no end: a cross stands at the upper edge.
    assert {lag for lag, _ in drawn(ax, "x")} == {LAGS[-1]}
    assert {windows.NOT_RESOLVED, windows.NO_END} <= set(labels(ax))


def test_what_is_learnt_has_no_samples_and_no_mark():
    gone = np.full(5, np.nan)
    tree = diagnosis(needed=gone, lower=gone, upper=gone).tree
    assert drawn(windows.samples({"GRU": sample_spread([tree])}, axes())) == set()


def test_a_scale_of_nothing_has_no_numbers():
    gone = np.full(5, np.inf)
    blind = sample_spread([diagnosis(needed=gone, lower=gone, upper=gone).tree])
    ax = windows.samples({"GRU": blind}, axes())
    ax.get_figure().draw_without_rendering()
    assert said(ax) == [windows.NOTHING]
    assert not any(label.get_text() for label in ax.get_yticklabels())


def test_an_interval_is_a_bar_from_end_to_end():
    table = sample_spread([diagnosis().tree])
    ax = windows.samples({"GRU": table}, axes())
    bars = next(c for c in ax.collections if isinstance(c, LineCollection))
    ends = np.array([segment[:, 1] for segment in bars.get_segments()])
    np.testing.assert_array_equal(ends[:, 0], table["lower"].clip(lower=1))
    np.testing.assert_array_equal(ends[:, 1], table["upper"])


def test_the_lags_of_the_task_are_marked():
    tables = {"GRU": sample_spread([diagnosis().tree])}
    ax = windows.samples(tables, axes(), asked=(2, 4, 8))
    dotted = [line for line in ax.lines if line.get_linestyle() == ":"]
    marked = {x for line in dotted for x in line.get_xdata()}
    assert marked == {2, 4, 8}


def test_windows_are_the_record_and_censored_ones_open_arrows():
    table = window_spread([diagnosis().tree], BUDGETS)
    ax = windows.windows({"GRU": table}, axes())
    assert drawn(ax) == set(zip(BUDGETS, table["mean"], strict=True))
    assert drawn(ax, "^") == {(1e3, LAGS[-1])}
    assert "there or beyond" in labels(ax)
    low, high = ax.get_ylim()
    assert low < 0 < LAGS[-1] < high


def test_no_window_anywhere_is_said():
    gone = np.full(5, np.inf)
    tree = diagnosis(needed=gone, lower=gone, upper=gone).tree
    ax = windows.windows({"GRU": window_spread([tree], BUDGETS)}, axes())
    assert said(ax) == [windows.NO_WINDOW]


def test_an_answer_is_a_bar_to_the_window_in_a_group_of_its_budget():
    table = window_spread([diagnosis().tree], BUDGETS)
    shares = {"GRU": share_spread([diagnosis(training=training_group()).tree])}
    seeds = {"GRU": [Progress(8.0, 4.0, (2,), {}), Progress(8.0, 2.0, (2,), {})]}
    look = {"shares": shares, "progress": seeds, "asked": (2, 4, 8)}
    ax = answer.answer({"GRU": table}, axes(), **look)
    widths = {Group.of(bar).budget: bar.get_width() for bar in ax.patches}
    assert widths == dict(enumerate(table["mean"]))
    circles = [line for line in ax.lines if line.get_marker() == "o"]
    full, opened, *_ = (set(line.get_xdata()) for line in circles)
    assert (full, opened) == ({2, 4}, {8})
    assert {x for x, _ in drawn(ax, "D")} == {2.0}  # of the seed that keeps least
    assert "kept up to here" in labels(ax)


def test_a_state_that_was_not_measured_has_no_mark():
    assert answer.kept({"GRU": [Progress(8.0, np.nan, None, {})]}) == {}


def test_windows_end_where_no_further_sequences_change_anything():
    table = window_spread([diagnosis().tree], [1.0, 10.0, 1e3, 1e4, 1e5])
    ax = windows.windows({"GRU": table}, axes(), n_sequences=[10.0])
    assert max(x for x, _ in drawn(ax, "o") | drawn(ax, "^")) == 1e3
    far = windows.windows({"GRU": table}, axes(), n_sequences=[1e4])
    assert max(x for x, _ in drawn(far, "o") | drawn(far, "^")) == 1e4


def test_a_tick_at_one_says_that_less_stands_there_too():
    ax = windows.samples({"GRU": sample_spread([diagnosis().tree])}, axes())
    ax.get_figure().draw_without_rendering()
    assert "≤1" in [label.get_text() for label in ax.get_yticklabels()]


def test_the_floors_of_every_budget_are_a_group():
    table = noise_floor([measured().tree], [10.0, 1000.0])
    ax = windows.noise_floor({"DiagGate": table}, axes())
    floors = [one for one in ax.lines if one.get_ls() == "--" and Group.of(one)]
    dashed = {Group.of(one).budget: one for one in floors}
    for place, budget in enumerate((10.0, 1000.0)):
        np.testing.assert_array_equal(dashed[place].get_ydata(), table[budget])
    assert {lag for lag, _ in drawn(ax, "v")} == {8, 16}
    bars = next(c for c in ax.collections if isinstance(c, LineCollection))
    ends = np.array([segment[:, 1] for segment in bars.get_segments()])
    known = table.dropna()
    np.testing.assert_allclose(ends, known[["lower", "upper"]])
    assert (
        (known["lower"] < known["signal"]) & (known["signal"] < known["upper"])
    ).all()
    assert not windows.detected(table, 1e-9 + 10.0 - 1e-9)[3:].any()


def test_a_share_of_units_falls_by_one_at_each_time_scale():
    tau = np.array([8.0, 1.0, 2.0, 4.0])
    ax = envelope.beyond({"GRU": tau}, axes())
    x, share = ax.lines[0].get_data()
    np.testing.assert_array_equal(x, np.sort(tau))
    np.testing.assert_array_equal(share, [1, 0.75, 0.5, 0.25])


def test_a_density_holds_all_units_and_a_share_the_endless_ones():
    tau = {"GRU": np.array([2.0, 3.0, 8.0, 40.0, np.inf, np.nan])}
    share, one = envelope.beyond(tau, axes()), envelope.density(tau, axes())
    assert share.lines[0].get_ydata() == pytest.approx(np.array([5, 4, 3, 2]) / 6)
    ((_, height),) = drawn(share, ">")
    assert height == pytest.approx(1 / 6)
    middle, values = one.lines[0].get_data()
    step = np.log10(middle[1] / middle[0])
    assert (values * step).sum() == pytest.approx(4 / 6)


def test_no_time_scale_at_all_is_said():
    gone = {"GRU": np.full(3, np.nan)}
    assert (
        said(envelope.beyond(gone, axes()))
        == said(envelope.density(gone, axes()))
        == [envelope.NO_SCALE]
    )


def test_tail_indices_are_points_and_missing_ones_crosses():
    ax = tails.tail_index({"GRU": tail_spread([extreme().tree])}, axes())
    assert {(1.0, 2.0), (2.0, 1.1), (4.0, 0.6)} <= drawn(ax)
    assert {lag for lag, _ in drawn(ax, "x")} == {8, 16}
    assert ax.get_ylim()[0] < 0.5
    gone = tail_spread([diagnosis(alpha=np.full(5, np.nan)).tree])
    assert said(tails.tail_index({"GRU": gone}, axes())) == ["no lag has an alpha"]


def test_estimators_show_how_far_seeds_differ_and_where_they_disagree():
    table = mean_alphas([measured().tree] * 2)
    table["mcculloch", "deviation"] = 0.1
    ax = tails.tail_index({"GRU": table}, axes(), estimator="mcculloch")
    bars = next(c for c in ax.collections if isinstance(c, LineCollection))
    alpha = table["mcculloch", "alpha"].to_numpy()
    ends = np.array([segment[:, 1] for segment in bars.get_segments()])
    np.testing.assert_allclose(ends[:, 0], alpha - 0.1)
    np.testing.assert_allclose(ends[:, 1], np.minimum(alpha + 0.1, 2))
    gaps = tails.differences(table)
    every = table.xs("alpha", axis=1, level=1)
    np.testing.assert_allclose(gaps, np.ptp(every.to_numpy(), axis=1))


def test_learning_curves_are_the_history_and_shares_the_record():
    tree = diagnosis(training=training_group()).tree
    group, epochs = tree["training"], np.arange(1, 13)
    ax = learning.curves({"GRU": curve_spread([tree])}, axes(), noise=[0.3])
    for name in ("validation", "train"):
        assert set(zip(epochs, group[name].values, strict=True)) <= drawn(ax)
    ax = learning.shares({"GRU": share_spread([tree])}, axes())
    assert drawn(ax) == set(zip([2, 4, 8], group["learnt_share"].values, strict=True))


def test_shares_far_from_0_and_1_lie_inside():
    group = training_group()
    group["learnt_share"] = ("task_lag", np.array([-7000.0, 0.5, 6000.0]))
    tables = {"GRU": share_spread([diagnosis(training=group).tree])}
    low, high = learning.shares(tables, axes()).get_ylim()
    assert low < -7300
    assert high > 6300


def test_a_single_epoch_is_marked_as_1():
    tree = diagnosis(training=training_group(1)).tree
    ax = learning.curves({"GRU": curve_spread([tree])}, axes())
    low, high = ax.get_xlim()
    assert [t for t in ax.get_xticks() if low < t < high] == [1]


def law_table(count: int, distance: float) -> pd.DataFrame:
    x = np.linspace(0, 1, count)
    names = ("attenuation", "confounded", "log_needed", "log_noise")
    columns = {n: np.append(x, distance) for n in names}
    return pd.DataFrame({**columns, "censored": False})


def test_a_point_far_out_does_not_flatten_the_others_and_is_counted():
    for panel in (0, 1):
        ax = tails.law({"GRU": law_table(99, 1e6)}, axes(), panel=panel)
        assert ax.get_xlim()[1] < 3
        assert said(ax) == ["1 of 100 points lie beyond"]
        ax = tails.law({"GRU": law_table(99, 1.1)}, axes(), panel=panel)
        assert ax.get_xlim()[1] > 1.1
        assert said(ax) == []
    empty = tails.law({"GRU": law_table(3, 1.0).iloc[:0]}, axes())
    assert said(empty) == [tails.NO_POINTS]


def test_wrong_calls_are_refused():
    with pytest.raises(ValueError, match="no runs"):
        windows.windows({}, axes())
    with pytest.raises(ValueError, match="no figure 'none' of these results"):
        plots.draw("none", case("five"))


def test_few_lags_have_a_tick_each_and_the_last_of_many_has_one():
    few, many = axes(), axes()
    lag_axis(few, [3])
    lag_axis(many, LONG)
    assert list(few.get_xticks()) == [3]
    assert LONG[-1] in many.get_xticks()


@cache
def case(name: str) -> Summary:
    """Give a summary of one of some hard cases."""
    full = measured(training=training_group()).tree
    cases = {
        "five": {cell: [full] for cell in KNOWN},
        "seeds": {f"{c}, {by}": [full] * 2 for c in KNOWN for by in ("sgd", "adamw")},
        "extreme": {"GRU": [extreme().tree], "LSTM": [nothing_resolved().tree]},
        "one lag": {"GRU": [diagnosis(lags=(3,), alpha=np.array([1.5])).tree]},
        "names": {
            "x" * 200: [diagnosis().tree],
            "<script>": [diagnosis(f=np.ones(5)).tree],
            "شبكة": [diagnosis().tree],
            "_$x$_$": [diagnosis(tau=np.full(8, np.inf)).tree],
        },
        "long": {"GRU": [diagnosis(lags=LONG, f=np.exp(-np.array(LONG) / 40.0)).tree]},
    }
    return summed(cases[name], [10.0, 1000.0])


ALL = ("five", "seeds", "extreme", "one lag", "names", "long")
LAID_OUT = [(name, plots.COLUMN) for name in ALL] + [("five", plots.PAGE)]


@cache
def laid_out(name: str, width: float) -> dict[str, Figure]:
    """Give the figures of a case after their layout; a warning is an error."""
    with plots.theme("light"), warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message="Glyph")  # no font has all letters
        figures = dict(plots.draw_all(case(name), width=width))
        for made in figures.values():
            made.draw_without_rendering()
    return figures


@pytest.mark.parametrize(("name", "width"), LAID_OUT)
def test_figures_keep_to_the_paper_and_no_labels_overlap(name, width):
    for figure, made in laid_out(name, width).items():
        room = made.bbox.padded(3)
        inside = made.get_tightbbox().transformed(made.dpi_scale_trans)
        assert inside.x0 > room.x0, figure
        assert inside.x1 < room.x1, figure
        assert inside.y0 > room.y0, figure
        assert inside.y1 < room.y1, figure
        for ax in made.axes:
            assert ax.has_data() or ax.texts, figure
            for axis, across in ((ax.xaxis, "x"), (ax.yaxis, "y")):
                ends = visible_extents(axis, across)
                assert (ends[1:, 0] >= ends[:-1, 1]).all(), (figure, across)


@pytest.mark.parametrize("name", ALL)
def test_letters_have_6_points_at_a_column_s_width(name):
    for figure, made in laid_out(name, plots.COLUMN).items():
        texts = made.findobj(lambda one: hasattr(one, "get_fontsize"))
        sizes = [t.get_fontsize() for t in texts if t.get_text() and t.get_visible()]
        # A journal's column of 3.35 inches shrinks 3.4 a little.
        assert min(sizes) * 3.35 / plots.COLUMN >= 6, figure


def visible_extents(axis, across: str) -> np.ndarray:
    """Give where the labels of an axis begin and end, in the order of the axis."""
    low, high = sorted(axis.get_view_interval())
    boxes = [
        tick.label1.get_window_extent()
        for tick in axis.get_major_ticks()
        if low <= tick.get_loc() <= high and tick.label1.get_text()
    ]
    ends = [(getattr(b, f"{across}0"), getattr(b, f"{across}1")) for b in boxes]
    return np.array(sorted(ends)).reshape(-1, 2)


def test_every_figure_says_what_it_found_and_shows_its_numbers_of_sequences():
    for picture in plots.pictures(case("five")):
        assert picture.title
        assert len(picture.title) in (1, 2)
        if len(picture.title) == 2:
            for title, budget in zip(picture.title, ("10", "1,000"), strict=True):
                assert f"With {budget} sequences" in title


def test_lags_without_room_for_their_number_have_a_mark_alone():
    near = axes()
    lag_axis(near, [1, 50, 100, 195, 200])
    assert list(near.get_xticks()) == [1, 50, 100, 200]
    assert list(near.get_xticks(minor=True)) == [195]


def test_what_no_run_holds_is_not_drawn():
    names = {picture.name for picture in plots.pictures(case("one lag"))}
    assert {"learning", "noise_floor", "law", "estimators"}.isdisjoint(names)
