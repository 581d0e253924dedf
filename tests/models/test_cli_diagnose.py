"""`learnability diagnose`: what it prints, and 200 malformed inputs without a trace."""

import contextlib
import io
import pickle
import sys
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import learnability as lw
from learnability.cli import main
from learnability.models.files import load_data, load_weights
from learnability.models.refusal import UnsupportedModelError

FACTORY = """
import torch
from torch import nn

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn, self.head = nn.GRU(2, 4, batch_first=True), nn.Linear(4, 2)
    def forward(self, x):
        return self.head(self.rnn(x)[0])

class Series(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn, self.head = nn.LSTM(2, 4, batch_first=True), nn.Linear(4, 1)
    def forward(self, x):
        return self.head(self.rnn(x)[0])

def number():
    return 3

def needy(size):
    return size

def broken():
    raise RuntimeError("no disk")
"""
TASK = lw.MultiLag(lags=(1, 3), coefficients=(0.6, 0.5), inputs=2, steps=16)
DATA = TASK.draw(64, seed=1, direction=TASK.direction(seed=0))


def call(*words):
    """Give exit code and output; anything but an exit is a failure."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(["diagnose", *map(str, words)])
        except SystemExit as stop:
            code = int(stop.code or 0)
    return code, out.getvalue(), err.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    where = tmp_path_factory.mktemp("trained")
    (where / "own_factory.py").write_text(FACTORY)
    sys.path.insert(0, str(where))
    import own_factory

    torch.save(own_factory.Model().state_dict(), where / "weights.pt")
    save_file(own_factory.Series().state_dict(), where / "series.safetensors")
    classes = (DATA.y > 0).long().numpy()
    np.savez(where / "classes.npz", x=DATA.x.numpy(), y=classes)
    y = torch.stack((DATA.y, -DATA.y), dim=-1).numpy()
    np.savez(where / "values.npz", x=DATA.x.numpy(), y=y)
    table = pd.DataFrame(
        {
            "day": [f"d{k}" for k in range(1200)],
            "wind": np.random.default_rng(0).normal(size=1200),
            "power": np.random.default_rng(1).normal(size=1200),
        }
    )
    table.to_csv(where / "series.csv", index=False)
    table.to_parquet(where / "series.parquet")
    np.save(where / "series.npy", table[["wind", "power"]].to_numpy())
    with h5py.File(where / "values.nc", "w") as file:
        file["x"], file["y"] = DATA.x.numpy(), y
    yield where
    sys.path.remove(str(where))


def arguments(
    folder, weights="weights.pt", model="Model", data="values.npz", loss="mse"
):
    where = [folder / weights, "--model", f"own_factory:{model}"]
    return [*where, "--data", folder / data, "--loss", loss, "--lags", 1, 2, 4]


@pytest.mark.parametrize(
    ("data", "loss"),
    [("classes.npz", "ce"), ("values.npz", "mse")],
)
def test_sequences(folder, data, loss):
    words = arguments(folder, data=data, loss=loss)
    code, out, err = call(*words, "--output", folder / "out.nc")
    assert (code, err) == (0, "")
    assert f"64 sequences of 16 steps from {data}" in out
    found = lw.Diagnosis.load(folder / "out.nc")
    assert list(found) == ["rnn[layer 0, forward]"]
    plain = " ".join(out.split())
    assert found.answer() in plain
    assert "sees, N = 64" in plain
    last = [f"{what}: {folder / name}" for what, name in FILES.items()]
    assert out.splitlines()[-3:] == last
    assert (folder / "out.png").read_bytes()[1:4] == b"PNG"
    assert "<!doctype html>" in (folder / "out.html").read_text()


FILES = {"numbers": "out.nc", "picture": "out.png", "page": "out.html"}


def test_files_are_named_after_the_weights_unless_told(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = call(*arguments(folder, loss="MSE"))
    assert (code, err) == (0, "")
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {f"weights-diagnosis.{end}" for end in ("nc", "png", "html")}
    assert out.endswith("page: weights-diagnosis.html\n")


def test_series_are_cut_into_windows(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = arguments(folder, "series.safetensors", "Series", "series.csv")
    code, out, err = call(*words, "--window", 32, "--stride", 16)
    assert (code, err) == (0, "")
    assert "73 windows of 32 steps, one every 16, from 1200 steps" in out
    assert "the next value of" in out


@pytest.mark.parametrize(
    ("first", "other", "cut"),
    [
        ("series.csv", "series.parquet", {"window": 32, "stride": 16}),
        ("series.csv", "series.npy", {"window": 32, "stride": 16}),
        ("values.npz", "values.nc", {}),
    ],
)
def test_a_file_of_another_kind_gives_the_same_data(folder, first, other, cut):
    one, same = (load_data(folder / name, **cut) for name in (first, other))
    assert torch.equal(one.x, same.x)
    assert torch.equal(one.y, same.y)
    size = "73 windows of 32 steps, one every 16" if cut else "64 sequences of 16 steps"
    assert size in same.said
    assert other in same.said


class Spy:
    """Says so when a pickle runs code."""

    def __reduce__(self):
        return Path.touch, (Path("ran"),)


def test_files_run_no_code(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.pt").write_bytes(pickle.dumps({"a": Spy()}))
    torch.save({"a": Spy()}, tmp_path / "worse.pt")
    for name in ("bad.pt", "worse.pt"):
        code, _, err = call(tmp_path / name, *arguments(folder)[1:])
        assert code == 2
        assert "without running code" in err
    np.save(tmp_path / "bad.npy", np.array([Spy()], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "bad.npz", x=np.array([Spy()], dtype=object), y=np.zeros(1))
    for name in ("bad.npy", "bad.npz"):
        words = arguments(folder)
        words[4] = tmp_path / name
        code, _, err = call(*words)
        assert code == 2
        assert "allow_pickle" in err
    assert not (tmp_path / "ran").exists()


def test_help_says_what_is_imported():
    code, out, _ = call("--help")
    assert code == 0
    assert "imports the module" in " ".join(out.split())


def scribble(random, content):
    """Damage a file: cut it, flip bytes, put noise in its place, or empty it."""
    kind = random.integers(4)
    if kind == 0:
        return content[: random.integers(len(content))]
    if kind == 1:
        values = np.frombuffer(content, np.uint8).copy()
        places = random.integers(len(values), size=random.integers(1, 64))
        values[places] = random.integers(256, size=len(places))
        return values.tobytes()
    if kind == 2:
        return random.bytes(random.integers(1, 4000))
    return b""


@pytest.mark.parametrize(
    "name",
    ["weights.pt", "series.safetensors", "values.npz", "values.nc"]
    + [f"series.{ending}" for ending in ("csv", "parquet", "npy")],
)
def test_damaged_files_are_refused(folder, tmp_path, capfd, name):
    """60 damages each: a sentence, or what is left of the contents; no word else."""
    whole, refused = (folder / name).read_bytes(), []
    bad, random = tmp_path / name, np.random.default_rng(0)
    module = sys.modules["own_factory"]
    model = module.Series() if "series" in name else module.Model()
    for _ in range(60):
        bad.write_bytes(scribble(random, whole))
        try:
            if bad.suffix in (".pt", ".safetensors"):
                load_weights(model, bad)
            else:
                load_data(bad)
        except UnsupportedModelError as error:
            refused.append(error)
    assert len(refused) > 20
    assert capfd.readouterr().err == ""


def test_weights_of_an_old_pytorch_are_named(folder, tmp_path):
    old = tmp_path / "old.pt"
    state = sys.modules["own_factory"].Model().state_dict()
    torch.save(state, old, _use_new_zipfile_serialization=False)
    code, _, err = call(old, *arguments(folder)[1:])
    assert code == 2
    assert "since PyTorch 1.6); save model.state_dict() or safetensors" in err


def odd_arrays(random):
    """Give arrays that are no data: wrong axes, kinds, sizes, NaN."""
    shapes = [
        (),
        (0,),
        (3,),
        (64, 16),
        (64, 0, 2),
        (64, 16, 2),
        (64, 1, 2),
        (2, 2, 2, 2),
    ]
    kinds = [np.float32, np.float64, np.int64, np.complex64, np.bool_, "U3", "M8[s]"]
    made = {}
    for name in ("x", "y", "z")[: random.integers(1, 4)]:
        shape = shapes[random.integers(len(shapes))]
        array = np.zeros(shape).astype(kinds[random.integers(len(kinds))])
        if array.size and array.dtype.kind == "f" and random.random() < 0.5:
            array.flat[0] = (np.nan, np.inf, 1e38)[random.integers(3)]
        made[name] = array
    return made


def odd_words(random, words):
    """Change options to values that make no sense."""
    changes = [
        ["--lags", random.integers(-5, 1)],
        ["--lags", 10**9],
        ["--lags", "two"],
        ["--lags", 3, 3],
        ["--layers", "none[layer 0, forward]"],
        ["--n-sequences", -1],
        ["--n-sequences", "nan"],
        ["--loss", "likelihood"],
        ["--model", "own_factory"],
        ["--model", "own_factory:Nothing"],
        ["--model", "own_factory:number"],
        ["--model", "own_factory:needy"],
        ["--model", "no.such.module:make"],
        ["--model", "a b:c"],
        ["--window", random.integers(-3, 2)],
        ["--seed", -1],
        ["--seed", "x"],
        ["--data", "missing.npz"],
        ["--data", "."],
        ["--output", "/proc/none/out.nc"],
        ["--target", "x"],
        ["--nothing", 1],
    ]
    change = changes[random.integers(len(changes))]
    if change[0] in words:
        place = words.index(change[0])
        end = place + 1
        while end < len(words) and not str(words[end]).startswith("--"):
            end += 1
        return [*words[:place], *change, *words[end:]]
    return [*words, *change]


@pytest.mark.parametrize("seed", range(20))
def test_malformed_input_ends_in_one_sentence(folder, tmp_path, monkeypatch, seed):
    """20 times 12 generated inputs: exit code 2 and a line, or a result; no trace."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(seed)
    data = ["values.npz", "classes.npz", "values.nc", "series.csv", "series.npy"]
    data += ["series.parquet"]
    for case in range(12):
        words = arguments(folder)
        match case % 4:
            case 0:  # weights
                name = ("weights.pt", "series.safetensors")[random.integers(2)]
                bad = tmp_path / f"{case}-{name}"
                bad.write_bytes(scribble(random, (folder / name).read_bytes()))
                words[0] = bad
            case 1:  # data
                name = data[random.integers(len(data))]
                bad = tmp_path / f"{case}-{name}"
                bad.write_bytes(scribble(random, (folder / name).read_bytes()))
                words[4] = bad
            case 2:
                bad = tmp_path / f"{case}.npz"
                np.savez(bad, **odd_arrays(random))
                words[4] = bad
            case 3:
                words = odd_words(random, words)
        code, _, err = call(*words)
        assert code in (0, 2), words
        if code == 2:
            assert err.startswith("learnability: ")
            assert err.count("\n") == 1
            assert len(err) < 600
            assert "Traceback" not in err
        else:  # a flipped bit may leave everything readable
            assert case % 4 in (0, 1, 2, 3)


def test_what_a_factory_s_own_code_raises_is_shown(folder):
    words = arguments(folder)
    words[words.index("--model") + 1] = "own_factory:broken"
    with pytest.raises(RuntimeError, match="no disk"):
        call(*words)


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (["--model", "own_factory:number"], "made a int"),
        (["--model", "own_factory:needy"], "missing a required argument: 'size'"),
        (["--model", "own_factory:Nothing"], "could not be imported"),
        (["--model", "own_factory"], "write it as module:factory"),
        (["--lags", "99"], "largest possible lag is 15"),
        (["--layers", "lstm"], "there is no layer 'lstm'"),
    ],
)
def test_sentences(folder, words, match):
    given = arguments(folder)
    place = given.index(words[0]) if words[0] in given else len(given)
    end = place + len(words) if words[0] != "--lags" else len(given)
    code, _, err = call(*given[:place], *words, *given[end:])
    assert code == 2
    assert match in err


def test_a_model_without_recurrent_layers(folder):
    (folder / "flat_factory.py").write_text(
        "from torch import nn\ndef make(): return nn.Linear(2, 2)\n"
    )
    torch.save(nn.Linear(2, 2).state_dict(), folder / "flat.pt")
    words = arguments(folder, "flat.pt")
    words[2] = "flat_factory:make"
    code, _, err = call(*words)
    assert code == 2
    assert "Linear holds no recurrent layer" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--n-sequences", "10", "1e1"],
            "10.0 appears twice; name each number of sequences once",
        ),
        (["--n-sequences", "0"], "--n-sequences has 0; give numbers above 0"),
        (["--layers", "rnn", "rnn"], "rnn appears twice"),
        (["--seed", "9" * 30], "the seed is 999999999999999999999999999999; give"),
        (["--output", ""], "an empty path names no place"),
        (["--output", "."], ". is a folder; name a file in it"),
        (["--output", "mine.csv"], "mine.csv does not end in .nc"),
        (["--output", "/dev/null"], "/dev/null is a device and no file"),
        (["--window", "0"], "window 0 is for one long series"),
        (["--stride", "5"], "stride 5 is for one long series"),
        (["--target", ""], "target '' is for one long series"),
    ],
)
def test_what_cannot_be_is_refused_before_the_work(folder, words, message):
    code, out, err = call(*arguments(folder), *words)
    assert code == 2
    assert err.count("\n") == 1
    assert message in err
    assert "windows" not in out
