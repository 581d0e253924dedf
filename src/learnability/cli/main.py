"""From the words of a command line to one call; a wrong one ends in a sentence."""

import sys

import cyclopts
from cyclopts import App

from .app import app

FULL = (
    "this machine's memory is too small for it; take fewer sequences, units or workers "
    "and run the same command again: what is done is kept"
)


def main(words: list[str] | None = None) -> None:
    """Run the command line; a wrong call ends in one sentence and exit code 2.

    Args:
        words: the words after the command's name; those of the process unless given.
    """
    call(app, words, name="learnability")


def call(commands: App, words: list[str] | None, *, name: str) -> None:
    """Run one command; a wrong call ends in one sentence and exit code 2.

    Args:
        commands: the application that it belongs to.
        words: the words after the application's name; those of the process where None.
        name: what a sentence on the error stream begins with.
    """
    try:
        commands(words, exit_on_error=False, print_error=False)
    except cyclopts.UnusedCliTokensError as error:
        extra = " ".join(map(repr, error.unused_tokens or ()))
        print(f"{name}: {extra} is too much; leave it out", file=sys.stderr)
        sys.exit(2)
    except (ValueError, cyclopts.CycloptsError) as error:
        sentence = " ".join(str(error).split())
        print(f"{name}: {sentence}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:  # a folder that is read-only, a name that is too long
        what = f"{error.filename}: " if error.filename else ""
        why = error.strerror or str(error)
        print(f"{name}: {what}{why}; choose another path", file=sys.stderr)
        sys.exit(2)
    except (MemoryError, RuntimeError) as error:
        # PyTorch has no type of its own for memory that the processor lacks.
        if not isinstance(error, MemoryError) and "allocate memory" not in str(error):
            raise
        print(f"{name}: {FULL}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print(f"{name}: stopped; finished runs are kept", file=sys.stderr)
        sys.exit(130)
