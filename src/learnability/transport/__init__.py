"""Steps in, out comes what arrives of a perturbation l steps ago."""

from .envelope import Envelope, envelope, sampled_envelope
from .jacobian import jacobians
from .orders import ORDERS, Alignment, Order, exact_matrices, sampled_exact, transport
from .timescales import time_scales

__all__ = [
    "ORDERS",
    "Alignment",
    "Envelope",
    "Order",
    "envelope",
    "exact_matrices",
    "jacobians",
    "sampled_envelope",
    "sampled_exact",
    "time_scales",
    "transport",
]
