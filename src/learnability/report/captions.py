"""What the figures of a page show, and how to read them."""

from typing import NamedTuple


class Caption(NamedTuple):
    """What a figure shows, and how to read it."""

    title: str
    text: str


CAPTIONS = {
    "windows": Caption(
        "Window against number of sequences",
        "How far back N sequences let a network see: the longest lag up to which every "
        "measured lag is detected. Bands are intervals. Lines end at the longest lag "
        "measured; open arrows say that the window lies there or beyond.",
    ),
    "samples": Caption(
        "Sequences needed at each lag",
        "N(l), the number of sequences in whose gradient a dependency at lag l shows, "
        "with its interval. An open arrow stands where a lag is not resolved: the "
        "diagnosis saw no signal there and can only say that N(l) is at least this.",
    ),
    "envelope": Caption(
        "What of a perturbation arrives",
        "f(l)/f(0), the mean size of what a perturbation l steps ago still does, with "
        "its standard error, in three scalings: the one in which it is a straight line "
        "names the kind of decay.",
    ),
    "time_scales": Caption(
        "Time scales of the units",
        "Which share of the units decays at least as slowly as tau, each unit by "
        "itself. Broad spectra and few slow units make long tails.",
    ),
    "tail_index": Caption(
        "Tail index of the gradient",
        "alpha of the stable law fitted to the lag's part of the gradient, with its "
        "interval. 2 is Gaussian; the lower, the heavier the tails.",
    ),
    "learning": Caption(
        "Training, and what was learnt",
        "Mean square error by epoch (validation strong, training thin, noise that no "
        "network can predict dashed) and the share of each lag of the task in the "
        "prediction: 1 is all of it, from 1/2 on it counts as learnt.",
    ),
}
APART = {
    "envelope_split": Caption(
        "Gates and optimizer taken apart",
        "f(l)/f(0) as the gates alone let it through, as the whole network does, and "
        "weighted by the step sizes of the optimizer: what the second has over the "
        "first comes from one unit to another, what the third changes from training. "
        "Lines without rates are missing in the third: where the initial weights were "
        "the best of a training its optimizer had made no step.",
    ),
    "noise_floor": Caption(
        "Signal and noise floor",
        "What a dependency at a lag adds to the mean gradient, and dashed the least "
        "that N sequences detect, a panel a budget: lines above their own dashes are "
        "detected. Open arrows: not resolved, the signal is at most this.",
    ),
}
ACROSS = {
    "windows_across": Caption(
        "Window against number of sequences, over seeds",
        "How far back N sequences let a network see, one line a network and optimizer: "
        "mean over seeds, a deviation as a band, the tenth and ninetieth percentile "
        "dotted; boxes hold the middle half of the seeds. Open arrows: some windows "
        "reach the longest lag measured and lie there or beyond.",
    ),
    "envelope_across": Caption(
        "What of a perturbation arrives, over seeds",
        "f(l)/f(0), geometric mean over seeds with a deviation as a band, in three "
        "scalings. The dashed line is the likeliest decay among exponential, power "
        "law, logarithmic and stretched exponential.",
    ),
    "spectra": Caption(
        "Time scales of the units, all seeds",
        "Left the density in the logarithm, right the share of units that decay at "
        "least as slowly as tau. Units that do not decay keep the line above 0.",
    ),
    "law": Caption(
        "The law of the window, put to the test twice",
        "Left log N against -kappa log f, as it is often shown: both axes hold the "
        "same estimated kappa, so that independent numbers make a line as well. Right "
        "log sigma/|m| against -log f: only this can confirm that f decides. "
        "Open arrows are lower ends, through which no line was drawn.",
    ),
    "estimators": Caption(
        "Tail index by estimator",
        "alpha of the lag's part of the gradient by three estimators, means over "
        "seeds, and their largest difference: where they disagree trust no alpha.",
    ),
    "learning_across": Caption(
        "Training, over seeds",
        "Validation error by epoch: the median over seeds, from the tenth to the "
        "ninetieth percentile as a band.",
    ),
    **APART,
}
LIVE = {
    "windows_across": "windows",
    "envelope_across": "envelope",
    "spectra": "time_scales",
    "estimators": "tail_index",
    "learning_across": "learning",
}
"""The interactive figure that stands in for a still one on the screen."""
ON_SCREEN = {
    "windows": "On the screen bars are a deviation over seeds.",
    "envelope": "On the screen bars are a deviation over seeds.",
    "time_scales": "On the screen only the share is drawn.",
    "tail_index": "On the screen alpha is that of Koutrouvelis: the median over seeds, "
    "bars from the median lower to the median upper end of its intervals.",
    "learning": "On the screen bars reach from the tenth to the ninetieth percentile.",
}
"""How an interactive figure over seeds differs from the still one."""
ALONE = {
    "windows": "On the screen bars are the intervals.",
    "envelope": "On the screen both axes are logarithmic, so that a power law is a "
    "straight line; bars are standard errors.",
    "learning": "On the screen validation errors alone are drawn.",
}
"""How an interactive figure of single runs differs from the still one."""
