"""The same data as tensors, arrays, lists, dictionaries, datasets and loaders."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

import learnability as lw
from learnability.diagnosis import DiagnosisOptions
from tests.models.test_groups import Summed

GENERATOR = torch.Generator().manual_seed(0)
X = torch.randn(48, 16, 1, generator=GENERATOR)
Y = X[..., 0].roll(2, 1) + torch.randn(48, 16, generator=GENERATOR)


class Named(Summed):
    """A model that names its inputs and, given labels, returns its own loss."""

    def forward(self, x, labels=None, **unused):
        outputs = super().forward(x)
        if labels is None:
            return {"logits": outputs}
        return {"logits": outputs, "loss": functional.mse_loss(outputs, labels)}


class Strict(Summed):
    """A model that takes its inputs alone."""

    def forward(self, x):
        return super().forward(x)


def needed(model: Callable[[], nn.Module], data, loss=functional.mse_loss, **options):
    torch.manual_seed(0)
    quick = DiagnosisOptions(resamples=20, exact_windows=16)
    found = lw.diagnose(model(), data, loss, [1, 2, 4], options=quick, **options)
    return found["gru[layer 0, forward]"].group("detection")["needed"].values


@pytest.fixture(scope="module")
def expected():
    return needed(Strict, (X, Y))


def pairs(loader):
    return [{"x": x, "y": y} for x, y in loader]


FORMS = {
    "arrays": (X.numpy().astype(float), Y.numpy().astype(float)),
    "lists": (X.tolist(), Y.tolist()),
    "a list of tensors": [X, Y],
    "xarray and pandas": (xr.DataArray(X.numpy()), pd.DataFrame(Y.numpy())),
    "a dataset": TensorDataset(X, Y),
    "a loader": DataLoader(TensorDataset(X, Y), batch_size=48),
    "arrays in batches": [(X.numpy(), Y.numpy())],
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same(form: str, expected) -> None:
    np.testing.assert_allclose(needed(Strict, FORMS[form]), expected, rtol=1e-4)


@pytest.mark.parametrize("whole", [True, False])
def test_dictionaries_are_called_by_name(whole: bool, expected) -> None:
    loader = DataLoader(TensorDataset(X, Y), batch_size=48)

    def loss(outputs, batch):
        given = outputs["logits"] if isinstance(outputs, dict) else outputs
        return functional.mse_loss(given, batch["y"])

    batches = {"x": X, "y": Y} if whole else pairs(loader)
    for model in (Strict, Named):
        np.testing.assert_allclose(needed(model, batches, loss), expected, rtol=1e-4)


@dataclass
class Record:
    """A batch of which one field is made of another."""

    x: torch.Tensor
    y: torch.Tensor
    steps: int = field(init=False, default=16)


def test_batches_may_be_of_any_kind_of_dictionary_or_record(expected) -> None:
    for kind in (partial(defaultdict, list), MappingProxyType):
        found = needed(
            Strict,
            [kind({"x": X, "y": Y})],
            lambda outputs, batch: functional.mse_loss(outputs, batch["y"]),
        )
        np.testing.assert_allclose(found, expected, rtol=1e-4)

    def loss(outputs, record):
        return functional.mse_loss(outputs, record.y)

    found = needed(Strict, [(X, Record(X, Y))], loss)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_a_default_type_of_other_precision_is_no_matter(expected) -> None:
    torch.manual_seed(0)
    model = Strict()
    torch.set_default_dtype(torch.float64)
    try:
        found = needed(lambda: model, (X, Y))
    finally:
        torch.set_default_dtype(torch.float32)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


class Whole(Strict):
    """Takes a batch as it comes, as models of several libraries do."""

    def forward(self, batch: dict) -> dict:
        outputs = super().forward(batch["past"])
        loss = functional.mse_loss(outputs, batch["y"])
        return {"prediction": outputs, "loss": loss}


@pytest.mark.parametrize(
    "loss",
    [
        lambda outputs, batch: functional.mse_loss(outputs["prediction"], batch["y"]),
        lambda outputs, batch: outputs["loss"],
    ],
)
def test_a_model_may_take_the_whole_dictionary(loss, expected) -> None:
    batches = {"past": X, "y": Y, "number": torch.arange(len(X))}
    found = needed(Whole, batches, loss)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_a_dictionary_that_fits_no_argument_is_refused() -> None:
    with pytest.raises(ValueError, match="entries bear the names of its arguments"):
        needed(Strict, {"past": X, "y": Y}, lambda o, b: functional.mse_loss(o, b["y"]))


def test_a_loss_inside_the_model_of_a_dictionary(expected) -> None:
    batches = {"x": X, "labels": Y}
    found = needed(Named, batches, lambda outputs, batch: outputs["loss"])
    np.testing.assert_allclose(found, expected, rtol=0.05)
    named = needed(
        Named, batches, lambda outputs, batch: outputs["loss"], targets="labels"
    )
    np.testing.assert_allclose(found, named)


def test_float64_models_take_arrays_as_they_are() -> None:
    model = Strict().double()
    data = (X.numpy(), Y.numpy())
    found = lw.diagnose(model, data, functional.mse_loss, [1, 2])
    assert np.isfinite(found["gru[layer 0, forward]"].group("detection")["needed"][1])


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ((np.array([["a"]]), Y), "holds <U1; give real numbers"),
        (X, "the data are a Tensor"),
        (7, "the data are a int"),
        ({"x": X, "y": Y[:3]}, r"hold \[48, 3\] sequences"),
        ([], "gave no batch"),
        ([X[0]], r"hold \[16\] sequences"),
    ],
)
def test_what_is_no_data_is_refused_in_a_sentence(data, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        needed(Strict, data)
