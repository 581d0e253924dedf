"""Folders and files of another format are refused in one sentence."""

import tomllib

import pytest
import xarray as xr

import learnability as lw
from learnability.storage import FORMAT, load_tree, save_tree, stamp, tree_bytes
from learnability.study import Settings, Store
from tests.study.small import small_settings
from tests.test_cli import call

SMALL = small_settings()
TREE = xr.DataTree(xr.Dataset({"a": ("x", [1.0])}, attrs={"learnability": "0.0.3"}))


@pytest.fixture
def kept(tmp_path):
    """A study's folder, and its settings."""
    store = Store(tmp_path / "runs/small")
    store.begin(SMALL)
    (tmp_path / "small.toml").write_text(SMALL.to_toml())
    return tmp_path, store.settings_file


def test_a_folder_states_its_format_and_its_maker(kept):
    found = tomllib.loads(kept[1].read_text())
    assert {name: found[name] for name in stamp()} == stamp()
    # The file of a folder is a study's settings like any other.
    assert Settings.from_toml(kept[1].read_text(), "it") == SMALL


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "by an older version of learnability without a format"),
        ("format = 1\n", "by an older version of learnability in format 1"),
        ('format = 99\nlearnability = "9.8"\n', "by learnability 9.8 in format 99"),
    ],
)
def test_a_folder_of_another_format_is_refused(kept, line, said):
    folder, file = kept
    file.write_text(line + SMALL.to_toml())
    before = sorted(folder.rglob("*"))
    for words in (
        ["run", "small.toml"],
        ["run", "small.toml", "--dry-run"],
        ["show", "small"],
        ["report", "runs/small"],
        ["compare", "small", "small"],
        ["export", "runs/small"],
    ):
        done = call(*words, cwd=folder)
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
        assert f"settings.toml was written {said}" in done.stderr
        assert f"reads format {FORMAT}; read it with the version" in done.stderr
    listed = call("list", cwd=folder)
    assert listed.returncode == 0
    assert "cannot be read" in listed.stdout
    assert sorted(folder.rglob("*")) == before


def test_a_file_of_another_format_is_refused(tmp_path):
    path = tmp_path / "mine.nc"
    for attributes, said in (({}, "without a format"), ({"format": 1}, "in format 1")):
        old = TREE.copy()
        old.attrs |= attributes
        old.to_netcdf(path, engine="h5netcdf")
        for load in (load_tree, lw.LayerDiagnosis.load, lw.Diagnosis.load):
            with pytest.raises(ValueError, match=f"by learnability 0.0.3 {said}"):
                load(path)


def test_a_tree_comes_back_as_it_was(tmp_path):
    before = TREE.copy(deep=True)
    save_tree(TREE, tmp_path / "mine.nc")
    assert load_tree(tmp_path / "mine.nc").identical(before)
    assert TREE.identical(before)
    assert tree_bytes(TREE) == (tmp_path / "mine.nc").read_bytes()
