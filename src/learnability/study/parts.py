"""Parts of a study: some of its runs, and what two of them are together."""

from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import BaseModel

from ..checked import check_unique, chosen_name
from ..recipe import Recipe
from .run import Further, NetworkSettings
from .settings import Settings

# Settings of a study whose product is the grid of its runs.
GRID = {"networks", "seeds", "recipe", "further_optimizers"}


def part_of(
    settings: Settings, cells: list[str] | None, optimizers: list[str] | None
) -> Settings:
    """Return a study with some of its networks and optimizers, in the order given.

    Args:
        settings: the whole study.
        cells: in any case, names of networks or cells, which stand for all networks of
            theirs; all unless given.
        optimizers: in any case; all unless given.

    Raises:
        ValueError: if there is no such cell or optimizer, or one is named twice.
    """
    if cells is not None:
        settings = settings.changed(networks=_plain(_picked(settings, cells)))
    if optimizers is None:
        return settings
    recipes = {r.optimizer: r for r in settings.recipes}
    names = [chosen_name("optimizer", word, recipes) for word in optimizers]
    check_unique("optimizer", names)
    first, *rest = (recipes[name] for name in names)
    return settings.changed(
        recipe=first.model_dump(mode="json"), further_optimizers=_further(rest)
    )


def _picked(settings: Settings, words: Sequence[str]) -> list[NetworkSettings]:
    """Return networks under the names that they have in the whole study."""
    there = dict(zip(settings.names, settings.networks, strict=True))
    known = dict.fromkeys([*there, *(n.cell for n in settings.networks)])
    asked = [chosen_name("cell", word, known) for word in words]
    check_unique("cell", asked)
    picked = {
        name: network.model_copy(update={"name": _given(name, network)})
        for word in asked
        for name, network in there.items()
        if name == word or (word not in there and network.cell == word)
    }
    return list(picked.values())


def _given(name: str, network: NetworkSettings) -> str | None:
    """Return a name as settings give it, which leave out that of the cell."""
    return None if name == network.cell else name


def joined(there: Settings, asked: Settings) -> Settings | None:
    """Return the study whose runs are those of two studies, if there is one.

    Nothing but the grid may differ, and the runs of both must fill one.

    Args:
        there: one study, whose order is kept; and its networks' names, unless the other
            holds more of them.
        asked: the other.
    """
    if differing(there, asked):
        return None
    more = sorted((there, asked), key=lambda study: -len(study.networks))
    networks: dict[NetworkSettings, NetworkSettings] = {}
    for network in (n for study in more for n in study.networks):
        networks.setdefault(network.model_copy(update={"name": None}), network)
    known = {recipe.optimizer for recipe in there.recipes}
    new = [recipe for recipe in asked.recipes if recipe.optimizer not in known]
    both = there.changed(
        networks=_plain(networks.values()),
        seeds=list(dict.fromkeys((*there.seeds, *asked.seeds))),
        further_optimizers=[*_plain(there.further_optimizers), *_further(new)],
    )
    wanted = {run.identity() for study in (there, asked) for run in study.runs()}
    return both if wanted == {run.identity() for run in both.runs()} else None


def differing(there: Settings, asked: Settings) -> list[str]:
    """Return the names of settings besides the grid in which two studies differ.

    Args:
        there: one study.
        asked: the other.
    """
    one, two = (s.model_dump(mode="json", exclude=GRID) for s in (there, asked))
    return [name for name in one if one[name] != two[name]]


def _plain(models: Iterable[BaseModel]) -> list[dict[str, Any]]:
    return [model.model_dump(mode="json") for model in models]


def _further(recipes: Iterable[Recipe]) -> list[dict[str, Any]]:
    """Return what further optimizers change of a study's recipe."""
    return [r.model_dump(include=set(Further.model_fields)) for r in recipes]
