"""`calibrate`: predicted against realised windows."""

from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from learnability.cli.app import NUMBER
from learnability.cli.terminal import Display, local_folder, output_file
from learnability.compiled import tune_process, warm_up
from learnability.study.pool import checked_workers


def calibrate(
    preset: str,
    /,
    *,
    output: Annotated[str | None, Parameter(name=["--output", "-o"])] = None,
    workers: Annotated[int, NUMBER] = 1,
    partial: bool = False,
    laws: str | None = None,
    diagnoses: Annotated[int | None, NUMBER] = None,
) -> None:
    """Train many small networks and compare every window with what was learnt.

    Finished trainings are kept by the hash of their settings: stop whenever you like
    and start again.

    Parameters
    ----------
    preset
        small (10 minutes on two cores), confirm (the same at new seeds), large (a day)
        or tiny (a trial of the command).
    output
        Folder for results and page; runs/calibration-NAME unless given.
    workers
        Processes that train at the same time.
    partial
        Make the page of what is there already, without training.
    laws
        Folder of a finished small, whose laws confirm tries on families and seeds that
        they were not fitted to.
    diagnoses
        How many diagnoses of every cell, lag and seed have their intervals counted;
        500 unless given.
    """
    from . import look_all, make_page, run_all, store_of, try_all
    from .settings import preset as chosen

    calibration = chosen(preset)
    if diagnoses is not None:
        calibration = calibration.with_diagnoses(diagnoses)
    if laws is not None and preset != "confirm":
        raise ValueError(
            f"--laws tries the laws of small on new seeds, which {preset} does not "
            "have; use confirm"
        )
    known = None if laws is None else local_folder(laws)
    if known is not None and not known.is_dir():
        raise ValueError(
            f"{laws} is no folder; make it by `python -m experiments calibrate small`"
        )
    checked_workers(workers)
    default = f"runs/calibration-{calibration.name}"
    store = store_of(local_folder(default if output is None else output))
    output_file(store.page)
    console = Console()
    if not partial:
        tune_process()
        warm_up(on_wait=lambda sentence: console.print(sentence, highlight=False))
        with Display(console) as display:
            how = {"workers": workers, "tell": display.tell}
            show = display.stage("detection by brute force")
            try_all(calibration, store, progress=show, **how)
            show = display.stage("trainings")
            run_all(calibration, store, progress=show, **how)
    fitted = None if known is None else (chosen("small"), store_of(known))
    if fitted is not None:
        with Display(console) as display:
            for one in (fitted, (calibration, store)):
                show = display.stage(f"early looks of {one[0].name}")
                look_all(*one, workers=workers, progress=show, tell=display.tell)
    scores = make_page(calibration, store, laws=fitted)
    best = scores[["family", "method", "runs", "auc", "error"]].round(2)
    console.print(best.to_string(index=False), highlight=False)
    console.print(f"page: {store.page}", highlight=False, soft_wrap=True)
