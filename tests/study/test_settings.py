"""Settings: round trips, identity, one sentence for what is wrong."""

import json
import math
from hashlib import sha256

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from learnability.checked import digest
from learnability.recipe import make_optimizer
from learnability.study import Settings, load_settings, preset_names
from learnability.study.store import differing, joined, part_of

QUICK = load_settings("quick")


def test_every_preset_loads_and_comes_back_from_toml():
    for name in preset_names():
        settings = load_settings(name)
        assert settings.name == name
        assert Settings.from_toml(settings.to_toml(), name) == settings


def test_identity_is_that_of_the_numbers():
    assert QUICK.identity() == QUICK.changed(name="other").identity()
    turned = part_of(QUICK, list(QUICK.names[::-1]), None)
    assert QUICK.identity() == turned.identity()
    for change in ({"seeds": [8]}, {"recipe": {"epochs": 3}}, {"n_sequences": [5]}):
        assert QUICK.identity() != QUICK.changed(**change).identity()


def test_noise_makes_another_study_and_comes_back_from_toml():
    quiet = load_settings("quick")
    noisy = quiet.changed(recipe={"noise": {"alpha": 1.5, "scale": 0.2}})
    assert Settings.from_toml(noisy.to_toml(), "noisy") == noisy
    assert noisy.identity() != quiet.identity()
    pairs = zip(quiet.runs(), noisy.runs(), strict=True)
    assert all(one.identity() != other.identity() for one, other in pairs)
    with pytest.raises(ValueError, match=r"recipe.noise.alpha: input should be less"):
        quiet.changed(recipe={"noise": {"alpha": 2.5}})


def test_the_device_makes_no_other_study():
    there = QUICK.changed(device="cuda", seeds=[8])
    assert QUICK.identity() == QUICK.changed(device="cuda").identity()
    assert "device" not in QUICK.to_toml()
    assert Settings.from_toml(there.to_toml(), "quick").device == "cuda"
    assert differing(QUICK, there) == []
    both = joined(there, QUICK.changed(device="cpu"))
    assert both is not None
    assert (both.device, both.seeds) == ("cpu", (8, 7))
    for wrong in (1, True, ["cuda"]):
        with pytest.raises(ValueError, match="device: input should be a valid string"):
            QUICK.changed(device=wrong)


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda part: st.lists(part) | st.dictionaries(st.text(), part),
)


def written_otherwise(value):
    """Give the same settings with tuples, other kinds of numbers, another order."""
    match value:
        case dict():
            turned = reversed(value.items())
            return {key: written_otherwise(part) for key, part in turned}
        case list():
            return tuple(map(written_otherwise, value))
        case int() if not isinstance(value, bool):
            return float(value)
        case _:
            return value


@given(PLAIN)
def test_a_digest_is_that_of_what_is_said_and_not_of_how(settings):
    again = json.loads(json.dumps(settings))
    assert digest(settings) == digest(again) == digest(written_otherwise(settings))
    assert digest(settings) != digest([settings])
    assert digest({"a": settings}) != digest({"b": settings})


def test_a_digest_is_of_canonical_json():
    text = '{"name":"ä","rate":0.1,"seeds":[1,2],"whole":true}'
    expected = sha256(text.encode()).hexdigest()[:12]
    given = {"whole": True, "seeds": (1.0, 2), "rate": 0.1, "name": "ä"}
    assert digest(given) == expected
    with pytest.raises(ValueError, match="not JSON compliant"):
        digest([float("nan")])
    with pytest.raises(TypeError, match="not JSON serializable"):
        digest({"a": {1, 2}})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lags": [0]}, "lags start at 1"),
        ({"lags": [QUICK.task.steps]}, "largest possible lag"),
        ({"n_sequences": [0]}, "greater than 0"),
        ({"n_sequences": []}, "n_sequences"),
        (
            {"n_sequences": [10, 20, 10]},
            "10.0 appears twice; name each number of sequences once",
        ),
        ({"seeds": [2**63]}, f"less than or equal to {2**63 - 1} .got {2**63}"),
        ({"recipe": {"epochs": 10**400}}, "less than or equal to"),
        (
            {"recipe": {"learning_rate": float("inf")}},
            "learning_rate: .* finite .*got inf",
        ),
        ({"task": {"noise": 1e39}}, "task.noise: .* 1000000000 .got 1e.39"),
        (
            {"task": {"coefficients": [0.5, 0, 0.1, 0.1]}},
            "coefficient of .* is 0",
        ),
        ({"task": {"coefficients": [0.5, float("nan")]}}, "finite number .got nan"),
        ({"name": "../x"}, "'../x' cannot name a folder"),
        ({"name": "/abs"}, "'/abs' cannot name a folder"),
        ({"name": "a\\b"}, "cannot name a folder"),
        ({"name": "a\nb"}, "cannot name a folder"),
        ({"name": "a "}, "cannot name a folder"),
        ({"name": "."}, "'.' names no folder"),
        ({"name": ".."}, "'..' names no folder"),
        ({"name": ""}, "'' names no folder"),
        ({"name": "ä" * 101}, "has 202 bytes; take at most 200"),
        ({"recipe": {"epochs": 0}}, r"recipe.epochs: .* \(got 0\)"),
        ({"training_sequences": 3}, "does not fit into 3 training sequences"),
        ({"diagnosis_sequences": 3}, "greater than or equal to 50"),
        ({"task": {"noise": -1}}, "task.noise"),
        ({"networks": [{"cell": "RNN"}]}, "networks.0.cell"),
        ({"networks": [{"cell": "GRU"}] * 2}, "GRU appears twice; name each network"),
        (
            {"options": {"significance": 0.7}},
            r"options.significance: 0.7 is no .* below 0.5",
        ),
        ({"options": {"power": 0.5}}, "options.power: 0.5 is no .* above 0.5"),
        (
            {"options": {"significance": 5e-324}},
            "5e-324 is no significance .* at least 1e-300",
        ),
        ({"seeds": [3, 3]}, "3 appears twice; name each seed once"),
        ({"further_optimizers": [{"optimizer": "adamw"}]}, "adamw appears twice"),
        ({"further_optimizers": [{"optimizer": "lion"}]}, "further_optimizers.0"),
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
    path.write_text(QUICK.to_toml().replace("seeds = ", "seads = "))
    with pytest.raises(ValueError, match="seads"):
        load_settings(str(path))
    with pytest.raises(ValueError, match="choose livi"):
        load_settings("fast")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seeds = [7]", 'seeds = ["7"]', "seeds.0: .* integer .got '7'"),
        ("seeds = [7]", "seeds = [true]", "seeds.0: .* integer .got True"),
        ("seeds = [7]", "seeds = 7", "seeds: input should be a valid list .got 7"),
        ("seeds = [7]", "seeds = []", "at least 1 item .got"),
        ("layernorm = true", 'layernorm = "no"', "layernorm: .* boolean .got 'no'"),
        ("epochs = ", "epochs = true #", "recipe.epochs: .* integer .got True"),
        (
            "learning_rate = ",
            'learning_rate = "1" #',
            "learning_rate: .* number",
        ),
        ('name = "quick"', 'nam = "x"', "mine.toml: nam: there is no such setting"),
        ("\nn_sequences = ", "\nbudgets = ", "budgets: it is called n_sequences now"),
        ("[options]", "[measures]", "measures: it is called options now"),
        ('name = "quick"', "", "mine.toml: name: it is missing; give it a value"),
        (
            "\nn_sequences = ",
            f"\nn_sequences = {'[' * 2000}{']' * 2000} #",
            "recursion|n_sequences",
        ),
    ],
)
def test_wrong_types_and_names_get_one_sentence(tmp_path, old, new, message):
    path, text = tmp_path / "mine.toml", QUICK.to_toml()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(ValueError, match=message) as caught:
        load_settings(str(path))
    assert len(str(caught.value)) < 500


def test_the_mark_of_an_editor_is_no_text(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(QUICK.to_toml(), encoding="utf-8-sig")
    assert load_settings(str(path)) == QUICK
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"cannot be read .* name a study's TOML"):
        load_settings(str(path))
    with pytest.raises(ValueError, match=r"cannot be read .embedded null byte"):
        load_settings("a\0b.toml")


def test_numpy_s_whole_numbers_are_whole():
    lags = np.array([1, 2])
    again = QUICK.changed(lags=list(lags), seeds=[lags[0]])
    assert again.lags == (1, 2)
    assert type(again.seeds[0]) is int


def test_a_grid_has_a_run_a_corner():
    grid = QUICK.changed(
        seeds=[1, 2],
        further_optimizers=[{"optimizer": "sgd", "learning_rate": 0.5}],
    )
    runs = grid.runs()
    assert len(runs) == 5 * 2 * 2
    assert len({run.identity() for run in runs}) == len(runs)
    labels = [grid.label(run) for run in runs]
    assert labels[:2] == ["ConstGate, adamw, seed 1", "ConstGate, sgd, seed 1"]
    assert len(set(labels)) == len(labels)
    assert runs[1].recipe == QUICK.recipe.model_copy(
        update={"optimizer": "sgd", "learning_rate": 0.5}
    )
    assert [QUICK.label(run) for run in QUICK.runs()] == list(QUICK.names)


def test_only_what_decides_the_weights_names_a_run():
    (run, *_) = QUICK.runs()
    for same in (
        {"options": {"significance": 0.01}},
        {"lags": [1, 2]},
        {"n_sequences": [7]},
        {"diagnosis_sequences": 99},
        {"name": "other"},
        {"device": "cuda"},
    ):
        assert QUICK.changed(**same).runs()[0].identity() == run.identity()
    for other in ({"seeds": [8]}, {"recipe": {"epochs": 3}}, {"task": {"noise": 0.3}}):
        assert QUICK.changed(**other).runs()[0].identity() != run.identity()


def test_scale_shrinks_epochs_and_sequences_and_says_so():
    whole = load_settings("livi-2026-03")
    part = whole.scaled(0.1)
    assert (part.recipe.epochs, part.training_sequences) == (75, 800)
    assert part.diagnosis_sequences == 800
    assert part.recipe.batch_size == whole.recipe.batch_size
    assert "scale 0.1" in part.title
    assert whole.title == whole.name
    tiny = whole.scaled(0.001)
    assert (tiny.recipe.epochs, tiny.training_sequences) == (1, 8)
    assert (tiny.recipe.batch_size, tiny.diagnosis_sequences) == (8, 50)
    for wrong in (0, 1.5, -1):
        with pytest.raises(ValueError, match="not above 0 and at most 1"):
            whole.scaled(wrong)


def test_updates_of_march_are_those_of_the_whole_square_error():
    _, *others = load_settings("livi-2026-03").recipes
    for recipe in others:
        ours = torch.tensor([0.3, -2.0, 4.0], requires_grad=True)
        theirs = ours.detach().clone().requires_grad_()
        momentum = 0.9 if recipe.optimizer == "momentum" else 0.0
        sgd = torch.optim.SGD([theirs], lr=1e-3, weight_decay=1e-4, momentum=momentum)
        both = ((ours, make_optimizer(recipe, iter([ours])), 0.5), (theirs, sgd, 1.0))
        for size in (0.01, 3.0, 0.2):  # within the clip and beyond it
            for weights, optimizer, factor in both:
                optimizer.zero_grad()
                (factor * size * weights.square().sum()).backward()
                torch.nn.utils.clip_grad_norm_([weights], recipe.clip * factor / 0.5)
                optimizer.step()
            torch.testing.assert_close(ours, theirs)


def test_presets_hold_the_published_numbers():
    march, final = load_settings("livi-2026-03"), load_settings("livi-2026-final")
    assert march.seeds == (212, 1001, 2002, 3003, 4004)
    assert final.seeds == (2, 12, 31, 41, 51)
    assert (march.task.steps, march.networks[0].units) == (1024, 128)
    assert (final.task.steps, final.networks[0].units) == (1536, 256)
    assert march.task.lags == (32, 64, 128, 192, 256)
    assert march.task.coefficients == (0.6, 0.5, 0.4, 0.32, 0.26)
    assert final.task.lags == (64, 128, 256, 384, 512, 768)
    assert final.task.coefficients == (0.6, 0.5, 0.4, 0.3, 0.22, 0.16)
    assert (march.task.noise, final.task.noise) == (0.3, 0.4)
    assert (len(march.lags), march.lags[0], march.lags[-1]) == (128, 4, 256)
    assert (len(final.lags), final.lags[0], final.lags[-1]) == (192, 4, 768)
    assert (march.training_sequences, march.diagnosis_sequences) == (8000, 8000)
    assert (final.training_sequences, final.diagnosis_sequences) == (8000, 12000)
    for study, rate, batch, epochs in (
        (march, 1e-3, 512, 750),
        (final, 2e-4, 384, 1500),
    ):
        recipe = study.recipe
        assert (recipe.learning_rate, recipe.batch_size, recipe.epochs) == (
            rate,
            batch,
            epochs,
        )
        assert recipe.weight_decay == 1e-4
        gates = {n.cell: n.gate for n in study.networks}
        assert gates["LSTM"] == 0.5
        assert gates["SharedGate"] == gates["DiagGate"] == 0.05
        assert gates["GRU"] == (0.5 if study is march else 0.05)
    assert [r.optimizer for r in march.recipes] == ["adamw", "sgd", "momentum"]
    assert [r.optimizer for r in final.recipes] == ["adamw", "sgd", "rmsprop"]
    assert len(load_settings("standard").runs()) == 45


AXES = st.fixed_dictionaries(
    {
        "cells": st.sets(st.sampled_from(["GRU", "LSTM", "DiagGate"]), min_size=1),
        "seeds": st.sets(st.integers(1, 3), min_size=1),
        "optimizers": st.sets(st.sampled_from(["adamw", "sgd"]), min_size=1),
    }
)


def part(axes) -> Settings:
    """Give a part of one study: some of its cells, seeds and optimizers."""
    rates = {"adamw": 1e-3, "sgd": 0.5}
    first, *rest = (
        {"optimizer": name, "learning_rate": rates[name]}
        for name in sorted(axes["optimizers"])
    )
    return part_of(QUICK, sorted(axes["cells"]), None).changed(
        seeds=sorted(axes["seeds"]),
        recipe=first,
        further_optimizers=rest,
    )


def identities(study: Settings) -> set[str]:
    return {run.identity() for run in study.runs()}


@given(AXES, AXES)
def test_two_parts_of_a_study_join_to_the_runs_of_both(one, two):
    there, asked = part(one), part(two)
    both = joined(there, asked)
    together = {
        (cell, seed, optimizer)
        for axes in (one, two)
        for cell in axes["cells"]
        for seed in axes["seeds"]
        for optimizer in axes["optimizers"]
    }
    shape = [{corner[k] for corner in together} for k in range(3)]
    if both is None:
        assert len(together) < math.prod(map(len, shape))
    else:
        assert identities(both) == identities(there) | identities(asked)
    assert joined(there, there) == there
    assert differing(there, asked) == []


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"lags": [1, 2]}, ["lags"]),
        ({"name": "other", "options": {"significance": 0.01}}, ["name", "options"]),
        ({"recipe": {"learning_rate": 0.5}}, []),
    ],
)
def test_other_studies_do_not_join(change, names):
    other = QUICK.changed(**change)
    assert joined(QUICK, other) is None
    assert differing(QUICK, other) == names
