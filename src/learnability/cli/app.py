"""The application that every command joins."""

from cyclopts import App, Parameter

from .. import __version__

MANY = Parameter(consume_multiple=True, negative="")

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
