"""The command line: its output, its sentences, its exit codes."""

import contextlib
import io
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
import torch

from learnability.cli import main
from learnability.report import COMPARED
from learnability.study import Store, load_settings
from learnability.study.store import part_of
from tests.study.small import small_settings


@dataclass
class Ended:
    """What a call left behind."""

    returncode: int
    stdout: str
    stderr: str


def call(
    *words: str,
    cwd: Path | None = None,
    command: Callable[[list[str]], None] = main,
) -> Ended:
    """Run a command line in this process, as a fresh one takes seconds to import."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    captured = contextlib.redirect_stdout(out), contextlib.redirect_stderr(err)
    with contextlib.chdir(cwd or Path.cwd()), captured[0], captured[1]:
        try:
            command(list(words))
        except SystemExit as stop:
            code = int(stop.code or 0)
    return Ended(code, out.getvalue(), err.getvalue())


def test_a_process_ends_in_the_same_way():
    command = [sys.executable, "-m", "learnability", "run", "fast"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "there is no preset 'fast'" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.fixture(scope="module")
def study(finished, tmp_path_factory):
    """A folder in which the small study was run, and what the command said."""
    folder = tmp_path_factory.mktemp("study")
    shutil.copytree(finished[0], folder, dirs_exist_ok=True)
    return folder, finished[1]


PAIR = ["SharedGate", "GRU"]


@pytest.fixture(scope="module")
def pair(study, tmp_path_factory):
    """A folder with two networks of the study, where more of them tell no more."""
    folder, whole = tmp_path_factory.mktemp("pair"), Store(study[0] / "runs/small")
    two = part_of(whole.load_settings(), PAIR, None)
    for run in two.runs():
        kept = Store(folder / "runs/small").run(run).path
        shutil.copytree(whole.run(run).path, kept)
    (folder / "small.toml").write_text(two.to_toml())
    done = call("run", "small.toml", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_run_ends_with_table_and_report(study):
    folder, output = study
    for cell in ("ConstGate", "SharedGate", "DiagGate", "GRU", "LSTM"):
        assert cell in output
    assert len(list((folder / "runs/small/runs").glob("*/fit.nc"))) == 5
    assert "small: 5 of 5 runs to do, each 2 epochs of 32 sequences" in output
    assert "training: done in" in output
    assert "runs/small/report.html" in output
    answer = output.index("With 1,000 sequences")
    table, end = output.index("what stops the rest"), output.rindex("report: ")
    assert answer < table < end
    (head,) = [line for line in output.splitlines() if "what stops the rest" in line]
    assert head.count("┃") == 6  # five columns
    made = {p.name for p in (folder / "runs/small").iterdir()}
    assert {"report.html", "table.csv", "settings.toml", "figures"} <= made
    figures = {p.name for p in (folder / "runs/small/figures").iterdir()}
    assert {"answer.png", "windows.png", "noise_floor.png"} <= figures
    assert not list((folder / "runs").rglob("*.tmp"))
    log = (folder / "runs/small/log.jsonl").read_text().splitlines()
    assert sum('"finish"' in line for line in log) == 5


def test_report_and_figures_are_the_same_each_time(pair):
    folder = pair[0] / "runs/small"
    made = [folder / "report.html", *folder.glob("*.csv"), *folder.glob("figures/*")]
    assert {path.suffix for path in made} == {".csv", ".html", ".png"}
    before = [path.read_bytes() for path in made]
    for path in made:
        path.unlink()
    done = call("report", "runs/small", cwd=pair[0])
    assert done.returncode == 0, done.stderr
    assert [path.read_bytes() for path in made] == before
    assert "SharedGate" in (folder / "table.csv").read_text()
    assert "GRU" in (folder / "index.csv").read_text()


def test_results_can_be_listed_shown_compared_and_exported(pair, monkeypatch):
    folder, _ = pair
    monkeypatch.delenv("COLUMNS", raising=False)  # pytest-xdist says 80
    listed = call("list", cwd=folder)
    assert "2 of 2" in listed.stdout
    shown = call("show", "runs/small", cwd=folder)
    assert shown.returncode == 0, shown.stderr
    assert "SharedGate" in shown.stdout
    assert "runs/" in shown.stdout
    compared = call("compare", "runs/small", "runs/small", cwd=folder)
    assert compared.returncode == 0, compared.stderr
    assert compared.stdout.startswith("With ")
    assert "kept (A; B)" in compared.stdout
    for kind, name in (("csv", "lags.csv"), ("netcdf", "results.nc")):
        done = call("export", "runs/small", "--format", kind, cwd=folder)
        assert done.returncode == 0, done.stderr
        assert (folder / "runs/small" / name).stat().st_size > 1000
    for ending, begins in (
        (".CSV", b"study,run"),
        (".parquet", b"PAR1"),
        (".nc", b"\x89HDF"),
    ):
        out = folder / f"out{ending}"
        done = call("export", "runs/small", "--output", str(out), cwd=folder)
        assert done.returncode == 0, done.stderr
        assert out.read_bytes().startswith(begins)
        out.unlink()


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("", "an empty path names no place"),
        (".", "is a folder; name a file in it"),
        ("runs", "is a folder; name a file in it"),
        ("/dev/null", "is a device and no file; name a file"),
        ("small.toml/x", "cannot be written"),
        ("x" * 300, "File name too long"),
        ("foo://x", "foo://x cannot be reached"),
    ],
)
def test_output_that_is_no_file_is_refused_before_the_work(study, place, message):
    folder, _ = study
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*")}
    two = ["runs/small", "runs/small"]
    for words in (["export", "runs/small"], ["report", *two]):
        done = call(*words, "--output", place, cwd=folder)
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
        assert message in done.stderr
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("*")} == before
    assert Path("/dev/null").is_char_device()


def test_a_width_that_no_figure_has_is_refused_before_the_work(study):
    folder, _ = study
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*")}
    words = ["report", "runs/small", "--format", "pdf", "--width", "0"]
    check_wrong_call(call(*words, cwd=folder), "cannot be 0 inches wide")
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("*")} == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["export", "runs/small", "-o", "a.xlsx"], ".csv or .parquet or .nc"),
        (["export", "runs/small", "-o", "a"], ".csv or .parquet or .nc"),
        (["export", "runs/small", "-o", "memory://a.xlsx"], ".csv or .parquet or .nc"),
        (["export", "runs/small", "-o", "a.nc", "--format", "csv"], "end in .csv,"),
        (["export", "runs/small", "-o", "a.nc", "--records", "lags"], "--records is"),
        (["report", "runs/small", "runs/small", "-o", "a.pdf"], ".html or .htm"),
    ],
)
def test_a_file_ends_in_what_is_written(study, words, message):
    folder, _ = study
    done = call(*words, cwd=folder)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert message in done.stderr
    assert not list(folder.glob("a*"))


def test_two_studies_give_one_page(pair):
    folder, _ = pair
    done = call("report", "runs/small", "runs/small", cwd=folder)
    assert done.returncode == 0, done.stderr
    text = (folder / "runs/small/comparison.html").read_text()
    assert "A is small, B is small" in text
    assert "A: GRU" in text
    assert "B less A" in text


@pytest.fixture
def again(pair, tmp_path):
    """A copy of those two networks, which may be changed."""
    shutil.copytree(pair[0], tmp_path / "again")
    return tmp_path / "again"


def test_a_part_of_a_study_leaves_the_whole(again):
    folder = again / "runs/small"
    names = ["settings.toml", "table.csv", "report.html", "index.csv"]
    before = [(folder / name).read_bytes() for name in names]
    done = call("run", "small.toml", "--cells", "GRU", cwd=again)
    assert done.returncode == 0, done.stderr
    assert "holds a study of 2 runs: table and report show all of them" in done.stdout
    assert [(folder / name).read_bytes() for name in names] == before


def test_where_other_parts_are_missing_the_part_alone_is_shown(again):
    folder = again / "runs/small"
    settings = (folder / "settings.toml").read_bytes()
    store = Store(folder)
    store.run(store.load_settings().runs()[0]).file("fit.nc").unlink()
    done = call("run", "small.toml", "--cells", "GRU", cwd=again)
    assert done.returncode == 0, done.stderr
    assert "2 runs, 1 of them still missing: table and report show" in done.stdout
    assert pd.read_csv(folder / "table.csv")["cell"].tolist() == ["GRU"]
    assert (folder / "settings.toml").read_bytes() == settings


def test_a_part_of_a_study_grows_to_the_whole(again):
    folder = again / "runs/small"
    whole = load_settings(str(again / "small.toml"))
    (folder / "settings.toml").unlink()
    Store(folder).begin(part_of(whole, ["GRU"], None))
    done = call("run", "small.toml", cwd=again)
    assert done.returncode == 0, done.stderr
    assert set(Store(folder).load_settings().runs()) == set(whole.runs())
    assert "held the study" not in done.stdout
    assert len(pd.read_csv(folder / "table.csv")) == len(whole.runs())


def test_a_study_that_is_replaced_is_said_to_be(again):
    words = ["run", "small.toml", "--cells", "GRU", "--n-sequences", "50"]
    done = call(*words, cwd=again)
    assert done.returncode == 0, done.stderr
    said = (
        "runs/small held the study with other n_sequences; settings, table and report"
    )
    assert said in done.stdout
    table = pd.read_csv(again / "runs/small/table.csv")
    assert set(table["cell"]) == {"GRU"}


@pytest.mark.parametrize("words", [[], ["--workers", "2"]])
def test_threads_are_those_asked_for(tmp_path, monkeypatch, words):
    seen, before = [], torch.get_num_threads()

    def stop(settings, store, watcher, *, pool, loggers):
        seen.append(torch.get_num_threads() if pool is None else pool.threads)
        raise ValueError("far enough")

    monkeypatch.setattr("learnability.cli.study.run_study", stop)
    for asked in ([], ["--threads", "3"]):
        call("run", "quick", *words, *asked, cwd=tmp_path)
    assert seen == [max(1, before // 2) if words else before, 3]
    assert torch.get_num_threads() == before


def test_dry_run_says_what_is_to_do_and_stops(tmp_path):
    (tmp_path / "small.toml").write_text(small_settings().to_toml())
    done = call("run", "small.toml", "--dry-run", "--scale", "0.5", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    said = r"small \(scale 0.5: .*\): 5 of 5 runs to do, .* after the first epoch"
    assert re.search(said, done.stdout)
    assert [p.name for p in tmp_path.iterdir()] == ["small.toml"]


def test_dry_run_knows_what_is_there_and_how_long_it_took(study, tmp_path):
    again = shutil.copytree(study[0], tmp_path / "again")
    done = call("run", "small.toml", "--dry-run", cwd=again)
    assert done.stdout == (
        "small: all 5 runs are there, nothing is left to do; see them with "
        "`learnability show runs/small`\n"
    )
    store = Store(again / "runs/small")
    assert len(store.load_times()) == 5
    store.run(store.load_settings().runs()[0]).file("fit.nc").unlink()
    before = {p: p.stat().st_mtime_ns for p in again.rglob("*")}
    done = call("run", "small.toml", "--dry-run", cwd=again)
    assert re.search(r"small: 1 of 5 runs to do, .*; .*\d+ (s|min) left\n", done.stdout)
    assert {p: p.stat().st_mtime_ns for p in again.rglob("*")} == before
    store.times.write_text("{}\n")
    done = call("run", "small.toml", "--dry-run", cwd=again)
    check_wrong_call(done, "times.jsonl cannot be read")


def test_names_are_known_in_any_case(again):
    shown = call("show", "SMALL", cwd=again)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout == call("show", "runs/small", cwd=again).stdout
    done = call("run", "Quick", "--cells", "gru", "--dry-run", cwd=again)
    assert "quick: 1 of 1 runs to do" in done.stdout
    words = [
        "--n-sequences",
        "1e5",
        "1e6",
        "--alpha",
        "1.5",
        "--parameters",
        "beta=0.8",
    ]
    assert "29.034" in call("theory", "powerlaw", *words).stdout
    done = call("export", "Small", "--format", "CSV", cwd=again)
    assert done.returncode == 0, done.stderr


def test_tables_are_as_wide_as_columns_says(again, monkeypatch):
    monkeypatch.setenv("COLUMNS", "70")
    lines = call("show", "small", cwd=again).stdout.splitlines()
    assert max(map(len, lines)) <= 70
    monkeypatch.setenv("COLUMNS", "80")
    *_, table = call("compare", "small", "small", cwd=again).stdout.partition("┏")
    head = table.splitlines()[1]
    assert [word.strip() for word in head.strip("┃").split("┃")] == [*COMPARED]
    assert "…" not in table


def test_second_run_keeps_the_first(pair):
    _, said = pair
    assert said.count("it was there already") == len(PAIR)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "fast"], "there is no preset 'fast'"),
        (["run", "quick", "--lags", "0", "3"], "lag 0 is too small"),
        (["run", "quick", "--lags", "100000"], "lag 100000 does not fit"),
        (["run", "quick", "--lags", "3", "3"], "lag 3 is given twice"),
        (["run", "quick", "--n-sequences", "0"], "greater than 0 (got 0.0)"),
        (["run", "quick", "--n-sequences", "-5"], "greater than 0 (got -5.0)"),
        (["run", "quick", "--n-sequences", "nan"], "finite number"),
        (["run", "quick", "--epochs", "0"], "recipe.epochs"),
        (["run", "quick", "--sequences", "0"], "training_sequences"),
        (["run", "quick", "--sequences", "3"], "does not fit into 3"),
        (["report", "a", "--output", "b.html"], "name a second folder"),
        (["report", "a", "b", "--by-seed"], "draw one study"),
        (["report", "a", "b", "--published", "c"], "draw one study"),
        (["run", "quick", "--seeds", "1.5"], "'1.5': input should be a valid integer"),
        (["run", "quick", "--lags", "3", "x"], "'x': input should be a valid integer"),
        (
            ["run", "quick", "--workers", "1e3"],
            "should be a valid integer",
        ),
        (["run", "quick", "--seeds"], "needs at least one value"),
        (["run", "quick", "--optimizers"], "needs at least one value"),
        (["run", "quick", "--log"], "needs at least one value"),
        (["run", "quick", "--cells", "GRU", "GRU"], "learnability: GRU appears twice"),
        (["run", "quick", "--output", ""], "an empty path names no place"),
        (["run", "quick", "--output", "x" * 300], "choose another path"),
        (["run", "quick", "--cells", "RNN"], "there is no cell 'RNN'; choose"),
        (["run", "quick", "--optimizers", "sgd"], "there is no optimizer 'sgd'"),
        (["run", "quick", "--scale", "2"], "at most 1"),
        (["run", "quick", "--workers", "0"], "give at least 1"),
        (["run", "quick", "--seeds", "1", "1"], "appears twice"),
        (["run", "quick", "--seed", "-1"], "seed"),
        (["run", "quick", "--seed", "x"], "--seed"),
        (["run", "quick", "--output", "/proc/none"], "cannot be written"),
        (["run"], "preset"),
        (["run"], "see `learnability run --help`"),
        (["show"], "see `learnability show --help`"),
        (["forecast"], "see `learnability --help`"),
        (["export", "a", "--format", "xlsx"], "there is no choice 'xlsx'; choose csv"),
        (["show", "nothing"], "make one by `learnability run quick`"),
        (["run", "quick", "--nonsense"], "--nonsense"),
        (["report", "nothing"], "holds no study"),
        (["show", "nothing"], "holds no study"),
        (["list", "nothing"], "holds no studies"),
        (["export", "nothing"], "holds no study"),
        (["compare", "a", "b"], "holds no study"),
        (["run", "quick", "--log", "x"], "there is no log 'x'"),
        (["run", "quick", "--cluster", "local:x"], "names no number of workers"),
        (["run", "quick", "--workers", "1", "--cluster", "local:1"], "give one"),
        (["forecast"], "forecast"),
        (["theory", "Logarithmic", "--alpha", "2.5", "--n-sequences", "10"], "alpha"),
        (["theory", "Logarithmic", "--alpha", "1", "--n-sequences", "10"], "alpha"),
        (
            ["theory", "Logarithmic", "--alpha", "1.5", "--n-sequences", "0"],
            "n_sequences",
        ),
        (["theory", "PowerLaw", "--n-sequences", "9"], "beta=..."),
        (
            ["theory", "Exponential", "--n-sequences", "9", "--parameters", "tau"],
            "tau=50",
        ),
        (
            [
                "theory",
                "Exponential",
                "--n-sequences",
                "9",
                "--parameters",
                "tau=5",
                "tau=6",
            ],
            "tau appears twice",
        ),
        (
            ["theory", "Exponential", "--n-sequences", "x"],
            "should be a valid number",
        ),
        (["run", "quick", "extra"], "'extra' is too much; leave it out"),
        (["run", "quick", "--output", "://"], ":// cannot be reached"),
        (["run", "quick", "--output", "foo://x"], "foo://x cannot be reached"),
        (["run", "quick", "--output", "~nobody-here/x"], "cannot be reached"),
        (["theory", "Steps", "--alpha", "1.5", "--n-sequences", "9"], "Steps"),
        (
            ["theory", "Logarithmic", "--n-sequences", "9", "--significance", "0.7"],
            "significance is 0.7, worse than a coin: give at most 0.5",
        ),
        (
            ["theory", "Logarithmic", "--n-sequences", "9", "--significance", "0.5"],
            "give less",
        ),
        (["run", "quick", "--threads", "0"], "0 threads can do nothing"),
        (["run", "quick", "--threads", "9999999"], "threads are too many"),
        (["run", "quick", "--workers", "2", "--threads", "-1"], "-1 threads can do"),
        (
            ["run", "quick", "--significance", "0.7"],
            "options.significance: 0.7 is no significance",
        ),
        (["run", "quick", "--significance", "nan"], "finite number"),
        (["run", "quick", "--n-sequences", "10", "1e1"], "10.0 appears twice"),
        (["run", "quick", "--log", "jsonl", "jsonl"], "jsonl appears twice"),
        (["run", "quick", "--seeds", "9" * 23], "(got 99999999999999999999999)"),
        (["run", "quick", "--seeds", "9" * 5000], "--seeds"),
    ],
)
def test_wrong_call_ends_in_one_line(tmp_path, words, message):
    check_wrong_call(call(*words, cwd=tmp_path), message)
    assert list(tmp_path.iterdir()) == []


def check_wrong_call(done: Ended, message: str) -> None:
    """Check that a call ended in one sentence that says this."""
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert message.lower() in done.stderr.lower()
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("Unable to allocate 3.07 EiB"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 3.07 EiB"),
    ],
)
def test_memory_that_runs_out_gets_one_sentence(monkeypatch, tmp_path, error):
    def no_room(name):
        raise error

    monkeypatch.setattr("learnability.cli.study.load_settings", no_room)
    done = call("run", "quick", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "take fewer sequences, units or workers" in done.stderr


def test_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "taken").write_text("a file stands where the folder should be")
    done = call("run", "quick", "--output", "taken", cwd=tmp_path)
    assert done.returncode == 2
    assert "cannot be written" in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["taken"]


def test_a_damaged_study_hides_no_other(study, tmp_path):
    for name, text in (("whole", None), ("torn", "name = ")):
        (tmp_path / name).mkdir()
        source = study[0] / "runs/small/settings.toml"
        content = source.read_text() if text is None else text
        (tmp_path / name / "settings.toml").write_text(content)
    done = call("list", str(tmp_path))
    assert done.returncode == 0
    assert "0 of " in done.stdout
    assert "cannot be read" in done.stdout


@pytest.mark.parametrize("damage", ["truncated", "text", "missing"])
def test_damaged_results_are_named(study, tmp_path, damage):
    source, copy = study[0] / "runs/small", tmp_path / "copy"
    shutil.copytree(source / "runs", copy / "runs")
    (copy / "settings.toml").write_bytes((source / "settings.toml").read_bytes())
    for path in (copy / "runs").glob("*/fit.nc"):
        if damage == "missing":
            path.unlink()
        else:
            path.write_bytes(
                path.read_bytes()[:3000] if damage == "truncated" else b"x"
            )
    done = call("report", str(copy))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "results of ConstGate are damaged" in done.stderr
    assert not (copy / "report.html").exists()


def test_theory_needs_no_network():
    words = ["theory", "PowerLaw", "--n-sequences", "1e5", "--alpha", "1.5"]
    done = call(*words, "--parameters", "beta=0.8")
    assert done.returncode == 0, done.stderr
    assert "29.034" in done.stdout


def test_help_says_what_to_do_first():
    done = call("--help")
    assert done.returncode == 0
    assert "learnability run quick" in done.stdout
    for command in ("run", "report", "theory"):
        assert command in done.stdout
        assert call(command, "--help").returncode == 0
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", call("--version").stdout)
