"""The demonstration shows what it says: one start learns nothing, the other all."""

import pytest
import torch

from learnability import demo
from learnability.cli.app import main


def test_one_token_lies_at_one_of_three_lags():
    x, token = demo.draw(300, seed=0)
    place = x[..., :-1].sum(-1).argmax(1)
    assert torch.equal(x[torch.arange(300), place].argmax(-1), token)
    assert set((demo.STEPS - 1 - place).tolist()) == set(demo.LAGS)
    assert float(x[..., :-1].sum()) == 300


def test_a_model_is_made_again_from_its_seed():
    first, again = demo.model(seed=3), demo.model(seed=3)
    for one, other in zip(first.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.slow
def test_one_start_learns_nothing_and_the_line_that_is_advised_all(tmp_path, capsys):
    main(["demo", "--seeds", "0", "--output", str(tmp_path)])
    printed = " ".join(capsys.readouterr().out.split())
    assert printed.count("vanishes") >= len(demo.LAGS)
    assert printed.count("learnt") >= len(demo.LAGS)
    line = f"gate_bias({demo.LAGS[-1]}, units={demo.UNITS}, n_sequences=1024)"
    assert line in printed
    said = printed.partition("With the ordinary start")[2]
    assert "the diagnosis says: vanishes" in said
    assert "names 100%" in said
    assert (tmp_path / "demo.png").stat().st_size > 10_000
    assert "One LSTM, one task, two starts" in (tmp_path / "report.html").read_text()
