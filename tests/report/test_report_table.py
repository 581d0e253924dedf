"""The table's numbers are the diagnosis's, and its words say no more than them."""

import numpy as np
import pandas as pd
import pytest

from learnability.report import comparison_table, fitted_decay, formatted, table
from learnability.report.table import n_sequences_of
from learnability.study import load_settings
from learnability.words import number, short
from tests.plots.records import diagnosis, extreme, nothing_resolved, training_group

SETTINGS = load_settings("quick")
BUDGETS = [10.0, 100.0, 1000.0]


def rows(**runs) -> pd.DataFrame:
    trees = {name: run.tree for name, run in runs.items()}
    return table(trees, SETTINGS.n_sequences)


def test_a_row_an_architecture_in_the_order_of_the_runs():
    found = rows(LSTM=diagnosis(), GRU=diagnosis())
    assert found["cell"].tolist() == ["LSTM", "GRU"]
    assert rows(GRU=diagnosis(), LSTM=diagnosis())["cell"].tolist() == ["GRU", "LSTM"]


def test_the_windows_are_the_diagnosis_s_own():
    run = diagnosis()
    row, own = rows(GRU=run).iloc[0], run.window(SETTINGS.n_sequences)
    assert n_sequences_of(rows(GRU=run)) == BUDGETS
    for budget in BUDGETS:
        name = f"H_{budget:.0f}"
        assert row[name] == own["window"][budget]
        assert row[f"{name}_lower"] == own["lower"][budget]
        assert row[f"{name}_upper"] == own["upper"][budget]
        assert row[f"{name}_censored"] == own["censored"][budget]


def test_an_upper_end_at_the_last_lag_is_censored():
    row = rows(GRU=diagnosis()).iloc[0]
    assert not row["H_10_upper_censored"]
    assert row["H_1000_censored"]
    assert row["H_1000_upper_censored"]


def test_time_scales_are_time_scales_of_units():
    tau = np.array([1.0, 2.0, 3.0, 4.0, np.inf, np.nan])
    row = rows(GRU=diagnosis(tau=tau)).iloc[0]
    assert (row["tau_low"], row["tau_median"], row["tau_high"]) == (1, 3, np.inf)


def test_units_without_any_time_scale_give_none():
    row = rows(GRU=diagnosis(tau=np.full(4, np.nan))).iloc[0]
    assert np.isnan(row[["tau_low", "tau_median", "tau_high"]].astype(float)).all()


def test_alpha_is_that_of_a_lag_with_this_lag_s_interval():
    alpha = np.array([1.9, 1.2, np.nan, 1.5, 1.7])
    row = rows(GRU=diagnosis(alpha=alpha)).iloc[0]
    # Four are known; of an even number the lower of the middle two.
    assert row["alpha"] == 1.5
    assert row["alpha_lag"] == 8
    assert (row["alpha_lower"], row["alpha_upper"]) == pytest.approx((1.4, 1.6))


def test_no_alpha_anywhere_is_no_alpha():
    row = rows(GRU=diagnosis(alpha=np.full(5, np.nan))).iloc[0]
    assert np.isnan(row["alpha"])
    assert formatted(rows(GRU=diagnosis(alpha=np.full(5, np.nan))))["alpha"][0] == "n/a"


def test_training_is_told_where_there_is_one():
    found = rows(GRU=diagnosis(training=training_group()), LSTM=diagnosis())
    assert found["r2"][0] == 0.6
    assert found["ceiling"][0] == 0.7
    assert np.isnan(found["r2"][1])
    assert formatted(found)["R² of ceiling"].tolist() == [
        "0.600 of 0.700",
        "not trained here",
    ]


def test_a_diverged_run_brings_its_sentence():
    found = rows(GRU=extreme(), LSTM=diagnosis(training=training_group()))
    assert found["outcome"][0].startswith("training diverged in epoch 1")
    assert found["outcome"][1] == ""
    assert "outcome" in formatted(found)
    assert "outcome" not in formatted(found.iloc[1:])


def test_windows_read_as_numbers_with_their_ends():
    text = formatted(rows(GRU=diagnosis(), LSTM=nothing_resolved()))
    assert text["H at N = 10"].tolist() == ["4 (2 to 8)", "0 (0 to 0)"]
    assert text["H at N = 1,000"].tolist() == ["≥16 (16 to ≥16)", "0 (0 to 8)"]


def test_windows_that_are_not_defined_are_no_number():
    gone = np.full(5, np.nan)
    found = rows(GRU=diagnosis(needed=gone, lower=gone, upper=gone))
    assert np.isnan(found["H_10"][0])
    assert formatted(found)["H at N = 10"][0] == "n/a"


def test_a_comparison_shows_deviations_where_there_are_seeds():
    side = {"mean": 24.0, "deviation": 4.0, "kept": np.nan, "learnt": "1 to 4"}
    row = {f"{n}_first": v for n, v in side.items()}
    row |= {f"{n}_second": v for n, v in (side | {"deviation": np.nan}).items()}
    row |= {"group": "GRU", "n_sequences": 1e3, "difference": 0.0, "error": np.nan}
    text = comparison_table(pd.DataFrame([row])).iloc[0].tolist()
    assert text == ["GRU", "1,000", "24 ± 4", "24", "0", "n/a; n/a", "1 to 4; 1 to 4"]


def test_the_decay_is_recognised():
    lags = np.array([1, 2, 3, 4, 6, 8, 12, 16, 24, 32])
    noise = np.exp(0.01 * np.sin(17.0 * lags))
    assert fitted_decay(lags, noise * np.exp(-lags / 7)).startswith(
        "exponential, τ = 7"
    )
    power = fitted_decay(lags, noise * (1.0 + lags) ** -0.8)
    assert power.startswith("power law, β = 0.8")


def test_an_envelope_that_has_gone_to_zero_is_fitted_where_it_is_there():
    lags = np.arange(1, 12)
    f = np.where(lags < 9, np.exp(-lags / 2), 0.0)
    assert "exponential" in fitted_decay(lags, f)


def test_too_few_lags_say_why_there_is_no_fit():
    assert fitted_decay([1, 2, 3], [0.5, 0.2, 0.1]).startswith("no fit: ")
    assert fitted_decay(np.arange(1, 9), np.zeros(8)).startswith("no fit: ")


def test_no_runs_are_refused():
    with pytest.raises(ValueError, match="no runs"):
        table({}, BUDGETS)


def test_numbers_keep_their_size():
    assert number(1e6) == "1,000,000"
    assert number(2.5) == "2.5"
    assert short(0.00012345) == "0.000123"
    assert short(-1e-300) == "-1e-300"
    assert short(123456.7) == "123,457"
