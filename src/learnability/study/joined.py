"""Two parts of one study: what they are together, and what keeps them apart."""

from .settings import Further, Settings

GRID = {"architectures", "seeds", "recipe", "further_optimizers"}
"""Settings of a study whose product is the grid of its runs."""


def joined(there: Settings, asked: Settings) -> Settings | None:
    """Return the study whose runs are those of two studies, if there is one.

    Nothing but the grid may differ, and the runs of both must fill one.

    Args:
        there: one study, whose order is kept.
        asked: the other.
    """
    if differing(there, asked):
        return None
    cells = {a.cell: a for a in (*asked.architectures, *there.architectures)}
    order = dict.fromkeys(a.cell for a in (*there.architectures, *asked.architectures))
    both = there.changed(
        architectures=[cells[name].model_dump(mode="json") for name in order],
        seeds=list(dict.fromkeys((*there.seeds, *asked.seeds))),
        further_optimizers=[f.model_dump(mode="json") for f in _further(there, asked)],
    )
    known = {run.identity() for study in (there, asked) for run in study.runs()}
    return both if known == {run.identity() for run in both.runs()} else None


def differing(there: Settings, asked: Settings) -> list[str]:
    """Return the names of settings besides the grid in which two studies differ."""
    one, two = (s.model_dump(mode="json", exclude=GRID) for s in (there, asked))
    return [name for name in one if one[name] != two[name]]


def _further(there: Settings, asked: Settings) -> list[Further]:
    known = {recipe.optimizer for recipe in there.recipes}
    fields = set(Further.model_fields)
    new = [r for r in asked.recipes if r.optimizer not in known]
    return [
        *there.further_optimizers,
        *(Further(**recipe.model_dump(include=fields)) for recipe in new),
    ]
