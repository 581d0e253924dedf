"""Studies that name a token: settings, what is kept of a run, and its words."""

import json
import shutil

import numpy as np
import pytest

from learnability.plots import draw
from learnability.report import study_page
from learnability.report.table import formatted, summary, table
from learnability.study import Settings, Store, load_settings, run_study
from learnability.study.logs import JsonLines
from learnability.study.pages import study_of
from learnability.study.store import differing
from learnability.study.tables import across_seeds, as_tree, by_lag
from learnability.summaries import summed
from learnability.tasks import MultiLag, Recall
from tests.study.small import Watcher, small_settings

RECALL = {"kind": "recall", "lags": [1, 3], "tokens": 3, "noise": 0.2, "steps": 12}


def recalling() -> Settings:
    """Return the small study with a token to recall, of one network."""
    given = small_settings().model_dump(mode="json")
    given |= {"name": "recalling", "task": RECALL, "validation_sequences": 64}
    given["networks"] = [{"cell": "GRU", "units": 5, "gate": 0.2}]
    return Settings.model_validate(given)


SETTINGS = recalling()


def test_a_kind_names_the_task():
    text = SETTINGS.to_toml()
    assert isinstance(SETTINGS.task, Recall)
    assert Settings.from_toml(text, "mine") == SETTINGS
    quick = load_settings("quick")
    assert isinstance(quick.task, MultiLag)
    plain = quick.to_toml()
    assert "kind" not in plain
    told = plain.replace("[task]\n", '[task]\nkind = "multi-lag"\n')
    assert Settings.from_toml(told, "mine").identity() == quick.identity()
    assert differing(quick, Settings.from_toml(told, "mine")) == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('kind = "recall"', 'kind = "copy"', 'choose "multi-lag" or "recall"'),
        ('kind = "recall"', "kind = [1]", 'choose "multi-lag" or "recall"'),
        ('kind = "recall"\n', "", "task.tokens: there is no such setting"),
        ('kind = "recall"', 'kind = "multi-lag"', "task.tokens: there is no such"),
        ("tokens = 3", "tokens = 1", "task.tokens: .* greater than or equal to 2"),
        ("tokens = 3", "coefficients = [1.0]", "task.coefficients: there is no such"),
        ("noise = 0.2", "noise = -1.0", "task.noise: .* greater than or equal to 0"),
    ],
)
def test_wrong_tasks_get_one_sentence(old, new, message):
    text = SETTINGS.to_toml()
    assert old in text
    with pytest.raises(ValueError, match=message) as caught:
        Settings.from_toml(text.replace(old, new, 1), "mine.toml")
    assert str(caught.value).startswith("mine.toml: ")
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Store:
    """The study, run."""
    store = Store(tmp_path_factory.mktemp("recalling"))
    run_study(SETTINGS, store, Watcher(), loggers=[JsonLines(store)])
    return store


def test_a_run_says_what_is_named_of_each_lag(made):
    (found,) = made.load().values()
    training = found.group("training")
    assert training["task_lag"].values.tolist() == [1, 3]
    accuracy, share = (training[n].values for n in ("accuracy", "learnt_share"))
    attrs = training.attrs
    room = attrs["ceiling"] - attrs["chance"]
    np.testing.assert_allclose(share, (accuracy - attrs["chance"]) / room)
    assert accuracy.min() <= attrs["accuracy"] <= accuracy.max()
    assert attrs["chance"] == pytest.approx(1 / 3)
    assert attrs["error"] == "cross-entropy in nats"
    assert "r2" not in attrs
    assert {"seen", "kept", "learnt"} <= {*found.summary(full=True).columns}
    assert found.verdicts().index.tolist() == [0, 1, 2, 4, 8]
    (log,) = [
        line
        for line in map(json.loads, made.log.read_text().splitlines())
        if line["event"] == "finish"
    ]
    assert log["accuracy"] == attrs["accuracy"]


def test_what_is_there_is_kept_and_fitted_anew_from_its_record(made, tmp_path):
    there = Store(tmp_path)
    shutil.copytree(made.folder, there.folder, dirs_exist_ok=True)
    watcher = Watcher()
    other = SETTINGS.changed(options={"level": 0.9})
    run_study(other, there, watcher)
    assert watcher.outcomes[0].made == ("fit",)
    before, after = (s.load()["GRU"].group("training") for s in (made, there))
    assert before.identical(after)


def test_tables_and_figures_say_what_is_named(made):
    runs = made.load()
    trees = {label: run.tree for label, run in runs.items()}
    rows = table(trees, [10])
    assert {"accuracy", "ceiling", "chance"} <= {*rows.columns}
    text = formatted(rows)
    assert "R² of ceiling" not in text
    assert text["named right of ceiling"][0].endswith("(a guess: 0.333)")
    study = study_of(SETTINGS, runs)
    found = summed(study.lines, [10])
    over = summary(study.lines, found.reached)
    assert over["named right of ceiling"][0].endswith("(a guess: 0.333)")
    assert "one of 3, of which a guess names 33" in study.asked
    assert found.task_lags == (1, 3)
    (floor,) = found.noise
    assert floor == pytest.approx(
        float(trees["GRU"]["training"].attrs["floor"]), rel=1e-3
    )
    learning = draw("learning", found)
    assert [ax.get_ylabel() for ax in learning.axes[:2]] == [
        "learnt share",
        "cross-entropy in nats",
    ]
    assert set(by_lag(SETTINGS, runs)["lag"]) == {1, 2, 4, 8}
    assert len(across_seeds(SETTINGS, runs)) == len(SETTINGS.n_sequences)
    kept = as_tree(SETTINGS, runs)["run_000/training"]
    assert kept["accuracy"].sizes == {"task_lag": 2}


@pytest.mark.slow
def test_a_page_says_what_is_named(made):
    page = study_page(study_of(SETTINGS, made.load()))
    for said in ("named right", "cross-entropy in nats", "a guess names 33"):
        assert said in page
    for other in ("mean square error", "and R² of its ceiling"):
        assert other not in page
