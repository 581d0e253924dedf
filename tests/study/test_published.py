"""The published programme's folders: its own columns in, its numbers out."""

import numpy as np
import pandas as pd
import pytest

from learnability import plots
from learnability.summaries import Published, laid_over, summed
from learnability.summaries.published import read_published
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
    for alone in (folder, str(folder)):
        pd.testing.assert_frame_equal(read_published(alone).lags, found.lags)
    rows = found.windows.query("architecture == 'GRU' and method == 'koutrouvelis'")
    assert rows.set_index(["seed", "n_sequences"])["window"].to_dict() == {
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


def test_files_of_march_are_read_and_what_is_left_out_is_said(tmp_path):
    place = tmp_path / "seed_212" / "gru"
    place.mkdir(parents=True)
    (place / "gru_summary.csv").write_text(
        "ell,mu_l1_mean,alpha_hat,sigma_alpha_hat,N_required_at_eps,best_snr,"
        "mbar_scalar,n_samples\n4,0.5,1.5,2.0,100,3,0.1,5000\n8,0.2,1.5,3.0,-1,1,0.1,900\n"
    )
    found = read_published(tmp_path)
    assert found.lags["sigma"].tolist() == [2.0, 3.0]
    assert found.lags["needed"].tolist() == [100, np.inf]
    counted, left = found.notes
    assert "time points" in counted
    assert left == "Columns of the published runs that were left out: best_snr."


def with_evidence(run, **values):
    """Give a diagnosis its evidence, one number per lag, and psi drawn at random."""
    group = run.tree["evidence"].to_dataset()
    lags = group["lag"].size
    psi = np.random.default_rng(0).standard_normal((lags, 60))
    columns = {n: ("lag", np.broadcast_to(v, lags)) for n, v in values.items()}
    run.tree["evidence"].dataset = group.assign(columns).assign(
        psi=(("lag", "sequence"), psi)
    )
    return run


@pytest.fixture(scope="module")
def ours():
    """What one of our runs found, with evidence drawn at random."""
    sizes = {"location": 0.3, "location_lower": 0.1, "location_upper": 0.5}
    run = diagnosis(lags=(1, 2, 3, 4, 6, 8, 12, 16))
    return summed({"GRU": [with_evidence(run, sigma=2.0, **sizes).tree]})


def test_published_runs_lie_over_ours(folder, ours):
    both = laid_over(ours, read_published([folder]))
    theirs = both.windows["GRU, published (koutrouvelis)"]
    assert theirs.loc[100.0, "mean"] == 12
    assert both.envelopes["GRU, published"]["mean"].tolist() == pytest.approx(
        [1, 0.5, 0.25]
    )
    assert both.laws["GRU, published"]["log_noise"].iloc[0] == pytest.approx(np.log(20))
    with plots.theme("light"):
        for picture in plots.pictures(both):
            picture.draw()


def test_published_runs_lie_on_the_axes_that_ours_lie_on():
    """The same numbers, written by them and found by us, are the same points."""
    lags, f = (1, 2, 4), np.array([1.0, 0.5, 0.2])
    alpha, sigma, location = np.array([[1.3, 1.6, 2.0], [3, 2, 1], [0.3, 0.2, 0.1]])
    ends = {"location_lower": location / 2, "location_upper": location * 2}
    found = {"alpha": alpha, "sigma": sigma, "location": location, **ends}
    ours = [
        with_evidence(diagnosis(lags=lags, f=f**factor), **found)
        for factor in (1.0, 3.0)
    ]
    rows = [
        pd.DataFrame({"lag": lags, "envelope": f**factor, "seed": factor})
        .assign(alpha=alpha, sigma=sigma, signal=location, architecture="GRU")
        .iloc[::-1]  # in whatever order
        for factor in (1.0, 3.0)
    ]
    mine = summed({"GRU": [run.tree for run in ours]})
    both = laid_over(mine, Published(pd.DataFrame(), pd.concat(rows)))
    order = ["attenuation", "log_noise"]
    theirs = both.laws["GRU, published"].sort_values(order, ignore_index=True)
    expected = mine.laws["GRU"].sort_values(order, ignore_index=True)
    pd.testing.assert_frame_equal(
        theirs.sort_index(axis=1), expected.sort_index(axis=1)
    )
    band = ["mean", "lower", "upper"]
    envelopes = both.envelopes["GRU, published"][band]
    pd.testing.assert_frame_equal(envelopes, mine.envelopes["GRU"][band])


def test_other_folders_get_one_sentence(tmp_path):
    with pytest.raises(ValueError, match="holds no results of the published"):
        read_published([tmp_path])
    for empty in ([""], ""):
        with pytest.raises(ValueError, match="an empty path names no folder"):
            read_published(empty)
    (tmp_path / "seed_x").mkdir()
    (tmp_path / "seed_x/H_N_summary.csv").write_text("N,H_N_gru\n1,2\n")
    with pytest.raises(ValueError, match="seed_x names no seed"):
        read_published([tmp_path])


WINDOWS, LAG_ROWS = "seed_212/H_N_summary.csv", "seed_212/gru/gru_summary.csv"
DAMAGE = [
    (WINDOWS, b"", "No columns to parse"),
    (WINDOWS, bytes(range(256)), "cannot be read as CSV"),
    (WINDOWS, "N,H_N_gru\n25,4\n".encode("utf-16"), "cannot be read as CSV"),
    (WINDOWS, b"a,b\n1,2\n", "has no column 'N'"),
    (WINDOWS, b"N,a\n1,2\n", "has no column H_N_MODEL"),
    (WINDOWS, b"N,H_N_gru\n", "holds no rows"),
    (WINDOWS, b"N,H_N_gru\nx,3\n", "'x' in column 'N', which is no number"),
    (WINDOWS, b"N,H_N_gru\nnan,3\n", "nan in column 'N', which is no positive number"),
    (WINDOWS, b"N,H_N_gru\ninf,3\n", "inf in column 'N', which is no positive number"),
    (WINDOWS, b"N,H_N_gru\n5,3\n5,4\n", "5 in column 'N', which appears twice"),
    (WINDOWS, b"N,H_N_gru\n5,abc\n", "'abc' in column 'H_N_gru', which is no number"),
    (WINDOWS, b"N,H_N_gru\n5,-3\n", "'-3' in column 'H_N_gru', which is negative"),
    # More fields than heads: pandas would make a window of N's column.
    (WINDOWS, b"N,H_N_gru\n25,4,7\n", "Length of header"),
    (LAG_ROWS, b"ell\n1.5\n", "1.5 in column 'ell', which is no whole number"),
    (LAG_ROWS, b"ell\n1e300\n", r"1e.300 in column 'ell', which is no whole number"),
    (LAG_ROWS, b"ell,mu_l1_mean\n4,?\n", "'.' in column 'mu_l1_mean', which is no num"),
    (LAG_ROWS, b"ell,sigma_hat\n4,-1\n", "'-1' in column 'sigma_hat', which is neg"),
]


@pytest.mark.parametrize(("name", "content", "message"), DAMAGE)
def test_damaged_files_are_named_with_their_column(folder, name, content, message):
    (folder / name).write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        read_published([folder])
    assert str(folder / name) in str(caught.value)
    remedies = ("leave it out", "it is no file of the published programme")
    assert str(caught.value).endswith(remedies)


def test_what_was_not_computed_is_no_damage(folder, ours):
    (folder / WINDOWS).write_text("N,H_N_gru\n25,\n100,nan\n")
    rows = "4,,2,inf,0.1\n8,0,1,inf,0\n16,inf,inf,0,-1\n"
    (folder / LAG_ROWS).write_text(
        f"ell,mu_l1_mean,alpha_hat,sigma_hat,mbar_scalar\n{rows}"
    )
    both = laid_over(ours, read_published([folder]))
    assert "GRU, published" not in both.windows
    assert len(both.laws["GRU, published"]) == len(LAGS)  # those of the other seed
    with plots.theme("light"):
        for picture in plots.pictures(both):
            picture.draw()


def test_two_files_that_contradict_one_another_are_not_averaged(folder, tmp_path):
    other = tmp_path / "other"
    write(other, 212, 1.0)
    write(other, 7, 1.0)
    both = read_published([folder, other])
    assert len(both.lags) == len(read_published([folder]).lags) + 2 * len(LAGS)
    write(other / "more", 212, 5.0)
    with pytest.raises(ValueError, match="seed 212 of GRU stands in two files"):
        read_published([folder, other / "more"])
