"""The application that every command joins."""

from collections.abc import Sequence
from typing import Any

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
