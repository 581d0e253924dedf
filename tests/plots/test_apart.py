"""Gates and optimizer apart, signal and floor: the numbers, and what is drawn open."""

import numpy as np
import pytest

from learnability import Diagnosis, Measures
from learnability.plots.apart import floor_figure, split_figure
from learnability.plots.style import theme
from learnability.summaries import envelope_shares, noise_floor
from tests.plots.records import LAGS, diagnosis

Z = 1.6448536269514722  # the quantile of the standard normal law at 0.95


def measured(*, resolved=(True, True, True, False, False), kappa=2.0, scale=1.0):
    """Give a diagnosis whose N(l) follows from its signal and noise."""
    resolved = np.array(resolved)
    noise = np.linspace(0.5, 0.9, len(LAGS))
    length = scale * np.exp(-np.array(LAGS) / 4.0)
    true = (2 * Z * noise / (0.6 * length)) ** kappa
    needed = np.where(resolved, true, np.inf)
    tree = diagnosis(needed=needed, lower=true / 2, upper=needed * 2).tree.copy()
    tree.attrs["measures"] = Measures().model_dump_json()
    detection = tree["detection"].to_dataset()
    extra = {"signal": length**2, "noise": noise, "kappa": np.full(len(LAGS), kappa)}
    tree["detection"] = detection.assign({n: ("lag", v) for n, v in extra.items()})
    tree["effective"] = tree["envelope"].to_dataset() * 1.0
    return Diagnosis(tree)


@pytest.mark.parametrize("kappa", [2.0, 3.0])
def test_the_signal_meets_its_floor_where_the_budget_is_what_is_needed(kappa):
    run = measured(kappa=kappa)
    needed = run.group("detection")["needed"].values
    for place in range(3):
        table = noise_floor([run], [needed[place]])
        row = table.iloc[place]
        assert row["signal"] == pytest.approx(row[needed[place]], rel=1e-6)
        four = noise_floor([run], [4 * needed[place]]).iloc[place, 1]
        assert row["signal"] / four == pytest.approx(4 ** (1 / kappa), rel=1e-6)


def test_what_is_not_resolved_is_at_most_the_signal_of_its_lower_end():
    run = measured()
    table = noise_floor([run], [100.0])
    assert table["censored"].tolist() == [False, False, False, True, True]
    noise, lower = (run.group("detection")[n].values for n in ("noise", "lower"))
    expected = 2 * Z * noise / np.sqrt(lower)
    np.testing.assert_allclose(table["signal"][3:], expected[3:], rtol=1e-6)


def test_seeds_are_averaged_in_the_logarithm():
    one, two = measured(), measured(scale=4.0)
    table = noise_floor([one, two], [10.0])
    alone = noise_floor([one], [10.0])
    np.testing.assert_allclose(table["signal"][:3], 2 * alone["signal"][:3])
    np.testing.assert_allclose(table[10.0], alone[10.0])


def test_shares_are_the_orders_of_the_record():
    run = measured()
    table = envelope_shares([run, run])
    f = run.group("envelope")["normalised"]
    np.testing.assert_allclose(table["gates"], f.sel(order="zero"))
    np.testing.assert_allclose(table["network"], f.sel(order="exact"))
    assert np.isnan(envelope_shares([diagnosis()])["trained"]).all()


def test_censored_lags_are_open_marks_off_the_line():
    with theme("light"):
        made = floor_figure({"GRU": noise_floor([measured()], [10.0, 1000.0])})
    for ax in made.axes:
        line, marks, floor = ax.lines
        assert np.isfinite(line.get_ydata()).sum() == 3
        assert len(marks.get_xdata()) == 2
        assert marks.get_markerfacecolor() == "none"
        assert floor.get_linestyle() == "--"
    assert [ax.get_title("left") for ax in made.axes] == ["$N$ = 10", "$N$ = 1,000"]


def test_what_falls_below_the_axis_is_marked_at_its_end():
    run = measured()
    table = envelope_shares([run])
    table.loc[16, "gates"] = 1e-30
    first = split_figure({"GRU": table}).axes[0]
    assert np.isnan(first.lines[0].get_ydata()[-1])
    assert first.lines[1].get_marker() == "v"
    assert first.lines[1].get_xdata().tolist() == [16.0]
