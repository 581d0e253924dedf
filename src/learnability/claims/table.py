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
