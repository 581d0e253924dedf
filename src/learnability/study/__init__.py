"""Studies: several architectures on one task, on disk."""


from .settings import Architecture, Settings, load_settings, preset_names



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
