"""What is drawn is what the record says, and what is not known is drawn as that."""

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from learnability import plots
from learnability.plots.envelope import FLOOR, SCALINGS
from learnability.plots.learning import noise_floors

from .records import LAGS, diagnosis, extreme, nothing_resolved, training_group


def axes():
    return Figure().subplots()


def points(ax, *, hollow: bool) -> set[tuple[float, float]]:
    """Give the finite points of all lines whose markers are open, or are not."""
    found = set()
    for line in ax.lines:
        if (line.get_markerfacecolor() == "none") == hollow and len(line.get_xdata()):
            x, y = np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata())
            found |= {(a, b) for a, b in zip(x, y, strict=False) if np.isfinite(b)}
    return found


def drawn_as_line(ax, x, y) -> bool:
    """Say whether some line of the axes has exactly these data."""
    return any(
        np.array_equal(line.get_xdata(), x)
        and np.array_equal(line.get_ydata(), y, equal_nan=True)
        for line in ax.lines
    )


@pytest.mark.parametrize("scaling", SCALINGS)
def test_an_envelope_is_the_record(scaling):
    run = diagnosis()
    ax = plots.envelope({"GRU": run}, axes(), scaling=scaling)
    f = run.group("envelope").sel(order="exact")
    assert drawn_as_line(ax, LAGS, f["normalised"].values)
    band = ax.collections[0].get_paths()[0].vertices
    error = f["error"].values / 2.0
    assert band[:, 1].max() == pytest.approx((f["normalised"].values + error).max())


def test_scalings_differ_in_their_axes():
    found = {
        s: plots.envelope({"GRU": diagnosis()}, axes(), scaling=s) for s in SCALINGS
    }
    scales = {s: (ax.get_xscale(), ax.get_yscale()) for s, ax in found.items()}
    assert scales == {
        "exponential": ("linear", "log"),
        "power": ("log", "log"),
        "logarithmic": ("log", "linear"),
    }


def test_other_orders_are_thinner_and_dashed():
    run = diagnosis()
    ax = plots.envelope({"GRU": run}, axes(), compare=("zero", "diagonal"))
    for order in ("zero", "diagonal"):
        values = run.group("envelope")["normalised"].sel(order=order).values
        line = next(one for one in ax.lines if np.array_equal(one.get_ydata(), values))
        assert line.get_linewidth() < 1
        assert line.get_linestyle() == "--"
    alone = plots.envelope({"GRU": run}, axes(), compare="zero")
    assert len(alone.lines) == len(ax.lines) - 1


def test_an_envelope_that_has_gone_is_marked_at_the_edge():
    run = extreme()
    ax = plots.envelope({"GRU": run}, axes(), scaling="power")
    f = run.group("envelope").sel(order="exact")["normalised"].values
    assert points(ax, hollow=True) == {(lag, FLOOR) for lag in (4, 8, 16)}
    assert {y for _, y in points(ax, hollow=False)} == set(f[f >= FLOOR])
    assert ax.get_ylim()[0] == FLOOR


def test_every_finite_number_of_samples_is_a_point():
    runs = {"GRU": diagnosis(), "LSTM": extreme(), "DiagGate": nothing_resolved()}
    ax = plots.samples(runs, axes())
    solid = points(ax, hollow=False)
    for run in runs.values():
        need = run.group("detection")["needed"]
        finite = need.values[np.isfinite(need.values)]
        lags = need["lag"].values[np.isfinite(need.values)]
        assert set(zip(lags, finite, strict=True)) <= solid
    low, high = ax.get_ylim()
    assert low < 1e-4
    assert high > 1e13


def test_unresolved_lags_are_open_arrows_at_their_lower_ends():
    ax = plots.samples({"GRU": nothing_resolved()}, axes())
    task = {line for line in ax.lines if line.get_linestyle() == ":"}
    solid = [one for one in ax.lines if one not in task]
    values = np.concatenate(
        [one.get_ydata() for one in solid if one.get_markerfacecolor() != "none"]
    )
    assert not np.isfinite(values).any()
    arrows = points(ax, hollow=True)
    assert {(lag, 50.0) for lag in LAGS[:-1]} <= arrows
    # The last lag's interval has no end: a cross stands at the upper edge.
    assert {y for lag, y in arrows if lag == LAGS[-1]} == {0.97}


def test_the_lags_of_the_task_are_marked():
    run = diagnosis(training=training_group())
    ax = plots.samples({"GRU": run}, axes())
    marked = {line.get_xdata()[0] for line in ax.lines if line.get_linestyle() == ":"}
    assert marked == {2, 4, 8}


def test_an_interval_is_a_bar_from_end_to_end():
    run = diagnosis()
    ax = plots.samples({"GRU": run}, axes())
    bars = next(c for c in ax.collections if isinstance(c, LineCollection))
    ends = np.array([segment[:, 1] for segment in bars.get_segments()])
    need = run.group("detection")
    np.testing.assert_array_equal(ends[:, 0], need["lower"])
    np.testing.assert_array_equal(ends[:, 1], need["upper"])


def test_windows_are_the_diagnosis_s_own():
    run, budgets = diagnosis(), [1.0, 5.0, 10.0, 100.0]
    ax = plots.windows({"GRU": run}, axes(), budgets=budgets)
    table = run.window(budgets)
    assert drawn_as_line(ax, budgets, table["window"].to_numpy())
    band = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert band.max() == table["upper"].max()
    assert band.min() == table["lower"].min()


def test_censored_windows_carry_open_arrows_only():
    with plots.theme("light"):
        ax = plots.windows({"GRU": diagnosis()}, axes(), budgets=[1.0, 5.0, 1e3, 1e4])
    step, arrows = ax.lines[1], ax.lines[2]
    assert step.get_markevery() == [0]
    assert arrows.get_marker() == "^"
    assert arrows.get_markerfacecolor() != arrows.get_markeredgecolor()
    assert list(arrows.get_xdata()) == [1e3, 1e4]
    assert set(arrows.get_ydata()) == {LAGS[-1]}


def test_a_spectrum_falls_by_a_unit_at_each_time_scale():
    tau = np.array([8.0, 1.0, 2.0, 4.0])
    ax = plots.time_scales({"GRU": diagnosis(tau=tau)}, axes())
    x, share = ax.lines[0].get_data()
    np.testing.assert_array_equal(x[1:], np.sort(tau))
    np.testing.assert_array_equal(share, [1, 0.75, 0.5, 0.25, 0])


def test_units_without_a_time_scale_are_counted_in_the_legend():
    ax = plots.time_scales({"GRU": extreme()}, axes())
    text = ax.get_legend().get_texts()[0].get_text()
    assert text == "GRU (2 of 8 do not decay, 3 of 8 gone at once)"
    assert points(ax, hollow=True) == {(ax.get_xlim()[1], 0.25)}


def test_no_time_scale_at_all_is_said():
    ax = plots.time_scales({"GRU": diagnosis(tau=np.full(4, np.nan))}, axes())
    assert "no unit" in ax.texts[0].get_text()


def test_tail_indices_are_points_and_missing_ones_crosses():
    run = extreme()
    ax = plots.tail_index({"GRU": run}, axes())
    seen = {(float(lag), y) for lag, y in points(ax, hollow=False) if lag in LAGS}
    assert {(1.0, 2.0), (2.0, 1.1), (4.0, 0.6)} <= seen
    crosses = next(line for line in ax.lines if line.get_marker() == "x")
    assert list(crosses.get_xdata()) == [8, 16]
    assert any(set(line.get_ydata()) == {2} for line in ax.lines)


def test_learning_curves_are_the_history():
    run = diagnosis(training=training_group())
    ax = plots.learning({"GRU": run}, axes())
    group, epochs = run.group("training"), np.arange(1, 13)
    assert drawn_as_line(ax, epochs, group["validation"].values)
    assert drawn_as_line(ax, epochs, group["train"].values)


def test_the_noise_floor_follows_from_r_squared_and_its_ceiling():
    group = training_group(r2=0.6)
    variance = float(group["validation"][-1]) / (1 - 0.6)
    runs = {"GRU": diagnosis(training=group), "LSTM": diagnosis(training=group)}
    assert noise_floors(runs) == [pytest.approx(0.3 * variance, rel=1e-3)]


def test_learnt_shares_are_the_record():
    run = diagnosis(training=training_group())
    ax = plots.learnt_shares({"GRU": run}, axes())
    shares = run.group("training")["learnt_share"].values
    assert drawn_as_line(ax, [2, 4, 8], shares)
    low, high = ax.get_ylim()
    assert low < shares.min()
    assert high > 1


@pytest.mark.parametrize(
    "draw",
    [
        plots.envelope,
        plots.time_scales,
        plots.samples,
        plots.windows,
        plots.tail_index,
        plots.learning,
        plots.learnt_shares,
    ],
)
def test_no_runs_are_refused(draw):
    with pytest.raises(ValueError, match="no runs"):
        draw({})


def test_runs_without_a_training_are_refused_where_it_is_drawn():
    with pytest.raises(ValueError, match="epoch"):
        plots.learning({"GRU": diagnosis()}, axes())
    with pytest.raises(ValueError, match="learnt shares"):
        plots.learnt_shares({"GRU": diagnosis()}, axes())


def test_an_unknown_scaling_is_refused():
    with pytest.raises(ValueError, match="no scaling"):
        plots.envelope({"GRU": diagnosis()}, axes(), scaling="cubic")
