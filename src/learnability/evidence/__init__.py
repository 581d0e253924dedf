"""The gradient's part from each lag, and what an optimizer makes of it."""

from .lag_gradients import (
    Direction,
    immediate_sensitivity,
    lag_gradients,
    lag_projection,
    own_lag_projection,
    random_direction,
    sweep,
)
from .probe import ProbeStatistics
from .rates import parameter_rates, unit_rates

__all__ = [
    "Direction",
    "ProbeStatistics",
    "immediate_sensitivity",
    "lag_gradients",
    "lag_projection",
    "own_lag_projection",
    "parameter_rates",
    "random_direction",
    "sweep",
    "unit_rates",
]
