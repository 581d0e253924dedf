"""Examples run, trained for an epoch, and draw what they say."""

import importlib.util
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["digits", "co2"])
def test_examples_run(name, tmp_path, monkeypatch, capsys):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    monkeypatch.setattr(example, "EPOCHS", 1)
    monkeypatch.chdir(tmp_path)
    example.main()
    assert (tmp_path / f"{name}.png").stat().st_size > 10_000
    assert f"{name}.png" in capsys.readouterr().out
