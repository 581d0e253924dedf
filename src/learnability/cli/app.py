"""The application that every command joins; a wrong call ends in one sentence."""

import sys
from collections.abc import Sequence
from typing import Annotated, Any

import cyclopts
from cyclopts import App, Parameter, Token

from .. import __version__


def _some(kind: Any, values: Sequence[object] | None) -> None:
    if values is not None and len(values) == 0:
        raise ValueError("it needs at least one value; leave it out or give one")


def _checked(kind: Any, tokens: Sequence[Token]) -> Any:
    """Read numbers as pydantic does: 1.5 is no whole number, nan is no number."""
    from pydantic import ConfigDict, TypeAdapter, ValidationError

    finite = TypeAdapter(kind, config=ConfigDict(allow_inf_nan=False))
    words = [token.value for token in tokens]
    try:
        return finite.validate_python(words if "list" in str(kind) else words[0])
    except ValidationError as error:
        first = error.errors()[0]
        given = str(first["input"])[:LONGEST_SHOWN]
        raise ValueError(f"{given!r}: {first['msg'].lower()}; mend it") from error


# Characters of a wrong value that an error repeats.
LONGEST_SHOWN = 100
MANY = Parameter(consume_multiple=True, negative="", validator=_some)
NUMBER = Parameter(converter=_checked)
# Kinds of options.
Whole = Annotated[int | None, NUMBER]
Wholes = Annotated[list[int] | None, MANY, NUMBER]
Real = Annotated[float | None, NUMBER]
Reals = Annotated[list[float] | None, MANY, NUMBER]
Words = Annotated[list[str] | None, MANY]
Flag = Annotated[bool, Parameter(negative="")]
Output = Annotated[str | None, Parameter(name=["--output", "-o"])]

app = App(
    name="learnability",
    help=(
        "Measure how far back in time a recurrent network can learn.\n\n"
        "Start with `learnability run quick`: it trains five small gated networks on "
        "a task with known lags, measures how many sequences each lag needs before "
        "its gradient shows, and writes a report."
    ),
    version=__version__,
    result_action="return_value",
)

# What each command does. Its module is imported when it is called: torch takes seconds.
COMMANDS = {
    "study:run": (
        "Train and diagnose the networks of a study, print its table, write its report."
        "\n\nWhat is there already, made with the same settings, is kept; an "
        "interrupted study goes on where it was. How long the rest takes is said once "
        "the first epoch is done."
    ),
    "study:report": (
        "Draw the figures and the report of a study again, or lay two studies over it."
    ),
    "results:list_studies": (
        "List the studies in a folder, and how far each of them is."
    ),
    "results:show": (
        "Print the table of a study, its windows across seeds, and where its runs lie."
    ),
    "results:export": (
        "Write the results of a study to one file that other programs read."
    ),
    "results:compare": (
        "Print the windows of two studies side by side, with their difference."
    ),
    "diagnose:diagnose": (
        "Diagnose the recurrent layers of a trained PyTorch model.\n\n"
        "Weights and data never run code; --model imports the module that it names, "
        "and so does run that module's code."
    ),
    "theory:theory": (
        "Give the window of an envelope family without any network.\n\n"
        "With one noise floor at all lags, H_N is where the envelope falls to the "
        "level that N samples can still tell from noise."
    ),
}

for where, text in COMMANDS.items():
    name = where.partition(":")[2].removesuffix("_studies")
    app.command(f"learnability.cli.{where}", name=name, help=text)


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
