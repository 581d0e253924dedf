"""Studies: a grid of networks, optimizers and seeds on one task, on disk."""

from .architecture import Architecture
from .pool import Pool, processes
from .run import Further, NetworkSettings, RunSettings
from .settings import Settings, load_settings, preset_names
from .store import Store
from .sweep import run_study

__all__ = [
    "Architecture",
    "Further",
    "NetworkSettings",
    "Pool",
    "RunSettings",
    "Settings",
    "Store",
    "load_settings",
    "preset_names",
    "processes",
    "run_study",
]
