"""Sentences of advice: numbers in, the same numbers out."""

import numpy as np
import pytest
import xarray as xr

from learnability.detection import decay
from learnability.diagnosis import LayerDiagnosis
from learnability.diagnosis.advice import advice, price
from learnability.summaries.windows import NONE_FOUND, OWN


def diagnosis(needed, lower, upper, f=None, strength=0.5, sample=5000):
    """Give a diagnosis with a dependency of one strength at every lag."""
    lags = [1, 2, 4, 8, 16, 32, 64, 128][-len(needed) :]
    f = np.exp(-np.array(lags) / 17.0) if f is None else f(np.array(lags))
    there = strength > 0
    own = {"own": needed, "own_lower": lower, "own_upper": upper}
    detection = xr.Dataset(
        {
            "needed": ("lag", needed),
            "lower": ("lag", lower),
            "upper": ("lag", upper),
            **{k: ("lag", np.where(there, v, np.nan)) for k, v in own.items()},
            "kappa": ("lag", np.full(len(lags), 2.0)),
        },
        coords={"lag": lags},
        attrs={"effect_size": strength, "left": 9e-6},
    )
    dependence = xr.Dataset(
        {
            "found": ("lag", np.array([False] + [strength > 0] * len(lags))),
            "smallest": ("lag", np.full(len(lags) + 1, 0.12)),
        },
        coords={"lag": [0, *lags]},
    )
    envelope = xr.Dataset(
        {"normalised": (("order", "lag"), f[None])},
        coords={"order": ["exact"], "lag": lags},
    )
    root = xr.Dataset(attrs={"sequences": 5000, "sample": sample})
    groups = {"/": root, "detection": detection, "envelope": envelope}
    groups["dependence"] = dependence
    return LayerDiagnosis(xr.DataTree.from_dict(groups))


NEEDED = [1.0, 2, 3, 5, 10, 100, 1000, 39_871]
LOWER = [0.5, 1, 2, 4, 8, 80, 900, 27_143]
UPPER = [2.0, 3, 4, 8, 20, 140, 1500, 61_320]


def test_the_first_lag_that_needs_more():
    samples, _ = advice(diagnosis(NEEDED, LOWER, UPPER))
    assert samples == (
        "the dependency at lag 128 needs about 40,000 sequences (27,000 to 61,000); "
        "you gave 5,000."
    )
    samples, _ = advice(diagnosis(NEEDED, LOWER, UPPER), sequences=50)
    assert "at lag 32 needs about 100 sequences (80 to 140)" in samples
    samples, _ = advice(diagnosis(NEEDED, LOWER, UPPER), sequences=1e6)
    assert samples == (
        "1,000,000 sequences show every dependency that was found, the farthest at lag "
        "128."
    )


def test_what_is_not_resolved_says_so():
    needed, upper = [*NEEDED[:-1], np.inf], [*UPPER[:-1], np.inf]
    samples, _ = advice(diagnosis(needed, LOWER, upper))
    assert "lag 128 is not resolved" in samples
    assert "at least 27,000" in samples
    assert "diagnose more sequences" in samples
    samples, _ = advice(diagnosis(needed, LOWER, upper, sample=256))
    assert "256 sequences do not tell" in samples
    assert (
        "you gave 5,000: look at more with DiagnosisOptions(sequences=...)" in samples
    )
    lower = [*LOWER[:-1], np.inf]
    samples, _ = advice(diagnosis(needed, lower, upper))
    assert "at least" not in samples


def test_no_dependency_is_no_window():
    none = [np.inf] * 8
    samples, _ = advice(diagnosis(none, none, none, strength=0.0))
    assert samples.startswith("no dependency was found at 9 lags (one of 0.12 of the ")
    assert "would not have gone unseen in these 5,000 sequences" in samples


def test_what_is_learnt_has_no_samples_needed():
    nothing = [np.nan] * 8
    learnt = diagnosis(nothing, nothing, nothing)
    samples, _ = advice(learnt)
    assert samples.startswith("learnt: the error that is left is 0.003 of what")
    assert learnt.window([10, 100]).isna().all(axis=None)


def test_the_needed_window_is_of_the_dependencies_that_are_there():
    one = diagnosis(NEEDED, LOWER, UPPER)
    need = one.tree["detection"]
    for name in OWN:
        need[name][[0, 2, 6]] = np.nan  # none at lags 1, 4 and 64
    table = one.needed_window([1, 5, 100, 1e6])
    assert table["window"].tolist() == [0, 8, 32, 128]
    assert table["lower"].tolist() == [0, 2, 16, 128]  # as 140 are needed at lag 32
    assert table["upper"].tolist() == [2, 8, 32, 128]
    assert (table["farthest"] == 128).all()
    for name in OWN:
        need[name][:] = np.nan
    none = one.needed_window([5])
    assert none.isna().all(axis=None)
    assert none.attrs["why"] == NONE_FOUND


def test_the_envelope_is_priced():
    _, decays = advice(diagnosis(NEEDED, LOWER, UPPER))
    assert "exponential with tau 17: twice the sequences buy 5.89 steps" in decays
    _, decays = advice(diagnosis(NEEDED, LOWER, UPPER, lambda lag: (1 + lag) ** -0.8))
    assert "power law with beta 0.8: twice the sequences make the window" in decays
    assert f"{2 ** (1 / 1.6):.3g} times as long" in decays


@pytest.mark.parametrize("kappa", [2.0, 3.0])
@pytest.mark.parametrize(
    "family",
    [
        decay.Exponential(tau=17.0),
        decay.TruncatedPower(beta=0.5, tau=20.0),
        decay.Stretched(g=0.7, tau=9.0),
    ],
)
def test_the_price_is_the_windows_own_slope(family, kappa):
    """Of twice the sequences, by the family's own closed form."""
    alpha, at = kappa / (kappa - 1), 128.0
    level = float(family.value(at))
    from learnability.detection.decay import noise_level

    samples = float((noise_level(1.0, alpha) / level) ** kappa)
    step = 1e-4
    ends = [float(family.window(samples * np.exp(d), alpha)) for d in (-step, step)]
    said = price(family, kappa, np.array([1.0, at]))
    expected = f"buy {np.log(2) * (ends[1] - ends[0]) / (2 * step):.3g} steps"
    assert expected in said


def test_few_lags_have_no_decay():
    _, decays = advice(diagnosis(NEEDED[-3:], LOWER[-3:], UPPER[-3:]))
    assert decays.startswith("the envelope was measured at 3 lags")


def test_nothing_trains_nothing():
    with pytest.raises(ValueError, match="train nothing"):
        advice(diagnosis(NEEDED, LOWER, UPPER), sequences=0)
