"""Studies: several architectures on one task, on disk."""

from .run import Run, StudyData, draw_data, run_architecture
from .settings import Architecture, Settings, load_settings, preset_names
from .store import Store
from .sweep import run_study, write_results

__all__ = [
    "Architecture",
    "Run",
    "Settings",
    "Store",
    "StudyData",
    "draw_data",
    "load_settings",
    "preset_names",
    "run_architecture",
    "run_study",
    "write_results",
]
