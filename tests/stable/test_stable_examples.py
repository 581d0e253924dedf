"""Every example in the documentation runs."""

import doctest
import importlib
import pkgutil

import pytest

from learnability import detection, stable

MODULES = [
    f"{package.__name__}.{module.name}"
    for package in (stable, detection)
    for module in pkgutil.iter_modules(package.__path__)
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    failures, _ = doctest.testmod(importlib.import_module(name))
    assert failures == 0
