"""Settings: round trips, identity, one sentence for what is wrong."""

import pytest

from learnability.study import Settings, load_settings, preset_names

QUICK = load_settings("quick")


def test_every_preset_loads_and_comes_back_from_toml():
    for name in preset_names():
        settings = load_settings(name)
        assert settings.name == name
        assert Settings.from_toml(settings.to_toml(), name) == settings


def test_identity_is_that_of_the_numbers():
    assert QUICK.identity() == QUICK.changed(name="other").identity()
    turned = [a.model_dump(mode="json") for a in QUICK.architectures[::-1]]
    assert QUICK.identity() == QUICK.changed(architectures=turned).identity()
    for change in ({"seed": 8}, {"recipe": {"epochs": 3}}, {"budgets": [5]}):
        assert QUICK.identity() != QUICK.changed(**change).identity()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lags": [0]}, "lags start at 1"),
        ({"lags": [QUICK.task.steps]}, "largest possible lag"),
        ({"budgets": [0]}, "greater than 0"),
        ({"budgets": []}, "budgets"),
        ({"recipe": {"epochs": 0}}, r"recipe.epochs: .* \(got 0\)"),
        ({"training_sequences": 3}, "does not fit into 3 training sequences"),
        ({"diagnosis_sequences": 3}, "greater than or equal to 50"),
        ({"task": {"noise": -1}}, "task.noise"),
        ({"architectures": [{"cell": "RNN"}]}, "architectures.0.cell"),
        ({"architectures": [{"cell": "GRU"}] * 2}, "appears twice"),
        ({"measures": {"error": 1.0}}, "less than 1"),
    ],
)
def test_wrong_settings_get_one_sentence(change, message):
    with pytest.raises(ValueError, match=message) as caught:
        QUICK.changed(**change)
    assert "\n" not in str(caught.value)


def test_files_are_named_in_errors(tmp_path):
    path = tmp_path / "mine.toml"
    with pytest.raises(ValueError, match="cannot be read"):
        load_settings(str(path))
    path.write_text("name = [")
    with pytest.raises(ValueError, match="is no TOML"):
        load_settings(str(path))
    path.write_text(QUICK.to_toml().replace("seed = ", "sead = "))
    with pytest.raises(ValueError, match="sead"):
        load_settings(str(path))
    with pytest.raises(ValueError, match="choose quick"):
        load_settings("fast")
