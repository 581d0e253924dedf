"""Time scales of units against closed forms; the command at a small size."""

import numpy as np
import pytest
import torch

from experiments.cli import main
from experiments.spectra import cli, tails, trainings
from experiments.spectra.trainings import (
    CONDITIONS,
    LAGS,
    Training,
    plan,
    recipe_of,
    task_of,
    unit_scales,
)
from learnability.cells import DiagGate


def test_a_gate_that_stands_still_has_its_own_time_scale():
    """The fastest unit's 0.01^l underflows from lag 20 on: there is no floor."""
    s = torch.tensor([0.005, 0.02, 0.5, 0.99])
    cell = DiagGate(2, 4, layernorm=False, seed=0)
    with torch.no_grad():
        for weight in cell.parameters():
            weight.zero_()
        cell.b_s.copy_(torch.logit(s))
    x = torch.randn(3, 120, 2, generator=torch.Generator().manual_seed(0))
    found = unit_scales(cell, x)
    np.testing.assert_allclose(found, -1 / np.log1p(-s.double().numpy()), rtol=1e-4)


def test_conditions_differ_in_one_thing():
    plain, noise, clipped, heavy = (Training(name, 16, 3) for name in CONDITIONS)
    assert task_of(plain) == task_of(noise) == task_of(clipped) != task_of(heavy)
    assert recipe_of(plain) == recipe_of(heavy)
    assert recipe_of(noise).noise == recipe_of(clipped).noise is not None
    assert recipe_of(noise).clip is None is recipe_of(plain).noise
    lags = task_of(heavy).lags
    assert len(lags) == 16
    assert 2 <= min(lags) < max(lags) <= 160
    assert lags != task_of(Training("heavy lags", 16, 4)).lags
    assert max(LAGS) < task_of(plain).steps


def test_trainings_are_kept_and_their_tables_pool_the_seeds(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(trainings, "EPOCHS", 1)
    monkeypatch.setattr(trainings, "TAKEN", (0, 1))
    monkeypatch.setattr(cli, "EPOCHS", 1)
    monkeypatch.setattr(cli, "TAKEN", (0, 1))
    monkeypatch.setattr(tails, "RESAMPLES", 100)
    words = ["spectra", "-o", str(tmp_path), "--units", "16", "--seeds", "0", "1"]
    with pytest.raises(SystemExit):
        main([*words, "--score"])
    assert "holds no such trainings" in capsys.readouterr().err
    main(words)
    printed = capsys.readouterr().out.partition("After")[2]
    files = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert len(files) == 2 * len(CONDITIONS)
    main(words)
    assert capsys.readouterr().out.partition("After")[2] == printed
    assert files == {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    found = list(trainings.kept(tmp_path, plan([16], [0, 1])))
    last, way = cli.tables(found).values()
    assert set(last["seeds"]) == {"2 of 2"}
    assert len(way) == 2 * len(CONDITIONS)
    start = way.query("epoch == 0")
    assert set(start["phase"]) == {"collapsed"}  # every gate starts at 0.02
    assert start["50%"].to_numpy() == pytest.approx(-1 / np.log1p(-0.02), rel=0.1)
    assert start["50%"].iloc[0] == pytest.approx(
        np.median([s for r in found[::4] for s in r["scales"]["0"]])
    )


def test_what_has_diverged_is_no_line_of_later_epochs():
    record = {"scales": {"0": [50.0] * 40}, "r2": 0.5}
    assert cli.row("noise", 40, [record], 25) == {
        "condition": "noise",
        "units": 40,
        "epoch": 25,
        "seeds": "0 of 1",
    }
    record["scales"]["0"][:2] = [float("inf"), float("nan")]
    line = cli.row("noise", 40, [record], 0)
    assert line["lost"] == 2
    assert line["phase"] == "collapsed"
