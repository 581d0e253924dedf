"""Steps in, out comes what arrives of a perturbation l steps ago."""

from .envelope import Envelope, ExactWindows, time_scales
from .lyapunov import Exponents, leading_exponents
from .orders import (
    ORDERS,
    Order,
    exact_matrices,
    jacobians,
    sampled_exact,
    transport,
)
from .sampling import SampledWindows, carried_steps, sampled_windows
from .windows import Windows

__all__ = [
    "ORDERS",
    "Envelope",
    "ExactWindows",
    "Exponents",
    "Order",
    "SampledWindows",
    "Windows",
    "carried_steps",
    "exact_matrices",
    "jacobians",
    "leading_exponents",
    "sampled_exact",
    "sampled_windows",
    "time_scales",
    "transport",
]
