"""What a diagnosis says: one thing to do, a text of a few lines, a card."""

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from jaxtyping import Real

from ..detection import decay
from ..detection.decay_fit import FEWEST_LAGS

if TYPE_CHECKING:
    from .layer import LayerDiagnosis

NOTED = 0.005  # of a gradient's square: less is not worth a sentence
FAMILIES = (
    decay.Exponential,
    decay.PowerLaw,
    decay.TruncatedPower,
    decay.Logarithmic,
)
LINES = 8  # of a text, at most

Layers = Mapping[str, "LayerDiagnosis"]


def advice(diagnosis: "LayerDiagnosis", sequences: float | None = None) -> list[str]:
    """Return sentences on samples, on the envelope and on what buys a longer window.

    Args:
        diagnosis: of one recurrence.
        sequences: N that there are for training; those of the diagnosis unless given.

    Returns:
        One sentence a finding, the most urgent first.

    Raises:
        ValueError: if N is not above 0.

    Example:
        >>> import learnability as lw, torch
        >>> task = lw.MultiLag(lags=(2,), coefficients=(0.6,), inputs=2, steps=12)
        >>> data = task.draw(64, seed=0, direction=task.direction(seed=1))
        >>> found = lw.diagnose(
        ...     lw.Network(lw.GRU(2, 4)), data, torch.nn.functional.mse_loss, [1, 2]
        ... )["cell"]
        >>> advice(found)[-1]
        'the envelope was measured at 2 lags; measure at least 6 to know its decay.'
    """
    envelope, need = diagnosis.envelope, diagnosis.group("detection")
    by_autograd = envelope.attrs.get("no_equation")
    how = f"measured by autograd as the model calls it, since {by_autograd}."
    evidence = diagnosis.tree.children.get("evidence")
    left = evidence.attrs.get("not_split", 0.0) if evidence is not None else 0.0
    rest = f"{left:.0%} of its gradient's square is of parameters not split by lag."
    first = answer(diagnosis, sequences)
    second = _past(diagnosis) or _decay(envelope, need)
    precision = diagnosis.tree.attrs.get("precision")
    single = f"diagnosed in {precision}."
    told = {rest: left > NOTED, how: by_autograd, single: precision}
    return [first, second, *(sentence for sentence, there in told.items() if there)]


def answer(diagnosis: "LayerDiagnosis", sequences: float | None = None) -> str:
    """Return the sentence that says which dependency first needs more sequences.

    Args:
        diagnosis: of one recurrence.
        sequences: N that there are for training; those of the diagnosis unless given.

    Raises:
        ValueError: if N is not above 0.
    """
    given = diagnosis.tree.attrs["sequences"] if sequences is None else sequences
    if not given > 0:
        raise ValueError(f"{given} sequences train nothing; give a number above 0")
    return _samples(diagnosis, diagnosis.group("detection"), float(given))


def _samples(diagnosis: "LayerDiagnosis", need: xr.Dataset, given: float) -> str:
    """Say which dependency first needs more sequences than there are."""
    if need["needed"].isnull().all():
        left = float(need.attrs["left"]) ** 0.5
        return (
            f"learnt: the error that is left is {left:.1g} of what the targets ask "
            "for, so that N(l) is not defined; diagnose earlier weights to know it."
        )
    if not need.attrs["effect_size"] > 0:
        return _nothing(diagnosis)
    held = need.dropna("lag", subset=["own"])
    own = held if held["lag"].size else need.assign(own=need["needed"])
    fits = (own["own"] <= given).values
    if fits.all():
        last = int(own["lag"][-1])
        return (
            f"{given:,.0f} sequences show every dependency that was found, the "
            f"farthest at lag {last}."
        )
    one = own.isel(lag=int(np.argmin(fits)))
    if not np.isfinite(one["own"]):
        return _unresolved(diagnosis, one, given)
    middle, low, high = (float(one[n]) for n in ("needed", "lower", "upper"))
    size = float(one["own"])
    return (
        f"the dependency at lag {int(one['lag'])} needs about {_number(size)} "
        f"sequences ({_number(size * low / middle)} to "
        f"{_number(size * high / middle)}); you gave {given:,.0f}."
    )


def _nothing(diagnosis: "LayerDiagnosis") -> str:
    """Say what would have been found; that nothing is there nobody can know."""
    attrs, found = diagnosis.tree.attrs, diagnosis.group("dependence")
    sizes = found["smallest"].values
    known = sizes[np.isfinite(sizes)]
    power = (
        f"one of {known.max():.2g} of the error's size at a single lag would not have "
        f"gone unseen in these {attrs['sample']:,.0f} sequences"
        if known.size
        else "there are too few sequences to test any lag"
    )
    now = found.sel(lag=0) if 0 in found["lag"] else None
    here = " One was found at lag 0." if now is not None and now["found"] else ""
    return (
        f"no dependency was found at {found['lag'].size} lags ({power}), and every "
        f"window is 0.{here} Dependences that need several lags at once, or products "
        "of inputs, are not seen; check that inputs and targets belong together, or "
        "give more sequences or other lags."
    )


def _unresolved(diagnosis: "LayerDiagnosis", one: xr.Dataset, given: float) -> str:
    """Say that a lag is not resolved, and whether more sequences were given."""
    sample = diagnosis.tree.attrs["sample"]
    least = float(one["lower"])
    at_least = f"it needs at least {_number(least)}; " if np.isfinite(least) else ""
    more = "diagnose more sequences to know."
    if given > sample:
        more = (
            f"you gave {given:,.0f}: look at more with DiagnosisOptions(sequences=...)."
        )
    return (
        f"lag {int(one['lag'])} is not resolved: {sample:,.0f} sequences do not "
        f"tell its signal from nothing; {at_least}{more}"
    )


def _past(diagnosis: "LayerDiagnosis") -> str:
    """Say where a module's past ends, if it does."""
    known = diagnosis.tree.children
    attrs = diagnosis.group(
        "sensitivity" if "sensitivity" in known else "envelope"
    ).attrs
    if "past_ends" not in attrs:
        return ""
    if not attrs["past_ends"]:
        return "nothing earlier than the present step reaches what it gives."
    return (
        f"its past ends {attrs['past_ends']} steps back: nothing that lies farther "
        "reaches what it gives, nor does any gradient."
    )


def _decay(envelope: xr.Dataset, need: xr.Dataset) -> str:
    """Say how the envelope decays and what a longer window costs."""
    f, lags = envelope["normalised"].values, envelope["lag"].values
    there = np.isfinite(f) & (f > 0)
    unknown = int(np.isnan(f).sum())
    if there.sum() < FEWEST_LAGS <= there.sum() + unknown:
        return (
            f"the envelope is too small for its numbers at {unknown} of {lags.size} "
            "lags; diagnose in float64, or at shorter lags, to know its decay."
        )
    if there.sum() < FEWEST_LAGS:
        return (
            f"the envelope was measured at {there.sum()} lags; measure at least "
            f"{FEWEST_LAGS} to know its decay."
        )
    found = decay.fit(lags[there].astype(float), f[there], families=FAMILIES)
    share = f"{found.evidence[0].weight:.0%} of the evidence"
    return f"{price(found.best, float(need['kappa'][-1]), lags)} ({share})."


def price(family: decay.Envelope, kappa: float, lags: Real[np.ndarray, "lag"]) -> str:
    """Say in words what more data buys under an envelope.

    With a noise floor common to all lags ``dH_N/d log N = -1/(kappa d log f/dl)``; a
    doubling of N is log 2 of it.

    Args:
        family: the envelope.
        kappa: ``alpha/(alpha - 1)``.
        lags: lags at which it was measured.

    Example:
        >>> price(decay.Exponential(tau=17.0), 2.0, np.array([1, 64])).split(":")[0]
        'the envelope is exponential with tau 17'
    """
    at = float(lags[-1])
    buys = -np.log(2) / (kappa * float(family.log_slope(at)))
    more, where = f"twice the sequences buy {buys:.3g} steps", f"at lag {at:.0f} "
    match family:
        case decay.Exponential():
            said, where = f"exponential with tau {family.tau:.3g}", ""
        case decay.PowerLaw():
            grows = 2 ** (1 / (kappa * family.beta))
            return (
                f"the envelope is a power law with beta {family.beta:.3g}: twice the "
                f"sequences make the window {grows:.3g} times as long"
            )
        case decay.TruncatedPower():
            said = f"a power law with beta {family.beta:.2g}, cut at tau "
            said += f"{family.tau:.3g}"
        case decay.Stretched():
            said = f"a stretched exponential with g {family.g:.2g}, tau "
            said += f"{family.tau:.3g}"
        case _:
            return (
                "the envelope is logarithmic: the window grows exponentially in a "
                "power of the number of sequences"
            )
    return f"the envelope is {said}: {where}{more}"


def _number(value: float) -> str:
    """Return two significant digits, with commas: 40,000 rather than 39,871.

    Example:
        >>> _number(39871), _number(5000), _number(3.26)
        ('40,000', '5,000', '3.3')
    """
    if not np.isfinite(value):
        return "more than can be told"
    if value >= 100 and float(value).is_integer() and value % 100 == 0:
        return f"{value:,.0f}"
    shown = float(f"{value:.2g}")
    return f"{shown:,.0f}" if shown >= 10 else f"{shown:g}"


def text_of(layers: Layers, refused: Mapping[str, str] | None = None) -> str:
    """Return a diagnosis in at most eight lines: the answer for each layer.

    Args:
        layers: by name.
        refused: why others have none.
    """
    rows = [f"{name}: {answer(one)}" for name, one in layers.items()]
    rows += list((refused or {}).values())
    return "\n".join([_headline(layers), *shortened(rows, LINES - 1)])


def shortened(rows: list[str], most: int) -> list[str]:
    """Return at most so many rows, the last of which says how many are left out.

    Example:
        >>> shortened(["a", "b", "c"], 2)
        ['a', 'and 2 more']
    """
    if len(rows) <= most:
        return rows
    return [*rows[: most - 1], f"and {len(rows) - most + 1} more"]


def _headline(layers: Layers) -> str:
    attrs = next(iter(layers.values())).tree.attrs
    what = "1 layer" if len(layers) == 1 else f"{len(layers)} layers"
    counted = attrs.get("counted", "sequences")
    return (
        f"diagnosis of {what} on {attrs['sample']:,} {counted}, "
        f"up to {attrs['steps']:,} steps each"
    )


def card_of(layers: Layers, refused: Mapping[str, str] | None = None) -> str:
    """Return a diagnosis as HTML: one row per layer, windows and the answer.

    Args:
        layers: by name.
        refused: why others have none.
    """
    given = [one.tree.attrs["sequences"] for one in layers.values()]
    head = ("layer", f"sees with {given[0]:,} sequences", "answer")
    rows = [
        (name, _window(one, count), answer(one))
        for (name, one), count in zip(layers.items(), given, strict=True)
    ]
    rows += [(name, "", why) for name, why in (refused or {}).items()]
    body = "".join(_row("td", row) for row in rows)
    style = "text-align:left;vertical-align:top;padding:0.2em 0.8em 0.2em 0"
    table = f"<table><thead>{_row('th', head)}</thead><tbody>{body}</tbody></table>"
    table = table.replace("<td>", f"<td style='{style}'>")
    table = table.replace("<th>", f"<th style='{style}'>")
    return f"<div><p>{escape(_headline(layers))}</p>{table}</div>"


def _row(kind: str, cells: tuple[str, ...]) -> str:
    return "<tr>" + "".join(f"<{kind}>{escape(c)}</{kind}>" for c in cells) + "</tr>"


def _window(one: "LayerDiagnosis", count: float) -> str:
    row = one.window(count).iloc[0]
    if np.isnan(row["window"]):
        return "all learnt"
    mark = "at least " if row["censored"] else ""
    ends = f"{row['lower']:.0f} to {row['upper']:.0f}"
    return f"{mark}{row['window']:.0f} steps ({ends})"
