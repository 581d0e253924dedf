"""The stages of one run: each is kept, and made again only if what decides it changes.

training -> envelope, evidence, probe, verdict -> fit. An error level changes the fit
alone, the anchors change evidence and fit; n_sequences changes no stage, only table and
report.
"""

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import cached_property
from io import BytesIO
from typing import Any, final

import numpy as np
import safetensors.numpy
import safetensors.torch
import torch
import xarray as xr
from torch import optim

from ..diagnosis.about import attributes
from ..diagnosis.groups import fitted_detection, fitted_envelopes, fitted_evidence
from ..diagnosis.judging import FEWEST, HeldOut
from ..diagnosis.measure import Measurement
from ..diagnosis.options import DiagnosisOptions
from ..diagnosis.verdict_group import verdict_group
from ..evidence import ProbeStatistics
from ..machine import checked_device
from ..models.layer import Progress
from ..models.reading import Reading
from ..models.taps import Tap
from ..randomness import stream
from ..recipe import make_optimizer
from ..storage import tree_bytes, tree_from
from ..tasks import Sequences
from ..training import Snapshot, train
from ..unroll import Model
from .folder import Damaged, RunFolder
from .run import CPU, Request, RunData, run_data, stage_keys
from .taught import new_network, record_of, training_group

Files = dict[str, bytes]
Arrays = dict[str, np.ndarray]

# A study measures as finely as it says, whatever work that is, and keeps so many bytes.
ANY_WORK, MEMORY = 1e30, 1e9


@final
class Stages:
    """One run in its folder: what is there is read, what is not is made.

    Args:
        request: what to make.
        folder: where it lies, held by this process.
        progress: called with the name of a stage and the share of it that is done.
        tell: called with a sentence where a file was damaged.
    """

    def __init__(
        self,
        request: Request,
        folder: RunFolder,
        progress: Progress,
        tell: Callable[[str], None],
    ) -> None:
        self.request, self.run, self.folder = request, request.run, folder
        self.progress, self.tell = progress, tell
        self.keys = stage_keys(request.run, request.scale)
        self.makers: dict[str, Callable[[], Files]] = {
            "training": self._train,
            "envelope": self._envelope,
            "evidence": self._evidence,
            "probe": self._probe,
            "verdict": self._verdict,
            "fit": self._fit,
        }
        self.made: list[str] = []
        self.resumed = False

    def ensure(self) -> None:
        """Make whatever is missing of the run, or damaged."""
        for stage in self.makers:
            self._files(stage)
        self.folder.drop_checkpoint()

    def _files(self, stage: str) -> Files:
        try:
            found = self.folder.find(stage, self.keys[stage])
        except Damaged as error:
            self.tell(f"{error}; the stage {stage} is made again")
            found = None
        if found is None:
            found = self.makers[stage]()
            self.folder.keep(stage, self.keys[stage], found)
            self.made.append(stage)
        return found

    def _tree(self, stage: str) -> xr.DataTree:
        name = f"{stage}.nc"
        return tree_from(self._files(stage)[name], name)

    def _arrays(self, stage: str) -> Arrays:
        return safetensors.numpy.load(self._files(stage)[f"{stage}.safetensors"])

    @cached_property
    def data(self) -> RunData:
        """The run's sequences."""
        return run_data(self.run)

    @cached_property
    def trained(self) -> Files:
        """The files of the stage training."""
        return self._files("training")

    def _train(self) -> Files:
        run, data = self.run, self.data
        device = checked_device(self.request.device)  # of the worker's machine
        network = new_network(run).to(device)
        start, epochs = self._start(), run.recipe.epochs
        self.resumed = start is not None
        training = train(
            network,
            data.training.to(device),
            data.validation.to(device),
            run.recipe,
            seed=stream(run.seed, "batches"),
            objective=run.task.objective,
            progress=lambda done, _: self.progress("training", done / epochs),
            start=start,
            save=self._saver(start),
        )
        best = training.best
        training.restore(network, best)
        network.cpu()
        weights = {name: w.contiguous() for name, w in best.weights.items()}
        record = record_of(run, network, data, training, self.request.device)
        return {
            "weights.safetensors": safetensors.torch.save(weights),
            "optimizer.pt": _saved({"epoch": best.epoch, "state": best.optimizer}),
            "history.json": json.dumps(record).encode(),
        }

    def _start(self) -> Snapshot | None:
        try:
            found = self.folder.load_checkpoint(self.keys["training"])
        except Damaged as error:
            self.tell(f"{error}; training begins again")
            return None
        return None if found is None else Snapshot.from_record(found)

    def _saver(
        self, start: Snapshot | None
    ) -> Callable[[Callable[[], Snapshot]], None]:
        """Return what keeps a snapshot now and then, and reports the first step.

        That step loads what those after it have at hand: time is told without it.
        """
        last, begun = time.monotonic(), False

        def save(snapshot: Callable[[], Snapshot]) -> None:
            nonlocal last, begun
            if not begun:
                self.progress("training", self._share_of_first_step(start))
                begun = True
            if time.monotonic() - last < self.request.every:
                return
            self.folder.save_checkpoint(self.keys["training"], asdict(snapshot()))
            last = time.monotonic()

        return save

    def _share_of_first_step(self, start: Snapshot | None) -> float:
        """Return the share of training that is done after the first step from here."""
        epoch, place = (0, 0) if start is None else (start.epoch, start.place)
        recipe = self.run.recipe
        batches = math.ceil(self.run.training_sequences / recipe.batch_at(epoch))
        return (epoch + (place + 1) / batches) / recipe.epochs

    @cached_property
    def network(self) -> Model:
        """The network at its best weights."""
        network = new_network(self.run)
        weights = safetensors.torch.load(self.trained["weights.safetensors"])
        network.load_state_dict(weights)
        return network

    @cached_property
    def measurement(self) -> Measurement:
        """What measures the network, on all sequences of the diagnosis."""
        return self._measured(self._reading(self.data.diagnosis), ANY_WORK)

    def _measured(self, reading: Reading, work: float) -> Measurement:
        """Return what measures the network on what it was read on."""
        run, (layer,) = self.run, reading.layers(self.progress)
        whole = {"sequences": reading.given, "work": work, "memory": MEMORY}
        options = run.options.model_copy(update=whole)
        return Measurement(layer, sorted(run.lags), run.seed, options, self.progress)

    def _reading(self, data: Sequences, taps: list[Tap] | None = None) -> Reading:
        """Return the network read on some sequences."""
        return Reading(
            self.network,
            self.run.task.objective.each,
            data,
            taps=taps,
            sequences=len(data),
            memory=MEMORY,
            seed=self.run.seed,
        )

    def _optimizer(self) -> optim.Optimizer | None:
        """Return the optimizer at the best weights, if it ever made a step."""
        kept = BytesIO(self.trained["optimizer.pt"])
        best = torch.load(kept, map_location=CPU, weights_only=True)
        if best["epoch"] < 0:
            return None
        made = make_optimizer(self.run.recipe, self.network.parameters())
        made.load_state_dict(best["state"])
        return made

    def _envelope(self) -> Files:
        one = self.measurement
        groups = one.envelopes(self._optimizer())
        about = attributes(one.layer, one.seed, one.options, len(one.layer))
        tree = xr.DataTree.from_dict({"/": xr.Dataset(attrs=about), **groups})
        return {"envelope.nc": tree_bytes(tree)}

    def _evidence(self) -> Files:
        return {"evidence.safetensors": _packed({"psi": self.measurement.psi()})}

    def _probe(self) -> Files:
        found = self.measurement.gradients(self.data.direction)
        return {"probe.safetensors": _packed(vars(found))}

    def _verdict(self) -> Files:
        """Return what verdicts rest on, of training data, start and optimizer.

        Its rate is the first: the end of a schedule tells nothing of training on.
        """
        data, reading = self.data, self._reading(self.data.training)
        optimizer = self._optimizer()
        for group in optimizer.param_groups if optimizer else ():
            group["lr"] = self.run.recipe.learning_rate
        one = self._measured(reading, DiagnosisOptions().work)
        held_out = HeldOut(
            lambda taps, given: self._reading(given, taps),
            data.validation if len(data.validation) >= FEWEST else None,
            optimizer,
            new_network(self.run).state_dict(),
        )
        found = verdict_group(one, reading, held_out, data.direction)
        return {"verdict.nc": tree_bytes(xr.DataTree.from_dict({"verdict": found}))}

    def _fit(self) -> Files:
        run = self.run
        tree = self._tree("envelope")
        psi = self._arrays("evidence")["psi"]
        statistics = ProbeStatistics(**self._arrays("probe"))
        lags, options = sorted(run.lags), run.options
        self.progress("fit", 0.0)
        groups = {name: child.to_dataset() for name, child in tree.children.items()}
        for name, group in fitted_envelopes(groups, options).items():
            tree[name] = xr.DataTree(group)
        tree["evidence"] = xr.DataTree(fitted_evidence(psi, lags, run.seed, options))
        self.progress("fit", 0.5)
        settings = run.seed, options, groups["envelope"]
        for name, group in fitted_detection(statistics, *settings).items():
            tree[name] = xr.DataTree(group)
        tree["verdict"] = self._tree("verdict")["verdict"]
        record = json.loads(self.trained["history.json"])
        tree["training"] = xr.DataTree(training_group(run, record))
        self.progress("fit", 1.0)
        tree.attrs |= {
            "options": options.model_dump_json(),
            "settings": run.to_toml(),
            "identity": run.identity(),
            "scale": self.request.scale,
        }
        return {"fit.nc": tree_bytes(tree)}


def _packed(arrays: Arrays) -> bytes:
    """Return arrays as a file, which wants their numbers in a row."""
    rows = {name: np.asarray(values, order="C") for name, values in arrays.items()}
    return safetensors.numpy.save(rows)


def _saved(record: dict[str, Any]) -> bytes:
    file = BytesIO()
    torch.save(record, file)
    return file.getvalue()
