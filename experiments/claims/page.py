"""The verdicts on all claims as one HTML page; it needs no network."""

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import pandas as pd
from markupsafe import Markup

from learnability import plots
from learnability.report import Shown, Table, render
from learnability.report.render import PANEL
from learnability.words import number

from .plots import panel_figures
from .record import FAILED, HELD, RESTRICTED, Claim, Verdict
from .run import EXPERIMENTS

CLASSES: dict[Verdict, str] = {
    HELD: "held",
    RESTRICTED: "restricted",
    FAILED: "failed",
}


def claims_page(claims: Sequence[Claim], *, seed: int) -> str:
    """Give the verdicts, numbers and figures of claims as one self-contained page.

    The page holds no time, so that the same results give the same bytes.

    Args:
        claims: what was found.
        seed: of the experiments.

    Raises:
        ValueError: if there are no claims.
    """
    if not claims:
        raise ValueError("there are no claims to show; run at least one")
    return render(
        "claims.html",
        source=Path(__file__).with_suffix(".html").read_text("utf-8"),
        title="Claims put to the test",
        kicker="learnability claims",
        navigation={
            "answer": "Verdicts",
            **{f"claim-{claim.letter}": claim.letter for claim in claims},
            "again": "Run it again",
            "methods": "How a verdict comes about",
        },
        lead=_lead(claims),
        claims=[(claim, _picture(claim), _numbers(claim)) for claim in claims],
        classes=CLASSES,
        command=_command(claims, seed),
        facts={"seed": str(seed)}
        | {name: version(name) for name in ("learnability", "numpy", "torch")},
    )


def _lead(claims: Sequence[Claim]) -> str:
    counted = {v: sum(c.verdict == v for c in claims) for v in CLASSES}
    said = ", ".join(
        f"{count} {'hold' if count != 1 else 'holds'} with a restriction"
        if verdict == RESTRICTED
        else f"{count} {verdict}"
        for verdict, count in counted.items()
    )
    parts = [part.verdict == HELD for claim in claims for part in claim.parts]
    return (
        f"{len(claims)} statements about the learnability window, each tested by "
        f"simulation: {said}. Of their {len(parts)} parts {sum(parts)} held and "
        f"{len(parts) - sum(parts)} failed. Every verdict is computed from the "
        "tolerance beside it."
    )


def _picture(claim: Claim) -> Shown:
    said = f"{claim.title}. {claim.caption}"
    with plots.theme("light"):
        panels = [
            plots.inline(made, f"{claim.letter}-{place}-", said)
            for place, made in enumerate(panel_figures(claim, PANEL))
        ]
    return Shown(claim.letter, Markup(""), panels, claim.caption)


def _numbers(claim: Claim) -> Table:
    rows = [
        {
            "quantity": n.quantity,
            "part": part.name,
            "measured": digits(n.value),
            "standard error": digits(n.error, 2) if n.error else "exact",
            "expected": digits(n.expected),
            "within": "yes" if within else "no",
        }
        for part in claim.parts
        for n, within in zip(part.numbers, part.within, strict=True)
    ]
    return Table.of(pd.DataFrame(rows), f"numbers of claim {claim.letter}")


def digits(value: float, significant: int = 4) -> str:
    """Give a number with a few significant digits, large ones in thousands.

    Args:
        value: any number.
        significant: digits.

    Example:
        >>> digits(0.123456), digits(123456.7), digits(2.4e-7)
        ('0.1235', '123,457', '2.4e-07')
    """
    return (
        number(round(value)) if 1e4 <= abs(value) < 1e9 else f"{value:.{significant}g}"
    )


def _command(claims: Sequence[Claim], seed: int) -> str:
    letters = [claim.letter for claim in claims]
    only = "" if letters == list(EXPERIMENTS) else f" --only {' '.join(letters)}"
    return f"python -m experiments claims --seed {seed}{only}"
