"""The diagnosis of a model: one of each layer, by name."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, final

import pandas as pd
import xarray as xr
from upath import UPath

from ..grid import shares_of
from ..storage import load_tree, save_tree
from ..verdict.explanation import Explanation
from .advice import advice
from .layer import LayerDiagnosis, numbers
from .lengths import Lengths, lengths_of
from .scalars import by_band, named
from .texts import card_of, text_of
from .verdicts import explained, judged

if TYPE_CHECKING:  # drawing loads matplotlib: only where it is asked for
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..report import Study

TITLE = "How far back this model can learn"


@final
@dataclass(frozen=True, repr=False)
class Diagnosis(Mapping[str, LayerDiagnosis]):
    """How far back each layer of a model can learn.

    Attributes:
        layers: by name, such as ``encoder.gru[layer 0, forward]``. ``found["encoder"]``
            is the only one whose name begins so.
        refused: why other modules have none, a sentence each, by name.
    """

    layers: dict[str, LayerDiagnosis]
    refused: dict[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str | int) -> LayerDiagnosis:
        begin = str(name)  # layers of nn.Sequential are named by numbers
        if begin in self.layers:
            return self.layers[begin]
        begin_so = [full for full in self.layers if full.startswith(begin)]
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
        return self._together("lag", lambda one: one.summary(full=full))

    def window(self, n_sequences: float | Iterable[float]) -> pd.DataFrame:
        """Return one row per layer and N; see `LayerDiagnosis.window`."""
        wanted = numbers(n_sequences)
        return self._together("n_sequences", lambda one: one.window(wanted))

    def needed_window(self, n_sequences: float | Iterable[float]) -> pd.DataFrame:
        """Return one row per layer and N; see `LayerDiagnosis.needed_window`."""
        wanted = numbers(n_sequences)
        return self._together("n_sequences", lambda one: one.needed_window(wanted))

    def progress(
        self, n_sequences: float | Iterable[float] | None = None
    ) -> pd.DataFrame:
        """Return one row per layer and N; see `LayerDiagnosis.progress`."""
        return self._together("n_sequences", lambda one: one.progress(n_sequences))

    def verdicts(self) -> pd.DataFrame:
        """Return one row per layer and lag; see `LayerDiagnosis.verdicts`."""
        return self._together("lag", LayerDiagnosis.verdicts)

    def _together(
        self, index: str, table: Callable[[LayerDiagnosis], pd.DataFrame]
    ) -> pd.DataFrame:
        """Return the tables of all layers below one another."""
        tables = {name: table(one) for name, one in self.items()}
        return pd.concat(tables, names=["layer", index])

    def scalars(self, n_sequences: float | None = None) -> dict[str, float]:
        """Return what is known as single numbers, for tools that watch experiments.

        Args:
            n_sequences: N; those of the diagnosis unless given.

        Returns:
            By ``layer/name``, what is finite: the needed ``window`` in steps, and the
            means over each octave of lags of ``arriving`` (f(l)/f(0)),
            ``samples_needed`` (N(l)) and the learnt ``share``.
        """
        (count,) = self._marked(n_sequences)[-1:]
        found = {}
        for name, one in self.items():
            table = one.summary(full=True)
            columns = {
                "arriving": table["envelope"],
                "samples_needed": table["samples_needed"],
                "share": one.verdicts()["share"],
            }
            window = float(one.needed_window(count)["window"].iloc[0])
            found[name] = {"window": window} | by_band(pd.DataFrame(columns))
        return named(found)

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

    def plot(
        self,
        name: str = "answer",
        ax: "Axes | None" = None,
        *,
        n_sequences: float | Iterable[float] | None = None,
    ) -> "Figure | Axes":
        """Draw one of the figures that pages show, one line per layer.

        Args:
            name: answer (windows, how certain), samples (N(l)), windows (H_N against
                N), envelope, time_scales or tail_index.
            ax: matplotlib axes to draw into, for figures of one panel.
            n_sequences: N to mark; a hundredth, a tenth and all of the data's unless
                given.

        Returns:
            The axes where they were given, otherwise a figure.

        Raises:
            ValueError: if there is no such figure of these results, or it has several
                panels and axes were given.
        """
        from ..plots import draw, pictures
        from ..summaries import summed

        trees = {layer: [one.tree] for layer, one in self.items()}
        found = summed(trees, self._marked(n_sequences))
        if ax is None:
            return draw(name, found)
        (picture,) = (p for p in pictures(found) if p.name == name)
        if len(picture.panels) > 1:
            raise ValueError(f"the figure {name!r} has several panels; leave out ax")
        return picture.panels[0](ax)

    def _marked(self, n_sequences: float | Iterable[float] | None) -> list[float]:
        if n_sequences is not None:
            return numbers(n_sequences)
        given = float(next(iter(self.values())).tree.attrs["sequences"])
        return shares_of(given)

    def report(
        self,
        path: str | PathLike[str],
        *,
        title: str = TITLE,
        n_sequences: float | Iterable[float] | None = None,
    ) -> Path | UPath:
        """Write a page that says and shows all of this; it asks nothing of anybody.

        Args:
            path: of the page, ending in ``.html``.
            title: of the page.
            n_sequences: N to choose from; see `plot`.

        Returns:
            Where it lies.

        Raises:
            ValueError: if the path has another ending, or cannot be written.
        """
        from ..report import model_page, write_page

        parts = [(name, advice(one)) for name, one in self.items()]
        notes, more = (
            [f"{name}: {said}" for name, every in parts for said in every[which]]
            for which in (slice(1), slice(1, None))
        )
        page = model_page(
            self.study(n_sequences, title=title),
            notes=[*notes, *self.refused.values()],
            more=more,
        )
        return write_page(page, path)

    def answer(self, n_sequences: float | None = None) -> str:
        """Return in a sentence what is seen, kept and learnt, and what stops the rest.

        Args:
            n_sequences: N that there are for training; those of the diagnosis unless
                given.
        """
        from ..summaries import summed

        study = self.study(n_sequences)
        most = max(study.n_sequences)
        return study.headline(summed(study.lines, [most]), most)

    def study(
        self,
        n_sequences: float | Iterable[float] | None = None,
        *,
        title: str = TITLE,
    ) -> "Study":
        """Return what pages and tables show of it.

        Args:
            n_sequences: N to choose from; see `plot`.
            title: of a page.
        """
        from ..report import model_study

        verdicts = {name: judged({name: one}) for name, one in self.items()}
        known = {name: said for name, said in verdicts.items() if said}
        return model_study(
            {layer: one.tree for layer, one in self.items()},
            title=title,
            n_sequences=self._marked(n_sequences),
            judged=known,
            whole=judged(self) if known else None,
        )

    def save(self, path: str | PathLike[str]) -> None:
        """Write everything to one NetCDF-4 file; it appears whole or not at all."""
        title = "learnability diagnosis of a model"
        root = xr.Dataset(attrs={"title": title, "refused": json.dumps(self.refused)})
        trees = {f"/{name}": one.tree for name, one in self.items()}
        save_tree(xr.DataTree.from_dict({"/": root} | trees), path)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> "Diagnosis":
        """Return what `save` wrote.

        Raises:
            ValueError: if the file cannot be read or holds no diagnosis of a model.
        """
        tree = load_tree(path)
        found = {
            name: LayerDiagnosis(xr.DataTree.from_dict(child.to_dict(relative=True)))
            for name, child in tree.children.items()
            if "detection" in child.children
        }
        if not found:
            raise ValueError(f"{path} holds no diagnosis of a model; name another file")
        return cls(found, json.loads(tree.attrs.get("refused", "{}")))
