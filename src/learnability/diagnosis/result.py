"""The diagnosis of a model: one of each layer, by name."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from os import PathLike
from typing import final

import pandas as pd
import xarray as xr

from ..storage import load_tree, save_tree
from ..verdict.explained import Explanation
from .advice import advice
from .layer import Diagnosis, numbers
from .lengths import Lengths, lengths_of
from .shown import card_of, text_of
from .verdicts import explained


@final
@dataclass(frozen=True, repr=False)
class Diagnoses(Mapping[str, Diagnosis]):
    """How far back each layer of a model can learn.

    Attributes:
        layers: by name, such as ``encoder.gru[layer 0, forward]``. ``found["encoder"]``
            is the only one whose name begins so.
        refused: why other modules have none, a sentence each, by name.
    """

    layers: dict[str, Diagnosis]
    refused: dict[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Diagnosis:
        if name in self.layers:
            return self.layers[name]
        begin_so = [full for full in self.layers if full.startswith(name)]
        if len(begin_so) == 1:
            return self.layers[begin_so[0]]
        what = "several layers" if begin_so else "no layer"
        named = ", ".join(begin_so or self.layers)
        raise KeyError(f"{what} named {name!r}: {named}")

    def __iter__(self) -> Iterator[str]:
        return iter(self.layers)

    def __len__(self) -> int:
        return len(self.layers)

    def __repr__(self) -> str:
        return text_of(self.layers, self.refused)

    def _repr_html_(self) -> str:
        return card_of(self.layers, self.refused)

    def summary(self, *, full: bool = False) -> pd.DataFrame:
        """Return one row per layer and lag; see `LayerDiagnosis.summary`."""
        tables = {name: one.summary(full=full) for name, one in self.items()}
        return pd.concat(tables, names=["layer", "lag"])

    def window(self, n_sequences: float | Iterable[float]) -> pd.DataFrame:
        """Return one row per layer and N; see `LayerDiagnosis.window`."""
        wanted = numbers(n_sequences)
        tables = {name: one.window(wanted) for name, one in self.items()}
        return pd.concat(tables, names=["layer", "n_sequences"])

    def needed_window(self, n_sequences: float | Iterable[float]) -> pd.DataFrame:
        """Return one row per layer and N; see `LayerDiagnosis.needed_window`."""
        wanted = numbers(n_sequences)
        tables = {name: one.needed_window(wanted) for name, one in self.items()}
        return pd.concat(tables, names=["layer", "n_sequences"])

    def verdicts(self) -> pd.DataFrame:
        """Return one row per layer and lag; see `LayerDiagnosis.verdicts`."""
        tables = {name: one.verdicts() for name, one in self.items()}
        return pd.concat(tables, names=["layer", "lag"])

    def explain(self, lag: int) -> Explanation:
        """Return the verdict on a lag, its evidence and one thing to try.

        Of several layers it is that of the one that has learnt most of the lag, or
        whose state holds most of it.

        Args:
            lag: in steps; off the grid both neighbours are named.
        """
        return explained(self, lag)

    def lengths(self) -> Lengths:
        """Return how long to backpropagate, to warm up and to look back."""
        return lengths_of(self)

    def advice(self, n_sequences: float | None = None) -> list[str]:
        """Return what the numbers say about each layer, in sentences.

        Args:
            n_sequences: N that there are for training; those of the diagnosis unless
                given.
        """
        found = [
            f"{name}: {sentence}"
            for name, one in self.items()
            for sentence in advice(one, n_sequences)
        ]
        return found + list(self.refused.values())

    def save(self, path: str | PathLike[str]) -> None:
        """Write everything to one NetCDF-4 file; it appears whole or not at all."""
        title = "learnability diagnosis of a model"
        root = xr.Dataset(attrs={"title": title, "refused": json.dumps(self.refused)})
        trees = {f"/{name}": one.tree for name, one in self.items()}
        save_tree(xr.DataTree.from_dict({"/": root} | trees), path)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> "Diagnoses":
        """Return what `save` wrote.

        Raises:
            ValueError: if the file cannot be read or holds no diagnosis of a model.
        """
        tree = load_tree(path)
        found = {
            name: Diagnosis(xr.DataTree.from_dict(child.to_dict(relative=True)))
            for name, child in tree.children.items()
            if "detection" in child.children
        }
        if not found:
            raise ValueError(f"{path} holds no diagnosis of a model; name another file")
        return cls(found, json.loads(tree.attrs.get("refused", "{}")))
