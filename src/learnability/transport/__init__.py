"""Steps in, out comes what arrives of a perturbation l steps ago."""

from .engine import Engine
from .envelope import (
    envelope,
    envelopes,
    sampled_envelope,
    sampled_windows,
    window_envelope,
)
from .jacobian import jacobians
from .lyapunov import Exponents, lyapunov_exponents
from .orders import ORDERS, Alignment, Order, exact_matrices, sampled_exact, transport
from .record import Envelope
from .timescales import time_scales
from .windows import Accumulator, Windows

__all__ = [
    "ORDERS",
    "Accumulator",
    "Alignment",
    "Engine",
    "Envelope",
    "Exponents",
    "Order",
    "Windows",
    "envelope",
    "envelopes",
    "exact_matrices",
    "jacobians",
    "lyapunov_exponents",
    "sampled_envelope",
    "sampled_exact",
    "sampled_windows",
    "time_scales",
    "transport",
    "window_envelope",
]
