"""The stages of one run: each is kept, and made again only if what decides it changes.

training -> envelope, evidence, probe -> fit. An error level changes the fit alone, the
anchors change evidence and fit; budgets change no stage, only table and report.
"""

import time
from collections.abc import Callable
from functools import cached_property
from importlib.metadata import version
from typing import final

import numpy as np
import safetensors.torch
import torch
import xarray as xr
from jaxtyping import Float
from torch import Tensor, optim

from ..diagnosis import Diagnosis
from ..evidence import ProbeStatistics
from ..fitting import fitted_detection, fitted_envelopes, fitted_evidence
from ..models.diagnose import attributes
from ..models.measure import Effort, Measurement
from ..models.reading import Progress, Reading, silent
from ..randomness import stream
from ..recipe import make_optimizer
from ..storage import tree_bytes, tree_from
from ..tasks import Sequences, learnt_shares
from ..training import Checkpoint, Snapshot, Training, predicted, r_squared, train
from ..unroll import Network
from .data import RunData, run_data
from .folder import Damaged, RunFolder
from .packing import packed, unpacked
from .single import RunSettings, digest

Files = dict[str, bytes]
Arrays = dict[str, np.ndarray]

ANY_WORK, MEMORY = 1e30, 1e9
"""A study measures as finely as it says, whatever work that is, and keeps as many
bytes of what a network did as that."""

CHECKPOINT_EVERY = 60.0
"""Seconds of training that a killed process loses at most."""


def stage_keys(run: RunSettings, scale: float = 1.0) -> dict[str, str]:
    """Give the hash of all that decides each stage.

    Args:
        run: the run.
        scale: of its study, which the results state.
    """
    m, common = run.measures, [sorted(run.lags), run.diagnosis_sequences]
    training = digest([version("learnability"), run.identity()])
    keys = {
        "training": training,
        "envelope": digest([training, *common, m.exact_windows]),
        "evidence": digest([training, *common, m.anchors]),
        "probe": digest([training, *common]),
    }
    fit = [*keys.values(), m.model_dump(mode="json"), scale]
    return {**keys, "fit": digest(fit)}


@final
class Stages:
    """One run in its folder: gives what is there, makes what is not.

    Args:
        run: its settings.
        folder: where it lies, held by this process.
        scale: of its study, which the results state.
        progress: called with the name of a stage and the share of it that is done.
        tell: called with a sentence where a file was damaged.
        every: seconds of training between checkpoints.
    """

    def __init__(
        self,
        run: RunSettings,
        folder: RunFolder,
        *,
        scale: float = 1.0,
        progress: Progress = silent,
        tell: Callable[[str], None] = lambda sentence: None,
        every: float = CHECKPOINT_EVERY,
    ) -> None:
        self.run, self.folder, self.scale = run, folder, scale
        self.progress, self.tell, self.every = progress, tell, every
        self.keys = stage_keys(run, scale)
        self.made: list[str] = []

    def ensure(self) -> None:
        """Make whatever is missing of the run, or damaged."""
        self._files("training", self._train)
        self._tree("envelope", self._envelope)
        self._arrays("evidence", self._evidence)
        self._arrays("probe", self._probe)
        self._files("fit", self._fitted)
        self.folder.drop_checkpoint()

    def diagnosis(self) -> Diagnosis:
        """Give the run's results; whatever is missing for them is made."""
        files = self._files("fit", self._fitted)
        return Diagnosis(tree_from(files["fit.nc"], "fit.nc"))

    def _fitted(self) -> Files:
        return {"fit.nc": tree_bytes(self._fit())}

    def _files(self, stage: str, make: Callable[[], Files]) -> Files:
        try:
            found = self.folder.find(stage, self.keys[stage])
        except Damaged as error:
            self.tell(f"{error}; the stage {stage} is made again")
            found = None
        if found is None:
            found = make()
            self.folder.keep(stage, self.keys[stage], found)
            self.made.append(stage)
        return found

    def _tree(self, stage: str, make: Callable[[], xr.DataTree]) -> xr.DataTree:
        name = f"{stage}.nc"
        files = self._files(stage, lambda: {name: tree_bytes(make())})
        return tree_from(files[name], name)

    def _arrays(self, stage: str, make: Callable[[], Arrays]) -> Arrays:
        name = f"{stage}.safetensors"

        def files() -> Files:
            tensors = {k: torch.from_numpy(v) for k, v in make().items()}
            return {name: packed(tensors)}

        tensors = unpacked(self._files(stage, files)[name])
        return {k: v.numpy() for k, v in tensors.items()}

    @cached_property
    def data(self) -> RunData:
        return run_data(self.run)

    @cached_property
    def trained(self) -> Files:
        return self._files("training", self._train)

    def _new_network(self) -> Network:
        run = self.run
        cell = run.architecture.build(run.task.inputs, stream(run.seed, "weights"))
        return Network(cell, seed=stream(run.seed, "read-out"))

    def _train(self) -> Files:
        run, data, network = self.run, self.data, self._new_network()
        epochs = run.recipe.epochs
        training = train(
            network,
            data.training,
            data.validation,
            run.recipe,
            seed=stream(run.seed, "batches"),
            progress=lambda done, _: self.progress("training", done / epochs),
            start=self._start(),
            save=self._saver(),
        )
        best = training.best
        training.restore(network, best)
        weights = {name: w.contiguous() for name, w in best.weights.items()}
        return {
            "weights.safetensors": safetensors.torch.save(weights),
            "optimizer.safetensors": packed(
                {"epoch": best.epoch, "state": best.optimizer}
            ),
            "training.safetensors": packed(_record(run, network, data, training)),
        }

    def _start(self) -> Snapshot | None:
        try:
            found = self.folder.load_checkpoint(self.keys["training"])
        except Damaged as error:
            self.tell(f"{error}; training begins again")
            return None
        if found is None:
            return None
        points = {n: Checkpoint(**found[n]) for n in ("now", "best", "last")}
        return Snapshot(**{**found, **points})

    def _saver(self) -> Callable[[Callable[[], Snapshot]], None]:
        """Give what keeps a snapshot now and then."""
        last = time.monotonic()

        def save(snapshot: Callable[[], Snapshot]) -> None:
            nonlocal last
            if time.monotonic() - last < self.every:
                return
            record = vars(snapshot())
            points = {n: vars(record[n]) for n in ("now", "best", "last")}
            self.folder.save_checkpoint(self.keys["training"], {**record, **points})
            last = time.monotonic()

        return save

    @cached_property
    def network(self) -> Network:
        """The network at its best weights."""
        network = self._new_network()
        weights = safetensors.torch.load(self.trained["weights.safetensors"])
        network.load_state_dict(weights)
        return network

    @cached_property
    def measurement(self) -> Measurement:
        """What measures the network."""
        return measurement(self.run, self.network, self.data.diagnosis, self.progress)

    def _optimizer(self) -> optim.Optimizer | None:
        """Give the optimizer at the best weights, if it ever made a step."""
        best = unpacked(self.trained["optimizer.safetensors"])
        if best["epoch"] < 0:
            return None
        made = make_optimizer(self.run.recipe, self.network.parameters())
        made.load_state_dict(best["state"])
        return made

    def _envelope(self) -> xr.DataTree:
        one = self.measurement
        groups = one.envelopes(self._optimizer())
        root = xr.Dataset(attrs=attributes(one, len(one.layer)))
        return xr.DataTree.from_dict({"/": root, **groups})

    def _evidence(self) -> Arrays:
        return {"psi": self.measurement.psi()}

    def _probe(self) -> Arrays:
        return vars(self.measurement.gradients(self.data.direction))

    def _fit(self) -> xr.DataTree:
        run = self.run
        tree = self._tree("envelope", self._envelope)
        psi = self._arrays("evidence", self._evidence)["psi"]
        statistics = ProbeStatistics(**self._arrays("probe", self._probe))
        lags, measures = sorted(run.lags), run.measures
        self.progress("fit", 0.0)
        groups = {name: child.to_dataset() for name, child in tree.children.items()}
        for name, group in fitted_envelopes(groups, measures).items():
            tree[name] = xr.DataTree(group)
        tree["evidence"] = xr.DataTree(fitted_evidence(psi, lags, run.seed, measures))
        self.progress("fit", 0.5)
        for name, group in fitted_detection(statistics, run.seed, measures).items():
            tree[name] = xr.DataTree(group)
        record = unpacked(self.trained["training.safetensors"])
        tree["training"] = xr.DataTree(_training_group(run, record))
        self.progress("fit", 1.0)
        tree.attrs |= {
            "measures": measures.model_dump_json(),
            "settings": run.to_toml(),
            "identity": run.identity(),
            "scale": self.scale,
        }
        return tree


def measurement(
    run: RunSettings, network: Network, data: Sequences, progress: Progress = silent
) -> Measurement:
    """Return what measures a network of a run, on all of some sequences.

    Args:
        run: the run.
        network: the network.
        data: the sequences.
        progress: called with the name of a stage and the share of it that is done.
    """
    effort = Effort(sequences=len(data), work=ANY_WORK, memory=MEMORY)
    reading = Reading(
        network,
        _half_square,
        data,
        sequences=effort.sequences,
        memory=effort.memory,
        seed=run.seed,
    )
    (layer,) = reading.layers(progress)
    return Measurement(
        layer, sorted(run.lags), run.seed, run.measures, effort, progress
    )


def _half_square(
    outputs: Float[Tensor, "sequence step"], targets: Float[Tensor, "sequence step"]
) -> Float[Tensor, "sequence step"]:
    return 0.5 * (outputs - targets) ** 2


def _record(
    run: RunSettings, network: Network, data: RunData, training: Training
) -> dict:
    """Give what is to be known of a training, the network at its best weights."""
    fresh, ended = data.validation, len(training.history["validation"])
    prediction = predicted(network, fresh.x)
    shares = learnt_shares(run.task, fresh.x, prediction, data.direction)
    return {
        "history": {name: v[:ended] for name, v in training.history.items()},
        "learnt_share": shares.tolist(),
        "attributes": {
            "outcome": training.outcome,
            "diverged": int(training.diverged),
            "best_epoch": training.best.epoch + 1,
            "r2": r_squared(network, fresh),
            "ceiling": run.task.ceiling,
        },
    }


def _training_group(run: RunSettings, record: dict) -> xr.Dataset:
    """Give the record of a training as labelled arrays."""
    history = {n: ("epoch", np.array(v)) for n, v in record["history"].items()}
    group = xr.Dataset(
        {**history, "learnt_share": ("task_lag", np.array(record["learnt_share"]))},
        coords={"task_lag": list(run.task.lags)},
    )
    group.attrs = record["attributes"]
    return group
