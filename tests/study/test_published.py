"""The published programme's folders: its own columns in, its numbers out."""

import numpy as np
import pytest

from learnability.report.across import summed
from learnability.report.overlay import overlaid
from learnability.report.pictures import pictures_overlaid
from learnability.study.published import read_published
from tests.plots.records import diagnosis

LAGS = (4, 8, 16)


def write(folder, seed: int, factor: float) -> None:
    """Write what the programme writes for one seed and two models."""
    place = folder / f"seed_{seed}"
    place.mkdir(parents=True)
    (place / "H_N_summary.csv").write_text(
        f"N,H_N_gru_ecf,H_N_gru_mcc,H_N_const\n25,4,0,8\n100,{8 * factor:g},4,16\n"
    )
    for model in ("gru", "const"):
        (place / model).mkdir()
        rows = [
            f"{lag},{factor / lag},1.5,1.4,1.5,2.0,0.1,{lag * 10},inf" for lag in LAGS
        ]
        head = (
            "ell,mu_l1_mean,alpha_ecf,alpha_mcc,alpha_hat,sigma_hat,mbar_scalar,"
            "N_required_ecf,N_required_mcc"
        )
        text = "\n".join([head, *rows]) + "\n"
        (place / model / f"{model}_summary.csv").write_text(text)


@pytest.fixture
def folder(tmp_path):
    for seed, factor in ((212, 1.0), (1001, 2.0)):
        write(tmp_path, seed, factor)
    return tmp_path


def test_every_number_keeps_its_place(folder):
    found = read_published([folder])
    rows = found.windows.query("architecture == 'GRU' and method == 'koutrouvelis'")
    assert rows.set_index(["seed", "budget"])["window"].to_dict() == {
        (212, 25.0): 4,
        (212, 100.0): 8,
        (1001, 25.0): 4,
        (1001, 100.0): 16,
    }
    assert set(found.windows["method"]) == {"", "koutrouvelis", "mcculloch"}
    gru = found.lags.query("architecture == 'GRU' and seed == 1001").set_index("lag")
    assert gru.loc[8, "envelope"] == 0.25
    assert gru.loc[16, "needed_koutrouvelis"] == 160
    assert np.isinf(gru.loc[4, "needed_mcculloch"])


def test_published_runs_lie_over_ours(folder):
    lags = (1, 2, 3, 4, 6, 8, 12, 16)
    ours = diagnosis(lags=lags)
    group = ours.tree["evidence"].to_dataset()
    random = np.random.default_rng(0)
    sizes = {
        "sigma": 2.0,
        "location": 0.3,
        "location_lower": 0.1,
        "location_upper": 0.5,
    }
    group = group.assign({n: ("lag", np.full(len(lags), v)) for n, v in sizes.items()})
    psi = random.standard_normal((len(lags), 60))
    ours.tree["evidence"].dataset = group.assign(psi=(("lag", "sequence"), psi))
    both = overlaid(summed({"GRU": [ours]}), read_published([folder]))
    theirs = both.windows["GRU, published (koutrouvelis)"]
    assert theirs.loc[100.0, "mean"] == 12
    assert both.envelopes["GRU, published"]["mean"].tolist() == pytest.approx(
        [1, 0.5, 0.25]
    )
    assert both.laws["GRU, published"]["log_noise"].iloc[0] == pytest.approx(np.log(20))
    figures = pictures_overlaid(both)
    assert len(figures) == 4
    assert "GRU, published" in figures[0]


def test_other_folders_get_one_sentence(tmp_path):
    with pytest.raises(ValueError, match="holds no results of the published"):
        read_published([tmp_path])
    (tmp_path / "seed_1").mkdir()
    (tmp_path / "seed_1/H_N_summary.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="has no column 'N'"):
        read_published([tmp_path])
