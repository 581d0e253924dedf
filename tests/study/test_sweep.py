"""Whole studies: same seeds give the same bytes, what is there is kept."""

import pytest

from learnability.study import Settings, Store, run_study, write_results
from tests.study.small import small_settings

SETTINGS = small_settings()


class Watcher:
    """Remembers what a study told."""

    def __init__(self) -> None:
        self.began: list[str] = []
        self.skipped: list[str] = []
        self.shares: list[float] = []

    def begin(self, cell):
        self.began.append(cell)
        return lambda stage, share: self.shares.append(share)

    def kept(self, cell):
        self.skipped.append(cell)


def run(folder, settings: Settings = SETTINGS) -> tuple[Store, Watcher]:
    store, watcher = Store(folder), Watcher()
    run_study(settings, store, watcher)
    return store, watcher


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    return run(tmp_path_factory.mktemp("first"))[0]


def contents(store: Store, *folders: str) -> dict[str, bytes]:
    files = (p for f in folders for p in (store.folder / f).iterdir())
    return {f"{p.parent.name}/{p.name}": p.read_bytes() for p in files}


def test_same_seeds_same_bytes_in_any_order(first, tmp_path):
    turned = [a.model_dump(mode="json") for a in SETTINGS.architectures[::-1]]
    second, watcher = run(tmp_path, SETTINGS.changed(architectures=turned))
    assert watcher.began == [a.cell for a in SETTINGS.architectures[::-1]]
    assert all(0 <= share <= 1 for share in watcher.shares)
    results = contents(first, "results", "weights")
    assert len(results) == 10
    assert results == contents(second, "results", "weights")


def test_an_architecture_alone_has_the_same_results(first, tmp_path):
    gru = [a for a in SETTINGS.architectures if a.cell == "GRU"]
    alone = SETTINGS.changed(architectures=[gru[0].model_dump(mode="json")])
    second, _ = run(tmp_path, alone)
    assert first.results("GRU").read_bytes() == second.results("GRU").read_bytes()


def test_another_seed_changes_every_result(first, tmp_path):
    second, _ = run(tmp_path, SETTINGS.changed(seed=SETTINGS.seed + 1))
    theirs = contents(second, "results", "weights")
    for name, content in contents(first, "results", "weights").items():
        assert content != theirs[name]


def test_what_is_there_is_kept(first):
    before = contents(first, "results")
    _, watcher = run(first.folder)
    assert watcher.began == []
    assert len(watcher.skipped) == 5
    assert contents(first, "results") == before


def test_another_study_is_left_alone(first):
    with pytest.raises(ValueError, match="holds a study with other settings"):
        run(first.folder, SETTINGS.changed(seed=99))


def test_report_and_figures_are_the_same_each_time(first, tmp_path):
    runs = first.load()
    for _ in range(2):
        write_results(SETTINGS, runs, first, lambda share: None)
        figures = contents(first, "figures")
        page = first.report.read_bytes()
        first.report.rename(tmp_path / "page.html")
        assert page == (tmp_path / "page.html").read_bytes()
        assert figures
    assert "DiagGate" in first.table.read_text()


def test_damaged_result_is_named(first, tmp_path):
    damaged = Store(tmp_path)
    damaged.begin(SETTINGS)
    for cell in (a.cell for a in SETTINGS.architectures):
        damaged.write(damaged.results(cell), first.results(cell).read_bytes()[:5000])
    with pytest.raises(ValueError, match="cannot be read"):
        damaged.load()
    with pytest.raises(ValueError, match="holds no study"):
        Store(tmp_path / "nothing").load()
