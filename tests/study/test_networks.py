"""A cell several times in one study: its names, its runs, its tables and figures."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from learnability.study import NetworkSettings, Settings, Store, load_settings
from learnability.study.run import network_names
from learnability.study.store import joined, part_of
from tests.study.small import small_settings
from tests.test_cli import call

QUICK = load_settings("quick")
THREE = [
    {"cell": "GRU", "units": 3},
    {"cell": "GRU", "units": 6},
    {"cell": "GRU", "units": 6, "learning_rate": 1e-2},
]
SEVERAL = small_settings().changed(name="several", networks=THREE)


def named(*networks: dict) -> list[str]:
    return list(network_names([NetworkSettings(**network) for network in networks]))


def test_names_say_what_differs_and_nothing_else():
    assert named({"cell": "GRU"}, {"cell": "LSTM", "units": 9}) == ["GRU", "LSTM"]
    gru = {"cell": "GRU"}
    assert named({**gru, "units": 32}, {**gru, "units": 64}) == ["GRU 32", "GRU 64"]
    rates = [{**gru, "learning_rate": rate} for rate in (1e-3, 1e-2)]
    assert named(gru, *rates) == ["GRU", "GRU lr 0.001", "GRU lr 0.01"]
    assert named(*THREE) == ["GRU 3", "GRU 6", "GRU 6 lr 0.01"]
    assert named({**gru, "name": "small"}, {**gru, "units": 64}) == ["small", "GRU"]
    assert named({**gru, "gate": 0.5}, {**gru, "layernorm": False, "gate": 0.5}) == [
        "GRU LayerNorm",
        "GRU no LayerNorm",
    ]


@given(
    st.lists(
        st.builds(
            NetworkSettings,
            cell=st.sampled_from(["GRU", "LSTM"]),
            units=st.integers(1, 3),
            learning_rate=st.sampled_from([None, 1e-3, 0.0010000001]),
            layernorm=st.booleans(),
        ),
        unique=True,
        min_size=1,
    )
)
def test_networks_that_differ_have_names_that_differ(networks):
    study = QUICK.changed(networks=[n.model_dump(mode="json") for n in networks])
    assert len(set(study.names)) == len(networks)
    runs = study.runs()
    assert len({run.identity() for run in runs}) == len(networks)
    assert [study.network(run) for run in runs] == list(study.names)
    assert [study.label(run) for run in runs] == list(study.names)
    turned = part_of(study, list(study.names[::-1]), None)
    assert turned.names == study.names[::-1]
    assert turned.identity() == study.identity()
    assert Settings.from_toml(study.to_toml(), "it") == study


def test_a_learning_rate_of_its_own_is_that_of_every_optimizer():
    study = SEVERAL.changed(further_optimizers=[{"optimizer": "sgd"}])
    rates = {study.label(run): run.recipe.learning_rate for run in study.runs()}
    assert rates["GRU 6 lr 0.01, adamw"] == rates["GRU 6 lr 0.01, sgd"] == 1e-2
    assert rates["GRU 6, sgd"] == study.recipe.learning_rate
    alone = SEVERAL.changed(networks=THREE[1:2], recipe={"learning_rate": 1e-2})
    assert alone.runs()[0].identity() == SEVERAL.runs()[2].identity()


def test_a_plain_list_of_cells_is_enough():
    text = QUICK.to_toml()
    head, *_ = text.split("[[networks]]")
    plain = Settings.from_toml('cells = ["gru", "LSTM"]\n' + head, "mine.toml")
    assert plain.names == ("GRU", "LSTM")
    assert plain.networks[0] == NetworkSettings(cell="GRU")
    more = f'cells = ["LSTM"]\n{head}[[networks]]\ncell = "gru"\nunits = 64\n'
    assert Settings.from_toml(more, "mine.toml").names == ("LSTM", "GRU")


@pytest.mark.parametrize(
    ("networks", "message"),
    [
        ([{"cell": "GRU"}, {"cell": "gru"}], "GRU appears twice; name each network"),
        ([{"cell": "GRU", "name": "a"}, {"cell": "GRU"}], "a and GRU are the same"),
        (
            [{"cell": "GRU"}, {"cell": "GRU", "learning_rate": 5e-3}],
            "GRU and GRU lr 0.005 are the same network; leave one out",
        ),
        ([{"cell": "GRU", "name": "LSTM"}, {"cell": "LSTM"}], "LSTM appears twice"),
        ([{"cell": "GRU", "name": "a, b"}], "cannot name a network"),
        ([{"cell": "GRU", "name": ""}], "at least 1 character"),
        ([{"cell": "GRU", "learning_rate": 0}], "greater than 0"),
    ],
)
def test_networks_that_cannot_be_told_apart_are_refused(networks, message):
    with pytest.raises(ValueError, match=message) as caught:
        QUICK.changed(networks=networks)
    assert "\n" not in str(caught.value)


def test_a_network_alone_cannot_be_wrong():
    with pytest.raises(ValidationError, match="cell"):
        NetworkSettings.model_validate({"cell": "RNN"})


def test_parts_keep_their_names_and_grow_to_the_whole():
    part = part_of(SEVERAL, ["gru 6"], None)
    assert part.names == ("GRU 6",)
    assert part_of(SEVERAL, ["gru"], None).names == SEVERAL.names
    assert joined(part, SEVERAL) == joined(SEVERAL, part) == SEVERAL
    both = joined(part, part_of(SEVERAL, ["GRU 3"], None))
    assert both is not None
    assert set(both.runs()) == set(SEVERAL.runs()[:2])
    with pytest.raises(ValueError, match="there is no cell 'LSTM'; choose GRU 3, GRU"):
        part_of(SEVERAL, ["LSTM"], None)
    with pytest.raises(ValueError, match="GRU 3 appears twice"):
        part_of(SEVERAL, ["GRU 3", "gru 3"], None)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("several")
    (folder / "several.toml").write_text(SEVERAL.to_toml())
    done = call("run", "several.toml", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder, done


def test_every_output_tells_the_networks_apart(study):
    folder, done = study
    store, names = Store(folder / "runs/several"), list(SEVERAL.names)
    assert pd.read_csv(store.table)["cell"].tolist() == names
    files = pd.read_csv(store.index)
    assert files["architecture"].tolist() == files["run"].tolist() == names
    assert files["folder"].nunique() == 3
    for path in files["folder"]:
        assert (store.folder / path / "fit.nc").exists()
    page = store.report.read_text()
    log = store.log.read_text()
    for name in names:
        assert name in done.stdout
        assert name in page
        assert f'"run": "{name}"' in log
    found = store.load()
    units = [found[n].group("time_scales").sizes["unit"] for n in names]
    assert units == [3, 6, 6]
    rates = [found[n].group("training")["rate"].values for n in names]
    np.testing.assert_allclose(rates[2], rates[1] * 1e-2 / SEVERAL.recipe.learning_rate)


def test_a_part_leaves_the_whole_and_is_found_in_any_case(study):
    folder, _ = study
    page = (folder / "runs/several/report.html").read_bytes()
    done = call("run", "several.toml", "--cells", "GRU 6", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "GRU 6: kept" in done.stdout
    assert (folder / "runs/several/report.html").read_bytes() == page
    shown = call("show", "Several", cwd=folder)
    assert shown.returncode == 0, shown.stderr
    assert "GRU 6 lr 0.01" in shown.stdout
    wrong = call("run", "several.toml", "--cells", "GRU 9", cwd=folder)
    assert wrong.returncode == 2
    assert "there is no cell 'GRU 9'; choose GRU 3, GRU 6, " in wrong.stderr
