"""The diagnoses of a model: one a recurrent layer and direction, by name."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from os import PathLike
from typing import final

import pandas as pd
import xarray as xr

from ..diagnosis import Diagnosis
from ..storage import load_tree, save_tree
from .advice import advice


@final
@dataclass(frozen=True)
class Diagnoses(Mapping[str, Diagnosis]):
    """How far back each recurrent layer of a model can learn.

    Attributes:
        found: by name, such as ``encoder.gru[layer 0, forward]``.
        refused: why other modules have none, a sentence each, by name.
    """

    found: dict[str, Diagnosis]
    refused: dict[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Diagnosis:
        return self.found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.found)

    def __len__(self) -> int:
        return len(self.found)

    def summary(self) -> pd.DataFrame:
        """Give a row a layer and lag; see `Diagnosis.summary`."""
        tables = {name: one.summary() for name, one in self.found.items()}
        return pd.concat(tables, names=["layer", "lag"])

    def window(self, budgets: Iterable[float]) -> pd.DataFrame:
        """Give a row a layer and budget; see `Diagnosis.window`."""
        wanted = list(budgets)
        tables = {name: one.window(wanted) for name, one in self.found.items()}
        return pd.concat(tables, names=["layer", "budget"])

    def needed_window(self, budgets: Iterable[float]) -> pd.DataFrame:
        """Return one row per layer and budget; see `Diagnosis.needed_window`."""
        wanted = list(budgets)
        tables = {n: one.needed_window(wanted) for n, one in self.found.items()}
        return pd.concat(tables, names=["layer", "budget"])

    def advice(self, sequences: float | None = None) -> list[str]:
        """Give what the numbers say about each layer; see `models.advice`.

        Args:
            sequences: N that there are for training; those of the diagnosis unless
                given.
        """
        return [
            f"{name}: {sentence}"
            for name, one in self.found.items()
            for sentence in advice(one, sequences)
        ] + list(self.refused.values())

    def save(self, path: str | PathLike[str]) -> None:
        """Write everything to one NetCDF-4 file; it appears whole or not at all."""
        title = "learnability diagnoses of a model"
        root = xr.Dataset(attrs={"title": title, "refused": json.dumps(self.refused)})
        trees = {f"/{name}": one.tree for name, one in self.found.items()}
        save_tree(xr.DataTree.from_dict({"/": root} | trees), path)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> "Diagnoses":
        """Read what `save` wrote.

        Raises:
            ValueError: if the file cannot be read or holds no diagnoses.
        """
        tree = load_tree(path)
        found = {
            name: Diagnosis(xr.DataTree.from_dict(child.to_dict(relative=True)))
            for name, child in tree.children.items()
            if "detection" in child.children
        }
        if not found:
            raise ValueError(f"{path} holds no diagnoses of a model; name another file")
        return cls(found, json.loads(tree.attrs.get("refused", "{}")))
