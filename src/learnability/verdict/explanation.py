"""A verdict in words: its evidence, one thing to try, what to bear in mind."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from html import escape
from math import isfinite, isnan

from .rules import LOST, TO_LEARN, UPDATES, Case, Z, verdict
from .tried import TRIED

GATED = ("LSTM", "GRU", "TorchGRU", "DiagGate", "MinGRU", "MinLSTM", "RGLRU", "LRU")
GATED += ("SLSTM",)
SEVERAL = "dependences that need several lags at once may go unseen."


@dataclass(frozen=True)
class Explanation:
    """What stops one lag from being learnt, in at most six lines.

    Attributes:
        lag: in steps.
        layer: its name.
        verdict: from `rules`.
        evidence: the number that it rests on, with its interval.
        advice: one thing to try; empty where nothing is wrong.
        code: a line to paste; empty where there is none.
        caveat: what to bear in mind.
        count: how often that has helped; empty where it was not tried.
    """

    lag: int
    layer: str
    verdict: str
    evidence: str
    advice: str = ""
    code: str = ""
    caveat: str = ""
    count: str = ""

    def __str__(self) -> str:
        rows = [f"lag {self.lag} of {self.layer}: {self.verdict}", self.evidence]
        rows += [f"try: {self.advice}"] if self.advice else []
        rows += [f"    {self.code}"] if self.code else []
        rows += [f"but: {self.caveat}"] if self.caveat else []
        rows += [f"tried: {self.count}"] if self.count else []
        return "\n  ".join(rows)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"<pre style='white-space:pre-wrap'>{escape(str(self))}</pre>"


def explanation(case: Case) -> Explanation:
    """Return the verdict on a lag with its evidence and one thing to try.

    Example:
        >>> print(explanation(Case(3, "gru", found=True, share=0.9, share_lower=0.8,
        ...     share_upper=1.0)))
        lag 3 of gru: learnt
          the learnt share is 0.9 (0.8 to 1) on held-out data
    """
    found = verdict(case)
    said = Explanation(case.lag, case.layer, found, *WORDS[found](case))
    gates = not case.cut and case.cell in GATED  # other remedies were not tried
    if found not in TRIED or (found == "vanishes" and not gates):
        return said
    helped, trainings, families = TRIED[found]
    several = "family" if families == 1 else "families"
    count = f"it helped in {helped} of {trainings} trainings of {families} {several}"
    return replace(said, count=f"{count} of data")


def _absent(case: Case) -> tuple[str, ...]:
    return (
        f"nothing was found; {case.smallest:.2g} standard deviations of the targets "
        "would have been",
        "look for other features of the inputs, or drop the lag",
        f'lw.dependence(data, {case.lag}, features="fourier")',
        SEVERAL,
    )


def _learnt(case: Case) -> tuple[str, ...]:
    return (f"the learnt share is {_share(case)} on held-out data",)


def _vanishes(case: Case) -> tuple[str, ...]:
    need = "no number of sequences shows it in one gradient"
    if isfinite(case.needed):
        need = f"{case.needed:,.0f} sequences show it in one gradient, to learn takes "
        need += f"about {TO_LEARN} times as many"
    elif case.envelope < LOST:
        need = "beside all else a gradient holds, that is lost in rounding"
    if case.cut:
        return (
            f"the layer's past ends {case.past:.0f} steps back, where no gradient "
            f"arrives from farther; {need}",
            f"let gradients go back {case.lag} steps or more",
            f"chunk = {2 * case.lag}  # steps from one detached state to the next",
            "a kernel or window of the layer's own has to be as long, too.",
        )
    size = "too small for its numbers" if case.below else f"{case.envelope:.1g}"
    evidence = f"f({case.lag})/f(0) is {size}{_start(case)}; {need}, "
    evidence += f"you have {case.sequences:,}"
    caveat = "it is for a new training from the start, not for the trained weights."
    if case.cell in GATED:
        advice = f"start with gates that keep {case.lag} steps, and train again"
        code = (
            f"lw.design.gate_bias({case.lag}, units={case.units}, "
            f"n_sequences={case.sequences}).apply({_module(case.layer)})"
        )
        return evidence, advice, code, caveat
    code = f"nn.LSTM(input_size, {case.units}, batch_first=True)"
    return evidence, "take a gated cell, whose gates can be set", code, caveat


def _few_sequences(case: Case) -> tuple[str, ...]:
    return (
        _goes_on(case),
        "train on more sequences, four times as many",
        "data = torch.utils.data.ConcatDataset([data, more])  "
        f"# {4 * case.sequences:,} sequences",
        "without more sequences, fewer parameters or weight decay fit less noise.",
    )


def _few_steps(case: Case) -> tuple[str, ...]:
    return (
        _goes_on(case),
        "train on, five times as long",
        "epochs = 5 * epochs",
        "keep watching the held-out loss; how long it takes is not foretold.",
    )


def _forgotten(case: Case) -> tuple[str, ...]:
    return (
        f"the state holds {case.kept:.2f} ({_around(case.kept, case.kept_error)}) of "
        f"what was new at the lag; {_goes_on(case)}",
        "give the layer more units",
        f"hidden_size = {2 * case.units}",
        "a linear read-out tells what is held; what is coded otherwise is not seen.",
    )


def _unresolved(case: Case) -> tuple[str, ...]:
    if not case.found and not case.together:
        known = f"only a dependence above {case.smallest:.2g} standard deviations "
        known += "would have been found"
        if not isfinite(case.smallest):
            known = (
                "too few sequences for so many lags: none can be told from the others"
            )
        return (
            known,
            "diagnose more sequences",
            "lw.diagnose(model, data, loss, lags, "
            f"options=lw.DiagnosisOptions(sequences={4 * case.sequences}))",
            SEVERAL,
        )
    if not isnan(case.held_fall):
        kept = f"; the state holds {case.kept:.2f} of what was new at the lag"
        return (
            f"{_goes_on(case)}{'' if isnan(case.kept) else kept}",
            "train on, and compare with another start",
            f"torch.manual_seed({case.lag})  # before the model is made",
            "a plateau may end by itself.",
        )
    share = "what is learnt" if isnan(case.share) else ""
    evidence = f"{share}, and whether training on pays, was not measured"
    if not share:
        known = f"the learnt share is {_share(case)}"
        evidence = f"{known}; whether training on pays is unknown"
        evidence += f": {case.notes}" if case.notes else ""
    return (
        evidence,
        "give enough held-out data, and the optimizer once it has trained the model",
        "lw.diagnose(model, data, loss, lags, heldout=heldout, optimizer=optimizer)",
        "the held-out data must not have trained the model.",
    )


WORDS: dict[str, Callable[[Case], tuple[str, ...]]] = {
    "not in the data": _absent,
    "learnt": _learnt,
    "vanishes": _vanishes,
    "too few sequences": _few_sequences,
    "too few steps": _few_steps,
    "forgotten": _forgotten,
    "not resolved": _unresolved,
}


def _goes_on(case: Case) -> str:
    """Say what is learnt, and what further updates do to both losses."""
    if not case.found:
        known = "lags together are in the data, this one alone is not resolved"
    elif isnan(case.share):
        known = "the learnt share is not resolved"
    else:
        known = f"the learnt share is {_share(case)}"
    train = _around(case.train_fall, case.train_fall_error)
    held = _around(case.held_fall, case.held_fall_error)
    return (
        f"{known}; {UPDATES} further updates lower the training loss by "
        f"{case.train_fall:.1g} ({train}) and the held-out loss by "
        f"{case.held_fall:.1g} ({held})"
    )


def _start(case: Case) -> str:
    """Return what the envelope was at the start, where it is known."""
    return "" if isnan(case.start) else f" ({case.start:.1g} at the start)"


def _share(case: Case) -> str:
    return f"{case.share:.2g} ({case.share_lower:.2g} to {case.share_upper:.2g})"


def _around(value: float, error: float) -> str:
    return f"{value - Z * error:.1g} to {value + Z * error:.1g}"


def _module(layer: str) -> str:
    """Return the module of a layer in code.

    Example:
        >>> _module("encoder.gru[layer 0, forward]"), _module("model[layer 0, forward]")
        ('model.encoder.gru', 'model')
    """
    path = layer.split("[")[0]
    if path == "model":
        return path
    if all(part.isidentifier() for part in path.split(".")):
        return f"model.{path}"
    return f'model.get_submodule("{path}")'
