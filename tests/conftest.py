"""Checks the shapes in the annotations while tests run, and keeps threads few."""

import jaxtyping
import torch

import tests.typecheck  # noqa: F401 - the hook below looks it up by name

# Modules with compiled functions are left out: a compiler cannot read the checks.
CHECKED = [
    "experiments",
    "learnability.cells",
    "learnability.chunks",
    "learnability.diagnosis",
    "learnability.fitting",
    "learnability.groups",
    "learnability.detection.samples",
    "learnability.detection.heavy_noise",
    "learnability.evidence",
    "learnability.models",
    "learnability.study.collected",
    "learnability.summaries",
    "learnability.tasks",
    "learnability.training",
    "learnability.transport.orders",
    "learnability.transport.livi2025",
    "learnability.transport.lyapunov",
    "learnability.unroll.network",
    "learnability.unroll.reference",
]
jaxtyping.install_import_hook(CHECKED, "tests.typecheck.check")
torch.set_num_threads(1)
