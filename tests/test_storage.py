"""Files are written whole or not at all; what a kill leaves does not stay."""

import multiprocessing

import pytest

from learnability import storage
from learnability.storage import append_lines, place, replace_file, sweep_out
from learnability.study import Store
from tests.study.small import small_settings
from tests.writers import BLOCKS, add_lines, stuck

SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture
def writer(request, tmp_path):
    """A process that is writing a file, and the file."""
    path, reached = tmp_path / request.param, SPAWN.Event()
    process = SPAWN.Process(target=stuck, args=(path, reached))
    process.start()
    reached.wait()
    yield process, path
    process.kill()
    process.join()


def left_below(folder) -> list[str]:
    return [p.name for p in folder.rglob("*.tmp")]


@pytest.mark.parametrize("writer", ["settings.toml", "figures/law.png"], indirect=True)
def test_a_study_sweeps_what_dead_processes_left_and_nothing_else(writer, tmp_path):
    process, path = writer
    begin = Store(tmp_path).begin
    begin(small_settings())
    assert len(left_below(tmp_path)) == 1  # its writer lives
    process.kill()
    process.join()
    assert len(left_below(tmp_path)) == 1
    begin(small_settings())
    assert left_below(tmp_path) == []
    assert path.name != "law.png" or not path.exists()


@pytest.mark.parametrize("writer", ["mine [1].csv"], indirect=True)
def test_the_next_write_of_a_file_sweeps_what_a_kill_left(writer):
    process, path = writer
    replace_file(path, b"first")
    assert len(left_below(path.parent)) == 1
    process.kill()
    process.join()
    replace_file(path.with_name("other"), b"another file")
    assert len(left_below(path.parent)) == 1
    replace_file(path, b"second")
    assert left_below(path.parent) == []
    assert path.read_bytes() == b"second"


@pytest.mark.parametrize(("module", "call"), [("fcntl", "flock"), ("os", "replace")])
def test_a_sweep_just_before_or_after_the_lock_costs_nothing(
    tmp_path, monkeypatch, module, call
):
    """The file is there and not locked yet, or not any more."""
    path, swept = tmp_path / "file", []
    plain = getattr(getattr(storage, module), call)

    def sweep_once(*arguments):
        if not swept:
            swept.extend(left_below(tmp_path))
            for name in swept:
                (tmp_path / name).unlink()
        return plain(*arguments)

    monkeypatch.setattr(getattr(storage, module), call, sweep_once)
    replace_file(path, b"all of it")
    assert len(swept) == 1
    assert path.read_bytes() == b"all of it"
    assert left_below(tmp_path) == []


def test_files_that_others_made_are_not_swept(tmp_path):
    names = [".file.tmp", ".file.1.tmp", "file.tmp", f".file.{'0' * 32}.tmp.txt"]
    for name in names:
        (tmp_path / name).touch()
    sweep_out(tmp_path)
    replace_file(tmp_path / "file", b"")
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([*names, "file"])


def test_where_files_know_no_locks_all_is_written_and_nothing_swept(
    tmp_path, monkeypatch
):
    def refuse(file, kind):
        raise OSError(95, "Operation not supported")

    dead = tmp_path / f".file.{'0' * 32}.tmp"
    dead.touch()
    with monkeypatch.context() as without:
        without.setattr(storage.fcntl, "flock", refuse)
        replace_file(tmp_path / "file", b"content")
        assert (tmp_path / "file").read_bytes() == b"content"
        assert dead.exists()
    sweep_out(tmp_path)
    assert not dead.exists()


def test_a_system_without_such_locks_sweeps_what_is_not_open(tmp_path, monkeypatch):
    monkeypatch.setattr(storage, "fcntl", None)
    dead = tmp_path / f".file.{'0' * 32}.tmp"
    dead.touch()
    replace_file(tmp_path / "file", b"content")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_processes_lose_no_line_of_one_another(tmp_path):
    path, start = tmp_path / "log", SPAWN.Barrier(3)
    adding = [SPAWN.Process(target=add_lines, args=(path, n, start)) for n in range(3)]
    for process in adding:
        process.start()
    for process in adding:
        process.join()
    lines = path.read_bytes().splitlines()
    for name in range(3):
        mine = [line for line in lines if line.startswith(b"%d " % name)]
        assert mine == [b"%d %d" % (name, n) for n in range(BLOCKS) for _ in range(3)]
    assert len(lines) == 9 * BLOCKS
    assert lines[::3] == lines[1::3] == lines[2::3]  # no block within another


def test_an_unfinished_line_gives_way_to_the_next(tmp_path):
    path = tmp_path / "log"
    for left, kept in ((b"", b""), (b"one\ntw", b"one\n"), (b"on", b"")):
        path.write_bytes(left)
        append_lines(path, b"three\n")
        assert path.read_bytes() == kept + b"three\n"


def test_a_disk_that_is_full_keeps_the_lines_that_are_there(tmp_path, monkeypatch):
    path = tmp_path / "log"
    append_lines(path, b"one\n")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage.os, "fsync", full)
    with pytest.raises(ValueError, match="make room and run the same command again"):
        append_lines(path, b"two\nthree\n")
    assert path.read_bytes() == b"one\n"


def test_lines_are_added_on_any_file_system():
    path = place("memory://lines/log")
    append_lines(path, b"one\n")
    append_lines(path, b"two\n")
    assert path.read_bytes() == b"one\ntwo\n"
