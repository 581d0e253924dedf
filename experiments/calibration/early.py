"""What a warm-up shows beside the rest: the direction learnt so far, overfitting.

The warm-up of a training is made again, so that trainings that were kept need not be.
"""

import contextlib

from learnability.training import mean_square_error, train

from .reach import learnt_reach
from .run import Record, RunData, anchors_of, over_bands, untrained, warm_up_epochs
from .settings import RunSettings

SEEN = 64
"""Sequences along which the output is differentiated."""


class _Over(Exception):
    """Ends a training."""


def look_early(run: RunSettings) -> Record:
    """Make a warm-up again and measure what no record of the training holds.

    Args:
        run: its settings.

    Returns:
        ``g`` of every band (`learnt_reach`), the root of the sum of (weight g)^2 over
        its lags; ``train_error`` and ``validation_error``, mean square errors;
        ``parameters``, their number; ``share``, the learnt shares, as in the record.
    """
    data = RunData.draw(run)
    network = untrained(run, data)
    last = warm_up_epochs(run)

    def look(epochs: int, error: float) -> None:
        del error
        if epochs == last:
            raise _Over

    sets = (data.training, data.validation)
    # A training that diverges ends by itself.
    with contextlib.suppress(_Over):
        train(network, *sets, run.recipe, seed=data.batches, progress=look)
    task = data.task
    lags, anchors = anchors_of(task)
    g = learnt_reach(network, data.probed.x[:SEEN], lags, anchors=anchors)
    return {
        "settings": run.model_dump(mode="json"),
        "g": over_bands(task, lags, g).tolist(),
        "train_error": mean_square_error(network, data.training),
        "validation_error": mean_square_error(network, data.validation),
        "parameters": sum(p.numel() for p in network.parameters()),
        "share": data.shares(network),
    }
