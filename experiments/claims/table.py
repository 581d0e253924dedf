"""Claims as tables: a row a part for people, a row a number for machines."""

from collections.abc import Sequence

import pandas as pd

from .record import Claim, Part


def verdicts(claims: Sequence[Claim]) -> pd.DataFrame:
    """Give a row a part, with the verdict of its claim.

    Args:
        claims: what was found.

    Returns:
        ``claim`` (letter), ``title``, ``claim_verdict``, ``part``, ``statement``,
        ``tolerance``, ``within`` (numbers that met it), ``numbers`` (how many there
        are), ``verdict`` of the part, ``meaning``.
    """
    return pd.DataFrame([_row(claim, part) for claim in claims for part in claim.parts])


def _row(claim: Claim, part: Part) -> dict[str, str | int]:
    return {
        "claim": claim.letter,
        "title": claim.title,
        "claim_verdict": claim.verdict,
        "part": part.name,
        "statement": part.statement,
        "tolerance": part.tolerance.words,
        "within": sum(part.within),
        "numbers": len(part.numbers),
        "verdict": part.verdict,
        "meaning": part.says,
    }


def numbers(claims: Sequence[Claim]) -> pd.DataFrame:
    """Give a row a measured number.

    Args:
        claims: what was found.

    Returns:
        ``claim``, ``claim_verdict``, ``part``, ``verdict``, ``quantity``, ``measured``,
        ``standard_error``, ``expected``, ``tolerance`` (words), ``rule``, ``bound``
        (its number), ``within``.
    """
    return pd.DataFrame(
        [
            {
                "claim": claim.letter,
                "claim_verdict": claim.verdict,
                "part": part.name,
                "verdict": part.verdict,
                "quantity": number.quantity,
                "measured": number.value,
                "standard_error": number.error,
                "expected": number.expected,
                "tolerance": part.tolerance.words,
                "rule": part.tolerance.rule,
                "bound": part.tolerance.number,
                "within": within,
            }
            for claim in claims
            for part in claim.parts
            for number, within in zip(part.numbers, part.within, strict=True)
        ]
    )


HEAD = """# The claims put to the test

Every statement about the learnability window that this project relies on, or doubts, is
tested by simulation:

```
python -m experiments claims                 # all of them, into runs/claims
python -m experiments claims --only b j      # some of them
python -m experiments claims --seed 1 -o other
```

The command writes `claims.html` (verdicts, figures and numbers on one page that needs
no network), `table.csv` (a row a part of a claim), `numbers.csv` (every measured number
with its standard error and what it is held against) and `claims.md`, of which this page
is a copy. The same seed, versions and machine give the same files.

A claim has parts, each with one tolerance that all of its numbers must meet. A claim
*held* if all of its parts did, *failed* if none did, and otherwise *holds with a
restriction*, which the parts name. Three standard errors let a true part fail in about
one of 400 numbers. Numbers in brackets: met the tolerance, of how many. A closest call
is the number that came nearest to failing, or failed most.
"""


def markdown(claims: Sequence[Claim], *, seed: int) -> str:
    """Give the verdicts as a Markdown page.

    Args:
        claims: what was found.
        seed: of the experiments.
    """
    sections = [HEAD, f"## Verdicts with seed {seed}\n"]
    overview = [
        f"| {c.letter} | {_plain(c.statement)} | **{c.verdict}** |" for c in claims
    ]
    sections.append("\n".join(["| | claim | verdict |", "|---|---|---|", *overview]))
    sections += [_section(claim) for claim in claims]
    return "\n".join(sections).replace("\u202f", " ") + "\n"


def _section(claim: Claim) -> str:
    rows = [
        f"| {_plain(p.statement)} | **{p.verdict}** ({sum(p.within)} of "
        f"{len(p.numbers)}) | {p.tolerance.words} | {_plain(_closest(p))} |"
        for p in claim.parts
    ]
    head = ["| part | verdict | tolerance | closest call |", "|---|---|---|---|"]
    return "\n".join(
        [
            f"\n## ({claim.letter}) {claim.title}: {claim.verdict}\n",
            f"{claim.explanation}\n",
            f"{claim.testbed}\n",
            *head,
            *rows,
        ]
    )


def _plain(text: str) -> str:
    """Keep a bar in the text from ending a cell."""
    return text.replace("|", "\\|")


def _closest(part: Part) -> str:
    """Give the number with the least room to its tolerance, in words."""
    number = min(part.numbers, key=part.tolerance.room)
    error = f" ± {number.error:.2g}" if number.error else ""
    return (
        f"{number.quantity}: {number.value:.4g}{error} (against {number.expected:.4g})"
    )
