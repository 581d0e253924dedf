"""Bars of a diagnosis: shown on request, gone at the end, and nothing else."""

import pytest
import torch

import learnability as lw
from learnability.diagnosis.bars import shown


def test_a_diagnosis_shows_bars_only_where_it_is_asked_to(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")  # a terminal, to whoever asks
    monkeypatch.setenv("TERM", "xterm")
    gru = torch.nn.GRU(2, 4, batch_first=True)
    x = torch.randn(32, 12, 2, generator=torch.Generator().manual_seed(0))

    def loss(outputs, targets):
        return ((outputs[0].sum(dim=-1) - targets) ** 2).mean()

    data = x, x[..., 0].roll(2, 1)
    lw.diagnose(gru, data, loss, [1, 2])
    assert capsys.readouterr().err == ""
    lw.diagnose(gru, data, loss, [1, 2], progress=True)
    said = capsys.readouterr()
    assert "envelope" in said.err
    assert "verdict" in said.err
    assert said.out == ""


@pytest.mark.parametrize("nothing", [None, False])
def test_nothing_is_shown_unless_asked(nothing, capsys):
    with shown(nothing) as tell:
        tell("envelope", 1.0)
    assert capsys.readouterr().err == ""
