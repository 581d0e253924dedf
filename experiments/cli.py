"""The command line of the experiments, with the options of the product's."""

from cyclopts import App

from learnability import __version__
from learnability.cli import call

from .calibration.cli import calibrate
from .claims.cli import claims
from .foretold.cli import foretold
from .fuzz import fuzz
from .interventions.cli import interventions
from .null import null
from .spectra.cli import spectra
from .width import width

app = App(
    name="python -m experiments",
    help=(
        "Put the theory's statements to the test, and learn how far to trust each "
        "window. Run it in the root of a checkout."
    ),
    version=__version__,
    result_action="return_value",
)
app.command(claims)
app.command(calibrate)
app.command(null)
app.command(foretold)
app.command(fuzz)
app.command(interventions)
app.command(width)
app.command(spectra)


def main(words: list[str] | None = None) -> None:
    """Run the command line; a wrong call ends in one sentence and exit code 2.

    Args:
        words: the words after the application's name; the process's unless given.
    """
    call(app, words, name="experiments")
