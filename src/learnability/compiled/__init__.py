"""Time loops compiled for a CPU; all that others use of it is in `engine`."""

from .engine import Engine, ready, tune_process, using_threads, warm_up

__all__ = ["Engine", "ready", "tune_process", "using_threads", "warm_up"]
