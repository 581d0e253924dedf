"""Verdicts: what is in the data."""

from .dependence import Joint, LagDependence, dependence

__all__ = ["Joint", "LagDependence", "dependence"]
