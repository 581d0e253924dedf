"""All files of reference numbers hold, and a changed number is noticed."""

from pathlib import Path

import numpy as np
import pytest

from tests.golden import compare, main

DATA = Path(__file__).parent / "golden_data"
FILES = sorted(DATA.glob("*.npz"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_file_holds(path):
    broken = [row for row in compare(str(path)) if not row.holds]
    assert not broken


def changed(source: Path, target: Path, key: str, **options) -> Path:
    with np.load(source) as stored:
        file = dict(stored)
    value = np.array(file[key], dtype=float)
    place = np.nanargmax(np.abs(value))
    value.flat[place] *= 1 + options.get("by", 1e-6)
    np.savez(target, **(file | {key: value}))
    return target


@pytest.mark.parametrize(
    ("source", "key", "by"),
    [
        ("exact_gru_layernorm", "psi_imm", 1e-6),
        ("exact_lstm", "m_diag", 1e-6),
        ("exact_const", "directional_derivative", 1e-6),
        ("exact_diag", "grad/U_s", 1e-6),
        ("livi2025_lstm", "step/cdiag", 1e-6),
        ("livi2025_shared", "envelope_window/5", 1e-6),
        ("livi2025_estimators", "mcculloch/1.5", 1e-2),
    ],
)
def test_changed_number_fails(tmp_path, capsys, source, key, by):
    path = changed(DATA / f"{source}.npz", tmp_path / "changed.npz", key, by=by)
    assert main([str(path)]) == 1
    assert "FAILED" in capsys.readouterr().out


def test_unreadable_files_end_in_one_line(tmp_path, capsys):
    (tmp_path / "text.npz").write_text("no numbers")
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    (tmp_path / "cut.npz").write_bytes(FILES[0].read_bytes()[:2000])
    for name in ("text.npz", "other.npz", "cut.npz", "missing.npz"):
        assert main([str(tmp_path / name)]) == 2
        assert capsys.readouterr().err.count("\n") == 1
