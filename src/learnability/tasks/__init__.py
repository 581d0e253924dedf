"""Synthetic sequences with known lags."""

from .multilag import MultiLag, Sequences, learnt_shares

__all__ = ["MultiLag", "Sequences", "learnt_shares"]
