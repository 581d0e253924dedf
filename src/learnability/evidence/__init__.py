"""The gradient's part from each lag, and what an optimizer makes of it."""

from .lag_gradients import lag_gradients, lag_projection, sweep
from .network import feature_statistics, probe_statistics
from .probe import ProbeStatistics
from .rates import base_rates, parameter_rates, unit_rates
from .sensitivity import (
    Direction,
    immediate_sensitivity,
    random_direction,
)
from .sequence_gradients import sequence_gradients

__all__ = [
    "Direction",
    "ProbeStatistics",
    "base_rates",
    "feature_statistics",
    "immediate_sensitivity",
    "lag_gradients",
    "lag_projection",
    "parameter_rates",
    "probe_statistics",
    "random_direction",
    "sequence_gradients",
    "sweep",
    "unit_rates",
]
