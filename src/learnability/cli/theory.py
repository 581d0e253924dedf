"""`learnability theory`: windows of envelopes without any network."""

from dataclasses import MISSING, fields, is_dataclass
from typing import Annotated

from rich.console import Console
from rich.table import Table

from ..checked import check_unique, chosen_name
from ..detection import decay
from ..detection.decay import Envelope, noise_level
from .app import MANY, NUMBER, Words


def theory(
    family: str,
    /,
    *,
    n_sequences: Annotated[list[float], MANY, NUMBER],
    alpha: Annotated[float, NUMBER] = 2.0,
    significance: Annotated[float, NUMBER] = 0.05,
    parameters: Words = None,
) -> None:
    """Print the window of an envelope family without any network.

    For example: `learnability theory PowerLaw --n-sequences 1e3 1e6 --parameters
    beta=0.8`

    With one noise floor at all lags, H_N is where the envelope falls to the level that
    N samples can still tell from noise.

    Parameters
    ----------
    family
        Name of the envelope, such as Exponential or PowerLaw.
    n_sequences
        Numbers of sequences N.
    alpha
        Tail index of the noise, above 1 and at most 2.
    significance
        Probability to take the sign of the signal for the wrong one.
    parameters
        The family's parameters, such as `beta=0.8` or `tau=50`.
    """
    envelope = _family(family, parameters or [])
    shown = Table("N", "noise level", "H_N (steps)", title=repr(envelope))
    for n in n_sequences:
        level = noise_level(n, alpha, significance=significance)
        window = envelope.window(n_sequences=n, alpha=alpha, significance=significance)
        shown.add_row(f"{n:g}", f"{level:.6g}", f"{window:.6g}")
    Console().print(shown)


def _family(name: str, parameters: list[str]) -> Envelope:
    """Return an envelope from its name and words like ``tau=50``."""
    kinds = {k.__name__: k for k in vars(decay).values() if _is_family(k)}
    name = chosen_name("family", name, kinds)
    known = {f.name: f.default is MISSING for f in fields(kinds[name])}
    pairs = [_number(word) for word in parameters]
    check_unique("parameter", [parameter for parameter, _ in pairs])
    given = dict(pairs)
    for parameter, required in known.items():
        if required and parameter not in given:
            raise ValueError(f"{name} needs a value: --parameters {parameter}=...")
    for parameter in given:
        if parameter not in known:
            raise ValueError(
                f"{name} has no parameter {parameter!r}; it has {', '.join(known)}"
            )
    return kinds[name](**given)


def _is_family(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Envelope) and is_dataclass(kind)


def _number(word: str) -> tuple[str, float]:
    name, _, value = word.partition("=")
    try:
        return name, float(value)
    except ValueError:
        raise ValueError(f"{word!r} is no NAME=NUMBER, such as tau=50") from None
