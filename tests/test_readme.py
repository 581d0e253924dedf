"""The README's Python runs as printed, and its commands exist."""

import contextlib
import io
import re
from pathlib import Path

import learnability as lw
from learnability.study import Settings

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_ten_lines_run(tmp_path):
    (code,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    printed = io.StringIO()
    with contextlib.chdir(tmp_path), contextlib.redirect_stdout(printed):
        exec(compile(code, "README.md", "exec"), {})
        assert lw.LayerDiagnosis.load("gru.nc").window([10, 100, 1000]).shape == (3, 5)
    assert "resolved" in printed.getvalue()


def test_the_sizes_of_quick_are_those_of_its_file():
    from learnability.study import load_settings

    quick: Settings = load_settings("quick")
    words = " ".join(README.split())
    lags = ", ".join(str(lag) for lag in quick.task.lags[:-1])
    for said in (
        f"{quick.networks[0].units} units",
        f"{quick.training_sequences:,} sequences of {quick.task.steps} steps",
        f"{lags} and {quick.task.lags[-1]} steps ago",
        ", ".join(f"{c:g}" for c in quick.task.coefficients),
        f"deviation {quick.task.noise:g}",
        f"{quick.recipe.epochs} epochs",
        f"{quick.diagnosis_sequences} fresh sequences",
        f"{len(quick.lags)} lags up to {quick.lags[-1]}",
    ):
        assert said in words


def test_every_public_name_is_on_the_first_page():
    for name in lw.__all__:
        assert hasattr(lw, name)
    assert sorted(lw.__all__) == sorted(set(lw.__all__))
