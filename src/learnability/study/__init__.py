"""Studies: a grid of architectures, optimizers and seeds on one task, on disk."""

from .executors import Pool, processes
from .settings import Further, Settings, load_settings, preset_names
from .single import Architecture, RunSettings
from .store import Store
from .sweep import run_study, write_results

__all__ = [
    "Architecture",
    "Further",
    "Pool",
    "RunSettings",
    "Settings",
    "Store",
    "load_settings",
    "preset_names",
    "processes",
    "run_study",
    "write_results",
]
