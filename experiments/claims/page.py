"""The verdicts on all claims as one HTML page; it needs no network."""

from collections.abc import Sequence
from html import escape
from importlib.metadata import version
from pathlib import Path
from string import Template

import pandas as pd

from learnability import plots
from learnability.report.captions import Caption
from learnability.report.pictures import figure_element
from learnability.report.skeleton import skeleton
from learnability.report.tables import html_table
from learnability.report.words import number

from .plots import claim_figure
from .record import FAILED, HELD, RESTRICTED, Claim, Part, Verdict
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
    parts = {
        "lead": _lead(claims),
        "table": _overview(claims),
        "claims": "\n".join(_section(claim) for claim in claims),
        "command": escape(_command(claims, seed)),
        "facts": _facts(seed),
    }
    here = Path(__file__)
    return skeleton(
        "Claims put to the test",
        Template(here.with_suffix(".html").read_text("utf-8")).substitute(parts),
        kicker="learnability claims",
        navigation={
            "answer": "Verdicts",
            **{f"claim-{claim.letter}": claim.letter for claim in claims},
            "again": "Run it again",
            "methods": "How a verdict comes about",
        },
        answer="verdicts",
        style=here.with_suffix(".css").read_text("utf-8"),
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


def _badge(verdict: Verdict) -> str:
    return f'<span class="verdict {CLASSES[verdict]}">{escape(verdict)}</span>'


def _overview(claims: Sequence[Claim]) -> str:
    rows = "\n".join(
        f'<tr><th scope="row"><a href="#claim-{c.letter}">({c.letter})</a></th>'
        f'<td class="words">{escape(c.statement)}</td><td>{_badge(c.verdict)}</td>'
        f'<td class="words">{escape(c.explanation)}</td></tr>'
        for c in claims
    )
    heads = "".join(
        f'<th scope="col">{name}</th>'
        for name in ("", "statement", "verdict", "what was found")
    )
    return (
        '<div class="scroll" role="region" aria-label="verdicts" tabindex="0"><table>'
        f"<thead><tr>{heads}</tr></thead>\n<tbody>{rows}</tbody></table></div>"
    )


def _section(claim: Claim) -> str:
    """Give one claim: verdict, parts, figure, and the numbers folded away."""
    name = f"claim-{claim.letter}"
    items = "\n".join(_item(part) for part in claim.parts)
    return f"""<section class="claim" id="{name}" aria-labelledby="{name}-title">
<h2 id="{name}-title">({claim.letter}) {escape(claim.title)}
{_badge(claim.verdict)}</h2>
<p><strong>{escape(claim.statement)}</strong></p>
<p>{escape(claim.explanation)}</p>
<p class="lead">{escape(claim.testbed)}</p>
<ul class="parts">
{items}
</ul>
{_picture(claim)}
<details><summary>Numbers of ({claim.letter})</summary>
{html_table(_numbers(claim), f"numbers of claim {claim.letter}")}
</details>
</section>"""


def _item(part: Part) -> str:
    met = f"{sum(part.within)} of {len(part.numbers)} numbers"
    return (
        f"<li>{_badge(part.verdict)} {escape(part.statement)}"
        f'<span class="small">Tolerance: {escape(part.tolerance.words)}; met by {met}.'
        "</span></li>"
    )


def _picture(claim: Claim) -> str:
    with plots.theme("light"):
        drawn = [
            plots.rendered(
                claim_figure(claim, width=width), "svg", outlined=True
            ).decode()
            for width in (plots.PAGE, plots.COLUMN)
        ]
    caption = Caption("", escape(claim.caption))
    described = f"{claim.title}. {claim.caption}"
    return figure_element(f"figure-{claim.letter}", caption, described, *drawn)


def _numbers(claim: Claim) -> pd.DataFrame:
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
    return pd.DataFrame(rows)


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


def _facts(seed: int) -> str:
    facts = {"seed": str(seed)}
    facts |= {name: version(name) for name in ("learnability", "numpy", "torch")}
    return "\n".join(
        f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in facts.items()
    )
