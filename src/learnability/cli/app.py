"""The application that every command joins; a wrong call ends in one sentence."""

import ast
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import cyclopts
from cyclopts import App, Parameter, Token

from .. import __version__
from ..checked import chosen_name


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


def _chosen(kind: Any, tokens: Sequence[Token]) -> Any:
    """Read one of some words, or several, in any case."""
    several = get_origin(kind) is list
    known = get_args(get_args(kind)[0] if several else kind)
    words = [chosen_name("choice", token.value, known) for token in tokens]
    return words if several else words[0]


# Characters of a wrong value that an error repeats.
LONGEST_SHOWN = 100
MANY = Parameter(consume_multiple=True, negative="", validator=_some)
NUMBER = Parameter(converter=_checked)
CHOICE = Parameter(converter=_chosen)
# Kinds of options.
Whole = Annotated[int | None, NUMBER]
Wholes = Annotated[list[int] | None, MANY, NUMBER]
Real = Annotated[float | None, NUMBER]
Reals = Annotated[list[float] | None, MANY, NUMBER]
Words = Annotated[list[str] | None, MANY]
Flag = Annotated[bool, Parameter(negative="")]
Output = Annotated[str | None, Parameter(name=["--output", "-o"])]
Folder = Annotated[
    str,
    Parameter(
        help="Folder that `learnability run` wrote, such as runs/quick, or a name in "
        "runs/."
    ),
]

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
COMMANDS = (
    "demo:demo",
    "study:run",
    "study:report",
    "results:list_studies",
    "results:show",
    "results:export",
    "results:compare",
    "diagnose:diagnose",
    "theory:theory",
)


def _described(module: str, name: str) -> str:
    """Return what a command does, from its docstring.

    Its module is imported when it is called: torch takes seconds.
    """
    source = Path(__file__).with_name(f"{module}.py").read_text(encoding="utf-8")
    functions = (n for n in ast.parse(source).body if isinstance(n, ast.FunctionDef))
    found = next(ast.get_docstring(n) or "" for n in functions if n.name == name)
    return found.partition("\n\nParameters\n")[0]


for where in COMMANDS:
    called = where.partition(":")
    name = called[2].removesuffix("_studies")
    app.command(f"learnability.cli.{where}", name=name, help=_described(*called[::2]))

KNOWN = (cyclopts.CycloptsError, ValueError, OSError, MemoryError, RuntimeError)
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
    except KeyboardInterrupt:
        print(f"{name}: stopped; finished runs are kept", file=sys.stderr)
        sys.exit(130)
    except KNOWN as error:
        # PyTorch has no type of its own for memory that the processor lacks.
        if isinstance(error, RuntimeError) and "allocate memory" not in str(error):
            raise
        print(f"{name}: {_sentence(error, name)}", file=sys.stderr)
        sys.exit(2)


def _sentence(error: Exception, name: str) -> str:
    """Say what is wrong with a call, and what to do or to type."""
    match error:
        case cyclopts.MissingArgumentError() | cyclopts.UnknownCommandError():
            words = " ".join([name, *(error.command_chain or ()), "--help"])
            return f"{' '.join(str(error).split()).removesuffix('.')}; see `{words}`"
        case cyclopts.UnusedCliTokensError():
            extra = " ".join(map(repr, error.unused_tokens or ()))
            return f"{extra} is too much; leave it out"
        case ValueError() | cyclopts.CycloptsError():
            return " ".join(str(error).split())
        case OSError():  # a folder that is read-only, a name that is too long
            what = f"{error.filename}: " if error.filename else ""
            return f"{what}{error.strerror or error}; choose another path"
        case _:
            return FULL
