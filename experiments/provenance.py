"""At which commit a record was made, and whether what decides it has changed since."""

import subprocess
from pathlib import Path

HERE = Path(__file__).parent


def commit() -> str:
    """Return the commit that the checkout is at, and whether it has changes."""
    said = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
        capture_output=True,
        text=True,
        check=True,
        cwd=HERE,
    )
    return said.stdout.strip()


def check_unchanged(name: str, made_at: str, files: list[Path]) -> None:
    """Check that some files have not changed since a record was made.

    Args:
        name: of the record.
        made_at: the commit that it was made at.
        files: plan and rules.

    Raises:
        ValueError: if they have, or if it was made with changes not committed.
    """
    kept = ["git", "diff", "--quiet", made_at, "HEAD", "--", *map(str, files)]
    told = subprocess.run(kept, check=False, cwd=HERE)
    if made_at.endswith("-dirty") or told.returncode:
        raise ValueError(
            f"{name} was made at {made_at[:12]}, with other rules or another plan than "
            "those committed now; move it away and make it again"
        )
