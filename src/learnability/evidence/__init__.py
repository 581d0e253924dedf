"""The gradient's part from each lag, and what an optimizer makes of it."""

from .lag_gradients import evidence, lag_gradients, sequence_means, sweep
from .matched import matched_statistic
from .output_reach import output_reach
from .probe import ProbeStatistics, feature_statistics, probe_statistics
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
    "evidence",
    "feature_statistics",
    "immediate_sensitivity",
    "lag_gradients",
    "matched_statistic",
    "output_reach",
    "parameter_rates",
    "probe_statistics",
    "random_direction",
    "sequence_gradients",
    "sequence_means",
    "sweep",
    "unit_rates",
]
