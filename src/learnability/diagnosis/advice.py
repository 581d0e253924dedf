"""What a diagnosis says in sentences, and what to do."""

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from jaxtyping import Real

from ..detection import decay
from ..detection.decay_fit import FEWEST_LAGS
from ..verdict.rules import verdict
from ..words import ranges
from .verdicts import cases, past_ends

if TYPE_CHECKING:
    from .layer import LayerDiagnosis

NOTED = 0.005  # of a gradient's square: less is not worth a sentence
FAMILIES = (
    decay.Exponential,
    decay.PowerLaw,
    decay.TruncatedPower,
    decay.Logarithmic,
)
SETTLED = ("learnt", "not in the data")  # verdicts on a lag that ask for nothing


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
    shares = {} if evidence is None else evidence.attrs
    left, of_start = (shares.get(name, 0.0) for name in ("not_split", "of_start"))
    begun = f", {of_start:.0%} of the start" if of_start > NOTED else ""
    rest = f"{left:.0%} of its gradient's square is not split by lag{begun}."
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
    if not _reached(diagnosis):
        return (
            "the loss looks at it only at steps that have none before them, so that no "
            "lag reaches it; let it look at later ones (of a backward direction those "
            "are a sequence's first: output[:, 0], not output[:, -1])."
        )
    if not need.attrs["effect_size"] > 0:
        return _nothing(diagnosis)
    held = need.dropna("lag", subset=["own"])
    if held["lag"].size:
        judged = _judged(diagnosis)
        left = [k for k in held["lag"].values.tolist() if judged.get(k) not in SETTLED]
        if not left:
            return _settled(judged, held["lag"].values.tolist())
        held = held.sel(lag=left)
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
        if one["lag"] > (ends := past_ends(diagnosis)):
            return (
                f"no gradient arrives from lag {int(one['lag'])}: the past ends "
                f"{ends:.0f} steps back; let it go back farther to see that lag."
            )
        judged = _judged(diagnosis)
        gone = [k for k in own["lag"].values.tolist() if judged.get(k) == "vanishes"]
        if int(one["lag"]) in gone:
            return (
                f"lag{'s' * (len(gone) > 1)} {ranges(gone)} vanish"
                f"{'es' * (len(gone) == 1)}: next to nothing of it arrives, and no "
                "number of sequences shows it in one gradient; `explain` says what to "
                "try."
            )
        return _unresolved(diagnosis, one, given)
    middle, low, high = (float(one[n]) for n in ("needed", "lower", "upper"))
    size = float(one["own"])
    return (
        f"the dependency at lag {int(one['lag'])} needs about {_number(size)} "
        f"sequences ({_number(size * low / middle)} to "
        f"{_number(size * high / middle)}); you gave {given:,.0f}."
    )


def _reached(diagnosis: "LayerDiagnosis") -> bool:
    """Return whether a step at which the loss looks has one before it."""
    evidence = diagnosis.tree.children.get("evidence")
    psi = None if evidence is None else evidence.to_dataset().get("psi")
    return psi is None or bool(psi.notnull().any())


def _judged(diagnosis: "LayerDiagnosis") -> dict[int, str]:
    """Return the verdict on each lag, none of a file that is older than verdicts."""
    known = "verdict" in diagnosis.tree.children
    return {k: verdict(c) for k, c in cases(diagnosis).items()} if known else {}


def _settled(judged: dict[int, str], lags: list[int]) -> str:
    """Say that lags show by themselves, and are learnt or follow from nearer ones."""
    learnt = [lag for lag in lags if judged[lag] == "learnt"]
    if learnt:
        last = f"the farthest at lag {learnt[-1]}"
        return f"learnt: held-out outputs hold every dependency found, {last}."
    there = [lag for lag, what in judged.items() if what != "not in the data"]
    only = f"; given all others, {_named(there)} in the data" if there else ""
    shown = "lag" if len(lags) == 1 else "lags"
    return f"what {shown} {ranges(lags)} show follows from nearer steps{only}."


def _named(lags: list[int]) -> str:
    return f"lag {lags[0]} is" if len(lags) == 1 else f"lags {ranges(lags)} are"


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
    ends = past_ends(diagnosis)
    if np.isnan(ends):
        return ""
    if not ends:
        return "nothing earlier than the present step reaches what it gives."
    return (
        f"its past ends {ends:.0f} steps back: nothing that lies farther "
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
