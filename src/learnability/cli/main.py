"""From the words of a command line to one call; a wrong one ends in a sentence."""

import sys

import cyclopts

from .app import app


def main(words: list[str] | None = None) -> None:
    """Run the command line; a wrong call ends in one sentence and exit code 2.

    Args:
        words: the words after the command's name; those of the process unless given.
    """
    try:
        app(words, exit_on_error=False, print_error=False)
    except (ValueError, cyclopts.CycloptsError) as error:
        sentence = " ".join(str(error).split())
        print(f"learnability: {sentence}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:  # a folder that is read-only, a name that is too long
        what = f"{error.filename}: " if error.filename else ""
        why = error.strerror or str(error)
        print(f"learnability: {what}{why}; choose another path", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("learnability: stopped; finished runs are kept", file=sys.stderr)
        sys.exit(130)
