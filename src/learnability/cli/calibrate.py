"""`learnability calibrate`: predicted against realised windows."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from ..display import Display
from ..unroll import warm_up
from .app import app


@app.command
def calibrate(
    preset: str,
    /,
    *,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    workers: int = 1,
    partial: bool = False,
) -> None:
    """Train many small networks and compare every window with what was learnt.

    Finished trainings are kept by the hash of their settings: stop whenever you like
    and start again.

    Parameters
    ----------
    preset
        small (10 minutes on two cores), large (a day) or tiny (a trial of the command).
    output
        Folder for results and page; runs/calibration-NAME unless given.
    workers
        Processes that train at the same time.
    partial
        Make the page of what is there already, without training.
    """
    from ..calibration import make_page, run_all, store_of, try_all
    from ..calibration.settings import preset as chosen

    calibration = chosen(preset)
    store = store_of(output or Path("runs") / f"calibration-{calibration.name}")
    console = Console()
    if not partial:
        warm_up(on_wait=lambda sentence: console.print(sentence, highlight=False))
        with Display(console) as display:
            show = display.stage("detection by brute force")
            try_all(calibration, store, workers=workers, progress=show)
            show = display.stage("trainings")
            run_all(calibration, store, workers=workers, progress=show)
    scores = make_page(calibration, store)
    best = scores[["family", "method", "runs", "auc", "error"]].round(2)
    console.print(best.to_string(index=False), highlight=False)
    console.print(f"page: {store.page}", highlight=False, soft_wrap=True)
